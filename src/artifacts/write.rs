//! Writing an object from a stream, in constant memory.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};

use super::{ArtifactStore, ArtifactStoreError, path};
use crate::model::ObjectKey;

/// Bytes that are gathered before they are sent: the least that S3 takes as a part. What is smaller
/// is written at once. Up to three of these are in memory for each object that is being written.
const PART: usize = 5 * 1024 * 1024;

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// The object is there.
    Whole,
    /// There were more or fewer bytes than expected; nothing is there.
    Differs,
}

/// Why an object was not written. Nothing is there then, as far as the store can be reached.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    #[error("what was to be written broke off: {0}")]
    Source(E),
    #[error(transparent)]
    Store(#[from] ArtifactStoreError),
}

impl ArtifactStore {
    /// Writes an object of exactly `size` bytes; of a source that gives more no more than one chunk
    /// beyond them is read. It becomes visible as a whole or not at all.
    ///
    /// # Errors
    /// [`WriteError`]: the source's own error, or the store's.
    pub async fn put<E>(
        &self,
        key: &ObjectKey,
        size: u64,
        mut source: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Copied, WriteError<E>> {
        let mut first = Vec::new();
        let mut read = 0u64;
        while read < PART as u64 {
            let Some(chunk) = source.next().await.transpose().map_err(WriteError::Source)? else {
                break;
            };
            read += chunk.len() as u64;
            if read > size {
                return Ok(Copied::Differs);
            }
            first.push(chunk);
        }
        if read < PART as u64 {
            if read < size {
                return Ok(Copied::Differs);
            }
            let payload = PutPayload::from_iter(first);
            let put = self.objects.put(&path(key), payload).await;
            return put.map(|_| Copied::Whole).map_err(|error| WriteError::Store(error.into()));
        }
        let upload = self.objects.put_multipart(&path(key)).await;
        let upload = upload.map_err(ArtifactStoreError::from)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        first.into_iter().for_each(|chunk| upload.put(chunk));
        let gone_wrong = loop {
            if let Err(error) = upload.wait_for_capacity(1).await {
                break Err(WriteError::Store(error.into()));
            }
            match source.next().await {
                Some(Ok(chunk)) => {
                    read += chunk.len() as u64;
                    if read > size {
                        break Ok(Copied::Differs);
                    }
                    upload.put(chunk);
                }
                Some(Err(error)) => break Err(WriteError::Source(error)),
                None if read < size => break Ok(Copied::Differs),
                None => {
                    let finished = upload.finish().await;
                    return finished
                        .map(|_| Copied::Whole)
                        .map_err(|error| WriteError::Store(error.into()));
                }
            }
        };
        // What cannot be taken back now, the sweep finds.
        if let Err(error) = upload.abort().await {
            tracing::warn!(%error, "an unfinished object could not be taken back");
        }
        gone_wrong
    }
}
