//! The files of frozen links, in a folder or an S3 bucket. Only this module uses `object_store`.
//!
//! Objects have random names ([`ObjectKey`]). The database has the links that own them
//! (`sharing::artifacts`). A store, that is a folder or a prefix in a bucket, belongs to one
//! database: objects without a row there are deleted as orphans. Other files in the folder are left
//! alone.
//!
//! To add a kind of store: a variant of [`ArtifactStoreUrl`], and its arm in
//! [`ArtifactStore::open`].

mod folder;
mod url;
mod write;

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    ClientOptions, GetOptions, ObjectStore, ObjectStoreExt, RetryConfig, aws::AmazonS3Builder,
    path::Path, prefix::PrefixStore,
};
use tokio::time::{error::Elapsed, timeout};

use crate::model::ObjectKey;

pub use url::ArtifactStoreUrl;
pub use write::{Copied, WriteError};

/// The time-out for the next bytes of a connection, and for the answer to a request.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The store failed. The text is for the log only.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the artifact store: {0}")]
pub struct ArtifactStoreError(String);

impl From<object_store::Error> for ArtifactStoreError {
    fn from(error: object_store::Error) -> Self {
        Self(error.to_string())
    }
}

#[derive(Debug, Clone)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
    /// Where unfinished files are, which the crate does not list.
    folder: Option<Arc<std::path::Path>>,
}

impl ArtifactStore {
    /// Opens the store. A missing folder is created, with mode 0700. A bucket is not connected to
    /// yet.
    ///
    /// # Errors
    /// [`ArtifactStoreError`] when the folder cannot be created, or the `AWS_…` variables are
    /// wrong.
    pub fn open(url: &ArtifactStoreUrl) -> Result<Self, ArtifactStoreError> {
        match url {
            ArtifactStoreUrl::Folder(path) => {
                let (objects, path) = folder::open(path)?;
                Ok(Self { objects: Arc::new(objects), folder: Some(path.into()) })
            }
            ArtifactStoreUrl::S3 { bucket, prefix } => {
                // A whole request may take long: a download flows at the speed of its client.
                let options = ClientOptions::new()
                    .with_timeout_disabled()
                    .with_connect_timeout(Duration::from_secs(5))
                    .with_read_timeout(READ_TIMEOUT);
                let allow_http = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|v| v == "true");
                let retry = RetryConfig {
                    max_retries: 3,
                    retry_timeout: READ_TIMEOUT,
                    ..RetryConfig::default()
                };
                let bucket = AmazonS3Builder::from_env()
                    .with_client_options(options.with_allow_http(allow_http))
                    .with_retry(retry)
                    .with_bucket_name(bucket)
                    .build()?;
                let objects = PrefixStore::new(bucket, Path::from(prefix.as_str()));
                Ok(Self { objects: Arc::new(objects), folder: None })
            }
        }
    }

    /// The bytes of an object in `range`, which must not be empty, as a stream; `None` when there
    /// is no such object.
    pub async fn get(
        &self,
        key: &ObjectKey,
        range: Range<u64>,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, ArtifactStoreError>>>, ArtifactStoreError>
    {
        let options = GetOptions::new().with_range(Some(range.clone()));
        let path = path(key);
        match timeout(READ_TIMEOUT, self.objects.get_opts(&path, options))
            .await
            .map_err(too_late)?
        {
            Ok(found) if found.range == range => {
                let bytes = found.into_stream().map_err(ArtifactStoreError::from);
                Ok(Some(bytes.boxed()))
            }
            Ok(_) => Err(ArtifactStoreError("an object has another size".to_owned())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object and its unfinished file. A missing object counts as deleted.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), ArtifactStoreError> {
        if let Some(folder) = &self.folder {
            folder::delete_unfinished(folder, key).await?;
        }
        let path = path(key);
        match timeout(READ_TIMEOUT, self.objects.delete(&path)).await.map_err(too_late)? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The objects that were last written before `moment`, in a folder also unfinished ones. A
    /// bucket does not list the parts of unfinished objects, and needs a lifecycle rule for them
    /// (`AbortIncompleteMultipartUpload`).
    pub fn list(
        &self,
        moment: DateTime<Utc>,
    ) -> BoxStream<'static, Result<ObjectKey, ArtifactStoreError>> {
        if let Some(folder) = &self.folder {
            return folder::list(folder.clone(), moment);
        }
        let listed = self.objects.list(None).map_err(ArtifactStoreError::from);
        let old = listed.try_filter_map(move |object| async move {
            let is_old = object.last_modified < moment;
            Ok(ObjectKey::parse(object.location.as_ref()).filter(|_| is_old))
        });
        old.boxed()
    }
}

fn path(key: &ObjectKey) -> Path {
    Path::from(key.as_str())
}

fn too_late(_: Elapsed) -> ArtifactStoreError {
    ArtifactStoreError("it did not answer in time".to_owned())
}

#[cfg(test)]
mod tests;
