//! What time it is: injected, so that a test can move it and a rule about time can be proved.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Duration, DurationRound, Utc};

/// Wall clock time in UTC, cut to microseconds, which both databases keep exactly.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Microseconds that a test has moved this clock by.
    offset_us: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// The machine's clock, to be moved by [`Clock::advance`]; clones move together.
    pub fn movable() -> Self {
        Self { offset_us: Some(Arc::default()) }
    }

    /// Moves a [`Clock::movable`] one, backwards when negative. The machine's own stays.
    pub fn advance(&self, by: Duration) {
        if let Some(offset) = &self.offset_us {
            offset.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone asks")]
        let now = Utc::now();
        let moved = self.offset_us.as_ref().map_or(0, |offset| offset.load(Ordering::SeqCst));
        let now = now + Duration::microseconds(moved);
        now.duration_trunc(Duration::microseconds(1)).unwrap_or(now)
    }

    /// Completes once it is `at`, at once when it was before. It follows this clock, not a timer's: one
    /// that is set or moved meanwhile is looked at again within a minute, a movable one in 20 ms.
    pub async fn reached(&self, at: DateTime<Utc>) {
        let glance = match self.offset_us {
            None => std::time::Duration::from_secs(60),
            Some(_) => std::time::Duration::from_millis(20),
        };
        // A deadline that has passed is no duration any more.
        while let Ok(left) = (at - self.now()).to_std()
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(glance)).await;
        }
    }
}
