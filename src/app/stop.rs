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

    /// Says that it is not ready, and goes on for `SHUTDOWN_DELAY`, so that proxies send
    /// requests elsewhere before they would be refused. Then ends event streams, which would
    /// go on for ever, accepts nothing new, and lets the rest finish within what is left of
    /// `SHUTDOWN_TIMEOUT`.
    pub async fn stop(self) {
        let _ = self.since.set(Instant::now());
        self.lifecycle.stop();
        tokio::time::sleep(self.delay).await;
        self.streams.stop_streams();
        self.server.stop(true).await;
    }
}
