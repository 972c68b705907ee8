//! What stays with a request, for its log line and its audit record.

use std::sync::Arc;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{HeaderName, HeaderValue},
};
use uuid::Uuid;

use crate::{
    http::{error::ApiError, extract::client_address::client_address},
    model::{ChatSessionId, ClientInfo, Identity},
};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request, from `X-Request-Id` where a proxy gave a sane one, else a new one.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

impl RequestId {
    /// The one that was given, if it is sane.
    #[must_use]
    pub fn given_or_new(given: Option<&HeaderValue>) -> Self {
        let sane = |value: &&HeaderValue| {
            let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
            (1..=64).contains(&value.len()) && value.as_bytes().iter().all(allowed)
        };
        given.filter(sane).cloned().map_or_else(Self::new, Self)
    }

    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-")))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }
}

impl FromRequest for ClientInfo {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(origin(request)))
    }
}

/// The client's address and the request's id.
#[must_use]
pub fn origin(request: &HttpRequest) -> ClientInfo {
    let id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned());
    ClientInfo { client: Some(client_address(request)), request_id: id }
}

/// Who proved to be calling; it stays with the request for whatever is refused later.
pub struct AuthenticatedAs(pub Arc<Identity>);

/// Which chat a create is about, which no path says.
pub struct AuditedChat(pub ChatSessionId);
