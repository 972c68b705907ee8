//! Graceful shutdown.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use actix_web::dev::ServerHandle;

use crate::{http::Lifecycle, sharing::Sharing};

/// Stops an application.
#[derive(Clone)]
pub struct Stopper {
    server: ServerHandle,
    streams: Sharing,
    lifecycle: Lifecycle,
    delay: Duration,
    since: Arc<OnceLock<Instant>>,
}

impl Stopper {
    pub(super) fn new(
        server: ServerHandle,
        streams: Sharing,
        lifecycle: Lifecycle,
        delay: Duration,
    ) -> Self {
        Self { server, streams, lifecycle, delay, since: Arc::default() }
    }

    /// How long it has been stopping.
    pub(super) fn stopping_for(&self) -> Duration {
        self.since.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// Makes `/health/ready` 503 and goes on serving for `SHUTDOWN_DELAY`, so that proxies route
    /// requests elsewhere. Then ends event streams, accepts no more connections, and lets requests
    /// in flight finish within the rest of `SHUTDOWN_TIMEOUT`.
    pub async fn stop(self) {
        let _ = self.since.set(Instant::now());
        self.lifecycle.stop();
        tokio::time::sleep(self.delay).await;
        self.streams.stop_streams();
        self.server.stop(true).await;
    }
}
