//! What goes on behind requests: the chat service, keys, files, and what is taken away.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    exporter::is_on,
    table::{
        ARTIFACT_BYTES, CALL_SECONDS_SPENT, CALLS, KEY_REFRESHES, KEYS_FETCHED, RECONCILED_LINKS,
        RECONCILIATION_SUCCESS, RECONCILIATIONS, SWEEP_SUCCESS, SWEEPS, SWEPT, Value, label,
    },
};

label!(
    /// What the chat service is asked.
    Operation {
        Chat = "chat",
        Messages = "messages",
        HasMessages = "has_messages",
        Files = "files",
        File = "file",
    }
);
label!(
    /// What it said.
    AskedOutcome {
        Answered = "answered",
        /// 401 or 403 to the caller's own token.
        Refused = "refused",
        NotFound = "not_found",
        TooLarge = "too_large",
        Unreachable = "unreachable",
        BadAnswer = "bad_answer",
        TimedOut = "timed_out",
        Busy = "busy",
        /// This service has no credential of its own, or none at the moment.
        NoCredential = "no_credential",
    }
);
label!(
    /// What is looked for and taken away.
    Sweep {
        /// What expired, in the database.
        Expired = "expired",
        /// Files of no link.
        Files = "files",
        /// Objects in the artifact store that the database does not know.
        UnknownFiles = "unknown_files",
    }
);
label!(
    /// What was taken away.
    Swept {
        Contents = "contents",
        ListedFiles = "listed_files",
        Links = "links",
        IdempotencyKeys = "idempotency_keys",
        Tombstones = "tombstones",
        Files = "files",
        UnknownFiles = "unknown_files",
    }
);
label!(
    /// How a reconciliation ended.
    Reconciliation {
        Clear = "clear",
        /// For some chats there was no clear answer.
        Unclear = "unclear",
        /// So much seemed gone that nothing was removed.
        Refused = "refused",
        Failed = "failed",
    }
);
label!(
    /// Which way the bytes of files went.
    ByteFlow { Stored = "stored", Downloaded = "downloaded" }
);

const OK: Value = Value::const_str("ok");
const FAILED: Value = Value::const_str("failed");

pub(super) fn begin() {
    for operation in Operation::ALL {
        for outcome in AskedOutcome::ALL {
            CALLS.counter(&[operation.value(), outcome.value()]).absolute(0);
        }
    }
    for outcome in [OK, FAILED] {
        KEY_REFRESHES.counter(std::slice::from_ref(&outcome)).absolute(0);
        for sweep in Sweep::ALL {
            SWEEPS.counter(&[sweep.value(), outcome.clone()]).absolute(0);
        }
    }
    for sweep in Sweep::ALL {
        SWEEP_SUCCESS.gauge(&[sweep.value()]).set(0.0);
    }
    for what in Swept::ALL {
        SWEPT.counter(&[what.value()]).absolute(0);
    }
    for outcome in Reconciliation::ALL {
        RECONCILIATIONS.counter(&[outcome.value()]).absolute(0);
    }
    RECONCILED_LINKS.counter(&[]).absolute(0);
    RECONCILIATION_SUCCESS.gauge(&[]).set(0.0);
    for flow in ByteFlow::ALL {
        ARTIFACT_BYTES.counter(&[flow.value()]).absolute(0);
    }
}

/// The chat service was asked.
pub fn chat_service_asked(operation: Operation, outcome: AskedOutcome, took: Duration) {
    if is_on() {
        CALLS.counter(&[operation.value(), outcome.value()]).increment(1);
        CALL_SECONDS_SPENT.histogram(&[operation.value()]).record(took);
    }
}

/// The identity provider gave its keys.
pub fn keys_fetched(at: DateTime<Utc>) {
    if is_on() {
        KEY_REFRESHES.counter(&[OK]).increment(1);
        KEYS_FETCHED.gauge(&[]).set(seconds(at));
    }
}

/// It did not. `last` is when it last did.
pub fn keys_not_fetched(last: Option<DateTime<Utc>>) {
    if is_on() {
        KEY_REFRESHES.counter(&[FAILED]).increment(1);
        KEYS_FETCHED.gauge(&[]).set(last.map_or(0.0, seconds));
    }
}

/// A sweep reached its end.
pub fn sweep_succeeded(sweep: Sweep, at: DateTime<Utc>) {
    if is_on() {
        SWEEPS.counter(&[sweep.value(), OK]).increment(1);
        SWEEP_SUCCESS.gauge(&[sweep.value()]).set(seconds(at));
    }
}

/// A sweep did not.
pub fn sweep_failed(sweep: Sweep) {
    if is_on() {
        SWEEPS.counter(&[sweep.value(), FAILED]).increment(1);
    }
}

/// So many were taken away.
pub fn swept(what: Swept, count: usize) {
    if is_on() {
        SWEPT.counter(&[what.value()]).increment(count as u64);
    }
}

/// A reconciliation ended at `at`, and removed so many links.
pub fn reconciled(outcome: Reconciliation, links_removed: usize, at: DateTime<Utc>) {
    if is_on() {
        RECONCILIATIONS.counter(&[outcome.value()]).increment(1);
        RECONCILED_LINKS.counter(&[]).increment(links_removed as u64);
        if outcome == Reconciliation::Clear {
            RECONCILIATION_SUCCESS.gauge(&[]).set(seconds(at));
        }
    }
}

/// Bytes of files went this way.
pub fn artifact_bytes(flow: ByteFlow, bytes: u64) {
    if is_on() {
        ARTIFACT_BYTES.counter(&[flow.value()]).increment(bytes);
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this epoch fit")]
fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}
