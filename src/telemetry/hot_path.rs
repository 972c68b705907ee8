//! What happens at every view and frame.

use metrics::{Counter, counter, gauge};

use super::{
    requests::RequestsInFlight,
    switch::is_on,
    table::{CACHE_BYTES, CACHE_ENTRIES, CACHE_REQUESTS, FRAMES, STREAMS, VIEWS, label},
};

label!(
    /// What was viewed, as far as the viewer got to see it.
    LinkKind { Frozen = "frozen", Live = "live", None = "none" }
);
label!(
    /// In which form.
    FormatKind { Json = "json", Page = "page" }
);
label!(
    /// What came of it: shown, unchanged since the viewer's copy, refused (4xx), not shown (5xx).
    ViewOutcome {
        Shown = "shown",
        NotModified = "not_modified",
        Refused = "refused",
        Failed = "failed",
    }
);
label!(
    /// What is kept in memory.
    Cache { Views = "views", QrCodes = "qr_codes", VerifiedTokens = "verified_tokens" }
);

pub(super) fn begin() {
    for kind in LinkKind::ALL {
        for medium in FormatKind::ALL {
            for outcome in ViewOutcome::ALL {
                let shown = matches!(outcome, ViewOutcome::Shown | ViewOutcome::NotModified);
                // What was not shown is of no kind.
                if shown != (*kind == LinkKind::None) {
                    views(*kind, *medium, *outcome).absolute(0);
                }
            }
        }
    }
    for cache in Cache::ALL {
        for was_there in [true, false] {
            cache_requests(*cache, was_there).absolute(0);
        }
    }
    frames().absolute(0);
    set_streams(0);
    RequestsInFlight::report();
}

fn views(kind: LinkKind, medium: FormatKind, outcome: ViewOutcome) -> Counter {
    counter!(
        VIEWS.name,
        "kind" => kind.word(), "medium" => medium.word(), "outcome" => outcome.word()
    )
}

fn cache_requests(cache: Cache, was_there: bool) -> Counter {
    let outcome = if was_there { "hit" } else { "miss" };
    counter!(CACHE_REQUESTS.name, "cache" => cache.word(), "outcome" => outcome)
}

fn frames() -> Counter {
    counter!(FRAMES.name)
}

/// A link was viewed, or was to be.
pub fn viewed(kind: LinkKind, medium: FormatKind, outcome: ViewOutcome) {
    if is_on() {
        views(kind, medium, outcome).increment(1);
    }
}

/// A cache had what it was asked for, or not.
pub fn cache_asked(cache: Cache, was_there: bool) {
    if is_on() {
        cache_requests(cache, was_there).increment(1);
    }
}

/// What a cache holds; its bytes where its bound is in bytes.
pub fn set_cache(cache: Cache, entries: u64, bytes: Option<u64>) {
    #[expect(clippy::cast_precision_loss, reason = "a metric is an approximation")]
    let number = |n: u64| n as f64;
    gauge!(CACHE_ENTRIES.name, "cache" => cache.word()).set(number(entries));
    if let Some(bytes) = bytes {
        gauge!(CACHE_BYTES.name, "cache" => cache.word()).set(number(bytes));
    }
}

/// Frames were handed to a stream.
pub fn frames_sent(chunk: &[u8]) {
    if is_on() {
        // A blank line ends each of them, and there is none within.
        let sent = chunk.windows(2).filter(|pair| pair == b"\n\n").count();
        frames().increment(sent as u64);
    }
}

/// How many streams are open.
pub fn set_streams(streams: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a metric is an approximation")]
    gauge!(STREAMS.name).set(streams as f64);
}
