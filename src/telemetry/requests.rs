//! Metrics of requests.

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

static IN_FLIGHT_NOW: AtomicI64 = AtomicI64::new(0);

/// Counts a request until its answer begins or it is cancelled.
#[derive(Debug)]
pub struct RequestsInFlight(());

impl RequestsInFlight {
    /// `None` while metrics are off.
    #[must_use]
    pub fn one_more() -> Option<Self> {
        is_on().then(|| {
            IN_FLIGHT_NOW.fetch_add(1, Ordering::Relaxed);
            Self(())
        })
    }

    /// Updates the gauge.
    pub fn report() {
        #[expect(clippy::cast_precision_loss, reason = "there are not 2^52 requests")]
        gauge!(IN_FLIGHT.name).set(IN_FLIGHT_NOW.load(Ordering::Relaxed) as f64);
    }
}

impl Drop for RequestsInFlight {
    fn drop(&mut self) {
        IN_FLIGHT_NOW.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The label of requests without a route.
const NONE: &str = "none";

/// The pattern of a route, such as `/health/live`.
#[derive(Debug)]
pub struct Route(Arc<str>);

impl Route {
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// For requests without a route.
    #[must_use]
    pub fn none() -> Self {
        Self::new(NONE)
    }

    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        (&*self.0 != NONE).then_some(&*self.0)
    }

    pub fn answered(&self, method: &str, status: u16, took: Duration) {
        if is_on() {
            let route = || Arc::clone(&self.0);
            let method = known(method);
            let status = status.to_string();
            counter!(REQUESTS.name, "route" => route(), "method" => method, "status" => status)
                .increment(1);
            histogram!(REQUEST_SECONDS_SPENT.name, "route" => route(), "method" => method)
                .record(took);
        }
    }
}

/// A refusal was written to the audit log.
pub fn refused(action: &'static str, error_type: String) {
    if is_on() {
        counter!(REFUSALS.name, "action" => action, "error_type" => error_type).increment(1);
    }
}

/// The method as a label; clients may invent others (RFC 9110, 9.1).
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
