//! Coalesces concurrent lookups by key into one query, separately on each worker thread.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared, WeakShared},
    stream::FuturesUnordered,
};
use parking_lot::Mutex;
use tokio::task::yield_now;

use crate::store::StoreError;

/// More than an instance has workers; two threads with the same value only share it.
const VALUES: usize = 64;

static THREADS: AtomicUsize = AtomicUsize::new(0);
thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed));

/// A value for each thread, owned by a struct, unlike `thread_local!`.
pub(super) struct PerThread<T>(Vec<T>);

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        Self((0..VALUES).map(|_| T::default()).collect())
    }
}

impl<T> PerThread<T> {
    pub(super) fn get(&self) -> &T {
        &self.0[THREAD.with(|thread| thread % VALUES)]
    }
}

/// Looks rows up by their keys. The lookups of one turn of the thread form a batch, whose query
/// begins after the last of them, so no lookup is answered by a query that began before it: what was
/// revoked before a view began is revoked for that view.
///
/// A query belongs to all lookups of its batch. It goes on when some of them are cancelled, and is
/// dropped with the last one.
pub(super) struct Batcher<R>(Mutex<Option<Batch<R>>>);

type Rows<R> = Result<Arc<HashMap<String, R>>, StoreError>;
type Query<R> = Shared<BoxFuture<'static, Rows<R>>>;

struct Batch<R> {
    /// `None` once the query has begun.
    keys: Arc<Mutex<Option<HashSet<String>>>>,
    /// Held by the lookups alone.
    query: WeakShared<BoxFuture<'static, Rows<R>>>,
}

impl<R> Default for Batcher<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Clone + Send + Sync + 'static> Batcher<R> {
    /// The row of this key, `None` where there is none. `query` gets the keys of the batch, and is
    /// used for it if this is its first lookup.
    ///
    /// # Errors
    /// What the query failed with, for each lookup of the batch.
    pub async fn get<Q>(
        &self,
        key: String,
        query: impl FnOnce(Vec<String>) -> Q + Send + 'static,
    ) -> Result<Option<R>, StoreError>
    where
        Q: Future<Output = Result<Vec<(String, R)>, StoreError>> + Send + 'static,
    {
        let rows = self.join(key.clone(), query);
        Ok(rows.await?.get(&key).cloned())
    }

    fn join<Q>(
        &self,
        key: String,
        query: impl FnOnce(Vec<String>) -> Q + Send + 'static,
    ) -> Query<R>
    where
        Q: Future<Output = Result<Vec<(String, R)>, StoreError>> + Send + 'static,
    {
        let mut latest = self.0.lock();
        if let Some(batch) = &*latest
            && let Some(query) = batch.query.upgrade()
            && let Some(keys) = &mut *batch.keys.lock()
        {
            keys.insert(key);
            return query;
        }
        let keys = Arc::new(Mutex::new(Some(HashSet::from([key]))));
        let gathered = keys.clone();
        let rows = async move {
            end_of_turn().await;
            let keys = gathered.lock().take().unwrap_or_default();
            let rows = query(keys.into_iter().collect()).await?;
            Ok(Arc::new(rows.into_iter().collect()))
        };
        let query = rows.boxed().shared();
        *latest = query.downgrade().map(|query| Batch { keys, query });
        query
    }
}

/// Lets the other requests that are ready on this thread join the batch.
async fn end_of_turn() {
    // A bare `yield_now` ends at the next poll, and the second lookup polls the shared query.
    FuturesUnordered::from_iter([yield_now()]).next().await;
}

#[cfg(test)]
mod tests;
