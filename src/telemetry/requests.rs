//! Requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use metrics::{counter, gauge, histogram};

use super::{
    switch::is_on,
    table::{IN_FLIGHT, REFUSALS, REQUEST_SECONDS_SPENT, REQUESTS},
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
        gauge!(IN_FLIGHT.name).set(BEGUN.load(Ordering::Relaxed) as f64);
    }
}

impl Drop for RequestsInFlight {
    fn drop(&mut self) {
        BEGUN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What requests without a route are counted as.
const NONE: &str = "none";

/// A route, by its pattern.
#[derive(Debug)]
pub struct Route(Arc<str>);

impl Route {
    /// The route with this pattern, such as `/health/live`.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// Where no route was found.
    #[must_use]
    pub fn none() -> Self {
        Self::new(NONE)
    }

    /// Its pattern; `None` where no route was found.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        (&*self.0 != NONE).then_some(&*self.0)
    }

    /// A request was answered after this time.
    pub fn answered(&self, method: &str, status: u16, took: Duration) {
        if is_on() {
            let (route, method) = (|| Arc::clone(&self.0), known(method));
            let status = status.to_string();
            counter!(REQUESTS.name, "route" => route(), "method" => method, "status" => status)
                .increment(1);
            histogram!(REQUEST_SECONDS_SPENT.name, "route" => route(), "method" => method)
                .record(took);
        }
    }
}

/// A refusal is in the audit log.
pub fn refused(action: &'static str, error_type: String) {
    if is_on() {
        counter!(REFUSALS.name, "action" => action, "error_type" => error_type).increment(1);
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
