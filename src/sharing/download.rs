//! One file of a link, for a viewer.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use super::{Sharing, SharingError};
use crate::{
    chat_service::{Access, ChatServiceError, Pace},
    live::Scope,
    model::{KeptFile, ObjectKey, SharedChat, hex},
    telemetry::{self, ByteFlow},
};

/// A file's bytes, read as they are asked for. An error means that the rest is missing.
pub type ArtifactBytes = BoxStream<'static, Result<Bytes, SharingError>>;

/// A file of a link that can be had.
#[derive(Debug, Clone)]
pub struct Artifact {
    pub id: String,
    pub filename: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Tells it from any other; hexadecimal.
    pub content_hash: String,
    bytes_at: BytesAt,
}

/// Where a file's bytes are.
#[derive(Debug, Clone)]
enum BytesAt {
    /// In the artifact store.
    Kept(ObjectKey),
    /// With the chat service, which has until then for all that one download asks there.
    ChatService { until: Instant },
}

impl Artifact {
    /// Whether the bytes can never be others while `content_hash` is the same. Of a live link's file
    /// only size and time are known.
    pub fn is_immutable(&self) -> bool {
        matches!(self.bytes_at, BytesAt::Kept(_))
    }

    fn new(file: KeptFile) -> Self {
        let content_hash = digest(&[file.key.as_str()]);
        let KeptFile { id, filename, bytes, key } = file;
        Self { id, filename, bytes, content_hash, bytes_at: BytesAt::Kept(key) }
    }
}

impl Sharing {
    /// The file of the link, if its own list holds it and its bytes can be had. Of a live link's
    /// file that is what the chat service lists, as live views are told it.
    ///
    /// # Errors
    /// [`SharingError::ArtifactNotFound`] when not, also while the link does not include its files;
    /// [`SharingError::ChatService`] when its list cannot be had.
    /// The chat service is asked about live links alone, and never for a file that it does not list.
    pub async fn artifact(&self, chat: &SharedChat, id: &str) -> Result<Artifact, SharingError> {
        // No id holds a control character, and PostgreSQL's text cannot hold NUL.
        if !chat.includes_artifacts || id.contains(char::is_control) {
            return Err(SharingError::ArtifactNotFound);
        }
        if chat.is_frozen() {
            let kept = self.store.kept_file(&chat.id, id).await?;
            return kept.map(Artifact::new).ok_or(SharingError::ArtifactNotFound);
        }
        let session = chat.chat_session_id.as_ref().ok_or(SharingError::NotFound)?;
        let until = self.chat_service.deadline();
        let live = timeout_at(until, self.live_chats.get(session, Scope::Files)).await;
        let live = live.unwrap_or(Err(ChatServiceError::TimedOut));
        let live = live.map_err(SharingError::ChatService)?;
        let file = live.files.iter().find(|file| file.id == id);
        let file = file.cloned().ok_or(SharingError::ArtifactNotFound)?;
        let time = file.created_at.timestamp_micros().to_string();
        let content_hash = digest(&[&file.id, &file.bytes.to_string(), &time]);
        let (filename, bytes) = (file.filename, file.bytes);
        let bytes_at = BytesAt::ChatService { until };
        Ok(Artifact { id: file.id, filename, bytes, content_hash, bytes_at })
    }

    /// The bytes of the file within `range`, which must lie within it.
    ///
    /// A chat service need not know ranges: of a live link's file all bytes up to the range's end
    /// are fetched, and those before it dropped.
    ///
    /// # Errors
    /// [`SharingError::ArtifactNotFound`] when the chat service does not have it any more;
    /// [`SharingError::ChatService`] or `ArtifactStore` when they do not answer well.
    pub async fn artifact_bytes(
        &self,
        chat: &SharedChat,
        artifact: &Artifact,
        range: Range<u64>,
    ) -> Result<ArtifactBytes, SharingError> {
        let until = match &artifact.bytes_at {
            // An empty file.
            BytesAt::Kept(_) if range.is_empty() => return Ok(stream::empty().boxed()),
            BytesAt::Kept(key) => {
                let found = self.artifacts.store.get(key, range.clone()).await?;
                // Deleted between the row and the object, or lost by the store.
                let bytes = found.ok_or(SharingError::ArtifactNotFound)?;
                let bytes = bytes.map_err(SharingError::from).boxed();
                return Ok(exactly(bytes, 0..range.end - range.start, None));
            }
            BytesAt::ChatService { until } => *until,
        };
        let session = chat.chat_session_id.as_ref().ok_or(SharingError::NotFound)?;
        let reader = self.chat_service.read_until(Access::Service, session, until);
        let content =
            reader.file(&artifact.id, Pace::AsRead).await.map_err(|error| match error {
                ChatServiceError::NotFound => SharingError::ArtifactNotFound,
                other => SharingError::ChatService(other),
            })?;
        if content.announced.is_some_and(|bytes| bytes != artifact.bytes) {
            return Err(other_size());
        }
        let bytes = content.bytes.map_err(SharingError::ChatService).boxed();
        Ok(exactly(bytes, range, Some(artifact.bytes)))
    }
}

/// The bytes of the stream within the range: all of them, or an error. Nor may the whole be longer
/// than `total`, as far as that can be told by then.
fn exactly(bytes: ArtifactBytes, range: Range<u64>, total: Option<u64>) -> ArtifactBytes {
    let start = Some((bytes, 0u64));
    let cut = stream::unfold(start, move |state| {
        let range = range.clone();
        async move {
            let (mut bytes, mut at) = state?;
            while at < range.end {
                let mut chunk = match bytes.next().await {
                    Some(Ok(chunk)) => chunk,
                    Some(Err(error)) => return Some((Err(error), None)),
                    None => return Some((Err(other_size()), None)),
                };
                let from = at;
                at += chunk.len() as u64;
                if total.is_some_and(|total| at > total) {
                    return Some((Err(other_size()), None));
                }
                // Both differences are within the chunk, so they fit.
                let skip = range.start.saturating_sub(from).min(chunk.len() as u64);
                let keep = range.end.min(at).saturating_sub(from + skip);
                let chunk = chunk.split_off(skip as usize).split_to(keep as usize);
                if !chunk.is_empty() {
                    telemetry::artifact_bytes(ByteFlow::Downloaded, keep);
                    return Some((Ok(chunk), Some((bytes, at))));
                }
            }
            None
        }
    });
    cut.boxed()
}

fn other_size() -> SharingError {
    let why = "a file has another size than the list says".to_owned();
    SharingError::ChatService(ChatServiceError::BadAnswer(why))
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn cut(range: Range<u64>, total: Option<u64>) -> Result<Vec<u8>, SharingError> {
        let chunks = [&b"0123"[..], b"", b"456", b"789"];
        let chunks = chunks.map(|chunk| Ok(Bytes::from_static(chunk)));
        let bytes = exactly(stream::iter(chunks).boxed(), range, total);
        bytes.try_collect::<Vec<_>>().await.map(|chunks| chunks.concat())
    }

    #[tokio::test]
    async fn a_range_is_cut_out_exactly() {
        for start in 0..10 {
            for end in start + 1..=10 {
                let cut = cut(start..end, Some(10)).await.unwrap();
                assert_eq!(cut, &b"0123456789"[start as usize..end as usize]);
            }
        }
    }

    #[tokio::test]
    async fn too_few_or_too_many_bytes_are_an_error() {
        assert!(cut(0..11, Some(11)).await.is_err());
        assert!(cut(0..8, Some(8)).await.is_err());
    }
}
