//! The bytes of a file, as they come.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::ChatServiceError;

/// How long the bytes of a file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// All of them by the deadline of the whole operation: for a copy.
    ByDeadline,
    /// The first ones by that deadline; then, each time somebody asks for more, the time-out of one
    /// operation: for passing them on to somebody who may take long to read them.
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

    /// With an end to waiting: `deadline` for all, or `each` for every time it is asked.
    pub(super) fn paced(self, pace: Pace, deadline: Instant, each: Duration) -> Self {
        let bytes = stream::unfold(Some(self.bytes), move |bytes| async move {
            let mut bytes = bytes?;
            let until = match pace {
                Pace::ByDeadline => deadline,
                Pace::AsRead => Instant::now() + each,
            };
            match timeout_at(until, bytes.next()).await {
                Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(bytes))),
                Ok(Some(Err(error))) => Some((Err(error), None)),
                Ok(None) => None,
                Err(_) => Some((Err(ChatServiceError::TimedOut), None)),
            }
        });
        Self { announced: self.announced, bytes: Box::pin(bytes) }
    }
}
