//! `health`: the probe for container images, which contain no HTTP client.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::{Client, StatusCode, redirect};

pub(super) const HELP: &str = "\
Settings: BIND_ADDRESS.

Exit status: 0 if it answers 200 within 4 seconds, else 1.";

/// Less than the time-out of `HEALTHCHECK` in the Dockerfile, 5 s.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Why an instance is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    #[error("BIND_ADDRESS has port 0: which one was picked cannot be told from here")]
    UnknownPort,
    #[error("{url} does not answer")]
    Unanswered { url: String, source: reqwest::Error },
    #[error("{url} answers {status}")]
    Status { url: String, status: StatusCode },
}

/// Asks the instance that listens on this address whether it is ready, or at least alive.
pub async fn probe(bind_address: SocketAddr, only_alive: bool) -> Result<(), Unwell> {
    let name = if only_alive { "live" } else { "ready" };
    let url = format!("http://{}/health/{name}", reachable(bind_address)?);
    let unanswered = |source| Unwell::Unanswered { url: url.clone(), source };
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(TIMEOUT);
    // Loading root certificates would take longer than the probe, which uses no TLS.
    let client = client.tls_certs_only([]).build().map_err(unanswered)?;
    let status = client.get(&url).send().await.map_err(unanswered)?.status();
    if status == StatusCode::OK { Ok(()) } else { Err(Unwell::Status { url, status }) }
}

/// An unspecified address is reached by loopback.
fn reachable(mut address: SocketAddr) -> Result<SocketAddr, Unwell> {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    if address.port() == 0 { Err(Unwell::UnknownPort) } else { Ok(address) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_probed_on_loopback() {
        for (bound, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()).unwrap().to_string(), asked);
        }
        assert!(matches!(reachable("0.0.0.0:0".parse().unwrap()), Err(Unwell::UnknownPort)));
    }
}
