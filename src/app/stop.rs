//! The end, in good order.

use std::time::Duration;

use actix_web::dev::ServerHandle;

use crate::{http::Lifecycle, sharing::Sharing};

/// Stops an application.
#[derive(Clone)]
pub struct Stopper {
    server: ServerHandle,
    streams: Sharing,
    lifecycle: Lifecycle,
    delay: Duration,
}

impl Stopper {
    pub(super) fn new(
        server: ServerHandle,
        streams: Sharing,
        lifecycle: Lifecycle,
        delay: Duration,
    ) -> Self {
        Self { server, streams, lifecycle, delay }
    }

    /// Says that it is not ready, and goes on for `SHUTDOWN_DELAY`, so that whoever sends requests
    /// here sends them elsewhere before they would be refused. Then ends event streams, which would
    /// go on for ever, accepts nothing new, and lets the rest finish within what is left of
    /// `SHUTDOWN_TIMEOUT`.
    pub async fn stop(self) {
        self.lifecycle.stop();
        tokio::time::sleep(self.delay).await;
        self.streams.stop_streams();
        self.server.stop(true).await;
    }
}
