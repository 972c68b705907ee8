//! Many questions of one kind at the same moment, put to the database as one.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::{task::yield_now, time::Instant};

use crate::{queue::shorter, store::StoreError};

/// So many wait for the next query, however long this one takes: a pause of the database is not a queue.
const WAIT_ANYWAY: usize = 64;

/// Asks for rows by their keys. While one query is under way, those who come gather for the next one,
/// and so do all whose requests this thread has at hand by then: a query costs as much as one view when
/// few look, and next to nothing a view when many do.
///
/// Nobody is answered by a query that began before they asked: what was revoked before a view began
/// is revoked for it. The query belongs to all who wait for it, whichever of them goes away.
///
/// Nobody waits for longer than two queries take, and the more come meanwhile, the longer does the next
/// one. So while one takes too long, no more than a few are let in for the next.
pub(in crate::store) struct Batcher<R> {
    latest: Mutex<Option<Batch<R>>>,
    pace: Arc<Mutex<Pace>>,
}

/// How long queries take; as for any queue ([`queue`](crate::queue)), less is too long if it always
/// takes so long.
struct Pace {
    most: Duration,
    /// When the query that is under way began.
    began: Option<Instant>,
    /// Since when each took longer than a small part of that.
    slow_since: Option<Instant>,
}

/// The rows that were found, by their keys.
type Rows<R> = Result<Arc<HashMap<String, R>>, StoreError>;

struct Batch<R> {
    /// Taken when the query begins; whoever comes later is not part of it.
    gathering: Arc<Mutex<Option<Gathering>>>,
    rows: Shared<BoxFuture<'static, Rows<R>>>,
}

/// Those who wait for a query to begin.
struct Gathering {
    keys: HashSet<String>,
    count: usize,
}

/// A query that is under way, until it ends or is given up.
struct UnderWay(Arc<Mutex<Pace>>);

impl UnderWay {
    fn begin(pace: Arc<Mutex<Pace>>) -> Self {
        lock(&pace).began = Some(Instant::now());
        Self(pace)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut pace = lock(&self.0);
        let Some(began) = pace.began.take() else { return };
        let is_slow = began.elapsed() > shorter(pace.most);
        pace.slow_since = is_slow.then(|| pace.slow_since.unwrap_or(began));
    }
}

impl Pace {
    /// Whether the query that is under way takes too long for many to wait for the next one.
    fn is_too_slow(&self) -> bool {
        let stays = self.slow_since.is_some_and(|since| since.elapsed() > self.most);
        let most = if stays { shorter(self.most) } else { self.most };
        self.began.is_some_and(|began| began.elapsed() > most)
    }
}

impl<R: Clone + Send + Sync + 'static> Batcher<R> {
    /// In which many wait for `most` at the longest before a query begins.
    pub fn new(most: Duration) -> Self {
        let pace = Pace { most, began: None, slow_since: None };
        Self { latest: Mutex::default(), pace: Arc::new(Mutex::new(pace)) }
    }

    /// The row of this key, `None` where there is none; `query` is used if another query is needed.
    ///
    /// # Errors
    /// What the query failed with, for each who waited for it; [`StoreError::Unavailable`] at once
    /// where too many wait while one takes too long.
    pub async fn ask<Q>(
        &self,
        key: String,
        query: impl FnOnce(Vec<String>) -> Q + Send + 'static,
    ) -> Result<Option<R>, StoreError>
    where
        Q: Future<Output = Result<Vec<(String, R)>, StoreError>> + Send + 'static,
    {
        let rows = self.join(key.clone(), query)?;
        Ok(rows.await?.get(&key).cloned())
    }

    fn join<Q>(
        &self,
        key: String,
        query: impl FnOnce(Vec<String>) -> Q + Send + 'static,
    ) -> Result<Shared<BoxFuture<'static, Rows<R>>>, StoreError>
    where
        Q: Future<Output = Result<Vec<(String, R)>, StoreError>> + Send + 'static,
    {
        let mut latest = lock(&self.latest);
        if let Some(batch) = &*latest
            && let Some(gathering) = &mut *lock(&batch.gathering)
        {
            if gathering.count >= WAIT_ANYWAY && lock(&self.pace).is_too_slow() {
                return Err(StoreError::unavailable("too many views wait for one query"));
            }
            gathering.keys.insert(key);
            gathering.count += 1;
            return Ok(batch.rows.clone());
        }
        let first = Gathering { keys: HashSet::from([key]), count: 1 };
        let gathering = Arc::new(Mutex::new(Some(first)));
        let (before, mine, pace) = (latest.take(), gathering.clone(), self.pace.clone());
        let rows = async move {
            if let Some(before) = before {
                // Its failure is not ours.
                let _ = before.rows.await;
            }
            // Whoever can ask in this turn of the thread does so before the query goes out. Without that
            // the first of those who were just answered would go ahead alone, and all others wait for it.
            yield_now().await;
            let keys = lock(&mine).take().map(|all| all.keys.into_iter().collect());
            let _under_way = UnderWay::begin(pace);
            let found = query(keys.unwrap_or_default()).await?;
            Ok(Arc::new(found.into_iter().collect()))
        };
        let rows = rows.boxed().shared();
        *latest = Some(Batch { gathering, rows: rows.clone() });
        Ok(rows)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{sync::oneshot, time::advance};

    use super::*;

    const MOST: Duration = Duration::from_secs(2);

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
        let batcher = Batcher::new(MOST);
        let asked = Arc::new(AtomicUsize::new(0));
        let (let_first_go, first_may) = oneshot::channel();
        let (let_second_go, second_may) = oneshot::channel();
        let mut first = batcher.join("a".to_owned(), query(1, first_may, asked.clone())).unwrap();
        assert!(poll(&mut first).is_none());
        let mut second = batcher.join("a".to_owned(), query(2, second_may, asked.clone())).unwrap();
        let (_, never) = oneshot::channel();
        let mut third = batcher.join("b".to_owned(), query(3, never, asked.clone())).unwrap();
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
        let batcher = Batcher::new(MOST);
        let asked = Arc::new(AtomicUsize::new(0));
        let (let_go, may) = oneshot::channel();
        let mut first = batcher.join("a".to_owned(), query(1, may, asked.clone())).unwrap();
        assert!((&mut first).now_or_never().is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 0, "the others of this turn may ask as well");
        let (_, never) = oneshot::channel();
        let mut second = batcher.join("b".to_owned(), query(2, never, asked.clone())).unwrap();
        assert!(poll(&mut second).is_none());
        let_go.send(()).unwrap();
        assert_eq!(poll(&mut first).unwrap().unwrap()["b"], 1);
        assert_eq!(poll(&mut second).unwrap().unwrap()["b"], 1);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn whoever_goes_away_leaves_the_others_their_answer() {
        let batcher = Batcher::new(MOST);
        let asked = Arc::new(AtomicUsize::new(0));
        let (let_go, may) = oneshot::channel();
        let mut leaving = batcher.join("a".to_owned(), query(1, may, asked.clone())).unwrap();
        assert!(poll(&mut leaving).is_none());
        let (let_next_go, next_may) = oneshot::channel();
        let mut staying = batcher.join("a".to_owned(), query(2, next_may, asked.clone())).unwrap();
        assert!(poll(&mut staying).is_none());
        drop(leaving);
        let_go.send(()).unwrap();
        let_next_go.send(()).unwrap();
        assert_eq!(poll(&mut staying).unwrap().unwrap()["a"], 2);
    }

    #[test]
    fn a_failure_is_told_to_all_who_waited_and_to_nobody_later() {
        let batcher = Batcher::new(MOST);
        let asked = Arc::new(AtomicUsize::new(0));
        let (abandon, may) = oneshot::channel();
        let mut first = batcher.join("a".to_owned(), query(1, may, asked.clone())).unwrap();
        let mut second =
            batcher.join("b".to_owned(), query(2, oneshot::channel().1, asked.clone())).unwrap();
        assert!(poll(&mut first).is_none());
        drop(abandon);
        assert!(matches!(poll(&mut first), Some(Err(StoreError::Unavailable(_)))));
        assert!(matches!(poll(&mut second), Some(Err(StoreError::Unavailable(_)))));
        let (let_go, may) = oneshot::channel();
        let mut later = batcher.join("a".to_owned(), query(3, may, asked)).unwrap();
        let_go.send(()).unwrap();
        assert_eq!(poll(&mut later).unwrap().unwrap()["a"], 3);
    }

    /// As many as are let in at once while a query is under way, of so many.
    fn let_in(batcher: &Batcher<u32>, of: usize) -> usize {
        let asked = Arc::new(AtomicUsize::new(0));
        let came = (0..of).map(|number| {
            let never = oneshot::channel().1;
            batcher.join(number.to_string(), query(9, never, asked.clone())).is_ok()
        });
        came.filter(|is_let_in| *is_let_in).count()
    }

    /// A query that is under way for so long, and what lets it go.
    async fn under_way(
        batcher: &Batcher<u32>,
        took: Duration,
    ) -> (Shared<BoxFuture<'static, Rows<u32>>>, oneshot::Sender<()>) {
        let (let_go, may) = oneshot::channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let mut rows = batcher.join("a".to_owned(), query(1, may, asked)).unwrap();
        assert!(poll(&mut rows).is_none());
        advance(took).await;
        (rows, let_go)
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_query_takes_too_long_a_few_wait_for_the_next_and_the_others_are_told() {
        let batcher = Batcher::new(MOST);
        let (mut first, let_go) = under_way(&batcher, MOST).await;
        assert_eq!(let_in(&batcher, 1000), 1000);
        advance(Duration::from_millis(1)).await;
        assert_eq!(let_in(&batcher, 1000), 0);
        let_go.send(()).unwrap();
        assert!(poll(&mut first).is_some());
        assert_eq!(let_in(&batcher, 1000), 1000, "it is over");

        let batcher = Batcher::new(MOST);
        let (_first, _let_go) = under_way(&batcher, 2 * MOST).await;
        assert_eq!(let_in(&batcher, 1000), WAIT_ANYWAY);
    }

    #[tokio::test(start_paused = true)]
    async fn where_queries_always_take_long_less_is_too_long_until_one_does_not() {
        let batcher = Batcher::new(MOST);
        let few = Duration::from_millis(150);
        for _ in 0..20 {
            let (mut rows, let_go) = under_way(&batcher, few).await;
            let_go.send(()).unwrap();
            assert!(poll(&mut rows).is_some());
        }
        let (mut rows, let_go) = under_way(&batcher, few).await;
        assert_eq!(let_in(&batcher, 1000), WAIT_ANYWAY);
        let_go.send(()).unwrap();
        assert!(poll(&mut rows).is_some());
        // Those who were let in are the next query, which nobody lets go.
        *lock(&batcher.latest) = None;

        let (mut rows, let_go) = under_way(&batcher, Duration::ZERO).await;
        let_go.send(()).unwrap();
        assert!(poll(&mut rows).is_some());
        let (_rows, _let_go) = under_way(&batcher, few).await;
        assert_eq!(let_in(&batcher, 1000), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_is_given_up_is_under_way_no_more() {
        let batcher = Batcher::new(MOST);
        let (first, _let_go) = under_way(&batcher, 2 * MOST).await;
        drop(first);
        *lock(&batcher.latest) = None;
        assert_eq!(let_in(&batcher, 1000), 1000);
    }
}
