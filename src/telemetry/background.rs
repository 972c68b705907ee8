//! What goes on behind requests: the chat service, keys, files, and what is taken away.

use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::{Counter, Gauge, counter, gauge, histogram};

use super::table::{
    ARTIFACT_BYTES, CALL_SECONDS_SPENT, CALLS, KEY_REFRESHES, KEYS_FETCHED, RECONCILED_LINKS,
    RECONCILIATION_SUCCESS, RECONCILIATIONS, SWEEP_SUCCESS, SWEEPS, SWEPT, label,
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

const OK: &str = "ok";
const FAILED: &str = "failed";

pub(super) fn begin() {
    for operation in Operation::ALL {
        for outcome in AskedOutcome::ALL {
            calls(*operation, *outcome).absolute(0);
        }
    }
    for outcome in [OK, FAILED] {
        key_refreshes(outcome).absolute(0);
        for sweep in Sweep::ALL {
            sweeps(*sweep, outcome).absolute(0);
        }
    }
    for sweep in Sweep::ALL {
        sweep_success(*sweep).set(0.0);
    }
    for what in Swept::ALL {
        swept(*what, 0);
    }
    for outcome in Reconciliation::ALL {
        reconciliations(*outcome).absolute(0);
    }
    counter!(RECONCILED_LINKS.name).absolute(0);
    gauge!(RECONCILIATION_SUCCESS.name).set(0.0);
    for flow in ByteFlow::ALL {
        artifact_bytes(*flow, 0);
    }
}

fn calls(operation: Operation, outcome: AskedOutcome) -> Counter {
    counter!(CALLS.name, "operation" => operation.word(), "outcome" => outcome.word())
}

fn key_refreshes(outcome: &'static str) -> Counter {
    counter!(KEY_REFRESHES.name, "outcome" => outcome)
}

fn sweeps(sweep: Sweep, outcome: &'static str) -> Counter {
    counter!(SWEEPS.name, "sweep" => sweep.word(), "outcome" => outcome)
}

fn sweep_success(sweep: Sweep) -> Gauge {
    gauge!(SWEEP_SUCCESS.name, "sweep" => sweep.word())
}

fn reconciliations(outcome: Reconciliation) -> Counter {
    counter!(RECONCILIATIONS.name, "outcome" => outcome.word())
}

/// The chat service was asked.
pub fn chat_service_asked(operation: Operation, outcome: AskedOutcome, took: Duration) {
    calls(operation, outcome).increment(1);
    histogram!(CALL_SECONDS_SPENT.name, "operation" => operation.word()).record(took);
}

/// The identity provider gave its keys.
pub fn keys_fetched(at: DateTime<Utc>) {
    key_refreshes(OK).increment(1);
    gauge!(KEYS_FETCHED.name).set(seconds(at));
}

/// It did not. `last` is when it last did.
pub fn keys_not_fetched(last: Option<DateTime<Utc>>) {
    key_refreshes(FAILED).increment(1);
    gauge!(KEYS_FETCHED.name).set(last.map_or(0.0, seconds));
}

/// A sweep reached its end.
pub fn sweep_succeeded(sweep: Sweep, at: DateTime<Utc>) {
    sweeps(sweep, OK).increment(1);
    sweep_success(sweep).set(seconds(at));
}

/// A sweep did not.
pub fn sweep_failed(sweep: Sweep) {
    sweeps(sweep, FAILED).increment(1);
}

/// So many were taken away.
pub fn swept(what: Swept, count: usize) {
    counter!(SWEPT.name, "what" => what.word()).increment(count as u64);
}

/// A reconciliation ended at `at`, and removed so many links.
pub fn reconciled(outcome: Reconciliation, links_removed: usize, at: DateTime<Utc>) {
    reconciliations(outcome).increment(1);
    counter!(RECONCILED_LINKS.name).increment(links_removed as u64);
    if outcome == Reconciliation::Clear {
        gauge!(RECONCILIATION_SUCCESS.name).set(seconds(at));
    }
}

/// Bytes of files went this way.
pub fn artifact_bytes(flow: ByteFlow, bytes: u64) {
    counter!(ARTIFACT_BYTES.name, "direction" => flow.word()).increment(bytes);
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this epoch fit")]
fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}
