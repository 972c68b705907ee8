//! The JSON of a chat file, with artifacts or the paths of their files.

use std::path::{Component, PathBuf};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{FileFields, FileTime, WireFile, WireMessage, name};
use crate::model::{ChatSessionId, Object, UserId};

/// One chat of the file that `CHAT_SERVICE_URL=file:PATH` names.
#[derive(Deserialize)]
#[serde(try_from = "Object<FileChatFields>")]
pub(super) struct WireFileChat {
    pub id: ChatSessionId,
    pub name: Option<String>,
    pub owner: UserId,
    pub messages: Vec<WireMessage>,
    pub artifacts: Vec<WireStoredFile>,
}

#[derive(Deserialize)]
struct FileChatFields {
    id: String,
    name: Option<Box<RawValue>>,
    owner: String,
    messages: Vec<WireMessage>,
    artifacts: Option<Vec<WireStoredFile>>,
}

impl TryFrom<Object<FileChatFields>> for WireFileChat {
    type Error = &'static str;

    fn try_from(Object(fields): Object<FileChatFields>) -> Result<Self, Self::Error> {
        Ok(Self {
            id: ChatSessionId::parse(&fields.id).map_err(|_| "an id that no chat can have")?,
            name: fields.name.as_deref().map(name).transpose()?,
            owner: UserId::parse(&fields.owner).map_err(|_| "an owner that no user can be")?,
            messages: fields.messages,
            artifacts: fields.artifacts.unwrap_or_default(),
        })
    }
}

/// One of a chat's `artifacts` in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Object<StoredFileFields>")]
pub(super) struct WireStoredFile {
    pub file: WireFile,
    pub source: Option<FileSource>,
}

/// Where the bytes of an artifact in the file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileSource {
    /// `"text"`: the content itself, as UTF-8.
    Text(Bytes),
    /// `"path"`: a file below the folder of this one.
    Path(PathBuf),
}

#[derive(Deserialize)]
struct StoredFileFields {
    id: String,
    filename: Box<RawValue>,
    bytes: u64,
    created_at: FileTime,
    text: Option<String>,
    path: Option<PathBuf>,
}

impl TryFrom<Object<StoredFileFields>> for WireStoredFile {
    type Error = &'static str;

    fn try_from(Object(fields): Object<StoredFileFields>) -> Result<Self, Self::Error> {
        let StoredFileFields { id, filename, bytes, created_at, text, path } = fields;
        let below = |path: &PathBuf| path.components().all(|c| matches!(c, Component::Normal(_)));
        let source = match (text, path) {
            (None, None) => None,
            (Some(text), None) => Some(FileSource::Text(text.into())),
            (None, Some(path)) if below(&path) => Some(FileSource::Path(path)),
            (None, Some(_)) => return Err("an artifact's path that leaves the file's folder"),
            (Some(_), Some(_)) => return Err("an artifact with both a text and a path"),
        };
        let file = WireFile::try_from(Object(FileFields { id, filename, bytes, created_at }))?;
        Ok(Self { file, source })
    }
}
