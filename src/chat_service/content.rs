//! The bytes of a file, as they come.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::ChatServiceError;

/// The lowest average rate, in bytes a second, at which a source may send once the operation's
/// time-out is used up: far below any line's, yet enough that no download stays open for days.
const LEAST_A_SECOND: u64 = 1024;

/// How long reading a file's bytes may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// All of them by the deadline of the whole operation: for a copy.
    ByDeadline,
    /// The first ones by that deadline. Then the time spent waiting for the source, but not for the
    /// client, may be the time-out of one operation, and more for each byte received: for a
    /// download by a client that may read slowly.
    AsRead,
}

/// A file's bytes as a stream, in constant memory.
pub struct FileContent {
    /// The length that the source announced, if any. It may be wrong.
    pub announced: Option<u64>,
    /// Ends after an error.
    pub bytes: Pin<Box<dyn Stream<Item = Result<Bytes, ChatServiceError>> + Send>>,
}

impl FileContent {
    pub(super) fn new(
        announced: Option<u64>,
        bytes: impl Stream<Item = Result<Bytes, ChatServiceError>> + Send + 'static,
    ) -> Self {
        Self { announced, bytes: Box::pin(bytes) }
    }

    /// With a time-out: `deadline` for all bytes, or for the first ones, and `each` as [`Pace`]
    /// says.
    pub(super) fn paced(self, pace: Pace, deadline: Instant, each: Duration) -> Self {
        let waiting = Waiting { first_by: Some(deadline), left: each, received: 0 };
        let start = Some((self.bytes, waiting));
        let bytes = stream::unfold(start, move |state| async move {
            let (mut bytes, mut waiting) = state?;
            let began = Instant::now();
            let until = match (pace, waiting.first_by.take()) {
                (Pace::ByDeadline, _) => deadline,
                (Pace::AsRead, Some(first_by)) => first_by,
                (Pace::AsRead, None) => began + waiting.left.min(each),
            };
            match timeout_at(until, bytes.next()).await {
                Ok(Some(Ok(chunk))) => {
                    waiting.record(began.elapsed().min(each), chunk.len() as u64);
                    Some((Ok(chunk), Some((bytes, waiting))))
                }
                Ok(Some(Err(error))) => Some((Err(error), None)),
                Ok(None) => None,
                Err(_) => Some((Err(ChatServiceError::TimedOut), None)),
            }
        });
        Self { announced: self.announced, bytes: Box::pin(bytes) }
    }
}

/// The time that is left for waiting for the source.
struct Waiting {
    /// The deadline of the first bytes, until they arrive.
    first_by: Option<Instant>,
    left: Duration,
    /// Received bytes that have not been added to `left` yet.
    received: u64,
}

impl Waiting {
    fn record(&mut self, took: Duration, bytes: u64) {
        self.received = self.received.saturating_add(bytes);
        let earned = Duration::from_secs(self.received / LEAST_A_SECOND);
        self.received %= LEAST_A_SECOND;
        self.left = self.left.saturating_sub(took).saturating_add(earned);
    }
}
