//! What is taken on: not more requests at a time than can be served soon. Whoever comes when all
//! places are taken is told so at once, which costs next to nothing, instead of waiting in a queue
//! that only grows.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};

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

/// How often the log says how many were refused. A line for each would be the most that there is to
/// do when there is too much to do already.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Requests that were refused since the log said so.
#[derive(Default)]
pub struct Refused {
    count: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl Refused {
    fn refuse(&self, cause: &'static str) -> ApiError {
        self.count.fetch_add(1, Ordering::Relaxed);
        // Whoever finds it taken leaves it to the other one.
        if let Ok(mut told) = self.told.try_lock()
            && told.is_none_or(|at| at.elapsed() >= TOLD_EVERY)
        {
            *told = Some(Instant::now());
            let requests = self.count.swap(0, Ordering::Relaxed);
            tracing::warn!(requests, "too much is asked, and refused with 503: {cause}");
        }
        ApiError::overloaded(cause).noted()
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
    if !request.app_data::<Round>().is_none_or(Round::has_time) {
        return Ok(request.error_response(state.refused.refuse("a worker is too far behind")));
    }
    let Some(_place) = state.places.take() else {
        return Ok(request.error_response(state.refused.refuse("all places are taken")));
    };
    match &state.rate_limits {
        Some(limits) => rate_limits::counted(request, next, &state, limits.clone()).await,
        None => Ok(next.call(request).await?.map_into_boxed_body()),
    }
}
