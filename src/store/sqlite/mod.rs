//! SQLite: one writer that commits in groups, readers on blocking threads, and inline reads for
//! views.

mod connection;
mod writer;

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use diesel::{
    SqliteConnection,
    prelude::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper},
};
use diesel_async::RunQueryDsl;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

use connection::Access;
pub use connection::SqliteConn;
use writer::Writer;

use crate::{
    limit::Limiter,
    store::{
        DatabaseSettings, Operation, StoreError,
        batcher::{Batcher, PerThread},
        queries::policy_revision,
        rows::{LinkStateRow, LinkWithSnapshotRow, ViewedStateRow, with_small_snapshot},
        schema::shared_chats,
    },
    telemetry::traced_query,
};

#[derive(Clone)]
pub struct Sqlite {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    /// The identity of the file when it was opened.
    opened: (u64, u64),
    timeout: Duration,
    /// A permit for each reader; idle connections are in `readers`.
    reads: Limiter,
    readers: Mutex<Vec<SqliteConn>>,
    /// Connections for views, one for each worker thread, so that the locks are uncontended.
    fast_connections: PerThread<Mutex<Option<SqliteConn>>>,
    link_states: PerThread<Batcher<ViewedStateRow>>,
    links: PerThread<Batcher<LinkWithSnapshotRow>>,
    /// Dropped last, so that its connection closes last.
    writer: Writer,
}

impl Sqlite {
    pub(super) fn open(path: &Path, settings: &DatabaseSettings) -> Result<Self, StoreError> {
        create_for_owner_alone(path)?;
        let writer = Writer::start(path.to_owned(), settings.queue_timeout)?;
        let opened = identity(path).map_err(StoreError::unavailable)?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                opened,
                timeout: settings.timeout,
                writer,
                reads: Limiter::new(settings.pool_size, settings.queue_timeout),
                readers: Mutex::default(),
                fast_connections: PerThread::default(),
                link_states: PerThread::default(),
                links: PerThread::default(),
            }),
        })
    }

    pub(super) fn open_for_migrations(&self) -> Result<SqliteConnection, StoreError> {
        connection::open_blocking(&self.inner.path, Access::Write)
    }

    pub(super) fn queued_changes(&self) -> usize {
        self.inner.writer.queued()
    }

    /// Checks that the file was not deleted or replaced (by a restored backup, say): open
    /// connections would not notice, and what they write would be lost.
    pub(super) fn check_file(&self) -> Result<(), StoreError> {
        let now = identity(&self.inner.path).map_err(|error| {
            StoreError::Unavailable(format!("the SQLite file of DATABASE_URL: {error}"))
        })?;
        if now != self.inner.opened {
            return Err(StoreError::unavailable("the SQLite file of DATABASE_URL was replaced"));
        }
        Ok(())
    }

    /// Runs one small read inline. A hop to a blocking thread would cost more than the read.
    pub(super) async fn fast_read<A, T>(
        &self,
        arguments: A,
        read: impl for<'c> FnOnce(&'c mut SqliteConn, A) -> BoxFuture<'c, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut slot = self.inner.fast_connections.get().lock();
        let mut conn = match slot.take() {
            Some(conn) => conn,
            None => connection::open(&self.inner.path, Access::View)?,
        };
        let result = at_once(read(&mut conn, arguments));
        *slot = Some(conn);
        result
    }

    /// The state of a link, batched with the other reads of this worker.
    pub(super) async fn link_state(
        &self,
        id: String,
    ) -> Result<Option<ViewedStateRow>, StoreError> {
        let this = self.clone();
        let query =
            async move |ids| this.fast_read((ids,), |conn, (ids,)| link_states(conn, ids)).await;
        self.inner.link_states.get().get(id, query).await
    }

    /// The link and its small snapshot, batched likewise.
    pub(super) async fn link_with_small_snapshot(
        &self,
        id: String,
    ) -> Result<Option<LinkWithSnapshotRow>, StoreError> {
        let this = self.clone();
        let query = async move |ids| this.fast_read((ids,), |conn, (ids,)| links(conn, ids)).await;
        self.inner.links.get().get(id, query).await
    }

    /// Runs a read on a blocking thread, on one of `pool_size` connections.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl Operation<SqliteConn, T>,
    ) -> Result<T, StoreError> {
        let until = Instant::now() + self.inner.timeout;
        let inner = self.inner.clone();
        let busy = |_| StoreError::unavailable("no reader became free in time");
        let permit = inner.reads.acquire().await.map_err(busy)?;
        let reading = spawn_blocking(move || {
            let _permit = permit;
            let idle = inner.readers.lock().pop();
            let mut conn = match idle {
                Some(conn) => conn,
                None => connection::open(&inner.path, Access::Read)?,
            };
            let result = at_once(read(&mut conn));
            inner.readers.lock().push(conn);
            result
        });
        let reading = async {
            // After the time-out the read continues, with its permit.
            let too_late = |_| StoreError::unavailable("no answer in time");
            let read = timeout_at(until, reading).await.map_err(too_late)?;
            read.map_err(|e| StoreError::Failed(e.to_string()))?
        };
        traced_query("sqlite", "query", reading).await
    }

    /// Queues a change at the writer, which gives each its own savepoint, and returns once it is
    /// committed.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        change: impl Operation<SqliteConn, T>,
    ) -> Result<T, StoreError> {
        let writing = self.inner.writer.run(change, self.inner.timeout);
        traced_query("sqlite", "transaction", writing).await
    }

    /// A transaction: the writer makes one change at a time anyway.
    pub(super) async fn bulk<T: Send + 'static>(
        &self,
        change: impl Operation<SqliteConn, T>,
    ) -> Result<T, StoreError> {
        self.transaction(change).await
    }
}

/// The states of these links, read one by one: SQLite has no round trips, and caches the plan of
/// this statement. (A bound LIMIT would make it plan each time.)
fn link_states(
    conn: &mut SqliteConn,
    ids: Vec<String>,
) -> BoxFuture<'_, Result<Vec<(String, ViewedStateRow)>, StoreError>> {
    async move {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let link = shared_chats::table
                .find(&id)
                .select((LinkStateRow::as_select(), policy_revision!()));
            let row = link.get_result(conn).await.optional()?;
            found.extend(row.map(|row| (id, row)));
        }
        Ok(found)
    }
    .boxed()
}

/// These links, each with its small snapshot.
fn links(
    conn: &mut SqliteConn,
    ids: Vec<String>,
) -> BoxFuture<'_, Result<Vec<(String, LinkWithSnapshotRow)>, StoreError>> {
    async move {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let link = with_small_snapshot!(shared_chats::table).filter(shared_chats::id.eq(&id));
            let row = link.get_result(conn).await.optional()?;
            found.extend(row.map(|row| (id, row)));
        }
        Ok(found)
    }
    .boxed()
}

/// Creates a missing file with mode 0600, which SQLite also gives to the `-wal` and `-shm` beside
/// it. The mode of an existing one is its operator's.
fn create_for_owner_alone(path: &Path) -> Result<(), StoreError> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map(drop).map_err(|error| {
        StoreError::Unavailable(format!(
            "the SQLite file of DATABASE_URL cannot be opened: {error}"
        ))
    })
}

/// The device and the inode of a file.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Completes a future over a [`SqliteConn`], whose every operation completes at its first poll.
fn at_once<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    work.now_or_never().unwrap_or_else(|| {
        Err(StoreError::Failed("a SQLite operation awaited something else".to_owned()))
    })
}
