//! Queues that are bounded by time: how long somebody may wait for a turn.
//!
//! A queue that comes and goes is what makes the most of a thing that one after another has to use. One
//! that stays does nothing but let everybody wait: as many leave it in a second as if it were short. So
//! whoever comes to a queue that was there all the time for as long as anybody may wait at all, may wait
//! for a small part of that alone, until it was gone. It then holds those who came last; the others
//! were refused, and who is served is served soon. That is controlled delay (CoDel, RFC 8289) as
//! B. Maurer, "Fail at Scale", ACM Queue 13(8), 2015, has it for servers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::{Instant, timeout},
};

/// So much shorter is the wait in a queue that stays.
const SHORTER: u32 = 20;

/// What is left of the longest wait in a queue that stays.
#[must_use]
pub fn shorter(most: Duration) -> Duration {
    most / SHORTER
}

/// Those who wait for the same thing.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Mutex<Waiting>>);

#[derive(Debug)]
struct Waiting {
    most: Duration,
    count: usize,
    /// Since when there was always somebody.
    since: Instant,
}

/// Somebody's place in a queue, until they have their turn or give up.
#[derive(Debug)]
pub struct Place {
    queue: Queue,
    allowed: Duration,
}

impl Queue {
    /// In which nobody waits for longer than `most`.
    #[must_use]
    pub fn new(most: Duration) -> Self {
        Self(Arc::new(Mutex::new(Waiting { most, count: 0, since: Instant::now() })))
    }

    /// Takes a place at its end.
    #[must_use]
    pub fn join(&self) -> Place {
        let mut waiting = self.waiting();
        if waiting.count == 0 {
            waiting.since = Instant::now();
        }
        waiting.count += 1;
        let stays = waiting.since.elapsed() > waiting.most;
        let allowed = if stays { shorter(waiting.most) } else { waiting.most };
        Place { queue: self.clone(), allowed }
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.waiting().count
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// For how long it may be kept.
    #[must_use]
    pub fn allowed(&self) -> Duration {
        self.allowed
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.waiting().count -= 1;
    }
}

/// So many may have their turn at the same time; the others wait, in the order in which they came.
#[derive(Debug, Clone)]
pub struct Turns {
    free: Arc<Semaphore>,
    queue: Queue,
}

/// The wait was too long.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Turns {
    /// `count` at the same time, and nobody waits for longer than `most`.
    #[must_use]
    pub fn new(count: usize, most: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), queue: Queue::new(most) }
    }

    /// A turn, which lasts until it is dropped.
    ///
    /// # Errors
    /// [`TooLong`] when it did not come in time.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit, TooLong> {
        match self.free.clone().try_acquire_owned() {
            Ok(turn) => return Ok(turn),
            // Nobody closes it.
            Err(TryAcquireError::Closed) => return Err(TooLong),
            Err(TryAcquireError::NoPermits) => {}
        }
        let place = self.queue.join();
        let turn = timeout(place.allowed(), self.free.clone().acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or(TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(1);
    const SHORT: Duration = Duration::from_millis(50);

    /// How long somebody waits in vain.
    async fn in_vain(turns: &Turns) -> Duration {
        let began = Instant::now();
        assert_eq!(turns.take().await.unwrap_err(), TooLong);
        began.elapsed()
    }

    fn about(expected: Duration, found: Duration) -> bool {
        (expected..expected + Duration::from_millis(5)).contains(&found)
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_taken_in_the_order_of_coming_and_nobody_waits_too_long() {
        let turns = Turns::new(1, MOST);
        let turn = turns.take().await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let turns = turns.clone();
            waiting.push(tokio::spawn(async move { turns.take().await }));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(turn);
        let second = waiting.remove(0).await.unwrap().unwrap();
        assert!(waiting.iter().all(|others| !others.is_finished()));
        drop(second);
        assert!(waiting.remove(0).await.unwrap().is_ok());
        let _held = waiting.remove(0).await.unwrap().unwrap();
        let waited = in_vain(&turns).await;
        assert!(about(MOST, waited), "{waited:?}");
    }

    /// So many who come one after the other and again and again, each until the turn comes, so that there
    /// are always some for the longest wait and more.
    async fn crowd(turns: &Turns, count: u32) -> Vec<tokio::task::JoinHandle<()>> {
        let mut crowd = Vec::new();
        for _ in 0..count {
            let turns = turns.clone();
            crowd.push(tokio::spawn(async move { while turns.take().await.is_err() {} }));
            tokio::time::sleep(MOST / count).await;
        }
        crowd
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_queue_that_stays_nobody_waits_for_long_until_it_is_gone() {
        let turns = Turns::new(1, MOST);
        let turn = turns.take().await.unwrap();
        let crowd = crowd(&turns, 4).await;
        let place = turns.queue.join();
        assert_eq!(place.allowed(), MOST);
        drop(place);
        tokio::time::sleep(SHORT).await;
        let waited = in_vain(&turns).await;
        assert!(about(SHORT, waited), "{waited:?}");
        drop(turn);
        for waiting in crowd {
            waiting.await.unwrap();
        }
        let _turn = turns.take().await.unwrap();
        let waited = in_vain(&turns).await;
        assert!(about(MOST, waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn crowds_that_come_again_and_again_and_are_gone_in_between_are_no_queue_that_stays() {
        let turns = Turns::new(1, MOST);
        for _ in 0..10 {
            let turn = turns.take().await.unwrap();
            let next = turns.take();
            let free = async {
                tokio::time::sleep(MOST / 2).await;
                drop(turn);
            };
            assert!(tokio::join!(next, free).0.is_ok());
        }
    }
}
