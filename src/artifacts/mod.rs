//! Where the bytes of frozen links' files are kept: a folder, or a bucket that speaks S3. The
//! `object_store` crate lives here only.
//!
//! Objects stand side by side under random names ([`ObjectKey`]). Whose they are stands in the
//! database (`sharing::artifacts`); one store, that is one folder, or one prefix in a bucket, is for
//! one database alone, because whatever no row there names is taken for orphans. Other files in the
//! folder are left alone.
//!
//! To add a kind of store: a variant of [`ArtifactStoreUrl`], and its arm in [`ArtifactStore::open`].

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

use crate::model::ObjectKey;

pub use url::ArtifactStoreUrl;
pub use write::{Copied, WriteError};

/// How long the store may be silent: for a connection's next bytes, and for the answer to a request.
const SILENCE: Duration = Duration::from_secs(30);

/// The store did not do what was asked. The text is for our own log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the artifact store: {0}")]
pub struct ArtifactStoreError(String);

impl From<object_store::Error> for ArtifactStoreError {
    fn from(error: object_store::Error) -> Self {
        Self(error.to_string())
    }
}

/// Where files are kept.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
    /// For a folder: what the crate does not list, files that were never finished, is looked for
    /// there.
    folder: Option<Arc<std::path::Path>>,
}

impl ArtifactStore {
    /// Opens the store. A folder is made if it is not there (for its owner's eyes alone); a bucket
    /// is not asked.
    ///
    /// # Errors
    /// [`ArtifactStoreError`] when the folder cannot be made, or the `AWS_…` variables are wrong.
    pub fn open(url: &ArtifactStoreUrl) -> Result<Self, ArtifactStoreError> {
        match url {
            ArtifactStoreUrl::Folder(path) => {
                let (objects, path) = folder::open(path)?;
                Ok(Self { objects: Arc::new(objects), folder: Some(path.into()) })
            }
            ArtifactStoreUrl::S3 { bucket, prefix } => {
                // A whole request may take long, as the bytes flow at the pace of a viewer.
                let options = ClientOptions::new()
                    .with_timeout_disabled()
                    .with_connect_timeout(Duration::from_secs(5))
                    .with_read_timeout(SILENCE);
                let allow_http = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|v| v == "true");
                let retry = RetryConfig {
                    max_retries: 3,
                    retry_timeout: SILENCE,
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

    /// The bytes of an object within `range`, which must lie within it and not be empty; `None` when
    /// there is no such object. They are read as they are asked for.
    ///
    /// # Errors
    /// [`ArtifactStoreError`] when the store is out of reach, before the first byte or later.
    pub async fn get(
        &self,
        key: &ObjectKey,
        range: Range<u64>,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, ArtifactStoreError>>>, ArtifactStoreError>
    {
        let asked = GetOptions::new().with_range(Some(range.clone()));
        let path = path(key);
        let answer = tokio::time::timeout(SILENCE, self.objects.get_opts(&path, asked)).await;
        match answer.map_err(|_| silent())? {
            Ok(found) if found.range == range => {
                let bytes = found.into_stream().map_err(ArtifactStoreError::from);
                Ok(Some(bytes.boxed()))
            }
            Ok(_) => Err(ArtifactStoreError("an object has another size".to_owned())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object, and what an unfinished writing of it left. One that is not there is
    /// deleted already.
    ///
    /// # Errors
    /// [`ArtifactStoreError`] when the store is out of reach.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), ArtifactStoreError> {
        if let Some(folder) = &self.folder {
            folder::delete_unfinished(folder, key).await?;
        }
        let path = path(key);
        match tokio::time::timeout(SILENCE, self.objects.delete(&path)).await {
            Err(_) => Err(silent()),
            Ok(Ok(()) | Err(object_store::Error::NotFound { .. })) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
        }
    }

    /// Every object of ours, finished or (in a folder) not, that was last written before `moment`.
    /// A bucket does not list the parts of unfinished objects; a lifecycle rule of the bucket
    /// (`AbortIncompleteMultipartUpload`) is for those.
    pub fn list(
        &self,
        moment: DateTime<Utc>,
    ) -> BoxStream<'static, Result<ObjectKey, ArtifactStoreError>> {
        if let Some(folder) = &self.folder {
            return folder::list(folder.clone(), moment);
        }
        let listed = self.objects.list(None).map_err(ArtifactStoreError::from);
        let ours = listed.try_filter_map(move |object| async move {
            let old = object.last_modified < moment;
            Ok(ObjectKey::parse(object.location.as_ref()).filter(|_| old))
        });
        ours.boxed()
    }
}

fn path(key: &ObjectKey) -> Path {
    Path::from(key.as_str())
}

fn silent() -> ArtifactStoreError {
    ArtifactStoreError("it did not answer in time".to_owned())
}

#[cfg(test)]
mod tests;
