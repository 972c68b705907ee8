//! A body that nobody read to its end. Of a chunked one actix waits for the rest, however long that
//! takes, when the answer is out and the body was dropped: anybody could keep connections open so.
//! While its body is still there, actix closes the connection instead, after a moment in which the
//! client can read the answer. So the body is kept until then.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::header,
    web::Bytes,
};
use futures_util::Stream;

/// The body of a request, which the handler reads and somebody else keeps.
#[derive(Clone)]
pub struct RequestBody(Rc<RefCell<Payload>>);

impl RequestBody {
    /// The request's body, if it is one of this kind; the handler finds it as before.
    #[must_use]
    pub fn keep(request: &mut ServiceRequest) -> Option<Self> {
        request.headers().contains_key(header::TRANSFER_ENCODING).then(|| {
            let body = Self(Rc::new(RefCell::new(request.take_payload())));
            request.set_payload(Payload::Stream { payload: Box::pin(body.clone()) });
            body
        })
    }

    /// Until the answer is out.
    #[must_use]
    pub fn until_answered(self, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        response.map_body(|_, body| BoxBody::new(Answer { body, _asked: self }))
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// The body of an answer, with that of its request.
struct Answer {
    body: BoxBody,
    _asked: RequestBody,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}
