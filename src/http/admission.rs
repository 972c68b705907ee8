//! What is taken on: not more requests at a time than can be served soon. Whoever comes when all
//! places are taken is told so at once, which costs next to nothing, instead of waiting in a queue
//! that only grows.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use futures_util::StreamExt;

use super::{
    State,
    error::{ApiError, ErrorType},
    rate_limits,
    rounds::Round,
};

/// Places for requests under way. A place is free again once the response begins, so neither event
/// streams nor downloads keep one while they flow.
pub struct Places {
    most: usize,
    taken: AtomicUsize,
}

/// One of the places.
struct Place<'a>(&'a Places);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Places {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0) }
    }

    fn take(&self) -> Option<Place<'_>> {
        // Whoever finds none counts for a moment as well, and leaves at once.
        let place = Place(self);
        (self.taken.fetch_add(1, Ordering::Relaxed) < self.most).then_some(place)
    }
}

/// Lets a request in, or refuses it before anything is done for it: 414 with too long an address, 503
/// while all places are taken or the worker is too far behind, 429 where its sender calls too often.
/// Probes are always let in.
///
/// # Errors
/// None of its own; a refusal is a response.
pub async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = request.app_data::<web::Data<State>>().cloned();
    let Some(state) = state.filter(|_| !request.path().starts_with("/health/")) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() > state.max_uri_bytes {
        return Ok(request.error_response(ApiError::from(ErrorType::UriTooLong)));
    }
    // Asked of each, since each counts.
    if let Some(round) = request.app_data::<Round>().filter(|round| !round.has_time()).cloned() {
        round.refuse();
        return Ok(turn_away(request, Round::too_far_behind()).await);
    }
    let Some(_place) = state.places.take() else {
        const CAUSE: &str = "all places are taken";
        state.turned_away.one(CAUSE);
        return Ok(turn_away(request, ApiError::overloaded(CAUSE).noted()).await);
    };
    match &state.rate_limits {
        Some(limits) => rate_limits::counted(request, next, &state, limits.clone()).await,
        None => Ok(next.call(request).await?.map_into_boxed_body()),
    }
}

/// So many bytes of a refused request's body are taken.
const TAKEN: usize = 16 * 1024;

/// Refuses it. A small body that is there already is taken, and nothing done with it: a connection that
/// is closed because of an unread one has to be opened anew, which costs both sides more than a request.
async fn turn_away(request: ServiceRequest, why: ApiError) -> ServiceResponse<BoxBody> {
    let (request, mut body) = request.into_parts();
    let (mut taken, mut has_waited) = (0, false);
    poll_fn(|cx| {
        while taken <= TAKEN {
            match body.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(piece))) => taken += piece.len(),
                Poll::Ready(_) => break,
                // The framework begins with a request before it looks at what came behind its head.
                Poll::Pending if !has_waited => {
                    has_waited = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    })
    .await;
    ServiceResponse::from_err(why, request)
}
