//! The background tasks: sweeps, folding names anew, reconciliation with the chat service, writing
//! view counts, and listening for changes of other instances.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use uuid::Uuid;

use crate::{
    config::Config,
    model::Actor,
    sharing::{Sharing, SharingError},
};

/// How often expired and deleted content is swept; it is gone within an hour.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

pub(super) struct Background {
    tasks: Vec<JoinHandle<()>>,
    view_counts: JoinHandle<()>,
    /// Ends `view_counts`, which is not aborted.
    end: Arc<Notify>,
}

impl Background {
    pub(super) fn start(sharing: &Sharing, config: &Config) -> Self {
        let (sweep, records) = (config.expired_retention, config.records);
        let mut tasks =
            vec![tokio::spawn(run_sweeps(sharing.clone(), sweep, records.audit_retention))];
        tasks.push(tokio::spawn(fold_names(sharing.clone())));
        tasks.extend(sharing.listen());
        if let Some(interval) = config.reconciliation.interval {
            let max_gone_percent = config.reconciliation.max_gone_percent;
            tasks.push(tokio::spawn(reconcile(sharing.clone(), interval, max_gone_percent)));
        }
        let end = Arc::new(Notify::new());
        let writing = write_view_counts(sharing.clone(), records.activity_interval, end.clone());
        Self { tasks, view_counts: tokio::spawn(writing), end }
    }

    /// Ends the tasks, once no more requests come. The last view counts are written, for at most
    /// `max_wait`; aborting that task could lose the counts it has taken.
    pub(super) async fn finish(self, max_wait: Duration) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.end.notify_one();
        if timeout(max_wait, self.view_counts).await.is_err() {
            tracing::warn!("the last views were not stored in time");
        }
    }
}

async fn run_sweeps(
    sharing: Sharing,
    expired_retention: chrono::Duration,
    audit_retention: chrono::Duration,
) {
    loop {
        match sharing.sweep(expired_retention).await {
            Ok(swept) if swept == Default::default() => {}
            Ok(swept) => tracing::info!(?swept, "swept"),
            Err(error) => tracing::warn!(%error, "the sweep failed; the next one goes on"),
        }
        match sharing.sweep_audit_records(audit_retention).await {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "deleted old audit records"),
            Err(error) => tracing::warn!(%error, "the sweep failed; the next one goes on"),
        }
        sweep_files(&sharing).await;
        match sharing.sweep_unknown().await {
            Ok(0) => {}
            Ok(files) => tracing::warn!(files, "deleted files that the database does not know"),
            Err(error) => tracing::warn!(%error, "the files could not be looked through"),
        }
        let next = Instant::now() + SWEEP_INTERVAL;
        while timeout_at(next, sharing.wait_for_orphans()).await.is_ok() {
            sweep_files(&sharing).await;
        }
    }
}

/// Once, until it succeeds. Links that an older version makes meanwhile have their turn at the next
/// start.
async fn fold_names(sharing: Sharing) {
    loop {
        match sharing.fold_names().await {
            Ok(0) => return,
            Ok(links) => return tracing::info!(links, "folded names anew, for searches"),
            Err(error) => tracing::warn!(%error, "names were not folded anew; it is tried again"),
        }
        sleep(SWEEP_INTERVAL).await;
    }
}

/// Deletes the bytes of files that no longer belong to a link.
async fn sweep_files(sharing: &Sharing) {
    match sharing.sweep_orphans().await {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "deleted files of no link"),
        Err(error) => tracing::warn!(%error, "files were not deleted; the next sweep goes on"),
    }
}

async fn reconcile(sharing: Sharing, interval: Duration, max_gone_percent: u8) {
    // Instances that start together do not call the chat service together.
    sleep(interval.mul_f64(random())).await;
    loop {
        match sharing.reconcile(max_gone_percent, &Actor::Service).await {
            Err(error) => tracing::warn!(%error, "reconciling failed; the next time goes on"),
            Ok(found) => {
                if let Some(refusal) = found.refused {
                    tracing::error!(?found, "not reconciled: {refusal}");
                } else if found.unclear() > 0 {
                    tracing::warn!(?found, "reconciled, but for what has no clear answer");
                } else {
                    tracing::info!(?found, "reconciled");
                }
            }
        }
        sleep(jittered(interval)).await;
    }
}

/// The interval, give or take a tenth.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * random())
}

/// At least 0 and below 1.
fn random() -> f64 {
    let bytes = Uuid::new_v4().into_bytes();
    // The first four have none of the version's and variant's fixed bits.
    let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

/// Writes the view counts every `interval`, or sooner when many links were viewed.
async fn write_view_counts(sharing: Sharing, interval: Duration, end: Arc<Notify>) {
    let mut is_failing = false;
    loop {
        tokio::select! {
            () = end.notified() => break,
            () = sleep(interval) => {}
            () = sharing.wait_for_view_counts() => {}
        }
        let written = sharing.write_view_counts().await;
        log_outage(&written, is_failing);
        is_failing = written.is_err();
    }
    if let Err(error) = sharing.write_view_counts().await {
        tracing::warn!(%error, "the last views were not stored");
    }
}

/// Logs the beginning and the end of an outage of the database once each.
fn log_outage(written: &Result<(), SharingError>, was_failing: bool) {
    match written {
        Err(error) if was_failing => tracing::debug!(%error, "views wait for the database"),
        Err(error) => tracing::warn!(%error, "views wait for the database"),
        Ok(()) if was_failing => tracing::info!("views are stored again"),
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_vary_by_a_tenth() {
        let interval = Duration::from_secs(100);
        let drawn: Vec<u64> = (0..200).map(|_| jittered(interval).as_secs()).collect();
        assert!(drawn.iter().all(|seconds| (90..=110).contains(seconds)), "{drawn:?}");
        assert!(drawn.iter().any(|s| *s < 98) && drawn.iter().any(|s| *s > 102), "{drawn:?}");
    }
}
