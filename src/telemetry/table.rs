//! Every metric.

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// The upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A metric, as `/metrics` describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// In seconds, from a cached view to a create that copies files.
const REQUEST_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// In seconds, of calls to the chat service.
const CALL_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// In seconds, of a commit that is synced to the disk.
const COMMIT_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Changes per commit.
const COMMIT_CHANGES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Declares the metrics, and the list of them all.
macro_rules! metrics_table {
    ($($constant:ident = $name:literal, $kind:expr, [$($label:literal),*], $help:literal;)+) => {
        $(pub(super) const $constant: Metric =
            Metric { name: $name, kind: $kind, labels: &[$($label),*], help: $help };)+
        /// All but those of the process (`process_…`), which `metrics-process` describes.
        pub const METRICS: &[Metric] = &[$($constant),+];
    };
}

use Kind::{Counter as C, Gauge as G, Histogram as H};

metrics_table! {
    BUILD_INFO = "shared_chats_build_info", G, ["version"],
        "Always 1; says which version runs.";
    REQUESTS = "shared_chats_http_requests_total", C, ["route", "method", "status"],
        "Requests that were answered, by the pattern of their route.";
    REQUEST_SECONDS_SPENT = "shared_chats_http_request_duration_seconds", H(REQUEST_SECONDS), ["route", "method"],
        "Time until an answer's head; bodies that stream go on after it.";
    IN_FLIGHT = "shared_chats_http_requests_in_flight", G, [],
        "Requests whose answer has not begun.";
    VIEWS = "shared_chats_views_total", C, ["kind", "medium", "outcome"],
        "Views of links: frozen or live, as JSON or as a page; none where there is no link to see.";
    REFUSALS = "shared_chats_refusals_total", C, ["action", "error_type"],
        "Refusals that are in the audit log.";
    STREAMS = "shared_chats_event_streams", G, [],
        "Event streams that are open.";
    FRAMES = "shared_chats_event_frames_sent_total", C, [],
        "Frames handed to event streams, heartbeats too.";
    CACHE_ENTRIES = "shared_chats_cache_entries", G, ["cache"],
        "What is kept in memory.";
    CACHE_BYTES = "shared_chats_cache_bytes", G, ["cache"],
        "How much of its bound it takes, where the bound is in bytes.";
    CACHE_REQUESTS = "shared_chats_cache_requests_total", C, ["cache", "outcome"],
        "How often it was looked into, and what for.";
    POOL_MAX = "shared_chats_database_pool_max_connections", G, [],
        "DATABASE_POOL_SIZE (PostgreSQL).";
    POOL_CONNECTIONS = "shared_chats_database_pool_connections", G, ["state"],
        "Connections of the pool (PostgreSQL).";
    POOL_WAITING = "shared_chats_database_pool_waiting", G, [],
        "Operations that wait for a connection (PostgreSQL).";
    QUEUED_CHANGES = "shared_chats_database_writer_queue", G, [],
        "Changes that wait for the writer (SQLite).";
    COMMIT_SIZE = "shared_chats_database_commit_changes", H(COMMIT_CHANGES), [],
        "Changes that one commit took (SQLite).";
    COMMIT_SECONDS_SPENT = "shared_chats_database_commit_duration_seconds", H(COMMIT_SECONDS), [],
        "Time of a commit, to the disk (SQLite).";
    DATABASE_ERRORS = "shared_chats_database_errors_total", C, ["kind"],
        "Operations that failed: the database out of reach or too slow, or a statement that went wrong.";
    KEY_REFRESHES = "shared_chats_key_refreshes_total", C, ["outcome"],
        "Fetches of the identity provider's keys.";
    KEYS_FETCHED = "shared_chats_keys_last_fetch_timestamp_seconds", G, [],
        "When they were last fetched; 0 is never. Not there with a shared secret.";
    CALLS = "shared_chats_chat_service_calls_total", C, ["operation", "outcome"],
        "What the chat service was asked, all pages of an answer together.";
    CALL_SECONDS_SPENT = "shared_chats_chat_service_call_duration_seconds", H(CALL_SECONDS), ["operation"],
        "How long it took; of a file, to its first byte.";
    SWEPT = "shared_chats_swept_total", C, ["what"],
        "What sweeps took away.";
    SWEEPS = "shared_chats_sweeps_total", C, ["sweep", "outcome"],
        "Sweeps.";
    SWEEP_SUCCESS = "shared_chats_sweep_last_success_timestamp_seconds", G, ["sweep"],
        "When a sweep last reached its end; 0 is never.";
    RECONCILIATIONS = "shared_chats_reconciliations_total", C, ["outcome"],
        "Reconciliations with the chat service.";
    RECONCILED_LINKS = "shared_chats_reconciliation_links_removed_total", C, [],
        "Links they removed.";
    RECONCILIATION_SUCCESS = "shared_chats_reconciliation_last_success_timestamp_seconds", G, [],
        "When the last one reached its end and every chat had a clear answer; 0 is never.";
    ARTIFACT_BYTES = "shared_chats_artifact_bytes_total", C, ["direction"],
        "Bytes of files: copied into the store, and handed to viewers.";
}

/// Declares the values of a label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(super) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

pub(super) use label;
