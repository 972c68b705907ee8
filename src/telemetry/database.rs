//! The database.

use std::time::Duration;

use super::{
    exporter::is_on,
    table::{
        COMMIT_SECONDS_SPENT, COMMIT_SIZE, DATABASE_ERRORS, POOL_CONNECTIONS, POOL_MAX,
        POOL_WAITING, QUEUED_CHANGES, Value, label,
    },
};

label!(
    /// How an operation failed.
    DatabaseFailure {
        /// Out of reach, overloaded, or too slow.
        Unavailable = "unavailable",
        /// A statement that went wrong: a defect.
        Failed = "failed",
    }
);

/// The pool of PostgreSQL connections.
#[derive(Debug, Clone, Copy)]
pub struct PoolStatus {
    pub max: usize,
    pub idle: usize,
    pub used: usize,
    /// Operations without a connection.
    pub waiting: usize,
}

pub(super) fn begin() {
    for failure in DatabaseFailure::ALL {
        DATABASE_ERRORS.counter(&[failure.value()]).absolute(0);
    }
}

/// An operation did not do what was asked.
pub fn database_failed(failure: DatabaseFailure) {
    if is_on() {
        DATABASE_ERRORS.counter(&[failure.value()]).increment(1);
    }
}

/// SQLite's writer committed so many changes together, which took so long.
pub fn committed(changes: usize, took: Duration) {
    if is_on() {
        COMMIT_SIZE.histogram(&[]).record(number(changes));
        COMMIT_SECONDS_SPENT.histogram(&[]).record(took);
    }
}

/// How many changes wait for SQLite's writer.
pub fn set_queued_changes(changes: usize) {
    QUEUED_CHANGES.gauge(&[]).set(number(changes));
}

/// How the pool is used.
pub fn set_pool(status: PoolStatus) {
    POOL_MAX.gauge(&[]).set(number(status.max));
    POOL_CONNECTIONS.gauge(&[Value::const_str("idle")]).set(number(status.idle));
    POOL_CONNECTIONS.gauge(&[Value::const_str("used")]).set(number(status.used));
    POOL_WAITING.gauge(&[]).set(number(status.waiting));
}

#[expect(clippy::cast_precision_loss, reason = "a metric is an approximation")]
fn number(count: usize) -> f64 {
    count as f64
}
