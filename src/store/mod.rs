//! The links and what belongs to them, in SQLite or PostgreSQL. Only this module uses Diesel.
//!
//! To add a query: a method of [`Store`] in a file of `queries`, its body within `on!`, which says
//! how it runs. To add a column: a migration for each database (additive), `schema.rs`, and the row
//! struct; a test compares the three.

mod batcher;
mod database;
mod error;
mod migrations;
mod notices;
mod postgres;
mod queries;
mod rows;
mod schema;
mod sqlite;
mod timestamp;

pub use database::{Database, DatabaseSettings, DatabaseUrl};
pub use error::{Refused, StoreError};
pub use notices::Notice;
pub use queries::activity::VIEW_COUNTS_AT_ONCE;
pub use queries::audit::log_audit_record;
pub use queries::create::{IdempotencyKey, NewSharedChat, PastUse, Snapshot};
pub use queries::inventory::{InventoryFilter, InventoryQuery};
pub use queries::legacy::LegacyOutcome;
pub use queries::list::{LinkFilter, LinkOrder, ListQuery, Page, Place, PlaceKey};
pub use queries::owner::{ChangeGuard, SettingsChange};
pub use queries::sweep::Swept;
pub use queries::usage::Usage;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::StoredPolicy;
use crate::telemetry::{self, DatabaseFailure};
use database::{Operation, on};
use rows::{SharedChatRow, into_models, not_expired};
use timestamp::{Moment, UtcMicros};

/// How long an idempotency key is kept (docs/API.md 3).
pub const IDEMPOTENCY_RETENTION: chrono::Duration = chrono::Duration::hours(24);
/// How long the tombstone of a deleted chat is kept (docs/API.md 4).
pub const TOMBSTONE_RETENTION: chrono::Duration = chrono::Duration::days(30);

/// Crates that log warnings and errors only, whatever `RUST_LOG` says: at lower levels they log the
/// values of a query, among them ids of links, which are secrets (docs/API.md 7).
pub const QUIET_CRATES: [&str; 4] =
    ["tokio_postgres", "postgres_protocol", "diesel", "diesel_async"];

#[derive(Clone)]
pub struct Store {
    database: Database,
    /// The policy that was read last.
    policy: Arc<Mutex<StoredPolicy>>,
}

/// Counts a failure in the metrics. A change that its guard refused is no failure.
fn counted<T>(result: Result<T, StoreError>) -> Result<T, StoreError> {
    match &result {
        Err(StoreError::Unavailable(_) | StoreError::ReadOnly(_)) => {
            telemetry::database_failed(DatabaseFailure::Unavailable);
        }
        Err(StoreError::Failed(_)) => telemetry::database_failed(DatabaseFailure::Failed),
        Ok(_) | Err(StoreError::Refused(_)) => {}
    }
    result
}

impl Store {
    /// Updates the gauges of the connection pool or of the writer's queue.
    pub fn report(&self) {
        match &self.database {
            Database::Sqlite(sqlite) => telemetry::set_queued_changes(sqlite.queued_changes()),
            Database::Postgres(postgres) => telemetry::set_pool(postgres.pool_status()),
        }
    }

    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, policy: Arc::default() }
    }
}
