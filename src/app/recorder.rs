//! Writes what is counted and refused to the database, every now and then and at the end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use crate::sharing::{Sharing, SharingError};

/// How soon what was refused is stored.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);

/// A task that writes until it is told to end.
pub(super) struct Recorder {
    task: JoinHandle<()>,
    end: Arc<Notify>,
}

impl Recorder {
    /// Writes refusals every second; views every `interval`, or sooner when many links were seen.
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
            tracing::warn!("the last views and refusals were not stored in time");
        }
    }
}

async fn record(sharing: Sharing, interval: Duration, end: Arc<Notify>) {
    let mut outage = Outage::default();
    let (mut refusals_at, mut views_at) = (Instant::now(), Instant::now() + interval);
    loop {
        let many_are_seen = tokio::select! {
            () = end.notified() => break,
            () = sleep_until(refusals_at.min(views_at)) => false,
            () = sharing.wait_for_sightings() => true,
        };
        let now = Instant::now();
        if many_are_seen || now >= views_at {
            outage.note(sharing.write_sightings().await);
            views_at = Instant::now() + interval;
        }
        if now >= refusals_at {
            outage.note(sharing.write_refusals(false).await);
            refusals_at = Instant::now() + REFUSALS_EVERY;
        }
    }
    let refusals = sharing.write_refusals(true).await;
    if let Err(error) = sharing.write_sightings().await.and(refusals) {
        tracing::warn!(%error, "the last views and refusals were not stored");
    }
}

/// Says once that the database is out of reach, and once that it is back.
#[derive(Default)]
struct Outage(bool);

impl Outage {
    fn note(&mut self, written: Result<(), SharingError>) {
        match written {
            Err(error) if !self.0 => {
                tracing::warn!(%error, "views and refusals wait for the database");
                self.0 = true;
            }
            Err(error) => tracing::debug!(%error, "views and refusals wait for the database"),
            Ok(()) if self.0 => {
                tracing::info!("views and refusals are stored again");
                self.0 = false;
            }
            Ok(()) => {}
        }
    }
}
