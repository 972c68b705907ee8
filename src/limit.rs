//! A fair semaphore with a bounded wait, and one for each of many keys.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Limits concurrent operations. Further ones wait in the order of arrival, for at most `max_wait`.
/// Clones share the permits.
#[derive(Debug, Clone)]
pub struct Limiter {
    permits: Arc<Semaphore>,
    max_wait: Duration,
    waiting: Arc<AtomicUsize>,
}

/// No permit became free in time, or too many operations wait for one.
#[derive(Debug, PartialEq, Eq)]
pub struct Timeout;

impl Limiter {
    #[must_use]
    pub fn new(permits: usize, max_wait: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits)), max_wait, waiting: Arc::default() }
    }

    /// How many operations wait for a permit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A permit, which is returned when it is dropped.
    pub async fn acquire(&self) -> Result<OwnedSemaphorePermit, Timeout> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let permit = timeout(self.max_wait, self.permits.clone().acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or(Timeout)
    }
}

/// Limits the concurrent operations of each key, such as a user. Further ones of a key wait in the
/// order of arrival. Clones share the permits. A key takes memory only while it has operations.
#[derive(Debug, Clone)]
pub struct KeyedLimiter<K: Eq + Hash> {
    /// For each key.
    permits: usize,
    /// How many operations of one key may wait.
    max_waiting: usize,
    keys: Arc<Mutex<HashMap<K, Operations>>>,
}

/// Those of one key.
#[derive(Debug)]
struct Operations {
    /// With those that wait.
    count: usize,
    permits: Arc<Semaphore>,
}

impl<K: Clone + Eq + Hash> KeyedLimiter<K> {
    #[must_use]
    pub fn new(permits: usize, max_waiting: usize) -> Self {
        Self { permits, max_waiting, keys: Arc::default() }
    }

    /// A permit of this key, which is returned when it is dropped.
    ///
    /// # Errors
    /// [`Timeout`] when none became free within `max_wait`, and at once when too many wait already.
    pub async fn acquire(&self, key: &K, max_wait: Duration) -> Result<KeyedPermit<K>, Timeout> {
        let (operation, permits) = self.begin(key)?;
        let permit = timeout(max_wait, permits.acquire_owned()).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(Timeout)?;
        Ok(KeyedPermit { _permit: permit, _operation: operation })
    }

    fn begin(&self, key: &K) -> Result<(Operation<K>, Arc<Semaphore>), Timeout> {
        let mut keys = self.keys.lock();
        let of_key = keys.entry(key.clone()).or_insert_with(|| Operations {
            count: 0,
            permits: Arc::new(Semaphore::new(self.permits)),
        });
        if of_key.count >= self.permits + self.max_waiting {
            return Err(Timeout);
        }
        of_key.count += 1;
        Ok((Operation { keys: self.keys.clone(), key: key.clone() }, of_key.permits.clone()))
    }
}

/// A permit of a [`KeyedLimiter`].
#[derive(Debug)]
pub struct KeyedPermit<K: Eq + Hash> {
    _permit: OwnedSemaphorePermit,
    _operation: Operation<K>,
}

/// Ends the operation in `KeyedLimiter::keys`, also when it is cancelled.
#[derive(Debug)]
struct Operation<K: Eq + Hash> {
    keys: Arc<Mutex<HashMap<K, Operations>>>,
    key: K,
}

impl<K: Eq + Hash> Drop for Operation<K> {
    fn drop(&mut self) {
        let mut keys = self.keys.lock();
        let Some(of_key) = keys.get_mut(&self.key) else { return };
        of_key.count -= 1;
        if of_key.count == 0 {
            keys.remove(&self.key);
        }
    }
}

/// Ends the wait in `Limiter::waiting`, also when the operation is cancelled.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const MAX_WAIT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn permits_are_given_in_the_order_of_arrival() {
        let limiter = Limiter::new(1, MAX_WAIT);
        let held = limiter.acquire().await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..2 {
            let limiter = limiter.clone();
            waiting.push(tokio::spawn(async move { limiter.acquire().await }));
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(limiter.waiting(), 2);
        drop(held);
        let first = waiting.remove(0).await.unwrap().unwrap();
        assert!(!waiting[0].is_finished());
        drop(first);
        assert!(waiting.remove(0).await.unwrap().is_ok());
        assert_eq!(limiter.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_beyond_max_wait_is_a_timeout() {
        let limiter = Limiter::new(1, MAX_WAIT);
        let _held = limiter.acquire().await.unwrap();
        let began = Instant::now();
        assert_eq!(limiter.acquire().await.unwrap_err(), Timeout);
        assert!((MAX_WAIT..2 * MAX_WAIT).contains(&began.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_takes_no_permit() {
        let limiter = Limiter::new(1, MAX_WAIT);
        let held = limiter.acquire().await.unwrap();
        assert!(timeout(MAX_WAIT / 2, limiter.acquire()).await.is_err());
        assert_eq!(limiter.waiting(), 0);
        drop(held);
        assert!(limiter.acquire().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_has_its_own_permits() {
        let limiter = KeyedLimiter::new(2, 8);
        let held = [
            limiter.acquire(&"alice", MAX_WAIT).await.unwrap(),
            limiter.acquire(&"alice", MAX_WAIT).await.unwrap(),
        ];
        let began = Instant::now();
        assert_eq!(limiter.acquire(&"alice", MAX_WAIT).await.unwrap_err(), Timeout);
        assert!((MAX_WAIT..2 * MAX_WAIT).contains(&began.elapsed()));
        limiter.acquire(&"bob", MAX_WAIT).await.unwrap();
        drop(held);
        limiter.acquire(&"alice", MAX_WAIT).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_beyond_max_waiting_is_refused_at_once() {
        let limiter = KeyedLimiter::new(1, 1);
        let _held = limiter.acquire(&"alice", MAX_WAIT).await.unwrap();
        let waits = limiter.acquire(&"alice", MAX_WAIT);
        let refused = async {
            let began = Instant::now();
            assert_eq!(limiter.acquire(&"alice", MAX_WAIT).await.unwrap_err(), Timeout);
            assert!(began.elapsed().is_zero());
        };
        let (waited, ()) = tokio::join!(waits, refused);
        assert_eq!(waited.unwrap_err(), Timeout);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_key_takes_no_memory() {
        let limiter = KeyedLimiter::new(1, 8);
        for user in 0..100 {
            let held = limiter.acquire(&user, MAX_WAIT).await.unwrap();
            // One that gives up, and one that is cancelled.
            assert!(limiter.acquire(&user, MAX_WAIT).await.is_err());
            assert!(timeout(MAX_WAIT / 2, limiter.acquire(&user, MAX_WAIT)).await.is_err());
            assert_eq!(limiter.keys.lock().len(), 1);
            drop(held);
        }
        assert!(limiter.keys.lock().is_empty());
    }
}
