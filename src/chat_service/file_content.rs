//! The bytes of artifacts that a chat file contains or names.

use std::{io, path::Path};

use bytes::BytesMut;
use futures_util::stream;
use tokio::io::AsyncReadExt;

use super::{
    ChatReader, ChatServiceError, FileContent,
    chats_file::FileSource,
    file::{FileChatService, unreachable},
};

/// Bytes per read.
const CHUNK: usize = 64 * 1024;

impl FileChatService {
    pub(super) async fn file(
        &self,
        reader: &ChatReader<'_>,
        file_id: &str,
    ) -> Result<FileContent, ChatServiceError> {
        let source = self
            .find(reader, |chat| {
                let stored = chat.artifacts.iter().find(|stored| stored.file.0.id == file_id);
                // An artifact that is listed with neither text nor path is gone.
                stored.and_then(|s| s.source.clone()).ok_or(ChatServiceError::NotFound)
            })
            .await?;
        match source {
            FileSource::Text(text) => {
                let length = text.len() as u64;
                Ok(FileContent::new(Some(length), stream::iter([Ok(text)])))
            }
            FileSource::Path(path) => {
                let folder = self.path.parent().unwrap_or(Path::new(""));
                read(folder, &path).await.map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => ChatServiceError::NotFound,
                    _ => unreachable(&format!("an artifact: {error}")),
                })
            }
        }
    }
}

async fn read(folder: &Path, path: &Path) -> io::Result<FileContent> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = tokio::fs::canonicalize(folder).await?;
    let path = tokio::fs::canonicalize(folder.join(path)).await?;
    // A symbolic link could lead out of the folder. Opening anything but a file could block.
    if !path.starts_with(&folder) || !tokio::fs::metadata(&path).await?.is_file() {
        return Err(io::Error::other("it is no regular file below the folder of the chats"));
    }
    let file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    let bytes = stream::try_unfold(file, |mut file| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        match file.read_buf(&mut chunk).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((chunk.freeze(), file))),
            Err(error) => Err(unreachable(&format!("an artifact: {error}"))),
        }
    });
    Ok(FileContent::new(Some(length), bytes))
}
