//! From which address a request comes.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::{HttpRequest, web};

use crate::http::state::State;

/// The address of the client, which only trusted proxies can name: without `TRUSTED_PROXIES` it is
/// the other end of the connection. IPv4 is never in its IPv6 form.
#[must_use]
pub fn client_address(request: &HttpRequest) -> IpAddr {
    // Every TCP connection has another end.
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    match request.app_data::<web::Data<State>>() {
        Some(state) => state.settings.trusted_proxies.client(peer, request.headers()),
        None => peer.to_canonical(),
    }
}
