//! A chat's messages and files as they are stored: JSON, compressed once.

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::SharingError;
use crate::{
    model::{ChatFile, Message},
    store::Snapshot,
};

/// zstd's own default: half the time of the next levels for a few percent more bytes.
const LEVEL: i32 = 3;

/// From so many bytes of messages on a snapshot is encoded on a thread of its own: it is CPU work,
/// milliseconds for a large chat. Below it the hop would cost about as much.
const ENCODE_INLINE_BYTES: usize = 32 * 1024;

/// Encodes what was read, off the worker where that takes long.
pub(super) async fn encode(
    messages: Vec<Message>,
    files: Vec<ChatFile>,
) -> Result<Snapshot, SharingError> {
    let bytes: usize = messages.iter().map(|message| message.content.as_json().len()).sum();
    if bytes < ENCODE_INLINE_BYTES && files.is_empty() {
        return encode_blocking(&messages, &files);
    }
    off_the_worker(move || encode_blocking(&messages, &files)).await
}

/// The same, right here.
///
/// # Errors
/// [`SharingError::Defect`]; neither serialising these nor compressing fails otherwise.
pub fn encode_blocking(messages: &[Message], files: &[ChatFile]) -> Result<Snapshot, SharingError> {
    let json = serde_json::to_vec(messages).map_err(SharingError::defect)?;
    let messages = zstd::bulk::compress(&json, LEVEL).map_err(SharingError::defect)?;
    let files = serde_json::to_string(files).map_err(SharingError::defect)?;
    Ok(Snapshot { messages: messages.into(), files })
}

/// Encodes messages that are a JSON array already, and no files. It is CPU work: not for a worker.
///
/// # Errors
/// [`SharingError::Unavailable`] as a defect; compressing does not fail otherwise.
pub(super) fn encode_json(messages: &[u8]) -> Result<Snapshot, SharingError> {
    let messages = zstd::bulk::compress(messages, LEVEL).map_err(SharingError::defect)?;
    Ok(Snapshot { messages: messages.into(), files: "[]".to_owned() })
}

/// Messages as a JSON array, in the form that is at hand.
#[derive(Debug, Clone)]
pub enum Messages {
    Plain(Bytes),
    /// One zstd frame, as it is stored.
    Compressed(Bytes),
}

impl Messages {
    /// The array. Decompressing is CPU work: not for a worker.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`] as a defect, when a stored row is damaged.
    pub fn json(&self) -> Result<Bytes, SharingError> {
        match self {
            Self::Plain(json) => Ok(json.clone()),
            Self::Compressed(frame) => {
                let json = zstd::stream::decode_all(frame.as_ref());
                json.map(Bytes::from).map_err(SharingError::defect)
            }
        }
    }
}

async fn off_the_worker<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SharingError> + Send + 'static,
) -> Result<T, SharingError> {
    spawn_blocking(work).await.map_err(SharingError::defect)?
}
