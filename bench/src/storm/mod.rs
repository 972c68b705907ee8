//! Requests at a fixed rate, whether or not earlier ones were answered: an open loop, as the world
//! is. A client that waits for each answer before it asks again (`wrk`) asks the less the slower it
//! is answered, so it cannot offer twice what a service can serve.
//!
//! The time of an answer counts from the moment at which its request was due. What could not be sent,
//! because all connections waited for answers, is not left out in silence but counted.

mod connection;
mod mix;
mod reply;
mod tally;
mod times;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{sync::oneshot, task::LocalSet};

use crate::Failure;
use mix::Request;
use tally::Tally;

/// How long a request that is due waits for a free connection, as a browser's does for one of its own.
const SENT_WITHIN: Duration = Duration::from_secs(1);
/// How long an answer may take, from the moment at which its request was due.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// How often what is due is sent.
const TICK: Duration = Duration::from_millis(1);
/// Bytes that are read at a time, into one place for all connections.
const READ: usize = 64 * 1024;

/// What is asked of it.
pub struct Plan {
    pub address: SocketAddr,
    /// Requests a second.
    pub rate: f64,
    pub seconds: u64,
    /// Open at a time, at most.
    pub connections: usize,
}

/// One request: when it is due, and which of the mix it is.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    what: usize,
}

/// What all connections share; they run on one thread.
struct Storm {
    plan: Plan,
    mix: Vec<Request>,
    tally: RefCell<Tally>,
    /// Connections without a request, the last used at the end.
    free: RefCell<Vec<oneshot::Sender<Due>>>,
    waiting: RefCell<VecDeque<Due>>,
    open: Cell<usize>,
    /// Requests that a connection has.
    under_way: Cell<usize>,
    buffer: RefCell<Vec<u8>>,
}

/// Offers the mix for as long as is asked, waits for the last answers, and prints what became of all
/// requests as one line of JSON, times in milliseconds.
pub async fn run(plan: Plan, mix: &Path) -> Result<(), Failure> {
    let is_sensible = plan.rate > 0.0 && plan.rate.is_finite() && plan.connections > 0;
    if !is_sensible {
        return Err("the rate and the connections have to be more than 0".into());
    }
    let mix = mix::read(mix, &plan.address.to_string())?;
    println!("{}", offer(plan, mix).await);
    Ok(())
}

async fn offer(plan: Plan, mix: Vec<Request>) -> Value {
    let storm = Rc::new(Storm {
        plan,
        mix,
        tally: RefCell::new(Tally::new()),
        free: RefCell::default(),
        waiting: RefCell::default(),
        open: Cell::new(0),
        under_way: Cell::new(0),
        buffer: RefCell::new(vec![0; READ]),
    });
    let offered = LocalSet::new().run_until(storm.clone().offer()).await;
    let seconds = storm.plan.seconds as f64;
    storm.tally.borrow().to_json(offered, seconds)
}

impl Storm {
    /// Sends each request when it is due; gives back how many there were.
    async fn offer(self: Rc<Self>) -> u64 {
        let began = Instant::now();
        let all = (self.plan.rate * self.plan.seconds as f64) as u64;
        let mut next = 0;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while next < all || !self.waiting.borrow().is_empty() {
            ticks.tick().await;
            self.send_waiting();
            let until = (began.elapsed().as_secs_f64() * self.plan.rate) as u64 + 1;
            for number in next..until.min(all) {
                let at = began + Duration::from_secs_f64(number as f64 / self.plan.rate);
                let what = (number % self.mix.len() as u64) as usize;
                self.tally.borrow_mut().behind.add(microseconds_since(at));
                let due = Due { at, what };
                if !self.sent(due) {
                    self.waiting.borrow_mut().push_back(due);
                }
            }
            next = next.max(until.min(all));
        }
        while self.under_way.get() > 0 {
            ticks.tick().await;
        }
        all
    }

    /// What waited too long is not sent, and the rest where that is possible now.
    fn send_waiting(self: &Rc<Self>) {
        while let Some(due) = self.next_waiting() {
            if !self.sent(due) {
                self.waiting.borrow_mut().push_front(due);
                return;
            }
        }
    }

    /// The longest waiting request that may still be sent.
    fn next_waiting(&self) -> Option<Due> {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(due) = waiting.pop_front() {
            if due.at.elapsed() < SENT_WITHIN {
                return Some(due);
            }
            self.tally.borrow_mut().not_sent += 1;
        }
        None
    }

    /// Gives it to a free connection, or else to a new one.
    fn sent(self: &Rc<Self>, mut due: Due) -> bool {
        loop {
            let free = self.free.borrow_mut().pop();
            let Some(free) = free else { break };
            match free.send(due) {
                Ok(()) => {
                    self.under_way.set(self.under_way.get() + 1);
                    return true;
                }
                // That connection was closed meanwhile.
                Err(back) => due = back,
            }
        }
        if self.open.get() >= self.plan.connections {
            return false;
        }
        self.open.set(self.open.get() + 1);
        self.under_way.set(self.under_way.get() + 1);
        let mut tally = self.tally.borrow_mut();
        tally.opened += 1;
        tally.most_open = tally.most_open.max(self.open.get());
        tokio::task::spawn_local(connection::keep(self.clone(), due));
        true
    }
}

fn microseconds_since(moment: Instant) -> u64 {
    u64::try_from(moment.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
