//! Writes counted views to the database, every now and then and at the end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::sharing::{Sharing, SharingError};

/// A task that writes until it is told to end.
pub(super) struct Recorder {
    task: JoinHandle<()>,
    end: Arc<Notify>,
}

impl Recorder {
    /// Writes every `interval`, or sooner when many links were seen.
    pub(super) fn start(sharing: Sharing, interval: Duration) -> Self {
        let end = Arc::new(Notify::new());
        let task = tokio::spawn(record(sharing, interval, end.clone()));
        Self { task, end }
    }

    /// Has it write what is left, now that nothing more comes. It is not cut short while it writes, or
    /// what it took to do so would be lost.
    pub(super) async fn finish(self, within: Duration) {
        self.end.notify_one();
        if timeout(within, self.task).await.is_err() {
            tracing::warn!("the last views were not stored in time");
        }
    }
}

async fn record(sharing: Sharing, interval: Duration, end: Arc<Notify>) {
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            () = end.notified() => break,
            () = sleep(interval) => {}
            () = sharing.wait_for_view_counts() => {}
        }
        outage.note(sharing.write_view_counts().await);
    }
    if let Err(error) = sharing.write_view_counts().await {
        tracing::warn!(%error, "the last views were not stored");
    }
}

/// Says once that the database is out of reach, and once that it is back.
#[derive(Default)]
struct Outage(bool);

impl Outage {
    fn note(&mut self, written: Result<(), SharingError>) {
        match written {
            Err(error) if !self.0 => {
                tracing::warn!(%error, "views wait for the database");
                self.0 = true;
            }
            Err(error) => tracing::debug!(%error, "views wait for the database"),
            Ok(()) if self.0 => {
                tracing::info!("views are stored again");
                self.0 = false;
            }
            Ok(()) => {}
        }
    }
}
