//! Metrics for Prometheus, and traces for OpenTelemetry.
//!
//! Any module may record; this one depends on no other. Until `app` starts them
//! ([`Metrics::start`], [`Traces::start`]), recording does nothing.
//!
//! No label and no attribute holds an id, a path, a token, or anything else that a caller chooses:
//! they are words of this code, routes, status codes.
//!
//! To add a metric: a row in [`table`], a function that records it, and its line in
//! `docs/OPERATIONS.md`; a test compares the table with the page, the dashboard and the alerts.

mod background;
mod database;
mod error_chain;
mod exporter;
mod hot_path;
#[cfg(test)]
pub mod log_lines;
mod requests;
mod switch;
pub mod table;
mod traces;

pub use background::{
    AskedOutcome, ByteFlow, Operation, Reconciliation, Sweep, Swept, artifact_bytes,
    chat_service_asked, keys_fetched, keys_not_fetched, reconciled, sweep_failed, sweep_succeeded,
    swept,
};
pub use database::{
    DatabaseFailure, PoolStatus, committed, database_failed, set_pool, set_queued_changes,
};
pub use error_chain::error_chain;
pub use exporter::{Metrics, StartMetricsError};
pub use hot_path::{
    Cache, FormatKind, LinkKind, ViewOutcome, cache_asked, frames_sent, set_cache, set_streams,
    viewed,
};
pub use requests::{RequestsInFlight, Route, refused};
pub use traces::{
    CallSpan, LOG_DIRECTIVE, RequestSpan, StartTracesError, Traces, shared_work, traced_query,
};
