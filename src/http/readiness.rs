//! One question to the database for all probes of an instance: they need no credential, and are not
//! rate-limited.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use crate::http::error::ApiError;

type Answer = Result<(), ApiError>;

/// How long an answer of the database is used again, and the least time between two questions.
const DATABASE_INTERVAL: Duration = Duration::from_millis(250);

/// Whether the database answers, asked once for all probes of a quarter of a second.
#[derive(Default)]
pub struct DatabaseCheck(Mutex<Option<Asked>>);

struct Asked {
    began: Instant,
    /// With when it came; `None` if the probe that asked was cancelled.
    answer: Option<(Instant, Answer)>,
}

impl DatabaseCheck {
    /// The last answer, if it is young, or else the one that `ask` gets while other probes wait for
    /// it.
    pub async fn answer(&self, ask: impl AsyncFnOnce() -> Answer) -> Answer {
        let mut last = self.0.lock().await;
        if let Some(Asked { began, answer }) = &*last {
            match answer {
                Some((at, answer)) if at.elapsed() < DATABASE_INTERVAL => return answer.clone(),
                _ => sleep_until(*began + DATABASE_INTERVAL).await,
            }
        }
        let asked = last.insert(Asked { began: Instant::now(), answer: None });
        let answer = ask().await;
        asked.answer = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;
    use tokio::time::{advance, sleep, timeout};

    use super::*;
    use crate::http::error::ErrorType as E;

    #[tokio::test(start_paused = true)]
    async fn probes_of_a_quarter_of_a_second_ask_the_database_once() {
        let (check, asked) = (DatabaseCheck::default(), Cell::new(0));
        let ask = async || {
            asked.set(asked.get() + 1);
            sleep(Duration::from_millis(10)).await;
            if asked.get() == 2 { Err(E::Unavailable.into()) } else { Ok(()) }
        };
        for (questions, is_ready) in [(1, true), (2, false), (3, true)] {
            let answers = join_all((0..100).map(|_| check.answer(ask))).await;
            assert!(answers.iter().all(|answer| answer.is_ok() == is_ready));
            advance(DATABASE_INTERVAL - Duration::from_millis(1)).await;
            assert_eq!(check.answer(ask).await.is_ok(), is_ready);
            assert_eq!(asked.get(), questions);
            advance(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probes_that_go_away_do_not_ask_the_database_more_often() {
        let (check, asked, began) = (DatabaseCheck::default(), Cell::new(0), Instant::now());
        let never = async || {
            asked.set(asked.get() + 1);
            std::future::pending().await
        };
        for _ in 0..100 {
            assert!(timeout(Duration::from_millis(10), check.answer(never)).await.is_err());
        }
        assert!((2..=5).contains(&asked.get()), "{}", asked.get());
        assert!(began.elapsed() >= DATABASE_INTERVAL * (asked.get() - 1));
        check.answer(async || Ok(())).await.unwrap();
    }
}
