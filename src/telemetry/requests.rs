//! Requests: around every one of them, so nothing here allocates or looks anything up twice.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, Histogram};

use super::{
    exporter::is_on,
    table::{IN_FLIGHT, REQUEST_SECONDS_SPENT, REQUESTS, Value},
};

static BEGUN: AtomicI64 = AtomicI64::new(0);

/// A request whose answer has not begun; one that is given up counts no longer either.
#[derive(Debug)]
pub struct RequestsInFlight(());

impl RequestsInFlight {
    /// One more; `None` where nobody looks.
    #[must_use]
    pub fn one_more() -> Option<Self> {
        is_on().then(|| {
            BEGUN.fetch_add(1, Ordering::Relaxed);
            Self(())
        })
    }

    /// Makes the number known.
    pub fn report() {
        #[expect(clippy::cast_precision_loss, reason = "there are not 2^52 requests")]
        IN_FLIGHT.gauge(&[]).set(BEGUN.load(Ordering::Relaxed) as f64);
    }
}

impl Drop for RequestsInFlight {
    fn drop(&mut self) {
        BEGUN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What requests without a route are counted as.
const NONE: &str = "none";

/// A route of one worker: its pattern, and the series of its requests, which are found once.
#[derive(Debug)]
pub struct Route {
    pattern: Arc<str>,
    series: RefCell<Vec<Series>>,
}

struct Series {
    method: &'static str,
    status: u16,
    requests: Counter,
    duration: Histogram,
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.status)
    }
}

impl Route {
    /// The route with this pattern, such as `/health/live`.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self { pattern: pattern.into(), series: RefCell::default() }
    }

    /// Where no route was found.
    #[must_use]
    pub fn none() -> Self {
        Self::new(NONE)
    }

    /// Its pattern; `None` where no route was found.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        (&*self.pattern != NONE).then_some(&*self.pattern)
    }

    /// A request was answered after this time.
    pub fn answered(&self, method: &str, status: u16, took: Duration) {
        if !is_on() {
            return;
        }
        let method = known(method);
        let mut series = self.series.borrow_mut();
        let mut at = series.iter().position(|one| one.status == status && one.method == method);
        if at.is_none() {
            series.push(self.series(method, status));
            at = Some(series.len() - 1);
        }
        if let Some(series) = at.and_then(|at| series.get(at)) {
            series.requests.increment(1);
            series.duration.record(took);
        }
    }

    fn series(&self, method: &'static str, status: u16) -> Series {
        let route = Value::from_shared(self.pattern.clone());
        let method_value = Value::const_str(method);
        let status_value = Value::from(status.to_string());
        Series {
            method,
            status,
            requests: REQUESTS.counter(&[route.clone(), method_value.clone(), status_value]),
            duration: REQUEST_SECONDS_SPENT.histogram(&[route, method_value]),
        }
    }
}

/// A method that there is: anybody can make up others (RFC 9110, 9.1).
pub(super) fn known(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "PUT" => "PUT",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
