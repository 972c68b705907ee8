//! The database of the URL's choosing, and the one macro by which each query is written once.

use std::{path::PathBuf, time::Duration};

use crate::store::{StoreError, postgres::Postgres, sqlite::Sqlite};

/// Where the links are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`, a file.
    Sqlite(PathBuf),
    /// `postgres://…`, as libpq reads it.
    Postgres(String),
}

/// How a database is used. Every field is a setting.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    pub url: DatabaseUrl,
    /// Connections that are kept for everything but views (8–16 were best on two cores).
    pub pool_size: usize,
    /// How long an operation may take, waiting for a connection included, before it is given up.
    pub timeout: Duration,
    /// How long of that it may wait for its turn: for a connection, or at SQLite's writer.
    pub queue_timeout: Duration,
    /// Certificates (PEM) to trust beside the system's, for PostgreSQL with `sslmode=require`.
    pub ca_file: Option<PathBuf>,
}

/// An open database.
#[derive(Clone)]
pub enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Opens the database; for PostgreSQL that connects nothing yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the SQLite file cannot be opened, or the URL or the
    /// certificates cannot be read.
    pub fn open(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        match &settings.url {
            DatabaseUrl::Sqlite(path) => Sqlite::open(path, settings).map(Self::Sqlite),
            DatabaseUrl::Postgres(url) => Postgres::open(url, settings).map(Self::Postgres),
        }
    }
}

/// Runs a body of diesel-async queries on whichever database is open; it is expanded once for each,
/// so errors land on its own lines. How it runs is the second word:
///
/// - `fast_read(arguments)`: one small read on the hot path, inline on SQLite, pipelined on PostgreSQL,
///   where it may be asked twice and so gets its arguments cloned;
/// - `read`: any other read;
/// - `transaction`: a change, all or nothing, also when it is given up half way. Its first statement
///   must be the guarded write, which takes the lock
///   (docs/decisions/0004-changes-are-guarded-writes.md);
/// - `bulk`: a change of many rows, one at a time: two that met the same rows in different orders
///   would wait for each other.
///
/// None of them is cut short when the request that asked for it goes away.
macro_rules! on {
    ($database:expr, fast_read($($arg:ident),+), |$conn:ident| $body:expr) => {
        $crate::store::counted(match $database {
            $crate::store::Database::Sqlite(db) => {
                db.fast_read(($($arg,)+), |$conn, ($($arg,)+)| Box::pin(async move { $body })).await
            }
            $crate::store::Database::Postgres(db) => {
                db.fast_read(($($arg,)+), |$conn, ($($arg,)+)| Box::pin(async move { $body })).await
            }
        })
    };
    ($database:expr, $how:ident, |$conn:ident| $body:expr) => {
        $crate::store::counted(match $database {
            $crate::store::Database::Sqlite(db) => {
                db.$how(move |$conn| Box::pin(async move { $body })).await
            }
            $crate::store::Database::Postgres(db) => {
                db.$how(move |$conn| Box::pin(async move { $body })).await
            }
        })
    };
}

pub(super) use on;
