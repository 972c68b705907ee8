//! One connection to the file, and how diesel-async runs on it without leaving the thread.

use std::{error::Error, path::Path, time::Duration};

use diesel::{Connection, QueryResult, SqliteConnection, connection::SimpleConnection};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use futures_util::future::{self, BoxFuture, FutureExt};

use crate::store::StoreError;

/// A SQLite connection behind diesel-async's interface. Each operation is complete when it is first
/// polled: it runs on the thread that polls it, so there is no suspension point at which a cancelled
/// request could leave it half done (diesel_async #281).
pub type SqliteConn = SyncConnectionWrapper<SqliteConnection, Inline>;

/// Runs "blocking" work at once, where it stands.
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

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// One small row at a time, of any link.
    View,
    /// Anything else that is read. There are many of these, and what they read is seldom read again
    /// through the same one: a list from its index, a snapshot once before its views are cached.
    Read,
    Write,
}

impl Access {
    /// Memory for pages of the file, in KiB; 2,000 is SQLite's default.
    const fn cache_kib(self) -> u32 {
        match self {
            Self::View | Self::Write => 2_000,
            Self::Read => 256,
        }
    }
}

/// Opens the file with the pragmas that this service relies on: WAL, so that readers and the writer
/// do not wait for each other; `synchronous=FULL`, so that what was acknowledged survives a power
/// cut; foreign keys, which delete a snapshot with its link; and deleted content is overwritten.
pub(super) fn open(path: &Path, access: Access) -> Result<SqliteConn, StoreError> {
    open_blocking(path, access).map(SyncConnectionWrapper::new)
}

pub(in crate::store) fn open_for_migrations(path: &Path) -> Result<SqliteConnection, StoreError> {
    open_blocking(path, Access::Write)
}

fn open_blocking(path: &Path, access: Access) -> Result<SqliteConnection, StoreError> {
    let path = path.to_str().ok_or_else(|| {
        StoreError::unavailable("DATABASE_URL: the path of a SQLite file must be UTF-8")
    })?;
    let failed = |e: &dyn std::fmt::Display| {
        StoreError::Unavailable(format!("the SQLite file of DATABASE_URL cannot be opened: {e}"))
    };
    let mut conn = SqliteConnection::establish(path).map_err(|e| failed(&e))?;
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA secure_delete = ON; PRAGMA cache_size = -{};",
        access.cache_kib()
    ))
    .map_err(|e| failed(&e))?;
    match access {
        // The file keeps its journal mode, so a reader finds it set.
        Access::View | Access::Read => conn.batch_execute("PRAGMA query_only = ON;"),
        Access::Write => set_journal_mode(&mut conn),
    }
    .map_err(|e| failed(&e))?;
    Ok(conn)
}

/// Instances that open a new file at the same moment get in each other's way here, and SQLite does
/// not wait for this lock by itself (`busy_timeout` does not hold for a change of journal mode).
fn set_journal_mode(conn: &mut SqliteConnection) -> QueryResult<()> {
    let mut tries = 0;
    loop {
        let set = conn.batch_execute("PRAGMA journal_mode = WAL;");
        if set.is_ok() || tries == 250 {
            return set;
        }
        tries += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
}
