//! What a connection and the requests that come by it know of each other.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Bytes,
};

/// The requests of one connection.
#[derive(Debug, Default)]
pub struct Traffic {
    /// A few at most: the framework takes the next one when the last one is answered.
    under_way: Cell<u32>,
    /// All that ever began.
    begun: Cell<u32>,
    /// One began or ended since somebody asked.
    moved: Cell<bool>,
    /// The last answer, which is not known to be sent, ends in an empty line as heads do.
    ends_like_a_head: Cell<bool>,
}

impl Traffic {
    /// Whether a request was begun whose answer is not complete.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.get() > 0
    }

    /// How many requests began until now.
    pub(super) fn begun(&self) -> u32 {
        self.begun.get()
    }

    /// Whether a request began or ended since this was asked last.
    pub(super) fn take_moved(&self) -> bool {
        self.moved.take()
    }

    /// Whether the end of what is to be sent may be the end of an answer's body, although it is an
    /// empty line.
    pub(super) fn may_end_like_a_head(&self) -> bool {
        self.ends_like_a_head.get()
    }

    /// The connection took everything.
    pub(super) fn all_sent(&self) {
        if !self.is_under_way() {
            self.ends_like_a_head.set(false);
        }
    }

    fn passes(&self, piece: &[u8]) {
        // Of a shorter piece the beginning of the line went before.
        self.ends_like_a_head.set(piece.len() < 4 || piece.ends_with(b"\r\n\r\n"));
    }
}

/// A request under way: from its head to the end of its answer, or until it is given up.
#[derive(Debug)]
pub struct UnderWay(Option<Rc<Traffic>>);

impl UnderWay {
    /// Counts the request in its connection. Without one, as in tests of handlers, nobody counts.
    #[must_use]
    pub fn begin(request: &ServiceRequest) -> Self {
        Self::by(request.conn_data::<Rc<Traffic>>().cloned())
    }

    pub(super) fn by(traffic: Option<Rc<Traffic>>) -> Self {
        if let Some(traffic) = &traffic {
            traffic.under_way.set(traffic.under_way.get() + 1);
            traffic.begun.set(traffic.begun.get().wrapping_add(1));
            traffic.moved.set(true);
            traffic.ends_like_a_head.set(false);
        }
        Self(traffic)
    }

    /// Until the answer is complete.
    pub fn until_answered(self, response: ServiceResponse) -> ServiceResponse<Answered> {
        response.map_body(|_, body| self.around(body))
    }

    pub(super) fn around(self, body: BoxBody) -> Answered {
        Answered { body, request: self }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(traffic) = &self.0 {
            traffic.under_way.set(traffic.under_way.get().saturating_sub(1));
            traffic.moved.set(true);
        }
    }
}

/// The body of an answer, which the framework drops when it has all of it.
pub struct Answered {
    body: BoxBody,
    request: UnderWay,
}

impl MessageBody for Answered {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = Pin::new(&mut self.body).poll_next(cx);
        if let (Poll::Ready(Some(Ok(piece))), Some(traffic)) = (&next, &self.request.0) {
            traffic.passes(piece);
        }
        next
    }
}

/// Around every request of a server whose requests nobody observes otherwise.
///
/// # Errors
/// Those of the handlers.
pub async fn count(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Answered>, Error> {
    let under_way = UnderWay::begin(&request);
    let response = next.call(request).await?.map_into_boxed_body();
    Ok(under_way.until_answered(response))
}
