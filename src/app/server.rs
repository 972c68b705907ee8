//! The servers of this process: what is around their routes, and what bounds their connections.

use std::{fmt, io, net::TcpListener, rc::Rc, time::Duration};

use actix_cors::Cors;
use actix_http::{HttpService, Request, Response};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{AppConfig, Server, Service, ServiceFactory, fn_service},
    http::header::{self, HeaderName},
    middleware::{Condition, from_fn},
    web::ServiceConfig,
};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::{
    config::Config,
    http::{
        self, Lifecycle, Round,
        connection::{self, Connection, Patience},
    },
    relay,
    telemetry::Route,
};

/// How long a client may leave what was sent to it untaken.
const STALLED: Duration = Duration::from_secs(30);

/// How many new connections may wait to be accepted (Linux takes `net.core.somaxconn` if that is
/// less). Of more than that the kernel drops the first packet, and the client's next attempt comes a
/// second later; Rust's own 128 are soon there when everybody comes at once.
const BACKLOG: i32 = 4096;

/// How long a client that was answered before it had sent its whole body may go on sending it.
const LINGERING: Duration = Duration::from_secs(1);

/// What bounds a server.
pub(super) struct Bounds {
    /// Threads; as many as there are cores where nothing is said.
    pub(super) workers: Option<usize>,
    /// Open connections of each.
    pub(super) connections: usize,
    pub(super) patience: Patience,
    /// For what is under way at the end; whole seconds count.
    pub(super) to_finish: Duration,
    /// How much of a worker's round goes into serving.
    pub(super) most_lag: Duration,
    pub(super) lifecycle: Lifecycle,
    /// Whether what is answered before there is a request is counted among the requests.
    pub(super) is_counted: bool,
}

/// Serves the routes the way this service serves its own: behind what goes around every request, and
/// within the bounds that the settings give. It must be awaited to run.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(
    listener: TcpListener,
    config: &Config,
    lifecycle: &Lifecycle,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let bounds = Bounds {
        workers: config.workers,
        connections: config.max_connections,
        patience: Patience { head: config.request_timeout, idle: config.keep_alive },
        to_finish: config.time_to_finish(),
        most_lag: config.max_worker_lag,
        lifecycle: lifecycle.clone(),
        is_counted: true,
    };
    let lifecycle = lifecycle.clone();
    let origins = config.cors_allowed_origins.clone();
    listen(listener, &bounds, move |round| {
        App::new()
            .wrap(from_fn(http::admit))
            .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
            .wrap(from_fn(http::observe))
            .app_data(Route::none())
            .app_data(round.clone())
            .app_data(lifecycle.clone())
            .configure(&routes)
    })
}

/// What `actix_web::HttpServer` does, with connections of our own ([`http::connection`]). The
/// application must count its requests: [`http::observe`] does, and [`http::connection::count`].
pub(super) fn listen<A, F, B>(
    listener: TcpListener,
    bounds: &Bounds,
    application: impl Fn(&Round) -> A + Clone + Send + 'static,
) -> io::Result<Server>
where
    A: IntoServiceFactory<F, Request>,
    F: ServiceFactory<Request, Config = AppConfig> + 'static,
    F::Error: Into<Error> + 'static,
    F::InitError: fmt::Debug,
    F::Response: Into<Response<B>> + 'static,
    F::Service: 'static,
    <F::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let &Bounds { workers, connections, patience, to_finish, most_lag, is_counted, .. } = bounds;
    let lifecycle = bounds.lifecycle.clone();
    let mut server = Server::build()
        .disable_signals()
        .max_concurrent_connections(connections)
        .shutdown_timeout(to_finish.as_secs().max(1));
    if let Some(workers) = workers {
        server = server.workers(workers);
    }
    let stopping = server.graceful_shutdown_signal();
    let address = listener.local_addr()?;
    lengthen(&listener);
    let server = server.listen(address.to_string(), listener, move || {
        // This is called by each worker, on its own thread.
        actix_web::rt::spawn(relay::begin());
        let stopping = stopping.clone();
        let round = Round::new(most_lag);
        let application = application(&round).into_factory().map_err(|e| e.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(patience.idle)
            // A head's time is the connection's to measure.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGERING)
            // A client that closed its side is gone; waiting for it would keep streams open for ever.
            .h1_allow_half_closed(false)
            .local_addr(address)
            .on_connect_ext(|connection: &Connection<TcpStream>, data| {
                give_up_on_silence(connection.stream());
                data.insert(connection.traffic());
            })
            // Nobody asks what this host would be called if a request did not say it.
            .h1(map_config(application, |()| AppConfig::default()));
        let route = is_counted.then(Route::none);
        let lifecycle = lifecycle.clone();
        let worker = Rc::new(connection::Server::new(patience, route, round, lifecycle));
        fn_service(move |stream: TcpStream| {
            let client = stream.peer_addr().ok();
            let connection = Connection::new(stream, worker.clone());
            std::future::ready(Ok((connection, client)))
        })
        .and_then(http)
    })?;
    Ok(server.run())
}

/// Gives the queue of connections that wait to be accepted its length.
fn lengthen(listener: &TcpListener) {
    // Without it the listener works all the same.
    let _ = SockRef::from(listener).listen(BACKLOG);
}

/// Lets the kernel close a connection whose other side takes nothing for a while (tcp(7),
/// `TCP_USER_TIMEOUT`): no answer is waited with for ever, and an event stream that nobody reads does
/// not keep its place.
fn give_up_on_silence(connection: &TcpStream) {
    #[cfg(target_os = "linux")]
    {
        // Without it the connection works all the same.
        let _ = SockRef::from(connection).set_tcp_user_timeout(Some(STALLED));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = connection;
}

fn cors(origins: &[String]) -> Cors {
    let listed = origins.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    listed
        .allowed_methods(["GET", "HEAD", "POST", "PATCH", "DELETE"])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
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
    fn a_crowd_that_comes_before_anybody_is_accepted_is_not_turned_away() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        lengthen(&listener);
        let address = listener.local_addr().unwrap();
        let crowd =
            (0..400).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(500)));
        let came = crowd.take_while(Result::is_ok).count();
        assert_eq!(came, 400);
    }
}
