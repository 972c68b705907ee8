//! How far a worker is behind. A worker is one thread, which takes what is ready in the order in which
//! it became so; most requests are done in one go, so what waits for it stands in no queue of ours
//! that could be counted, but in tokio's and in the sockets. Its length shows in time: a mark is
//! put at its end, and until the worker comes to that mark, whatever it takes up has waited for as
//! long as the mark has.
//!
//! So of each round, from one mark to the next, no more than a set time goes into serving; what is
//! left of it is refused, which is many times cheaper, and the next round is short again. Who is
//! served has waited about that time, whatever the rate at which others come.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

/// So many are served in a round, however long it took: a pause of the whole machine is not a queue.
const SERVED_ANYWAY: u32 = 64;

/// The round that one worker is in.
#[derive(Clone)]
pub struct Round {
    /// How much of it goes into serving.
    most: Duration,
    /// When the mark was put, while the worker has not come to it.
    mark: Rc<Cell<Option<Instant>>>,
    /// Requests since then.
    requests: Rc<Cell<u32>>,
}

impl Round {
    /// For one worker, on its own thread.
    #[must_use]
    pub fn new(most: Duration) -> Self {
        Self { most, mark: Rc::default(), requests: Rc::default() }
    }

    /// Whether there is time in this round to serve one more request. It has to be asked by the
    /// worker, for each request that it takes up.
    pub fn has_time(&self) -> bool {
        let Some(mark) = self.mark.get() else {
            self.begin();
            return true;
        };
        let requests = self.requests.get() + 1;
        self.requests.set(requests);
        requests <= SERVED_ANYWAY || mark.elapsed() <= self.most
    }

    fn begin(&self) {
        self.mark.set(Some(Instant::now()));
        self.requests.set(1);
        let mark = self.mark.clone();
        // It runs when everything that is ready now has had its turn.
        actix_web::rt::spawn(async move { mark.set(None) });
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    const MOST: Duration = Duration::from_millis(5);

    /// So many requests that are ready at the same time, each of them done in one go.
    async fn taken_up(round: &Round, count: usize, each: Duration) -> usize {
        let served = Rc::new(Cell::new(0));
        let requests = (0..count).map(|_| {
            let (round, served) = (round.clone(), served.clone());
            actix_web::rt::spawn(async move {
                if round.has_time() {
                    served.set(served.get() + 1);
                    sleep(each);
                }
            })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
        served.get()
    }

    #[actix_web::test]
    async fn what_waited_too_long_is_refused_and_the_next_round_begins_anew() {
        let round = Round::new(MOST);
        for _ in 0..3 {
            let served = taken_up(&round, 500, Duration::from_micros(200)).await;
            assert!((64..400).contains(&served), "{served}");
        }
        assert_eq!(taken_up(&round, 20, Duration::ZERO).await, 20);
    }

    #[actix_web::test]
    async fn many_that_are_quick_are_all_served() {
        let round = Round::new(Duration::from_secs(5));
        assert_eq!(taken_up(&round, 5000, Duration::ZERO).await, 5000);
    }

    #[actix_web::test]
    async fn a_pause_refuses_nobody_while_few_wait() {
        let round = Round::new(MOST);
        assert_eq!(taken_up(&round, 60, Duration::from_millis(1)).await, 60);
    }

    #[actix_web::test]
    async fn one_after_another_is_no_queue_however_long_each_takes() {
        let round = Round::new(MOST);
        for _ in 0..100 {
            assert_eq!(taken_up(&round, 1, Duration::from_millis(1)).await, 1);
        }
    }
}
