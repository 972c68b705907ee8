//! Writes an object from a stream, in constant memory.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};

use super::{ArtifactStore, ArtifactStoreError, path};
use crate::model::ObjectKey;

/// The size of a part: the minimum of S3. A smaller object is one request. Each object that is
/// being written has up to three parts in memory.
const PART: usize = 5 * 1024 * 1024;

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// The object was written.
    Whole,
    /// The source had more or fewer bytes than expected; there is no object.
    Differs,
}

/// Why an object was not written. There is no object then, unless it could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    #[error("the source of the file broke off: {0}")]
    Source(E),
    #[error(transparent)]
    Store(#[from] ArtifactStoreError),
}

impl<E> From<object_store::Error> for WriteError<E> {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error.into())
    }
}

impl ArtifactStore {
    /// Writes an object of exactly `size` bytes. Of a longer source it reads at most one chunk too
    /// many. The object becomes visible as a whole or not at all.
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
            self.objects.put(&path(key), payload).await?;
            return Ok(Copied::Whole);
        }
        let upload = self.objects.put_multipart(&path(key)).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        first.into_iter().for_each(|chunk| upload.put(chunk));
        let failure = loop {
            if let Err(error) = upload.wait_for_capacity(1).await {
                break Err(error.into());
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
                    upload.finish().await?;
                    return Ok(Copied::Whole);
                }
            }
        };
        // If this fails, the sweep deletes it later.
        if let Err(error) = upload.abort().await {
            tracing::warn!(%error, "an unfinished object could not be deleted");
        }
        failure
    }
}
