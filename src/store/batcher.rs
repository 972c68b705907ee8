//! Many questions of one kind at the same moment, put to the database as one.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use tokio::task::yield_now;

use crate::store::StoreError;

/// Asks for rows by their keys. While one query is under way, those who come gather for the next one,
/// and so do all whose requests this thread has at hand by then: a query costs as much as one view when
/// few look, and next to nothing a view when many do.
///
/// Nobody is answered by a query that began before they asked: what was revoked before a view began
/// is revoked for it. The query belongs to all who wait for it, whichever of them goes away.
pub(in crate::store) struct Batcher<R> {
    latest: Mutex<Option<Batch<R>>>,
}

/// The rows that were found, by their keys.
type Rows<R> = Result<Arc<HashMap<String, R>>, StoreError>;

struct Batch<R> {
    /// Taken when the query begins; whoever comes later is not part of it.
    gathering: Arc<Mutex<Option<HashSet<String>>>>,
    rows: Shared<BoxFuture<'static, Rows<R>>>,
}

impl<R> Default for Batcher<R> {
    fn default() -> Self {
        Self { latest: Mutex::default() }
    }
}

impl<R: Clone + Send + Sync + 'static> Batcher<R> {
    /// The row of this key, `None` where there is none; `query` is used if another query is needed.
    ///
    /// # Errors
    /// What the query failed with, for each who waited for it.
    pub async fn ask<Q>(
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
    ) -> Shared<BoxFuture<'static, Rows<R>>>
    where
        Q: Future<Output = Result<Vec<(String, R)>, StoreError>> + Send + 'static,
    {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = &*latest
            && let Some(keys) = &mut *lock(&batch.gathering)
        {
            keys.insert(key);
            return batch.rows.clone();
        }
        let gathering = Arc::new(Mutex::new(Some(HashSet::from([key]))));
        let (before, mine) = (latest.take(), gathering.clone());
        let rows = async move {
            if let Some(before) = before {
                // Its failure is not ours.
                let _ = before.rows.await;
            }
            // Whoever can ask in this turn of the thread does so before the query goes out. Without that
            // the first of those who were just answered would go ahead alone, and all others wait for it.
            yield_now().await;
            let keys = lock(&mine).take().unwrap_or_default();
            let found = query(keys.into_iter().collect()).await?;
            Ok(Arc::new(found.into_iter().collect()))
        };
        let rows = rows.boxed().shared();
        *latest = Some(Batch { gathering, rows: rows.clone() });
        rows
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    type Found = Result<Vec<(String, u32)>, StoreError>;

    /// A query that finds all it is asked for, each row with the number of the query, and waits to be
    /// let go.
    fn query(
        number: u32,
        go: oneshot::Receiver<()>,
        asked: Arc<AtomicUsize>,
    ) -> impl FnOnce(Vec<String>) -> BoxFuture<'static, Found> {
        move |keys| {
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                go.await.map_err(StoreError::unavailable)?;
                Ok(keys.into_iter().map(|key| (key, number)).collect())
            }
            .boxed()
        }
    }

    /// Polls it, and once more after its turn of waiting for others.
    fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        future.now_or_never().or_else(|| future.now_or_never())
    }

    #[test]
    fn who_comes_while_a_query_is_under_way_is_answered_by_the_next_one() {
        let batcher = Batcher::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (let_first_go, first_may) = oneshot::channel();
        let (let_second_go, second_may) = oneshot::channel();
        let mut first = batcher.join("a".to_owned(), query(1, first_may, asked.clone()));
        assert!(poll(&mut first).is_none());
        let mut second = batcher.join("a".to_owned(), query(2, second_may, asked.clone()));
        let (_, never) = oneshot::channel();
        let mut third = batcher.join("b".to_owned(), query(3, never, asked.clone()));
        assert!(poll(&mut second).is_none());
        assert!(poll(&mut third).is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 1, "the second waits for the first");

        let_first_go.send(()).unwrap();
        assert_eq!(poll(&mut first).unwrap().unwrap()["a"], 1);
        assert!(poll(&mut third).is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 2, "one query for both who waited");
        let_second_go.send(()).unwrap();
        let rows = poll(&mut second).unwrap().unwrap();
        assert_eq!((rows["a"], rows["b"]), (2, 2));
        assert_eq!(poll(&mut third).unwrap().unwrap()["b"], 2);
    }

    #[test]
    fn all_whose_requests_are_at_hand_are_one_query() {
        let batcher = Batcher::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (let_go, may) = oneshot::channel();
        let mut first = batcher.join("a".to_owned(), query(1, may, asked.clone()));
        assert!((&mut first).now_or_never().is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 0, "the others of this turn may ask as well");
        let (_, never) = oneshot::channel();
        let mut second = batcher.join("b".to_owned(), query(2, never, asked.clone()));
        assert!(poll(&mut second).is_none());
        let_go.send(()).unwrap();
        assert_eq!(poll(&mut first).unwrap().unwrap()["b"], 1);
        assert_eq!(poll(&mut second).unwrap().unwrap()["b"], 1);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn whoever_goes_away_leaves_the_others_their_answer() {
        let batcher = Batcher::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (let_go, may) = oneshot::channel();
        let mut leaving = batcher.join("a".to_owned(), query(1, may, asked.clone()));
        assert!(poll(&mut leaving).is_none());
        let (let_next_go, next_may) = oneshot::channel();
        let mut staying = batcher.join("a".to_owned(), query(2, next_may, asked.clone()));
        assert!(poll(&mut staying).is_none());
        drop(leaving);
        let_go.send(()).unwrap();
        let_next_go.send(()).unwrap();
        assert_eq!(poll(&mut staying).unwrap().unwrap()["a"], 2);
    }

    #[test]
    fn a_failure_is_told_to_all_who_waited_and_to_nobody_later() {
        let batcher = Batcher::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (abandon, may) = oneshot::channel();
        let mut first = batcher.join("a".to_owned(), query(1, may, asked.clone()));
        let mut second =
            batcher.join("b".to_owned(), query(2, oneshot::channel().1, asked.clone()));
        assert!(poll(&mut first).is_none());
        drop(abandon);
        assert!(matches!(poll(&mut first), Some(Err(StoreError::Unavailable(_)))));
        assert!(matches!(poll(&mut second), Some(Err(StoreError::Unavailable(_)))));
        let (let_go, may) = oneshot::channel();
        let mut later = batcher.join("a".to_owned(), query(3, may, asked));
        let_go.send(()).unwrap();
        assert_eq!(poll(&mut later).unwrap().unwrap()["a"], 3);
    }
}
