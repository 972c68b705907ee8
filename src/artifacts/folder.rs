//! A folder as artifact store. `object_store` writes an object to a file `KEY#1` first, which it
//! neither lists nor removes after a crash.

use std::{io, path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt, TryFutureExt,
    stream::{self, BoxStream},
};
use object_store::local::LocalFileSystem;

use super::ArtifactStoreError;
use crate::model::ObjectKey;

impl From<io::Error> for ArtifactStoreError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Creates the folder if it is missing. Acknowledged writes survive a power cut, as in the
/// database.
pub(super) fn open(
    path: &Path,
) -> Result<(LocalFileSystem, std::path::PathBuf), ArtifactStoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    let path = path.canonicalize()?;
    Ok((LocalFileSystem::new_with_prefix(&path)?.with_fsync(true), path))
}

pub(super) async fn delete_unfinished(
    folder: &Path,
    key: &ObjectKey,
) -> Result<(), ArtifactStoreError> {
    match tokio::fs::remove_file(folder.join(format!("{}#1", key.as_str()))).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn list(
    folder: Arc<Path>,
    moment: DateTime<Utc>,
) -> BoxStream<'static, Result<ObjectKey, ArtifactStoreError>> {
    let listing = async move {
        let entries = tokio::fs::read_dir(folder).await?;
        let keys = stream::try_unfold(entries, move |mut entries| async move {
            while let Some(entry) = entries.next_entry().await? {
                let name = entry.file_name();
                let name = name.to_str().unwrap_or_default();
                let Some(key) = ObjectKey::parse(name.split('#').next().unwrap_or_default()) else {
                    continue;
                };
                match entry.metadata().await {
                    Ok(metadata) if DateTime::<Utc>::from(metadata.modified()?) < moment => {
                        return Ok(Some((key, entries)));
                    }
                    Ok(_) => {}
                    // Deleted meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(None)
        });
        Ok::<_, ArtifactStoreError>(keys)
    };
    listing.try_flatten_stream().boxed()
}
