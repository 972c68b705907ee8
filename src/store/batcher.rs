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

static THREADS: AtomicUsize = AtomicUsize::new(0);
thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed));

/// A value for each thread, owned by a struct, unlike `thread_local!`. With more than 64 threads
/// some share one.
pub(super) struct PerThread<T>([T; 64]);

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| T::default()))
    }
}

impl<T> PerThread<T> {
    pub(super) fn get(&self) -> &T {
        &self.0[THREAD.with(|thread| thread % self.0.len())]
    }
}

/// Looks rows up by their keys. The lookups of one turn of the event loop form a batch. Its query
/// begins after the last of them, so no lookup is answered by an older query: a link that was
/// revoked before a view began is revoked for that view.
///
/// A query belongs to all lookups of its batch. It continues when some of them are cancelled, and
/// is dropped with the last one.
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
    /// The row of this key. The first lookup of a batch gives the query, which gets all its keys.
    /// All of them share its error.
    pub async fn get<Q>(
        &self,
        key: String,
        query: impl FnOnce(Vec<String>) -> Q + Send + 'static,
    ) -> Result<Option<R>, StoreError>
    where
        Q: Future<Output = Result<Vec<(String, R)>, StoreError>> + Send + 'static,
    {
        Ok(self.join(key.clone(), query).await?.get(&key).cloned())
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
    // A bare `yield_now` ends at the next poll, which the second lookup of the batch makes.
    FuturesUnordered::from_iter([yield_now()]).next().await;
}

#[cfg(test)]
mod tests;
