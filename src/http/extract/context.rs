//! The request id, the client's address, and what handlers leave for the audit record of a refusal.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{HeaderName, HeaderValue},
    web,
};
use uuid::Uuid;

use crate::{
    http::{error::ApiError, state::State},
    model::{ChatSessionId, ClientInfo, Identity},
};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request id: that of `X-Request-Id` where it is well-formed, else a new one.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

impl RequestId {
    pub fn given_or_new(given: Option<&HeaderValue>) -> Self {
        let is_well_formed = |value: &&HeaderValue| {
            let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
            (1..=64).contains(&value.len()) && value.as_bytes().iter().all(is_allowed)
        };
        let new = || HeaderValue::try_from(Uuid::new_v4().to_string());
        let id = given.filter(is_well_formed).cloned().or_else(|| new().ok());
        Self(id.unwrap_or(HeaderValue::from_static("-")))
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }
}

/// The client's address: the one that a trusted proxy names, else the peer's. An IPv4 address never
/// has its IPv6-mapped form.
pub fn client_address(request: &HttpRequest) -> IpAddr {
    // A TCP connection always has a peer address.
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    match request.app_data::<web::Data<State>>() {
        Some(state) => state.settings.trusted_proxies.client(peer, request.headers()),
        None => peer.to_canonical(),
    }
}

impl FromRequest for ClientInfo {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(client_info(request)))
    }
}

pub fn client_info(request: &HttpRequest) -> ClientInfo {
    let id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned());
    ClientInfo { client: Some(client_address(request)), request_id: id }
}

/// The authenticated caller, for the audit record of a later refusal.
pub struct AuthenticatedAs(pub Arc<Identity>);

/// The chat that a create is about: its path does not name it.
pub struct AuditedChat(pub ChatSessionId);
