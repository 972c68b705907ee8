//! The address of the client.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::{HttpRequest, web};

use crate::http::state::State;

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
