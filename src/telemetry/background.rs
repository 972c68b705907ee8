//! Metrics of calls to the chat service, keys, files, sweeps and reconciliation.

use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::{Counter, Gauge, counter, gauge, histogram};

use super::table::{
    ARTIFACT_BYTES, CALL_SECONDS_SPENT, CALLS, KEY_REFRESHES, KEYS_FETCHED, RECONCILED_LINKS,
    RECONCILIATION_SUCCESS, RECONCILIATIONS, SWEEP_SUCCESS, SWEEPS, SWEPT, label,
};

label!(
    /// A call to the chat service.
    Operation {
        Chat = "chat",
        Messages = "messages",
        HasMessages = "has_messages",
        Files = "files",
        File = "file",
    }
);
label!(
    /// The outcome of a call to the chat service.
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
        /// No service credential, or none at the moment.
        NoCredential = "no_credential",
    }
);
label!(
    /// A kind of sweep.
    Sweep {
        /// Expired rows of the database.
        Expired = "expired",
        /// Files without a link.
        Files = "files",
        /// Objects in the artifact store without a row in the database.
        UnknownFiles = "unknown_files",
    }
);
label!(
    /// What a sweep deleted.
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
        /// The chat service gave no clear answer about some chats.
        Unclear = "unclear",
        /// More chats were gone than `RECONCILE_MAX_GONE`, so nothing was removed.
        Refused = "refused",
        Failed = "failed",
    }
);
label!(
    /// The direction of the bytes of files.
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

pub fn chat_service_asked(operation: Operation, outcome: AskedOutcome, took: Duration) {
    calls(operation, outcome).increment(1);
    histogram!(CALL_SECONDS_SPENT.name, "operation" => operation.word()).record(took);
}

/// The identity provider's keys were fetched.
pub fn keys_fetched(at: DateTime<Utc>) {
    key_refreshes(OK).increment(1);
    gauge!(KEYS_FETCHED.name).set(seconds(at));
}

/// The fetch failed; `last` is the time of the last success.
pub fn keys_not_fetched(last: Option<DateTime<Utc>>) {
    key_refreshes(FAILED).increment(1);
    gauge!(KEYS_FETCHED.name).set(last.map_or(0.0, seconds));
}

pub fn sweep_succeeded(sweep: Sweep, at: DateTime<Utc>) {
    sweeps(sweep, OK).increment(1);
    sweep_success(sweep).set(seconds(at));
}

pub fn sweep_failed(sweep: Sweep) {
    sweeps(sweep, FAILED).increment(1);
}

/// A sweep deleted `count` of these.
pub fn swept(what: Swept, count: usize) {
    counter!(SWEPT.name, "what" => what.word()).increment(count as u64);
}

/// A reconciliation ended.
pub fn reconciled(outcome: Reconciliation, links_removed: usize, at: DateTime<Utc>) {
    reconciliations(outcome).increment(1);
    counter!(RECONCILED_LINKS.name).increment(links_removed as u64);
    if outcome == Reconciliation::Clear {
        gauge!(RECONCILIATION_SUCCESS.name).set(seconds(at));
    }
}

pub fn artifact_bytes(flow: ByteFlow, bytes: u64) {
    counter!(ARTIFACT_BYTES.name, "direction" => flow.word()).increment(bytes);
}

#[expect(clippy::cast_precision_loss, reason = "f64 holds these milliseconds")]
fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}
