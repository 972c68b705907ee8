//! Those who are refused because too much is asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

/// How often the log says how many were refused. A line for each would be the most that there is to
/// do when there is too much to do already.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Requests that were refused since the log said so.
#[derive(Debug, Clone, Default)]
pub struct TurnedAway(Arc<Untold>);

#[derive(Debug, Default)]
struct Untold {
    count: AtomicU64,
    /// A task is going to tell.
    is_to_be_told: AtomicBool,
}

impl TurnedAway {
    /// One more. The first is told at once, those who come after it within ten seconds.
    pub fn one(&self, cause: &'static str) {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        if !self.0.is_to_be_told.swap(true, Ordering::AcqRel) {
            self.0.tell(cause);
            tokio::spawn(self.0.clone().tell_until_none_comes(cause));
        }
    }
}

impl Untold {
    async fn tell_until_none_comes(self: Arc<Self>, cause: &'static str) {
        loop {
            sleep(TOLD_EVERY).await;
            if self.tell(cause) > 0 {
                continue;
            }
            // Not a mere store, which the count might be read before: one may have come just now who
            // left it to this.
            self.is_to_be_told.swap(false, Ordering::AcqRel);
            let none_came = self.count.load(Ordering::Acquire) == 0;
            if none_came || self.is_to_be_told.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }

    fn tell(&self, cause: &str) -> u64 {
        let requests = self.count.swap(0, Ordering::AcqRel);
        if requests > 0 {
            tracing::warn!(requests, "too much is asked, and refused with 503: {cause}");
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn untold(turned_away: &TurnedAway) -> u64 {
        turned_away.0.count.load(Ordering::Acquire)
    }

    #[tokio::test(start_paused = true)]
    async fn all_are_told_whether_another_one_comes_or_not() {
        let turned_away = TurnedAway::default();
        for _ in 0..2 {
            turned_away.one("full");
            assert_eq!(untold(&turned_away), 0, "the first is told at once");
            for _ in 0..5000 {
                turned_away.one("full");
            }
            assert_eq!(untold(&turned_away), 5000);
            sleep(TOLD_EVERY + Duration::from_millis(1)).await;
            assert_eq!(untold(&turned_away), 0, "and the others soon");
            sleep(2 * TOLD_EVERY).await;
        }
    }
}
