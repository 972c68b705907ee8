//! PostgreSQL: a pool for most operations, and one pipelined connection a worker for views.

mod connect;
mod listen;
mod together;

use std::{sync::Arc, time::Duration};

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
    time::{Instant, timeout, timeout_at},
};

use super::{DatabaseSettings, StoreError, rows::StandingRow, slots::Slots, view::many_standings};
use connect::Connector;
use together::Together;

/// A PostgreSQL server, or several behind one URL.
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    pool: Pool<AsyncPgConnection>,
    /// As many permits as the pool has connections: the queue for them, in the order of arrival.
    turns: Semaphore,
    timeout: Duration,
    queue_timeout: Duration,
    /// Where pooled work runs, so that neither a request that goes away nor a worker that ends
    /// takes an open transaction or a connection's driver with it.
    runtime: Handle,
    viewers: Slots<Mutex<Option<Arc<AsyncPgConnection>>>>,
    standings: Slots<Together<StandingRow>>,
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
                turns: Semaphore::new(settings.pool_size),
                timeout: settings.timeout,
                queue_timeout: settings.queue_timeout,
                runtime: Handle::current(),
                viewers: Slots::default(),
                standings: Slots::default(),
            }),
        })
    }

    pub(super) async fn connect(&self) -> Result<AsyncPgConnection, StoreError> {
        self.inner.connector.connect().await.map_err(StoreError::unavailable)
    }

    /// Runs one small read on this worker's connection, which its other views share: their queries
    /// are pipelined. It is asked twice when the connection turns out to be gone.
    pub(super) async fn view<A: Clone, T>(
        &self,
        arguments: A,
        read: impl for<'c, 'p> Fn(
            &'c mut &'p AsyncPgConnection,
            A,
        ) -> BoxFuture<'c, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let until = Instant::now() + self.inner.timeout;
        let mut tries = 0;
        loop {
            let connecting = timeout_at(until, self.viewer()).await;
            let conn = connecting.map_err(|_| too_late())??;
            let answer = timeout_at(until, read(&mut &*conn, arguments.clone())).await;
            tries += 1;
            match answer.unwrap_or_else(|_| Err(too_late())) {
                Err(StoreError::Unavailable(why)) => {
                    // Gone, or so silent that it may never answer again.
                    self.forget_viewer(&conn).await;
                    if tries == 2 || Instant::now() >= until {
                        return Err(StoreError::Unavailable(why));
                    }
                }
                result => return result,
            }
        }
    }

    /// How a link stands, asked for together with the other views of this worker.
    pub(super) async fn standing(&self, id: String) -> Result<Option<StandingRow>, StoreError> {
        let this = self.clone();
        let query =
            async move |ids| this.view((ids,), |conn, (ids,)| many_standings(conn, ids)).await;
        self.inner.standings.mine().ask(id, query).await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let this = self.clone();
        let working = self.inner.runtime.spawn(async move {
            let until = Instant::now() + this.inner.timeout;
            let turn = timeout(this.inner.queue_timeout, this.inner.turns.acquire()).await;
            let no_turn = |_| StoreError::unavailable("no connection became free in time");
            let _turn = turn.map_err(no_turn)?.map_err(StoreError::unavailable)?;
            let connecting = timeout_at(until, this.inner.pool.get()).await;
            let mut conn = connecting.map_err(|_| too_late())?.map_err(StoreError::unavailable)?;
            match timeout_at(until, read(&mut conn)).await {
                Ok(result) => result,
                Err(_) => {
                    // Not back to the pool: nobody knows what it is still busy with.
                    drop(Object::take(conn));
                    Err(too_late())
                }
            }
        });
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
        self.read(|conn| conn.transaction(async |conn| change(conn).await).boxed()).await
    }

    /// A transaction that begins by waiting for any other of its kind, on every instance.
    pub(super) async fn bulk<T: Send + 'static>(
        &self,
        change: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let change = async move |conn: &mut AsyncPgConnection| {
            let lock = format!("SELECT pg_advisory_xact_lock({BULK_LOCK})");
            conn.batch_execute(&lock).await?;
            change(conn).await
        };
        self.read(|conn| conn.transaction(change).boxed()).await
    }

    /// This worker's connection. While one view makes it, the others wait for it: a server that
    /// comes back is not met by a connection for each of them.
    async fn viewer(&self) -> Result<Arc<AsyncPgConnection>, StoreError> {
        let mut slot = self.inner.viewers.mine().lock().await;
        match &*slot {
            Some(conn) => Ok(conn.clone()),
            // On the heap: connecting takes kilobytes, which would be part of every view.
            None => Ok(slot.insert(Arc::new(Box::pin(self.connect()).await?)).clone()),
        }
    }

    async fn forget_viewer(&self, gone: &Arc<AsyncPgConnection>) {
        let mut slot = self.inner.viewers.mine().lock().await;
        if slot.as_ref().is_some_and(|conn| Arc::ptr_eq(conn, gone)) {
            *slot = None;
        }
    }
}

/// The advisory lock of changes of many rows ("shrcbulk").
const BULK_LOCK: i64 = 0x7368_7263_6275_6c6b;

fn too_late() -> StoreError {
    StoreError::unavailable("PostgreSQL did not answer in time")
}
