//! What happens at every view and frame: the series are found once for the whole process.

use std::sync::LazyLock;

use metrics::Counter;

use super::{
    exporter::is_on,
    requests::RequestsInFlight,
    table::{CACHE_BYTES, CACHE_ENTRIES, CACHE_REQUESTS, FRAMES, STREAMS, VIEWS, Value, label},
};

label!(
    /// What was viewed, as far as the viewer got to see it.
    LinkKind { Frozen = "frozen", Live = "live", None = "none" }
);
label!(
    /// In which form.
    MediumKind { Json = "json", Page = "page" }
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

const HIT: Value = Value::const_str("hit");
const MISS: Value = Value::const_str("miss");

/// Made when metrics are on for sure.
static SERIES: LazyLock<Frequent> = LazyLock::new(Frequent::default);

struct Frequent {
    views: Vec<Counter>,
    hits: Vec<Counter>,
    misses: Vec<Counter>,
    frames: Counter,
}

impl Default for Frequent {
    fn default() -> Self {
        let mut views = Vec::new();
        for kind in LinkKind::ALL {
            for medium in MediumKind::ALL {
                for outcome in ViewOutcome::ALL {
                    let values = [kind.value(), medium.value(), outcome.value()];
                    views.push(match (kind, outcome) {
                        // What was not shown is of no kind.
                        (LinkKind::None, ViewOutcome::Shown | ViewOutcome::NotModified)
                        | (
                            LinkKind::Frozen | LinkKind::Live,
                            ViewOutcome::Refused | ViewOutcome::Failed,
                        ) => Counter::noop(),
                        _ => VIEWS.counter(&values),
                    });
                }
            }
        }
        let caches = |outcome: &Value| {
            let asked = |cache: &Cache| CACHE_REQUESTS.counter(&[cache.value(), outcome.clone()]);
            Cache::ALL.iter().map(asked).collect()
        };
        Self { views, hits: caches(&HIT), misses: caches(&MISS), frames: FRAMES.counter(&[]) }
    }
}

pub(super) fn begin() {
    LazyLock::force(&SERIES);
    set_streams(0);
    RequestsInFlight::report();
}

/// A link was viewed, or was to be.
pub fn viewed(kind: LinkKind, medium: MediumKind, outcome: ViewOutcome) {
    if is_on() {
        let at = (kind as usize * MediumKind::ALL.len() + medium as usize) * ViewOutcome::ALL.len();
        if let Some(series) = SERIES.views.get(at + outcome as usize) {
            series.increment(1);
        }
    }
}

/// A cache had what it was asked for, or not.
pub fn cache_asked(cache: Cache, was_there: bool) {
    if is_on() {
        let caches = if was_there { &SERIES.hits } else { &SERIES.misses };
        if let Some(series) = caches.get(cache as usize) {
            series.increment(1);
        }
    }
}

/// What a cache holds; its bytes where its bound is in bytes.
pub fn set_cache(cache: Cache, entries: u64, bytes: Option<u64>) {
    #[expect(clippy::cast_precision_loss, reason = "a metric is an approximation")]
    let number = |n: u64| n as f64;
    CACHE_ENTRIES.gauge(&[cache.value()]).set(number(entries));
    if let Some(bytes) = bytes {
        CACHE_BYTES.gauge(&[cache.value()]).set(number(bytes));
    }
}

/// Frames were handed to a stream.
pub fn frames_sent(chunk: &[u8]) {
    if is_on() {
        // A blank line ends each of them, and there is none within.
        let frames = chunk.windows(2).filter(|pair| pair == b"\n\n").count();
        SERIES.frames.increment(frames as u64);
    }
}

/// How many streams are open.
pub fn set_streams(streams: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a metric is an approximation")]
    STREAMS.gauge(&[]).set(streams as f64);
}
