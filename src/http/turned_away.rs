//! Those who are refused because too much is asked.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How often the log says how many were refused. A line for each would be the most that there is to
/// do when there is too much to do already.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Requests that were refused since the log said so.
#[derive(Debug, Default)]
pub struct TurnedAway {
    count: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl TurnedAway {
    /// One more.
    pub fn one(&self, cause: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        // Whoever finds it taken leaves it to the other one.
        if let Ok(mut told) = self.told.try_lock()
            && told.is_none_or(|at| at.elapsed() >= TOLD_EVERY)
        {
            *told = Some(Instant::now());
            let requests = self.count.swap(0, Ordering::Relaxed);
            tracing::warn!(requests, "too much is asked, and refused with 503: {cause}");
        }
    }
}
