//! The main server: middleware, CORS, and limits on connections.

use std::{any::Any, io, net::TcpListener, time::Duration};

use actix_cors::Cors;
use actix_web::{
    App, HttpServer,
    dev::{Extensions, Server},
    http::header::{self, HeaderName},
    middleware::{Condition, from_fn},
    web::ServiceConfig,
};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::{
    config::Config,
    http::{self, Lifecycle},
    telemetry::Route,
};

/// For unacknowledged data (tcp(7), `TCP_USER_TIMEOUT`).
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// How many connections may wait to be accepted; Linux uses `net.core.somaxconn` if that is less.
/// For further ones the kernel drops the first packet, and the client retries after a second.
const BACKLOG: i32 = 4096;

/// How long a client may go on sending a body after it has been answered.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves the routes behind the middleware, within the configured limits. The server must be
/// awaited to run.
pub fn serve(
    listener: TcpListener,
    config: &Config,
    lifecycle: &Lifecycle,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let lifecycle = lifecycle.clone();
    let origins = config.cors_allowed_origins.clone();
    let mut server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(http::limit))
            .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
            .wrap(from_fn(http::observe))
            .app_data(Route::none())
            .app_data(lifecycle.clone())
            .configure(&routes)
    })
    .disable_signals()
    .max_connections(config.max_connections)
    .keep_alive(config.keep_alive)
    .client_request_timeout(config.request_timeout)
    .client_disconnect_timeout(DISCONNECT_TIMEOUT)
    // A half-closed connection counts as closed; otherwise its event stream would stay open.
    .h1_allow_half_closed(false)
    .tcp_nodelay(true)
    .on_connect(set_user_timeout)
    .shutdown_timeout(config.time_to_finish().as_secs().max(1));
    if let Some(workers) = config.workers {
        server = server.workers(workers);
    }
    set_backlog(&listener);
    Ok(server.listen(listener)?.run())
}

/// `HttpServer::backlog` has no effect on a listener that is bound already.
fn set_backlog(listener: &TcpListener) {
    // The default works too.
    let _ = SockRef::from(listener).listen(BACKLOG);
}

/// Makes the kernel close a connection whose client acknowledges nothing, so that an event stream
/// that is not read does not stay open.
fn set_user_timeout(connection: &dyn Any, _: &mut Extensions) {
    #[cfg(target_os = "linux")]
    if let Some(connection) = connection.downcast_ref::<TcpStream>() {
        // The connection works without it.
        let _ = SockRef::from(connection).set_tcp_user_timeout(Some(USER_TIMEOUT));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = connection;
}

fn cors(origins: &[String]) -> Cors {
    let listed = origins.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    listed
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
            // Browsers send only some ranges unasked: `bytes=-500` is none of them.
            header::RANGE,
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("x-requested-with"),
            // What instrumentation of a frontend adds to each request.
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
            HeaderName::from_static("baggage"),
            HeaderName::from_static("sentry-trace"),
        ])
        .expose_headers([
            header::ACCEPT_RANGES,
            header::CONTENT_DISPOSITION,
            header::CONTENT_RANGE,
            header::ETAG,
            header::LINK,
            header::LOCATION,
            HeaderName::from_static("x-total-count"),
            header::RETRY_AFTER,
            http::RATE_LIMIT,
            http::RATE_LIMIT_POLICY,
        ])
        // For `AUTH_COOKIE`; the origins are listed one by one.
        .supports_credentials()
        .max_age(3600)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn four_hundred_connections_can_wait_to_be_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set_backlog(&listener);
        let address = listener.local_addr().unwrap();
        let connections =
            (0..400).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(500)));
        let open = connections.take_while(Result::is_ok).count();
        assert_eq!(open, 400);
    }
}
