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
    model::{ChatFile, KeptFile, ObjectKey, SharedChat, hex},
    telemetry::{self, ByteFlow},
};

/// A file's bytes as a stream. After an error the rest is missing.
pub type ArtifactBytes = BoxStream<'static, Result<Bytes, SharingError>>;

/// A file of a link that can be downloaded.
#[derive(Debug, Clone)]
pub struct Artifact {
    pub id: String,
    pub filename: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Hexadecimal. Of a live link's file it covers size and time alone.
    pub content_hash: String,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    ArtifactStore(ObjectKey),
    /// `until` is the deadline of all reads for one download.
    ChatService {
        until: Instant,
    },
}

impl Artifact {
    /// Whether one `content_hash` always means the same bytes.
    pub fn is_immutable(&self) -> bool {
        matches!(self.source, Source::ArtifactStore(_))
    }
}

impl Sharing {
    /// The file of the link, if the link lists it and its bytes can be downloaded. The files of a
    /// live link are those that the chat service lists, as in a view.
    ///
    /// # Errors
    /// [`SharingError::ArtifactNotFound`] when not, also while the link does not include its files;
    /// [`SharingError::ChatService`] when the list of a live link cannot be read.
    pub async fn artifact(&self, chat: &SharedChat, id: &str) -> Result<Artifact, SharingError> {
        // No id holds a control character, and PostgreSQL's text cannot hold NUL.
        if !chat.includes_artifacts || id.contains(char::is_control) {
            return Err(SharingError::ArtifactNotFound);
        }
        if chat.is_frozen() {
            let kept = self.store.kept_file(&chat.id, id).await?;
            let KeptFile { id, filename, bytes, key } =
                kept.ok_or(SharingError::ArtifactNotFound)?;
            let content_hash = digest(&[key.as_str()]);
            let source = Source::ArtifactStore(key);
            return Ok(Artifact { id, filename, bytes, content_hash, source });
        }
        let session = chat.chat_session_id.as_ref().ok_or(SharingError::NotFound)?;
        let until = self.chat_service.deadline();
        let listed = timeout_at(until, self.live_chats.get(session, Scope::Files))
            .await
            .unwrap_or(Err(ChatServiceError::TimedOut))
            .map_err(SharingError::ChatService)?;
        let file = listed.files.iter().find(|file| file.id == id);
        let ChatFile { id, filename, bytes, created_at } =
            file.cloned().ok_or(SharingError::ArtifactNotFound)?;
        let time = created_at.timestamp_micros().to_string();
        let content_hash = digest(&[&id, &bytes.to_string(), &time]);
        Ok(Artifact { id, filename, bytes, content_hash, source: Source::ChatService { until } })
    }

    /// The bytes of the file within `range`, which must lie within it.
    ///
    /// A chat service need not support ranges: of a live link's file all bytes up to the end of the
    /// range are fetched, and those before it dropped.
    ///
    /// # Errors
    /// [`SharingError::ArtifactNotFound`] when the file is gone by now;
    /// [`SharingError::ChatService`] or `ArtifactStore` when it cannot be read.
    pub async fn artifact_bytes(
        &self,
        chat: &SharedChat,
        artifact: &Artifact,
        range: Range<u64>,
    ) -> Result<ArtifactBytes, SharingError> {
        let until = match &artifact.source {
            // An empty file.
            Source::ArtifactStore(_) if range.is_empty() => return Ok(stream::empty().boxed()),
            Source::ArtifactStore(key) => {
                let found = self.artifacts.store.get(key, range.clone()).await?;
                // Deleted between the row and the object, or lost by the store.
                let bytes = found.ok_or(SharingError::ArtifactNotFound)?;
                let bytes = bytes.map_err(SharingError::from).boxed();
                return Ok(exactly(bytes, 0..range.end - range.start, None));
            }
            Source::ChatService { until } => *until,
        };
        let session = chat.chat_session_id.as_ref().ok_or(SharingError::NotFound)?;
        let reader = self.chat_service.read_until(Access::Service, session, until);
        let content =
            reader.file(&artifact.id, Pace::AsRead).await.map_err(|error| match error {
                ChatServiceError::NotFound => SharingError::ArtifactNotFound,
                other => SharingError::ChatService(other),
            })?;
        if content.announced.is_some_and(|bytes| bytes != artifact.bytes) {
            return Err(wrong_size());
        }
        let bytes = content.bytes.map_err(SharingError::ChatService).boxed();
        Ok(exactly(bytes, range, Some(artifact.bytes)))
    }
}

/// The bytes of the stream within the range: all of them, or an error. It is an error too if the
/// chunks up to the end of the range hold more than `total` bytes.
fn exactly(bytes: ArtifactBytes, range: Range<u64>, total: Option<u64>) -> ArtifactBytes {
    let cut = stream::unfold(Some((bytes, 0u64)), move |state| {
        let range = range.clone();
        async move {
            let (mut bytes, mut at) = state?;
            while at < range.end {
                let mut chunk = match bytes.next().await {
                    Some(Ok(chunk)) => chunk,
                    Some(Err(error)) => return Some((Err(error), None)),
                    None => return Some((Err(wrong_size()), None)),
                };
                let from = at;
                at += chunk.len() as u64;
                if total.is_some_and(|total| at > total) {
                    return Some((Err(wrong_size()), None));
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

fn wrong_size() -> SharingError {
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
    async fn range_is_cut_out_exactly() {
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
