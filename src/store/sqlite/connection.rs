//! A connection to the file, on which diesel-async runs inline.

use std::{error::Error, path::Path, time::Duration};

use diesel::{Connection, QueryResult, SqliteConnection, connection::SimpleConnection};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use futures_util::future::{self, BoxFuture, FutureExt};

use crate::store::StoreError;

/// A SQLite connection with diesel-async's interface. Each operation completes at its first poll,
/// on the polling thread, so there is no suspension point at which a cancelled request could leave
/// it half done (diesel_async #281).
pub type SqliteConn = SyncConnectionWrapper<SqliteConnection, Inline>;

/// Runs "blocking" work inline.
#[derive(Debug, Clone, Copy)]
pub struct Inline;

impl SpawnBlocking for Inline {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync + 'static>>>
    where
        R: Send + 'static,
    {
        future::ready(Ok(task())).boxed()
    }

    fn get_runtime() -> Self {
        Self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reads of one small row, of any link.
    View,
    /// Other reads. There are many of these connections, and they seldom read the same pages again:
    /// a list from its index, a snapshot once before its views are cached.
    Read,
    Write,
}

/// Opens the file with the pragmas that this service relies on: WAL, so that readers and the writer
/// do not wait for each other; `synchronous=FULL`, so that acknowledged changes survive a power
/// cut; foreign keys, which delete a snapshot with its link; and `secure_delete`, which overwrites
/// deleted content.
pub(super) fn open(path: &Path, access: Access) -> Result<SqliteConn, StoreError> {
    open_blocking(path, access).map(SyncConnectionWrapper::new)
}

pub(super) fn open_blocking(path: &Path, access: Access) -> Result<SqliteConnection, StoreError> {
    let path = path.to_str().ok_or_else(|| {
        StoreError::unavailable("DATABASE_URL: the path of a SQLite file must be UTF-8")
    })?;
    let failed = |e: &dyn std::fmt::Display| {
        StoreError::Unavailable(format!("the SQLite file of DATABASE_URL cannot be opened: {e}"))
    };
    let mut conn = SqliteConnection::establish(path).map_err(|e| failed(&e))?;
    // 2,000 KiB is SQLite's default.
    let (cache_kib, query_only) = match access {
        Access::View => (2_000, "ON"),
        Access::Read => (256, "ON"),
        Access::Write => (2_000, "OFF"),
    };
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA secure_delete = ON; PRAGMA cache_size = -{cache_kib}; \
         PRAGMA query_only = {query_only};"
    ))
    .map_err(|e| failed(&e))?;
    // Stored in the file, so readers find it set.
    if access == Access::Write {
        set_journal_mode(&mut conn).map_err(|e| failed(&e))?;
    }
    Ok(conn)
}

/// Retries, since instances that open a new file at the same time conflict here, and `busy_timeout`
/// does not apply to a change of the journal mode.
fn set_journal_mode(conn: &mut SqliteConnection) -> QueryResult<()> {
    for _ in 0..250 {
        if conn.batch_execute("PRAGMA journal_mode = WAL;").is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    conn.batch_execute("PRAGMA journal_mode = WAL;")
}
