//! The open database, and the macro that runs a query on either engine.

use std::{path::PathBuf, time::Duration};

use futures_util::future::BoxFuture;

use crate::store::{
    StoreError,
    postgres::{self, Postgres},
    sqlite::Sqlite,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`, a file.
    Sqlite(PathBuf),
    /// `postgres://…`, as libpq reads it.
    Postgres(String),
}

impl DatabaseUrl {
    /// Whether the connection may be one without encryption, off this machine and although that was
    /// not asked for (`sslmode=prefer`).
    #[must_use]
    pub fn may_be_plain_text(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(url) => postgres::may_be_plain_text(url),
        }
    }
}

#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    pub url: DatabaseUrl,
    /// Connections for everything but views (8–16 were best on two cores).
    pub pool_size: usize,
    /// The time-out of an operation, including its wait for a connection.
    pub timeout: Duration,
    /// How long of that it may wait for a connection, or for SQLite's writer.
    pub queue_timeout: Duration,
    /// Certificates (PEM) to trust in addition to the system's, for PostgreSQL with
    /// `sslmode=require`.
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone)]
pub enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Opens the database. PostgreSQL is not connected to yet.
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

/// The body of a query: a future that borrows the connection.
pub(super) trait Operation<C, T>:
    for<'c> FnOnce(&'c mut C) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static
{
}

impl<C, T, F> Operation<C, T> for F where
    F: for<'c> FnOnce(&'c mut C) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static
{
}

/// Runs diesel-async queries on the open database. The body is expanded once for each engine. The
/// second argument says how it runs:
///
/// - `fast_read(arguments)`: one small read on the hot path, inline on SQLite, pipelined on
///   PostgreSQL, where it may be sent twice and so gets clones of its arguments;
/// - `read`: any other read;
/// - `transaction`: a change, all or nothing, also when it is cancelled. Its first statement must
///   be the guarded write, which takes the lock
///   (docs/decisions/0004-changes-are-guarded-writes.md);
/// - `bulk`: a change of many rows, one at a time: two that lock the same rows in different orders
///   would deadlock.
///
/// `read`, `transaction` and `bulk` continue when the request is cancelled.
macro_rules! on {
    (@each $database:expr, |$db:ident| $call:expr) => {
        $crate::store::counted(match $database {
            $crate::store::Database::Sqlite($db) => $call.await,
            $crate::store::Database::Postgres($db) => $call.await,
        })
    };
    ($database:expr, fast_read($($arg:ident),+), |$conn:ident| $body:expr) => {
        $crate::store::on!(@each $database, |db| db
            .fast_read(($($arg,)+), |$conn, ($($arg,)+)| Box::pin(async move { $body })))
    };
    ($database:expr, $how:ident, |$conn:ident| $body:expr) => {
        $crate::store::on!(@each $database, |db| db
            .$how(move |$conn| Box::pin(async move { $body })))
    };
}

pub(super) use on;
