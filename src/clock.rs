//! The injected clock, which tests can move.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Duration, DurationRound, Utc};

/// Wall-clock time in UTC, cut to microseconds, which both databases store exactly.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Microseconds by which a test moved the clock.
    offset_us: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock for tests, moved by [`Clock::advance`] together with its clones.
    pub fn movable() -> Self {
        Self { offset_us: Some(Arc::default()) }
    }

    /// Moves a [`Clock::movable`], backwards when negative.
    pub fn advance(&self, by: Duration) {
        if let Some(offset) = &self.offset_us {
            offset.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the injected clock")]
        let now = Utc::now();
        let moved = self.offset_us.as_ref().map_or(0, |offset| offset.load(Ordering::SeqCst));
        let now = now + Duration::microseconds(moved);
        now.duration_trunc(Duration::microseconds(1)).unwrap_or(now)
    }

    /// Completes at the time `at`, or at once if it has passed. The wall clock may be set
    /// meanwhile, so it is read again every minute, a movable one every 20 ms.
    pub async fn reached(&self, at: DateTime<Utc>) {
        let interval = match self.offset_us {
            None => std::time::Duration::from_secs(60),
            Some(_) => std::time::Duration::from_millis(20),
        };
        // A time that has passed is not a std duration.
        while let Ok(left) = (at - self.now()).to_std()
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(interval)).await;
        }
    }
}
