//! PostgreSQL: a pool for most operations, and one pipelined connection a worker for views.

mod connect;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use diesel_async::{
    AsyncConnection, AsyncPgConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{Object, Pool},
    },
};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::runtime::Handle;

use super::{DatabaseSettings, StoreError, slots::Slots};
use connect::Connector;

/// A PostgreSQL server, or several behind one URL.
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    pool: Pool<AsyncPgConnection>,
    timeout: Duration,
    /// Where pooled work runs, so that neither a request that goes away nor a worker that ends
    /// takes an open transaction or a connection's driver with it.
    runtime: Handle,
    viewers: Slots<Mutex<Option<Arc<AsyncPgConnection>>>>,
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
                timeout: settings.timeout,
                runtime: Handle::current(),
                viewers: Slots::default(),
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
        let reading = async {
            let conn = self.viewer().await?;
            match read(&mut &*conn, arguments.clone()).await {
                Err(StoreError::Unavailable(_)) => {
                    self.forget_viewer(&conn);
                    let conn = self.viewer().await?;
                    read(&mut &*conn, arguments).await.inspect_err(|_| self.forget_viewer(&conn))
                }
                result => result,
            }
        };
        self.in_time(reading).await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        self.pooled(async move |mut conn| read(&mut conn).await).await
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        self.read(change).await
    }

    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        change: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        self.read(|conn| conn.transaction(async |conn| change(conn).await).boxed()).await
    }

    async fn pooled<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Object<AsyncPgConnection>) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        let this = self.clone();
        let working = self.inner.runtime.spawn(async move {
            let work = async {
                let conn = this.inner.pool.get().await.map_err(StoreError::unavailable)?;
                work(conn).await
            };
            this.in_time(work).await
        });
        working.await.map_err(|e| StoreError::Failed(e.to_string()))?
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.inner.timeout, work)
            .await
            .map_err(|_| StoreError::unavailable("PostgreSQL did not answer in time"))?
    }

    async fn viewer(&self) -> Result<Arc<AsyncPgConnection>, StoreError> {
        let slot = self.inner.viewers.mine();
        if let Some(conn) = slot.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(conn);
        }
        // Several views may connect at the same time; the last one's connection is kept.
        let conn = Arc::new(self.connect().await?);
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(conn.clone());
        Ok(conn)
    }

    fn forget_viewer(&self, gone: &Arc<AsyncPgConnection>) {
        let mut slot = self.inner.viewers.mine().lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|conn| Arc::ptr_eq(conn, gone)) {
            *slot = None;
        }
    }
}
