//! Collects the messages of one chat: each id once, within the size limit.

use std::{collections::HashSet, io, sync::Arc};

use crate::model::{ChatFile, Message};

use super::{
    ChatServiceError, MAX_FILES,
    wire::{self, WireFile, WireMessage},
};

/// From this size on an answer is parsed on a blocking thread, so that it does not stall the
/// worker.
const PARSE_INLINE_BYTES: usize = 128 * 1024;

/// Messages in the order of their arrival.
#[derive(Debug, Default, Clone)]
pub(super) struct Transcript {
    seen: HashSet<Arc<str>>,
    messages: Vec<Message>,
    json_bytes: u64,
}

impl Transcript {
    /// Adds the messages that are new, and returns whether there was one.
    pub fn add(&mut self, messages: Vec<WireMessage>) -> bool {
        let before = self.messages.len();
        for WireMessage(message) in messages {
            if self.seen.insert(message.id.as_str().into()) {
                // And its comma or bracket.
                self.json_bytes += json_bytes(&message) + 1;
                self.messages.push(message);
            }
        }
        self.messages.len() > before
    }

    pub fn has(&self, WireMessage(message): &WireMessage) -> bool {
        self.seen.contains(message.id.as_str())
    }

    pub fn last(&self) -> Option<&Message> {
        self.messages.last()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// # Errors
    /// [`ChatServiceError::TooLarge`] when the messages take more than `limit` bytes as JSON.
    pub fn check_size(&self, limit: u64) -> Result<(), ChatServiceError> {
        if self.json_bytes > limit { Err(ChatServiceError::TooLarge { limit }) } else { Ok(()) }
    }

    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub fn into_messages(self) -> Vec<Message> {
        self.messages
    }
}

/// Each file once; `TooLarge` for more than [`MAX_FILES`].
pub(super) fn files(listed: Vec<WireFile>) -> Result<Vec<ChatFile>, ChatServiceError> {
    if listed.len() > MAX_FILES {
        return Err(ChatServiceError::TooLarge { limit: MAX_FILES as u64 });
    }
    let mut seen = HashSet::new();
    let files = listed.into_iter().map(|WireFile(file)| file);
    Ok(files.filter(|file| seen.insert(file.id.clone())).collect())
}

/// [`wire::parse`] for an answer of the chat service. `what` names the answer in the error.
pub(super) async fn parse_answer<T>(what: &str, body: Vec<u8>) -> Result<T, ChatServiceError>
where
    T: serde::de::DeserializeOwned + Send + 'static,
{
    let parse = |body: Vec<u8>| {
        // serde_json checks the encoding of decoded strings only, and content stays undecoded.
        let text = std::str::from_utf8(&body).map_err(|_| "not UTF-8".to_owned())?;
        wire::parse(text)
    };
    let parsed = if body.len() < PARSE_INLINE_BYTES {
        parse(body)
    } else {
        tokio::task::spawn_blocking(move || parse(body))
            .await
            .map_err(|_| ChatServiceError::BadAnswer("parsing it was stopped".to_owned()))?
    };
    parsed.map_err(|why| ChatServiceError::BadAnswer(format!("{what}: {why}")))
}

/// The length of the message as JSON.
fn json_bytes(message: &Message) -> u64 {
    struct Count(u64);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, message) {
        Ok(()) => count.0,
        // Neither counting nor these types can fail.
        Err(_) => u64::MAX / 2,
    }
}
