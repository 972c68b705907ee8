//! When connections are given up because their server no longer answers or takes no writes.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use diesel_async::{AsyncPgConnection, pooled_connection::deadpool::Pool};
use tokio::time::Instant;

use crate::store::StoreError;

pub(super) struct Failover {
    pool: Pool<AsyncPgConnection>,
    opened: Instant,
    /// Connections of views that were begun before this are not used, in microseconds from
    /// `opened`.
    not_before: AtomicU64,
    /// A server refused a write because it is read-only, and no write has succeeded since.
    was_refused: AtomicBool,
}

impl Failover {
    pub(super) fn new(pool: Pool<AsyncPgConnection>) -> Self {
        let (not_before, was_refused) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { pool, opened: Instant::now(), not_before, was_refused }
    }

    /// Microseconds since the database was opened.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether a view may use a connection that was begun at this moment.
    pub(super) fn may_use(&self, since: u64) -> bool {
        since >= self.not_before.load(Ordering::Acquire)
    }

    /// Gives up the idle connections of at least this age, and the connections of views. Their
    /// server is silent, and each next operation would run into the same time-out; or it was
    /// replaced, and still shows links that were deleted on the new primary.
    pub(super) fn leave_server(&self, age: Duration) {
        self.pool.retain(|_, metrics| metrics.age() < age);
        let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        self.not_before.fetch_max(self.now().saturating_sub(age), Ordering::AcqRel);
    }

    /// Checks the result of a change before it is acknowledged. The first change that succeeds
    /// after a refused one was made on another server, so no view may stay on the old one.
    pub(super) fn check_change<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &result {
            Err(StoreError::ReadOnly(_)) => {
                self.was_refused.store(true, Ordering::Release);
                self.leave_server(Duration::ZERO);
            }
            Ok(_) if self.was_refused.load(Ordering::Acquire) => {
                self.was_refused.store(false, Ordering::Release);
                self.leave_server(Duration::ZERO);
            }
            Ok(_) | Err(_) => {}
        }
        result
    }
}
