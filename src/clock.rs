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
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The machine's clock, to be moved by [`Clock::advance`]; clones move together.
    #[must_use]
    pub fn movable() -> Self {
        Self { offset_us: Some(Arc::default()) }
    }

    /// Moves a [`Clock::movable`] one, backwards when negative. The machine's own stays.
    pub fn advance(&self, by: Duration) {
        if let Some(offset) = &self.offset_us {
            offset.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone asks")]
        let now = Utc::now();
        let moved = self.offset_us.as_ref().map_or(0, |offset| offset.load(Ordering::SeqCst));
        let now = now + Duration::microseconds(moved);
        now.duration_trunc(Duration::microseconds(1)).unwrap_or(now)
    }
}
