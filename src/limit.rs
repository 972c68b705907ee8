//! A fair semaphore with a bounded wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

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

/// No permit became free in time.
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
}
