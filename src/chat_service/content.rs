//! The bytes of a file, as they come.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::ChatServiceError;

/// Bytes a second that a source has to give on average while somebody waits for it, beyond the time
/// that one operation has: far below any line, and far above what would let a source that drips hold
/// a download open for days.
const LEAST_A_SECOND: u64 = 1024;

/// How long the bytes of a file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// All of them by the deadline of the whole operation: for a copy.
    ByDeadline,
    /// The first ones by that deadline; then, each time somebody asks for more, the time-out of one
    /// operation, but for all that waiting together no more than the bytes that came are worth: for
    /// passing them on to somebody who may take long to read them.
    AsRead,
}

/// A file's bytes, read as they are asked for, so in constant memory.
pub struct FileContent {
    /// How many bytes there will be, where the source says so. It may be wrong.
    pub announced: Option<u64>,
    /// An error ends it; what came before is not the whole file then.
    pub bytes: Pin<Box<dyn Stream<Item = Result<Bytes, ChatServiceError>> + Send>>,
}

impl FileContent {
    pub(super) fn new(
        announced: Option<u64>,
        bytes: impl Stream<Item = Result<Bytes, ChatServiceError>> + Send + 'static,
    ) -> Self {
        Self { announced, bytes: Box::pin(bytes) }
    }

    /// With an end to waiting: `deadline` for all, or for the first bytes and then `each` for every time
    /// it is asked.
    pub(super) fn paced(self, pace: Pace, deadline: Instant, each: Duration) -> Self {
        let waiting = Waiting { first_by: Some(deadline), left: each, given: 0 };
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
                    waiting.ended(began.elapsed().min(each), chunk.len() as u64);
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

/// How long a source may still be waited for.
struct Waiting {
    /// For the first bytes, until they came.
    first_by: Option<Instant>,
    left: Duration,
    /// Bytes that no time was given for yet.
    given: u64,
}

impl Waiting {
    /// It took this long until these bytes came.
    fn ended(&mut self, took: Duration, bytes: u64) {
        self.given = self.given.saturating_add(bytes);
        let earned = Duration::from_secs(self.given / LEAST_A_SECOND);
        self.given %= LEAST_A_SECOND;
        self.left = self.left.saturating_sub(took).saturating_add(earned);
    }
}
