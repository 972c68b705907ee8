//! Constants that operators need not change, and the retired settings that some of them were. Tests
//! change the fields of [`Config`](super::Config) instead.

use std::time::Duration;

use super::Env;

/// How long a request waits for a permit for the database, the chat service, or making its body;
/// then it is 503.
pub(super) const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an idle connection is kept.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(75);
pub(super) const CHAT_SERVICE_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer of the chat service about a live chat is cached.
pub(super) const LIVE_MAX_AGE: Duration = Duration::from_secs(1);
/// Bytes of all watched chats together: 16 of the largest size, or 25 KB for each of 10,000.
pub(super) const MAX_WATCHED_BYTES: usize = 256 << 20;

/// A request's path and query, in bytes.
pub(super) const MAX_URI_BYTES: usize = 8 << 10;
/// A request's body, in bytes. The largest useful one is a batch of 1000 ids.
pub(super) const MAX_BODY_BYTES: usize = 1 << 20;
/// Addresses, and users, that rate limits keep in memory, at about 200 bytes each.
pub(super) const RATE_LIMIT_MAX_CLIENTS: u64 = 100_000;

/// How often counted views are written to the database.
pub(super) const ACTIVITY_INTERVAL: Duration = Duration::from_secs(10);
/// Links whose views are counted in memory until they are written.
pub(super) const ACTIVITY_LINKS: usize = 10_000;
/// How long the row of an expired link is kept, without its content.
pub(super) const EXPIRED_RETENTION: chrono::Duration = chrono::Duration::days(30);

/// The age at which an unfinished copy of a file is deleted; twice `CHAT_SERVICE_TIMEOUT` if that
/// is longer, since a copy may still be in progress.
pub(super) const LEAST_ARTIFACT_GRACE: Duration = Duration::from_secs(3600);
/// How many times the size limit of one file all files of a link may have.
pub(super) const ARTIFACTS_PER_SHARE: u64 = 4;

/// Settings of earlier versions, and what replaces them. None was a secret with a `_FILE` variant.
pub(super) const RETIRED: &[(&str, &str)] = &[
    ("ACTIVITY_INTERVAL", "counted views are written every 10 seconds"),
    ("ACTIVITY_LINKS", "the views of 10000 links are counted in memory"),
    ("ARTIFACT_GRACE", "an hour, or twice CHAT_SERVICE_TIMEOUT where that is longer"),
    ("AUDIT_REFUSALS_PER_MINUTE", "refusals are in the log and in a metric"),
    ("BODY_TIMEOUT", "REQUEST_TIMEOUT is for a request's body too"),
    ("CHAT_SERVICE_CONNECT_TIMEOUT", "5 seconds"),
    ("EXPIRED_RETENTION", "30 days"),
    ("KEEP_ALIVE", "75 seconds"),
    ("LIVE_MAX_AGE", "1 second"),
    ("MAX_BODY_BYTES", "1 MiB"),
    ("MAX_SHARE_ARTIFACT_BYTES", "four times MAX_ARTIFACT_BYTES"),
    ("MAX_STREAMS_PER_LINK", "half of MAX_STREAMS"),
    ("MAX_URI_BYTES", "8 KiB"),
    ("MAX_WORKER_LAG", "the reverse proxy bounds the requests in flight (docs/DEPLOYMENT.md)"),
    ("QR_CACHE_BYTES", "a fifth of CACHE_BYTES"),
    ("QUEUE_TIMEOUT", "2 seconds"),
    ("RATE_LIMIT_MAX_CLIENTS", "100000 addresses, and as many users"),
    ("VIEW_CACHE_BYTES", "four fifths of CACHE_BYTES"),
];

/// The retired settings that are set, and what replaces them.
pub fn retired(env: &Env) -> impl Iterator<Item = (&'static str, &'static str)> {
    RETIRED.iter().copied().filter(|(name, _)| env.raw(name).is_some())
}
