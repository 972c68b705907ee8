//! Metrics of views, caches and event streams.

use metrics::{Counter, counter, gauge};

use super::{
    requests::RequestsInFlight,
    switch::is_on,
    table::{CACHE_BYTES, CACHE_ENTRIES, CACHE_REQUESTS, FRAMES, STREAMS, VIEWS, label},
};

label!(
    /// The kind of link that was viewed; none if it was not shown.
    LinkKind { Frozen = "frozen", Live = "live", None = "none" }
);
label!(
    /// The representation.
    FormatKind { Json = "json", Page = "page", Markdown = "markdown" }
);
label!(
    /// The outcome of a view: 200, 304, 4xx or 5xx.
    ViewOutcome {
        Shown = "shown",
        NotModified = "not_modified",
        Refused = "refused",
        Failed = "failed",
    }
);
label!(
    /// A cache in memory.
    Cache { Views = "views", QrCodes = "qr_codes", VerifiedTokens = "verified_tokens" }
);

pub(super) fn begin() {
    for kind in LinkKind::ALL {
        for format in FormatKind::ALL {
            for outcome in ViewOutcome::ALL {
                let shown = matches!(outcome, ViewOutcome::Shown | ViewOutcome::NotModified);
                // A view that was not shown has no kind.
                if shown != (*kind == LinkKind::None) {
                    views(*kind, *format, *outcome).absolute(0);
                }
            }
        }
    }
    for cache in Cache::ALL {
        for is_hit in [true, false] {
            cache_requests(*cache, is_hit).absolute(0);
        }
    }
    frames().absolute(0);
    set_streams(0);
    RequestsInFlight::report();
}

fn views(kind: LinkKind, format: FormatKind, outcome: ViewOutcome) -> Counter {
    counter!(
        VIEWS.name,
        "kind" => kind.word(), "medium" => format.word(), "outcome" => outcome.word()
    )
}

fn cache_requests(cache: Cache, is_hit: bool) -> Counter {
    let outcome = if is_hit { "hit" } else { "miss" };
    counter!(CACHE_REQUESTS.name, "cache" => cache.word(), "outcome" => outcome)
}

fn frames() -> Counter {
    counter!(FRAMES.name)
}

pub fn viewed(kind: LinkKind, format: FormatKind, outcome: ViewOutcome) {
    if is_on() {
        views(kind, format, outcome).increment(1);
    }
}

/// A cache was asked for a value.
pub fn cache_asked(cache: Cache, is_hit: bool) {
    if is_on() {
        cache_requests(cache, is_hit).increment(1);
    }
}

/// The size of a cache; `bytes` if it is limited by bytes.
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
        // A blank line ends each frame, and there is none within.
        let sent = chunk.windows(2).filter(|pair| pair == b"\n\n").count();
        frames().increment(sent as u64);
    }
}

pub fn set_streams(streams: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a metric is an approximation")]
    gauge!(STREAMS.name).set(streams as f64);
}
