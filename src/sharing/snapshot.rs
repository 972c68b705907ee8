//! A chat's messages and files as they are stored: JSON, compressed when the link is created.

use std::cell::RefCell;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::SharingError;
use crate::{
    model::{ChatFile, Message},
    store::Snapshot,
};

/// zstd's default: half the time of the next levels for a few percent more bytes.
const LEVEL: i32 = 3;

/// Snapshots with at least this many bytes of messages are encoded on a blocking thread, as that
/// takes milliseconds. For smaller ones the switch of threads would cost about as much.
const ENCODE_INLINE_BYTES: usize = 32 * 1024;

pub(super) async fn encode(
    messages: Vec<Message>,
    files: Vec<ChatFile>,
) -> Result<Snapshot, SharingError> {
    let bytes: usize = messages.iter().map(|message| message.content.as_json().len()).sum();
    if bytes < ENCODE_INLINE_BYTES && files.is_empty() {
        return encode_blocking(&messages, &files);
    }
    let encoding = spawn_blocking(move || encode_blocking(&messages, &files));
    encoding.await.map_err(SharingError::defect)?
}

pub fn encode_blocking(messages: &[Message], files: &[ChatFile]) -> Result<Snapshot, SharingError> {
    let json = serde_json::to_vec(messages).map_err(SharingError::defect)?;
    encode_json(&json, serde_json::to_string(files).map_err(SharingError::defect)?)
}

/// Compresses messages that are a JSON array already. CPU work: of more than 32 KiB for a blocking
/// thread.
pub(super) fn encode_json(messages: &[u8], files: String) -> Result<Snapshot, SharingError> {
    let messages = zstd::bulk::compress(messages, LEVEL).map_err(SharingError::defect)?;
    Ok(Snapshot { messages: messages.into(), files })
}

/// Messages as a JSON array.
#[derive(Debug, Clone)]
pub enum Messages {
    Plain(Bytes),
    /// One zstd frame, as it is stored.
    Compressed(Bytes),
}

impl Messages {
    /// How many bytes the array has, if the frame says so: those that are made here do.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Plain(json) => u64::try_from(json.len()).ok(),
            Self::Compressed(frame) => zstd::zstd_safe::get_frame_content_size(frame).ok()?,
        }
    }

    /// Decompresses it. More than some ten KiB are for a blocking thread.
    pub fn json(&self) -> Result<Bytes, SharingError> {
        match (self, self.size().and_then(|size| usize::try_from(size).ok())) {
            (Self::Plain(json), _) => Ok(json.clone()),
            (Self::Compressed(frame), Some(size)) => {
                let json = DECOMPRESSOR.with_borrow_mut(|zstd| zstd.decompress(frame, size));
                json.map(Bytes::from).map_err(SharingError::defect)
            }
            (Self::Compressed(frame), None) => {
                let json = zstd::stream::decode_all(frame.as_ref());
                json.map(Bytes::from).map_err(SharingError::defect)
            }
        }
    }
}

thread_local! {
    /// It takes longer to make than to decompress a small chat.
    static DECOMPRESSOR: RefCell<zstd::bulk::Decompressor<'static>> = RefCell::default();
}
