//! Many questions of one kind at the same moment, put to the database as one.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared, WeakShared},
    stream::FuturesUnordered,
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
/// is revoked for it. The query belongs to all who wait for it, whichever of them goes away; when the
/// last one does, it ends, and nothing that it held is held any longer.
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
    /// When the query began that is under way: the last one, if there are two.
    began: Option<Instant>,
    /// When the last one ended.
    ended: Option<Instant>,
    /// Since when each took longer than a small part of that.
    slow_since: Option<Instant>,
}

/// The rows that were found, by their keys.
type Rows<R> = Result<Arc<HashMap<String, R>>, StoreError>;
type Asking<R> = Shared<BoxFuture<'static, Rows<R>>>;

struct Batch<R> {
    /// Taken when the query begins; whoever comes later is not part of it.
    gathering: Arc<Mutex<Option<Gathering>>>,
    /// Held by those who wait for it alone. What nobody waits for, nobody drives on: it would never end.
    rows: WeakShared<BoxFuture<'static, Rows<R>>>,
}

/// Those who wait for a query to begin.
struct Gathering {
    keys: HashSet<String>,
    count: usize,
    /// When the first of them came.
    since: Instant,
}

/// A query that is under way, until it ends or is given up.
struct UnderWay {
    pace: Arc<Mutex<Pace>>,
    began: Instant,
}

impl UnderWay {
    fn begin(pace: Arc<Mutex<Pace>>) -> Self {
        let began = Instant::now();
        lock(&pace).begin(began);
        Self { pace, began }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.pace).end(self.began);
    }
}

impl Pace {
    fn begin(&mut self, now: Instant) {
        // What was long ago says nothing.
        if self.ended.is_some_and(|ended| ended.elapsed() > self.most) {
            self.slow_since = None;
        }
        self.began = Some(now);
    }

    fn end(&mut self, began: Instant) {
        self.ended = Some(Instant::now());
        // Another one may have begun meanwhile: when all had left who were to wait for this one's end.
        self.began.take_if(|last| *last == began);
        let is_slow = began.elapsed() > shorter(self.most);
        self.slow_since = is_slow.then(|| self.slow_since.unwrap_or(began));
    }

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
        let pace = Pace { most, began: None, ended: None, slow_since: None };
        Self { latest: Mutex::default(), pace: Arc::new(Mutex::new(pace)) }
    }

    /// The row of this key, `None` where there is none; `query` is used if another query is needed, and
    /// is told when the first of those came who wait for it.
    ///
    /// # Errors
    /// What the query failed with, for each who waited for it; [`StoreError::Unavailable`] at once
    /// where too many wait while one takes too long.
    pub async fn ask<Q>(
        &self,
        key: String,
        query: impl FnOnce(Vec<String>, Instant) -> Q + Send + 'static,
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
        query: impl FnOnce(Vec<String>, Instant) -> Q + Send + 'static,
    ) -> Result<Asking<R>, StoreError>
    where
        Q: Future<Output = Result<Vec<(String, R)>, StoreError>> + Send + 'static,
    {
        let mut latest = lock(&self.latest);
        let before = latest.as_ref().and_then(|batch| batch.rows.upgrade());
        if let (Some(batch), Some(rows)) = (&*latest, &before)
            && let Some(gathering) = &mut *lock(&batch.gathering)
        {
            if gathering.count >= WAIT_ANYWAY && lock(&self.pace).is_too_slow() {
                return Err(StoreError::unavailable("too many views wait for one query"));
            }
            gathering.keys.insert(key);
            gathering.count += 1;
            return Ok(rows.clone());
        }
        let first = Gathering { keys: HashSet::from([key]), count: 1, since: Instant::now() };
        let gathering = Arc::new(Mutex::new(Some(first)));
        let (mine, pace) = (gathering.clone(), self.pace.clone());
        let rows = async move {
            if let Some(before) = before {
                // Its failure is not ours.
                let _ = before.await;
            }
            others_at_hand().await;
            let Some(all) = lock(&mine).take() else { return Ok(Arc::default()) };
            let _under_way = UnderWay::begin(pace);
            let asked = query(all.keys.into_iter().collect(), all.since);
            // A panic would be that of each query to come, which all wait for this one.
            let found = AssertUnwindSafe(asked).catch_unwind().await;
            let found = found.map_err(|_| StoreError::Failed("a query panicked".to_owned()))??;
            Ok(Arc::new(found.into_iter().collect()))
        };
        let rows = rows.boxed().shared();
        *latest = rows.downgrade().map(|rows| Batch { gathering, rows });
        Ok(rows)
    }
}

/// Lets whoever can ask in this turn of the thread do so before the query goes out. Without that the first
/// of those who were just answered would go ahead alone, and all others wait for it.
async fn others_at_hand() {
    // `yield_now` alone ends when it is polled again, whoever does so: here the second who asks.
    // This polls it when it was woken.
    FuturesUnordered::from_iter([yield_now()]).next().await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
