//! Metrics of the database.

use std::time::Duration;

use metrics::{Counter, counter, gauge, histogram};

use super::table::{
    COMMIT_SECONDS_SPENT, COMMIT_SIZE, DATABASE_ERRORS, POOL_CONNECTIONS, POOL_MAX, POOL_WAITING,
    QUEUED_CHANGES, label,
};

label!(
    /// Why an operation failed.
    DatabaseFailure {
        /// The database is unreachable, overloaded, or too slow.
        Unavailable = "unavailable",
        /// A statement failed: a defect.
        Failed = "failed",
    }
);

/// The pool of PostgreSQL connections.
#[derive(Debug, Clone, Copy)]
pub struct PoolStatus {
    pub max: usize,
    pub idle: usize,
    pub used: usize,
    /// Operations that wait for a connection.
    pub waiting: usize,
}

pub(super) fn begin() {
    for failure in DatabaseFailure::ALL {
        errors(*failure).absolute(0);
    }
}

fn errors(failure: DatabaseFailure) -> Counter {
    counter!(DATABASE_ERRORS.name, "kind" => failure.word())
}

pub fn database_failed(failure: DatabaseFailure) {
    errors(failure).increment(1);
}

/// SQLite's writer committed a transaction: how many changes it had, and how long it took.
pub fn committed(changes: usize, took: Duration) {
    histogram!(COMMIT_SIZE.name).record(number(changes));
    histogram!(COMMIT_SECONDS_SPENT.name).record(took);
}

/// How many changes wait for SQLite's writer.
pub fn set_queued_changes(changes: usize) {
    gauge!(QUEUED_CHANGES.name).set(number(changes));
}

pub fn set_pool(status: PoolStatus) {
    gauge!(POOL_MAX.name).set(number(status.max));
    gauge!(POOL_CONNECTIONS.name, "state" => "idle").set(number(status.idle));
    gauge!(POOL_CONNECTIONS.name, "state" => "used").set(number(status.used));
    gauge!(POOL_WAITING.name).set(number(status.waiting));
}

#[expect(clippy::cast_precision_loss, reason = "a metric is an approximation")]
fn number(count: usize) -> f64 {
    count as f64
}
