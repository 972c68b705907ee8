//! The server of `MANAGEMENT_ADDRESS`. It has its own thread, so that it answers while those of the
//! main server are busy.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    middleware::from_fn,
    web::Data,
};
use tokio::task::JoinHandle;

use super::StartError;
use crate::{
    http::{self, State},
    telemetry::Metrics,
};

const MAX_CONNECTIONS: usize = 64;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How often [`Metrics::keep_small`] is called.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The bound port. Metrics are recorded from here on.
pub(super) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    metrics: Metrics,
}

/// Ready to run.
pub(super) struct Management {
    server: Server,
    address: SocketAddr,
    metrics: Metrics,
}

/// Running.
pub(super) struct Running {
    server: ServerHandle,
    tasks: [JoinHandle<()>; 2],
}

impl Management {
    pub(super) fn bind(address: SocketAddr) -> Result<Bound, StartError> {
        let failed = |error| StartError::BindManagement(address, error);
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Bound { listener, address, metrics: Metrics::start()? })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves beside the main server.
    pub(super) fn run(self) -> Running {
        let server = self.server.handle();
        let serving = tokio::spawn(async move {
            if let Err(error) = self.server.await {
                tracing::error!(%error, "metrics are served no longer");
            }
        });
        let metrics = self.metrics;
        let upkeep = tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL).await;
                metrics.keep_small();
            }
        });
        Running { server, tasks: [serving, upkeep] }
    }
}

impl Bound {
    pub(super) fn serve(self, state: &Data<State>) -> io::Result<Management> {
        let Self { listener, address, metrics } = self;
        let (state, shown) = (state.clone(), metrics.clone());
        let server = HttpServer::new(move || {
            App::new()
                .wrap(from_fn(http::shape_errors))
                .configure(http::management_routes(&state, &shown))
        })
        .disable_signals()
        .workers(1)
        .max_connections(MAX_CONNECTIONS)
        .client_request_timeout(REQUEST_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .h1_allow_half_closed(false)
        .listen(listener)?
        .run();
        Ok(Management { server, address, metrics })
    }
}

impl Running {
    pub(super) async fn stop(self) {
        self.server.stop(false).await;
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
