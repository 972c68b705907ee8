//! What became of all requests.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{reply::Reply, times::Times};

/// Counts. Each request is in one of `statuses`, `broken`, `unconnected`, `unanswered`, `not_sent`.
pub struct Tally {
    statuses: BTreeMap<u16, u64>,
    /// To GET and HEAD, and to all else.
    read: Times,
    changed: Times,
    shed: Times,
    /// From when it was sent: without the wait for a free connection.
    once_sent: Times,
    shed_without_retry_after: u64,
    /// The connection ended, or made no sense, before the answer was whole; or was reset while idle.
    pub broken: u64,
    /// No connection could be made.
    pub unconnected: u64,
    /// No answer in time.
    pub unanswered: u64,
    /// No connection was free in time.
    pub not_sent: u64,
    pub most_open: usize,
    pub opened: u64,
    /// Microseconds by which requests were begun late, which is this program's own fault.
    pub behind: Times,
    /// The first failure in words, for whoever looks for its reason.
    pub first_failure: Option<String>,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            statuses: BTreeMap::new(),
            read: Times::new(),
            changed: Times::new(),
            shed: Times::new(),
            once_sent: Times::new(),
            shed_without_retry_after: 0,
            broken: 0,
            unconnected: 0,
            unanswered: 0,
            not_sent: 0,
            most_open: 0,
            opened: 0,
            behind: Times::new(),
            first_failure: None,
        }
    }

    /// An answer that was whole so many microseconds after its request was due, and so many after it was
    /// sent.
    pub fn answered(&mut self, method: &str, reply: &Reply, time: u64, once_sent: u64) {
        self.once_sent.add(once_sent);
        *self.statuses.entry(reply.status).or_default() += 1;
        match reply.status {
            200..300 | 304 if matches!(method, "GET" | "HEAD") => self.read.add(time),
            200..300 => self.changed.add(time),
            429 | 503 => {
                self.shed.add(time);
                self.shed_without_retry_after += u64::from(!reply.has_retry_after);
            }
            _ => {}
        }
    }

    /// A failure, in words.
    pub fn failed(&mut self, why: impl ToString) {
        self.first_failure.get_or_insert_with(|| why.to_string());
    }

    pub fn to_json(&self, offered: u64, seconds: f64) -> Value {
        let answered: u64 = self.statuses.values().sum();
        json!({
            "offered": offered,
            "seconds": seconds,
            "answered": answered,
            "statuses": self.statuses,
            "served": times(&self.read.and(&self.changed)),
            "served_reads": times(&self.read),
            "served_changes": times(&self.changed),
            "shed": times(&self.shed),
            "once_sent": times(&self.once_sent),
            "shed_without_retry_after": self.shed_without_retry_after,
            "broken": self.broken,
            "unconnected": self.unconnected,
            "unanswered": self.unanswered,
            "not_sent": self.not_sent,
            "most_open": self.most_open,
            "opened": self.opened,
            "begun_late": times(&self.behind),
            "first_failure": self.first_failure,
        })
    }
}

/// In milliseconds.
fn times(times: &Times) -> Value {
    let ms = |microseconds: u64| microseconds as f64 / 1000.0;
    json!({
        "count": times.count(),
        "p50_ms": ms(times.within(500)),
        "p99_ms": ms(times.within(990)),
        "max_ms": ms(times.longest()),
    })
}
