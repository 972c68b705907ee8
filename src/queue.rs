//! Queues that are bounded by time: how long somebody may wait for a turn.
//!
//! A queue that comes and goes is what makes the most of a thing that one after another has to use. One
//! that stays does nothing but let everybody wait: as many leave it in a second as if it were short. So
//! whoever comes to the end of a long queue that was there for as long as anybody may wait at all, may wait
//! for a small part of that alone, until it was gone. It then holds those who came last; the others
//! were refused, and who is served is served soon. That is controlled delay (CoDel, RFC 8289) as
//! B. Maurer, "Fail at Scale", ACM Queue 13(8), 2015, has it for servers.
//!
//! It differs in what counts as being there. There, one moment in which nobody waits is the end of a
//! queue; but a worker's requests come as it takes them up, many at a time, and in between there are such
//! moments whatever is asked. So it is what was there for most of the time. And a queue of no more
//! than are served at the same time is none: it is gone within one turn.

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
    /// So many are served at the same time.
    at_a_time: usize,
    count: usize,
    /// It stays.
    stays: bool,
    /// From when on the time is added up in which it is long.
    since: Instant,
    was_long: Duration,
    /// Since when it is long.
    long_since: Option<Instant>,
}

/// Somebody's place in a queue, until they have their turn or give up.
#[derive(Debug)]
pub struct Place {
    queue: Queue,
    allowed: Duration,
}

impl Queue {
    /// In which nobody waits for longer than `most`, for something that `at_a_time` can use.
    #[must_use]
    pub fn new(most: Duration, at_a_time: usize) -> Self {
        Self(Arc::new(Mutex::new(Waiting {
            most,
            at_a_time,
            count: 0,
            stays: false,
            since: Instant::now(),
            was_long: Duration::ZERO,
            long_since: None,
        })))
    }

    /// Takes a place at its end.
    #[must_use]
    pub fn join(&self) -> Place {
        let mut waiting = self.waiting();
        let now = Instant::now();
        waiting.look_back(now);
        let is_far_back = waiting.count >= waiting.at_a_time;
        waiting.count += 1;
        waiting.note_length(now);
        let most = waiting.most;
        let allowed = if waiting.stays && is_far_back { shorter(most) } else { most };
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

impl Waiting {
    fn note_length(&mut self, now: Instant) {
        if self.count > self.at_a_time {
            self.long_since.get_or_insert(now);
        } else if let Some(since) = self.long_since.take() {
            self.was_long += now - since;
        }
    }

    /// Decides whether it stays, each time that `most` is over.
    fn look_back(&mut self, now: Instant) {
        let time = now - self.since;
        if time < self.most {
            return;
        }
        if let Some(since) = &mut self.long_since {
            self.was_long += now - *since;
            *since = now;
        }
        self.stays = self.was_long > time / 2;
        self.since = now;
        self.was_long = Duration::ZERO;
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
        let mut waiting = self.queue.waiting();
        waiting.count -= 1;
        waiting.note_length(Instant::now());
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
        Self { free: Arc::new(Semaphore::new(count)), queue: Queue::new(most, count) }
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.count()
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

    /// So many who come at once, and stay until they are dropped.
    fn crowd(queue: &Queue, count: usize) -> Vec<Place> {
        (0..count).map(|_| queue.join()).collect()
    }

    /// One that was there all the time, but for a moment.
    async fn queue_that_stays() -> (Queue, Vec<Place>) {
        let queue = Queue::new(MOST, 2);
        let first = crowd(&queue, 5);
        tokio::time::sleep(MOST / 2).await;
        drop(first);
        tokio::time::sleep(MOST / 10).await;
        let second = crowd(&queue, 5);
        assert!(second.iter().all(|place| place.allowed() == MOST));
        tokio::time::sleep(MOST / 2).await;
        (queue, second)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_to_the_end_of_a_queue_that_stays_does_not_wait_for_long() {
        let (queue, _crowd) = queue_that_stays().await;
        assert_eq!(queue.join().allowed(), SHORT);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_no_more_before_them_than_are_served_at_a_time_waits_as_long_as_ever() {
        let (queue, places) = queue_that_stays().await;
        drop(places);
        let allowed = crowd(&queue, 4).iter().map(Place::allowed).collect::<Vec<_>>();
        assert_eq!(allowed, [MOST, MOST, SHORT, SHORT]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_is_not_there_for_most_of_the_time_does_not_stay() {
        let queue = Queue::new(MOST, 2);
        for _ in 0..20 {
            let crowd = crowd(&queue, 50);
            assert!(crowd.iter().all(|place| place.allowed() == MOST));
            tokio::time::sleep(MOST * 2 / 5).await;
            drop(crowd);
            tokio::time::sleep(MOST * 3 / 5).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_are_served_at_a_time_are_no_queue() {
        let queue = Queue::new(MOST, 2);
        let _two = crowd(&queue, 2);
        tokio::time::sleep(10 * MOST).await;
        assert_eq!(queue.join().allowed(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_stayed_is_gone_when_it_was_short_for_most_of_the_time() {
        let (queue, places) = queue_that_stays().await;
        assert_eq!(queue.join().allowed(), SHORT);
        drop(places);
        tokio::time::sleep(MOST).await;
        assert!(crowd(&queue, 10).iter().all(|place| place.allowed() == MOST));
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_queue_stays_a_turn_is_not_waited_for_for_long() {
        let turns = Turns::new(1, MOST);
        let _turn = turns.take().await.unwrap();
        let _crowd = crowd(&turns.queue, 3);
        tokio::time::sleep(MOST).await;
        let waited = in_vain(&turns).await;
        assert!(about(SHORT, waited), "{waited:?}");
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
