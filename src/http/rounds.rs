//! How far a worker is behind. A worker is one thread, which takes what is ready in the order in which
//! it became so; most requests are done in one go, so what waits for it stands in no queue of ours
//! that could be counted, but in tokio's and in the sockets. Its length shows in time: a mark is
//! put at its end, and until the worker comes to that mark, whatever it takes up has waited for as
//! long as the mark has.
//!
//! So of each round, from one mark to the next, no more than a set time goes into serving; what is
//! left of it is refused, which is many times cheaper, and the next round is short again. How much that
//! is depends on whether the queue comes and goes or stays ([`queue`](crate::queue)): a crowd that comes at
//! once is served, and of a stream that never ends those who come last are served soon.

use std::{cell::Cell, rc::Rc, time::Duration};

use tokio::time::Instant;

use super::{error::ApiError, turned_away::TurnedAway};

/// Why a request is refused.
const CAUSE: &str = "a worker is too far behind";

/// So many are served in a round, however long it took: a pause of the whole machine is not a queue.
const SERVED_ANYWAY: u32 = 64;

/// For so small a part of the time is served in each round of a queue that stays, and rounds longer than
/// that are such a queue's. The longer it is, the more of those who wait for the next rounds are there, and
/// the less is left on a shared machine for refusing them.
const SHORTER: u32 = 40;

fn shorter(most: Duration) -> Duration {
    most / SHORTER
}

/// The round that one worker is in.
#[derive(Clone)]
pub struct Round(Rc<Inner>);

struct Inner {
    turned_away: TurnedAway,
    most: Duration,
    past: Cell<Past>,
    /// While the worker has not come to its mark.
    now: Cell<Option<Now>>,
}

/// What the rounds before were like.
#[derive(Clone, Copy)]
struct Past {
    /// The queue stays.
    stays: bool,
    /// From when on rounds are added up: from the end of a first long one, which by itself may be a crowd,
    /// or a machine that paused.
    since: Option<Instant>,
    /// So much of the time since then went by in long rounds.
    in_long: Duration,
    /// The end of the last one.
    last: Instant,
}

#[derive(Clone, Copy)]
struct Now {
    began: Instant,
    /// How much of it goes into serving.
    most: Duration,
    requests: u32,
    has_refused: bool,
}

impl Now {
    fn is_over(&self) -> bool {
        self.requests > SERVED_ANYWAY && self.began.elapsed() > self.most
    }
}

impl Round {
    /// For one worker, on its own thread; at most so much of a round goes into serving.
    #[must_use]
    pub fn new(most: Duration) -> Self {
        let (turned_away, now) = (TurnedAway::default(), Instant::now());
        let past = Cell::new(Past::none(now));
        Self(Rc::new(Inner { turned_away, most, past, now: Cell::new(None) }))
    }

    /// One that is over, for ever.
    #[cfg(test)]
    #[must_use]
    pub fn over() -> Self {
        let round = Self::new(Duration::ZERO);
        let began = Instant::now() - Duration::from_secs(1);
        let now = Now { began, most: Duration::ZERO, requests: u32::MAX, has_refused: false };
        round.0.now.set(Some(now));
        round
    }

    /// Whether there is time in this round to serve one more request. It has to be asked by the
    /// worker, for each request that it takes up.
    pub fn has_time(&self) -> bool {
        let Some(mut now) = self.0.now.get() else {
            self.begin();
            return true;
        };
        now.requests += 1;
        self.0.now.set(Some(now));
        !now.is_over()
    }

    /// Whether all time of this round is used up.
    pub fn is_over(&self) -> bool {
        self.0.now.get().is_some_and(|now| now.is_over())
    }

    /// What somebody is told for whom there is no time.
    #[must_use]
    pub fn too_far_behind() -> ApiError {
        ApiError::overloaded(CAUSE).noted()
    }

    /// Refuses somebody for whom there is no time: [`Round::too_far_behind`].
    pub fn refuse(&self) {
        if let Some(mut now) = self.0.now.get() {
            now.has_refused = true;
            self.0.now.set(Some(now));
        }
        self.0.turned_away.one(CAUSE);
    }

    fn begin(&self) {
        let began = Instant::now();
        let stays = self.0.past.get().stays_at(began, self.0.most);
        let most = if stays { shorter(self.0.most) } else { self.0.most };
        self.0.now.set(Some(Now { began, most, requests: 1, has_refused: false }));
        let inner = self.0.clone();
        // It runs when everything that is ready now has had its turn.
        actix_web::rt::spawn(async move { inner.end() });
    }
}

impl Past {
    fn none(now: Instant) -> Self {
        Self { stays: false, since: None, in_long: Duration::ZERO, last: now }
    }

    /// What was long ago says nothing.
    fn stays_at(&self, now: Instant, most: Duration) -> bool {
        self.stays && now - self.last <= most
    }

    /// Adds a round. A queue stays if for so long most of the time went by in long rounds; it is gone
    /// when there was none for as long. (Between two long ones there are short ones too: while all who
    /// were taken on wait for one answer of the database, a worker has nothing to do.)
    fn add(&mut self, began: Instant, ended: Instant, was_long: bool, most: Duration) {
        if began.saturating_duration_since(self.last) > most {
            *self = Self::none(began);
        }
        self.last = ended;
        let Some(since) = self.since else {
            self.since = was_long.then_some(ended);
            return;
        };
        if was_long {
            self.in_long += ended - began;
        }
        let time = ended - since;
        if time >= most {
            self.stays = if self.stays { !self.in_long.is_zero() } else { self.in_long > time / 2 };
            self.since = self.stays.then_some(ended);
            self.in_long = Duration::ZERO;
        }
    }
}

impl Inner {
    fn end(&self) {
        let Some(now) = self.now.take() else { return };
        let ended = Instant::now();
        let was_long = now.has_refused || ended - now.began > shorter(self.most);
        let mut past = self.past.get();
        past.add(now.began, ended, was_long, self.most);
        self.past.set(past);
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    const MOST: Duration = Duration::from_millis(20);
    /// So long that a machine that has other things to do hardly ever pauses for it.
    const LONG: Duration = Duration::from_millis(200);
    /// Far more than are served in any round.
    const TOO_MANY: usize = 500;

    /// So many requests that are ready at the same time, each of them done in one go. Gives back how many
    /// were served.
    async fn taken_up(round: &Round, count: usize, each: Duration) -> usize {
        let served = Rc::new(Cell::new(0));
        let requests = (0..count).map(|_| {
            let (round, served) = (round.clone(), served.clone());
            actix_web::rt::spawn(async move {
                if round.has_time() {
                    served.set(served.get() + 1);
                    sleep(each);
                } else {
                    round.refuse();
                }
            })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
        served.get()
    }

    /// The same rounds so many times, each so long after the one before and so long itself, in milliseconds.
    fn after(mut past: Past, times: usize, rounds: &[(u64, u64)]) -> Past {
        for _ in 0..times {
            for (pause, took) in rounds {
                let began = past.last + Duration::from_millis(*pause);
                let ended = began + Duration::from_millis(*took);
                past.add(began, ended, Duration::from_millis(*took) > shorter(LONG), LONG);
            }
        }
        past
    }

    fn none() -> Past {
        Past::none(Instant::now())
    }

    #[test]
    fn short_rounds_between_long_ones_do_not_end_a_queue_that_stays() {
        let convoy = [(0, 25), (0, 1), (8, 0), (1, 30), (0, 4)];
        assert!(!after(none(), 3, &convoy).stays);
        let stays = after(none(), 10, &convoy);
        assert!(stays.stays);
        assert!(after(stays, 1, &[(0, 1), (0, 15), (100, 1), (60, 1), (30, 1)]).stays);
    }

    #[test]
    fn rounds_that_are_longer_than_any_should_be_are_a_queue_that_stays() {
        assert!(after(none(), 2, &[(0, 300)]).stays);
    }

    #[test]
    fn one_long_round_is_a_crowd_or_a_pause() {
        assert!(!after(none(), 10, &[(0, 300), (0, 1), (150, 1), (100, 1)]).stays);
    }

    #[test]
    fn long_rounds_now_and_then_are_no_queue_that_stays() {
        assert!(!after(none(), 100, &[(0, 15), (20, 1)]).stays);
    }

    #[test]
    fn a_queue_is_gone_when_there_was_no_long_round_for_a_while() {
        let stays = after(none(), 10, &[(0, 25)]);
        assert!(after(stays, 30, &[(0, 5)]).stays);
        assert!(!after(stays, 100, &[(0, 5)]).stays);
    }

    #[actix_web::test]
    async fn what_waited_too_long_is_refused_and_the_next_round_begins_anew() {
        let round = Round::new(MOST);
        let served = taken_up(&round, TOO_MANY, Duration::from_micros(200)).await;
        assert!((64..400).contains(&served), "{served}");
        assert_eq!(taken_up(&round, 20, Duration::ZERO).await, 20);
    }

    #[actix_web::test]
    async fn in_a_queue_that_stays_fewer_are_served_until_it_is_gone() {
        let round = Round::new(LONG);
        // A machine that pauses makes a gap, and what was before one says nothing.
        let until = Instant::now() + Duration::from_secs(60);
        let mut fewest = false;
        while !fewest {
            assert!(Instant::now() < until, "it never begins");
            let rounds = Instant::now() + 3 * LONG;
            while Instant::now() < rounds {
                let served = taken_up(&round, TOO_MANY, Duration::from_micros(200)).await;
                fewest = served == SERVED_ANYWAY as usize;
            }
        }
        // A machine that pauses makes a short round a long one, and it takes as long again.
        for tries in 1.. {
            let until = Instant::now() + 3 * LONG / 2;
            while Instant::now() < until {
                assert_eq!(taken_up(&round, 1, Duration::ZERO).await, 1);
            }
            if taken_up(&round, 100, Duration::from_micros(20)).await == 100 {
                break;
            }
            assert!(tries < 200, "it never ends");
        }
    }

    #[actix_web::test]
    async fn a_queue_of_long_ago_says_nothing() {
        let round = Round::new(LONG);
        let until = Instant::now() + 3 * LONG;
        while Instant::now() < until {
            taken_up(&round, TOO_MANY, Duration::from_micros(100)).await;
        }
        tokio::time::sleep(2 * LONG).await;
        let served = taken_up(&round, TOO_MANY, Duration::from_micros(1)).await;
        assert!(served > 64, "{served}");
    }

    #[actix_web::test]
    async fn many_that_are_quick_are_all_served() {
        let round = Round::new(Duration::from_secs(5));
        assert_eq!(taken_up(&round, 5000, Duration::ZERO).await, 5000);
    }

    #[actix_web::test]
    async fn a_pause_refuses_nobody_while_few_wait() {
        let round = Round::new(MOST);
        assert_eq!(taken_up(&round, 60, Duration::from_millis(5)).await, 60);
    }

    #[actix_web::test]
    async fn one_after_another_is_no_queue_however_long_each_takes() {
        let round = Round::new(MOST);
        for _ in 0..100 {
            assert_eq!(taken_up(&round, 1, Duration::from_millis(1)).await, 1);
        }
    }
}
