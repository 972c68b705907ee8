//! PostgreSQL: a connection pool, and for views a pipelined connection on each worker thread.

mod certificate;
mod connect;
mod failover;
mod listen;
mod session;
mod url;
mod wire;

use std::{sync::Arc, time::Duration};

use diesel::prelude::{ExpressionMethods, QueryDsl, SelectableHelper};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection,
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
use failover::Failover;
pub(super) use url::may_be_plain_text;

use crate::{
    limit::Limiter,
    store::{
        DatabaseSettings, Operation, StoreError,
        batcher::{Batcher, PerThread},
        queries::policy_revision,
        rows::{LinkStateRow, LinkWithSnapshotRow, ViewedStateRow, with_small_snapshot},
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
    /// A permit for each connection of the pool, whose own wait is unbounded.
    connections: Limiter,
    /// One permit: changes of many rows run one at a time, on all instances together.
    bulk: Arc<Semaphore>,
    timeout: Duration,
    /// Runs pooled operations, so that neither a cancelled request nor a worker that ends drops an
    /// open transaction or the driver of a connection.
    runtime: Handle,
    fast_connections: PerThread<Mutex<Option<FastConnection>>>,
    link_states: PerThread<Batcher<ViewedStateRow>>,
    links: PerThread<Batcher<LinkWithSnapshotRow>>,
    failover: Failover,
}

/// The connection that the views of a worker share.
struct FastConnection {
    conn: Arc<AsyncPgConnection>,
    /// When it was begun, by [`Failover::now`].
    since: u64,
}

impl Postgres {
    /// Must be called within the runtime that drives the pool.
    pub(super) fn open(url: &str, settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let connector = Connector::new(url, settings.ca_file.as_deref(), settings.timeout)?;
        let mut config = ManagerConfig::default();
        // `Verified`, the default, sends `SELECT 1` at each checkout, which halves the throughput
        // of reads. A closed connection is recognised without it.
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
                failover: Failover::new(pool.clone()),
                pool,
                connections: Limiter::new(settings.pool_size, settings.queue_timeout),
                bulk: Arc::new(Semaphore::new(1)),
                timeout: settings.timeout,
                runtime: Handle::current(),
                fast_connections: PerThread::default(),
                link_states: PerThread::default(),
                links: PerThread::default(),
            }),
        })
    }

    pub(super) fn pool_status(&self) -> PoolStatus {
        let status = self.inner.pool.status();
        let used = status.size.saturating_sub(status.available);
        // Operations wait for a permit, never at the pool itself.
        let waiting = self.inner.connections.waiting();
        PoolStatus { max: status.max_size, idle: status.available, used, waiting }
    }

    pub(super) async fn check_sessions(&self) -> Result<(), StoreError> {
        self.inner.connector.check_sessions().await
    }

    pub(super) async fn connect(&self) -> Result<AsyncPgConnection, StoreError> {
        self.inner.connector.connect().await.map_err(StoreError::unavailable)
    }

    /// Runs one small read on this worker's connection. The queries of its views are pipelined. A
    /// read is sent again, once, when the connection is lost.
    pub(super) async fn fast_read<A: Clone, T>(
        &self,
        arguments: A,
        read: impl for<'c, 'p> Fn(
            &'c mut &'p AsyncPgConnection,
            A,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let until = Instant::now() + self.inner.timeout;
        let mut is_retry = false;
        loop {
            let connecting = timeout_at(until, self.fast_connection()).await;
            let conn = connecting.map_err(|_| too_late())??;
            match timeout_at(until, read(&mut &*conn, arguments.clone())).await {
                Ok(Err(StoreError::Unavailable(why))) => {
                    self.forget_fast_connection(&conn).await;
                    if is_retry {
                        return Err(StoreError::Unavailable(why));
                    }
                    is_retry = true;
                }
                Ok(result) => return result,
                // A connection this silent may never answer again.
                Err(_) => {
                    self.inner.failover.leave_server(self.inner.timeout);
                    self.forget_fast_connection(&conn).await;
                    return Err(too_late());
                }
            }
        }
    }

    /// The state of a link, batched with the other views of this worker.
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

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl Operation<AsyncPgConnection, T>,
    ) -> Result<T, StoreError> {
        self.read_until(Instant::now() + self.inner.timeout, read).await
    }

    async fn read_until<T: Send + 'static>(
        &self,
        until: Instant,
        read: impl Operation<AsyncPgConnection, T>,
    ) -> Result<T, StoreError> {
        let this = self.clone();
        let working = async move {
            let busy = |_| StoreError::unavailable("no connection became free in time");
            let _permit = this.inner.connections.acquire().await.map_err(busy)?;
            let connecting = timeout_at(until, this.inner.pool.get()).await;
            let mut conn = connecting.map_err(|_| too_late())?.map_err(StoreError::unavailable)?;
            match timeout_at(until, read(&mut conn)).await {
                Ok(Err(StoreError::ReadOnly(why))) => {
                    drop(Object::take(conn));
                    Err(StoreError::ReadOnly(why))
                }
                Ok(result) => result,
                Err(_) => {
                    // Not back to the pool: it may still be busy with this.
                    drop(Object::take(conn));
                    this.inner.failover.leave_server(this.inner.timeout);
                    Err(too_late())
                }
            }
        };
        let working = traced_query("postgresql", "query", working);
        let working = self.inner.runtime.spawn(working.in_current_span());
        working.await.map_err(|e| StoreError::Failed(e.to_string()))?
    }

    /// A change that times out never sends its COMMIT, so a change that was answered with an error
    /// does not happen later. Only the outcome of a COMMIT in progress is unknown.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        change: impl Operation<AsyncPgConnection, T>,
    ) -> Result<T, StoreError> {
        let changed = self.read(|conn| conn.transaction(async |conn| change(conn).await).boxed());
        self.inner.failover.check_change(changed.await)
    }

    /// A transaction that first waits for the other bulk changes of all instances.
    pub(super) async fn bulk<T: Send + 'static>(
        &self,
        change: impl Operation<AsyncPgConnection, T>,
    ) -> Result<T, StoreError> {
        // Before a connection is taken: changes that wait for the lock would hold all of the pool.
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
        self.inner
            .failover
            .check_change(self.read_until(until, |conn| conn.transaction(change).boxed()).await)
    }

    /// This worker's connection. While one view connects, the others wait, so that a server that
    /// comes back does not get a connection from each of them.
    async fn fast_connection(&self) -> Result<Arc<AsyncPgConnection>, StoreError> {
        let mut slot = self.inner.fast_connections.get().lock().await;
        loop {
            if let Some(fast) = slot.as_ref().filter(|fast| self.inner.failover.may_use(fast.since))
            {
                return Ok(fast.conn.clone());
            }
            *slot = None;
            let since = self.inner.failover.now();
            // Boxed: its kilobytes would be part of the future of every view.
            let conn = Arc::new(Box::pin(self.connect_fast()).await?);
            *slot = Some(FastConnection { conn, since });
        }
    }

    async fn connect_fast(&self) -> Result<AsyncPgConnection, StoreError> {
        let mut conn = self.connect().await?;
        conn.batch_execute(FAST_SESSION).await?;
        Ok(conn)
    }

    async fn forget_fast_connection(&self, gone: &Arc<AsyncPgConnection>) {
        let mut slot = self.inner.fast_connections.get().lock().await;
        if slot.as_ref().is_some_and(|fast| Arc::ptr_eq(&fast.conn, gone)) {
            *slot = None;
        }
    }
}

/// The states of these links.
fn link_states<'c>(
    conn: &'c mut &AsyncPgConnection,
    ids: Vec<String>,
) -> BoxFuture<'c, Result<Vec<(String, ViewedStateRow)>, StoreError>> {
    let found = shared_chats::table
        .filter(shared_chats::id.eq_any(ids))
        .select((shared_chats::id, (LinkStateRow::as_select(), policy_revision!())));
    async move { Ok(found.load(conn).await?) }.boxed()
}

/// These links, each with its small snapshot.
fn links<'c>(
    conn: &'c mut &AsyncPgConnection,
    ids: Vec<String>,
) -> BoxFuture<'c, Result<Vec<(String, LinkWithSnapshotRow)>, StoreError>> {
    let found = with_small_snapshot!(shared_chats::table).filter(shared_chats::id.eq_any(ids));
    async move {
        let rows: Vec<LinkWithSnapshotRow> = found.load(conn).await?;
        Ok(rows.into_iter().map(|row| (row.0.row.id().to_owned(), row)).collect())
    }
    .boxed()
}

/// Views look up rows by their keys, which is planned once: for one key PostgreSQL takes a custom
/// plan for cheaper than a generic one, and would plan each query. Without sequential scans a plan
/// that was made while the table was small uses the index as well.
const FAST_SESSION: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off";

/// The advisory lock of bulk changes ("shrcbulk").
const BULK_LOCK: i64 = 0x7368_7263_6275_6c6b;

fn too_late() -> StoreError {
    StoreError::unavailable("PostgreSQL did not answer in time")
}
