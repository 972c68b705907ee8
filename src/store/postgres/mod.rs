//! PostgreSQL: a pool for most operations, and one pipelined connection a worker for views.

mod connect;
mod listen;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::prelude::{ExpressionMethods, QueryDsl, SelectableHelper};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{Object, Pool},
    },
};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    runtime::Handle,
    sync::{Mutex, Semaphore},
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use connect::Connector;

use crate::{
    limit::Limiter,
    store::{
        DatabaseSettings, StoreError,
        batcher::{Batcher, PerThread},
        rows::LinkStateRow,
        schema::shared_chats,
    },
    telemetry::{PoolStatus, traced_query},
};

/// A PostgreSQL server, or several behind one URL.
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    pool: Pool<AsyncPgConnection>,
    /// A permit for each connection of the pool, whose own wait has no bound.
    connections: Limiter,
    /// For changes of many rows, which take turns on all instances: one of each.
    bulk: Arc<Semaphore>,
    timeout: Duration,
    /// Where pooled work runs, so that neither a request that goes away nor a worker that ends
    /// takes an open transaction or a connection's driver with it.
    runtime: Handle,
    fast_connections: PerThread<Mutex<Option<FastConnection>>>,
    link_states: PerThread<Batcher<LinkStateRow>>,
    opened: Instant,
    /// Connections of views that were begun before this are not used, in microseconds from `opened`.
    not_before: AtomicU64,
    /// A server refused a write because it takes none, and none was made since.
    was_refused: AtomicBool,
}

/// The connection that a worker's views share.
struct FastConnection {
    conn: Arc<AsyncPgConnection>,
    /// When it was begun, in microseconds from `Inner::opened`.
    since: u64,
}

impl Postgres {
    /// Must be called within the runtime that is to drive the pool.
    pub(super) fn open(url: &str, settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let connector = Connector::new(url, settings.ca_file.as_deref(), settings.timeout)?;
        let mut config = ManagerConfig::default();
        // `Verified`, the default, asks the server `SELECT 1` at each checkout, which halves the
        // reads; a closed connection is recognised without asking.
        config.recycling_method = RecyclingMethod::Fast;
        let setup = connector.clone();
        config.custom_setup = Box::new(move |_| {
            let connector = setup.clone();
            async move { connector.connect().await }.boxed()
        });
        let pool = Pool::builder(AsyncDieselConnectionManager::new_with_config("", config))
            .max_size(settings.pool_size)
            .build()
            .map_err(StoreError::unavailable)?;
        Ok(Self {
            inner: Arc::new(Inner {
                connector,
                pool,
                connections: Limiter::new(settings.pool_size, settings.queue_timeout),
                bulk: Arc::new(Semaphore::new(1)),
                timeout: settings.timeout,
                runtime: Handle::current(),
                fast_connections: PerThread::default(),
                link_states: PerThread::default(),
                opened: Instant::now(),
                not_before: AtomicU64::new(0),
                was_refused: AtomicBool::new(false),
            }),
        })
    }

    pub(super) fn pool_status(&self) -> PoolStatus {
        let status = self.inner.pool.status();
        let used = status.size.saturating_sub(status.available);
        // Nothing waits at the pool itself.
        let waiting = self.inner.connections.waiting();
        PoolStatus { max: status.max_size, idle: status.available, used, waiting }
    }

    pub(super) async fn connect(&self) -> Result<AsyncPgConnection, StoreError> {
        self.inner.connector.connect().await.map_err(StoreError::unavailable)
    }

    /// Runs one small read on this worker's connection, which its other views share: their queries
    /// are pipelined. It is asked twice when the connection turns out to be gone.
    pub(super) async fn fast_read<A: Clone, T>(
        &self,
        arguments: A,
        read: impl for<'c, 'p> Fn(
            &'c mut &'p AsyncPgConnection,
            A,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let until = began + self.inner.timeout;
        let mut tries = 0;
        while Instant::now() < until {
            let connecting = timeout_at(until, self.fast_connection()).await;
            let conn = connecting.map_err(|_| too_late())??;
            tries += 1;
            match timeout_at(until, read(&mut &*conn, arguments.clone())).await {
                // Gone.
                Ok(Err(StoreError::Unavailable(_))) if tries < 2 => {
                    self.forget_fast_connection(&conn).await
                }
                Ok(Err(StoreError::Unavailable(why))) => {
                    self.forget_fast_connection(&conn).await;
                    return Err(StoreError::Unavailable(why));
                }
                Ok(result) => return result,
                // So silent that it may never answer again; one that was given little time may.
                Err(_) if began.elapsed() > self.inner.timeout / 2 => {
                    self.leave_server(self.inner.timeout);
                    self.forget_fast_connection(&conn).await;
                }
                Err(_) => {}
            }
        }
        Err(too_late())
    }

    /// The state of a link, in one batch with the other views of this worker.
    pub(super) async fn link_state(&self, id: String) -> Result<Option<LinkStateRow>, StoreError> {
        let this = self.clone();
        let query =
            async move |ids| this.fast_read((ids,), |conn, (ids,)| link_states(conn, ids)).await;
        self.inner.link_states.get().get(id, query).await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        self.read_until(Instant::now() + self.inner.timeout, read).await
    }

    async fn read_until<T: Send + 'static>(
        &self,
        until: Instant,
        read: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let this = self.clone();
        let working = async move {
            let timed_out = |_| StoreError::unavailable("no connection became free in time");
            let _permit = this.inner.connections.acquire().await.map_err(timed_out)?;
            let connecting = timeout_at(until, this.inner.pool.get()).await;
            let mut conn = connecting.map_err(|_| too_late())?.map_err(StoreError::unavailable)?;
            match timeout_at(until, read(&mut conn)).await {
                Ok(Err(StoreError::ReadOnly(why))) => {
                    drop(Object::take(conn));
                    Err(StoreError::ReadOnly(why))
                }
                Ok(result) => result,
                Err(_) => {
                    // Not back to the pool: nobody knows what it is still busy with.
                    drop(Object::take(conn));
                    this.leave_server(this.inner.timeout);
                    Err(too_late())
                }
            }
        };
        let working = traced_query("postgresql", "query", working);
        let working = self.inner.runtime.spawn(working.in_current_span());
        working.await.map_err(|e| StoreError::Failed(e.to_string()))?
    }

    /// A change that is given up because it is too late never sends its COMMIT, so what was answered
    /// with an error does not happen later; only a COMMIT under way stays undecided.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        change: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let changed = self.read(|conn| conn.transaction(async |conn| change(conn).await).boxed());
        self.written(changed.await)
    }

    /// A transaction that begins by waiting for any other of its kind, on every instance.
    pub(super) async fn bulk<T: Send + 'static>(
        &self,
        change: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        // Before a connection is taken: those who wait for the lock would hold all that there are.
        // Waiting for this costs nothing, and among them are those who close links.
        let until = Instant::now() + self.inner.timeout;
        let turn = timeout_at(until, self.inner.bulk.clone().acquire_owned());
        let Ok(Ok(turn)) = turn.await else {
            return Err(StoreError::unavailable("too many changes of many rows"));
        };
        let change = async move |conn: &mut AsyncPgConnection| {
            let _turn = turn;
            let lock = format!("SELECT pg_advisory_xact_lock({BULK_LOCK})");
            conn.batch_execute(&lock).await?;
            change(conn).await
        };
        self.written(self.read_until(until, |conn| conn.transaction(change).boxed()).await)
    }

    /// This worker's connection. While one view makes it, the others wait for it: a server that
    /// comes back is not met by a connection for each of them.
    async fn fast_connection(&self) -> Result<Arc<AsyncPgConnection>, StoreError> {
        let mut slot = self.inner.fast_connections.get().lock().await;
        loop {
            let not_before = self.inner.not_before.load(Ordering::Acquire);
            if let Some(fast_connection) =
                slot.as_ref().filter(|fast_connection| fast_connection.since >= not_before)
            {
                return Ok(fast_connection.conn.clone());
            }
            *slot = None;
            let since = self.now();
            // On the heap: connecting takes kilobytes, which would be part of every view.
            let conn = Arc::new(Box::pin(self.connect_fast()).await?);
            *slot = Some(FastConnection { conn, since });
        }
    }

    async fn connect_fast(&self) -> Result<AsyncPgConnection, StoreError> {
        let mut conn = self.connect().await?;
        conn.batch_execute(FAST_SESSION).await?;
        Ok(conn)
    }

    /// Microseconds since this was opened.
    fn now(&self) -> u64 {
        u64::try_from(self.inner.opened.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Looks at how a change ended, before it is acknowledged. The first that is made after one was
    /// refused was made elsewhere: no view may go on where it was not.
    fn written<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &result {
            Err(StoreError::ReadOnly(_)) => {
                self.inner.was_refused.store(true, Ordering::Release);
                self.leave_server(Duration::ZERO);
            }
            Ok(_) if self.inner.was_refused.load(Ordering::Acquire) => {
                self.inner.was_refused.store(false, Ordering::Release);
                self.leave_server(Duration::ZERO);
            }
            Ok(_) | Err(_) => {}
        }
        result
    }

    /// Gives up the connections that are at least so old and not in use, and those of views: their
    /// server is silent, and would cost each next one as long; or another one takes the writes now,
    /// and what this one shows is the past: a link that was deleted over there is still public here.
    fn leave_server(&self, older: Duration) {
        self.inner.pool.retain(|_, metrics| metrics.age() < older);
        let older = u64::try_from(older.as_micros()).unwrap_or(u64::MAX);
        let not_before = self.now().saturating_sub(older);
        self.inner.not_before.fetch_max(not_before, Ordering::AcqRel);
    }

    async fn forget_fast_connection(&self, gone: &Arc<AsyncPgConnection>) {
        let mut slot = self.inner.fast_connections.get().lock().await;
        if slot.as_ref().is_some_and(|fast_connection| Arc::ptr_eq(&fast_connection.conn, gone)) {
            *slot = None;
        }
    }
}

/// The states of the links that there are.
fn link_states<'c>(
    conn: &'c mut &AsyncPgConnection,
    ids: Vec<String>,
) -> BoxFuture<'c, Result<Vec<(String, LinkStateRow)>, StoreError>> {
    let found = shared_chats::table
        .filter(shared_chats::id.eq_any(ids))
        .select((shared_chats::id, LinkStateRow::as_select()));
    // Here alone: its `load` would hide that of the atomics.
    async move { Ok(diesel_async::RunQueryDsl::load(found, conn).await?) }.boxed()
}

/// All that views ask is for rows by their keys, which is planned once: for one key PostgreSQL takes a
/// plan of the moment for cheaper than one that it can keep, and would make it anew at each question.
/// What was planned while the table was small goes by the index as well.
const FAST_SESSION: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off";

/// The advisory lock of changes of many rows ("shrcbulk").
const BULK_LOCK: i64 = 0x7368_7263_6275_6c6b;

fn too_late() -> StoreError {
    StoreError::unavailable("PostgreSQL did not answer in time")
}
