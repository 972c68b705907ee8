//! Reconciliation with the chat service, every now and then.

use std::time::Duration;

use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{config::Reconciliation, model::Actor, sharing::Sharing};

/// Reconciles until the task is aborted; nothing is started where it is off.
pub(super) fn start(sharing: &Sharing, settings: Reconciliation) -> Option<JoinHandle<()>> {
    let interval = settings.interval?;
    let sharing = sharing.clone();
    Some(tokio::spawn(async move {
        // Instances that were started together do not all ask the chat service together.
        tokio::time::sleep(interval.mul_f64(chance())).await;
        loop {
            once(&sharing, settings.max_gone_percent).await;
            tokio::time::sleep(varied(interval)).await;
        }
    }))
}

async fn once(sharing: &Sharing, max_gone_percent: u8) {
    let found = match sharing.reconcile(max_gone_percent, &Actor::Service).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "reconciling failed; the next time goes on");
            return;
        }
    };
    if let Some(refusal) = found.refused {
        tracing::error!(?found, "not reconciled: {refusal}");
    } else if found.unclear > 0 {
        tracing::warn!(?found, "reconciled, but for chats without a clear answer");
    } else {
        tracing::info!(?found, "reconciled");
    }
}

/// A tenth more or less.
fn varied(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * chance())
}

/// At least 0 and below 1.
fn chance() -> f64 {
    let bytes = Uuid::new_v4().into_bytes();
    // The first four have none of the version's and variant's fixed bits.
    let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_vary_by_a_tenth() {
        let interval = Duration::from_secs(100);
        let drawn: Vec<u64> = (0..200).map(|_| varied(interval).as_secs()).collect();
        assert!(drawn.iter().all(|seconds| (90..=110).contains(seconds)), "{drawn:?}");
        assert!(drawn.iter().any(|s| *s < 98) && drawn.iter().any(|s| *s > 102), "{drawn:?}");
    }
}
