//! What goes over the wire about links.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{ChatFile, ShareId, SharedChat},
    sharing::{Content, Urls},
};

/// A link, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11",
    "name": "Why is the quarterly report slow?",
    "chat_session_id": "quarterly-report",
    "is_private": false,
    "is_frozen": true,
    "includes_artifacts": false,
    "created_at": "2026-11-22T09:30:00Z",
    "updated_at": "2026-11-22T09:30:00Z",
    "expires_at": null,
    "label": "for the Monday meeting",
    "url": "https://chat.example/shared/6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11",
    "relative_path": "/shared/6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11",
    "qr_code_url": "/api/v1/shared_chats/6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11/qr_code",
    "showcase_id": null,
}))]
pub struct SharedChatInfo<'a> {
    pub id: &'a str,
    /// The chat's name when it was shared.
    pub name: Option<&'a str>,
    pub chat_session_id: Option<&'a str>,
    /// Only people who are signed in may open it.
    pub is_private: bool,
    /// A snapshot; otherwise it follows the chat.
    pub is_frozen: bool,
    pub includes_artifacts: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// For the owner's eyes only: the chat service is told the one that it gave, where it makes the
    /// link, and in the list of a chat's links always null.
    pub label: Option<&'a str>,
    /// What a person opens.
    pub url: String,
    /// The same without the host.
    pub relative_path: String,
    /// A path on this API.
    pub qr_code_url: String,
    /// Always null: this service has no showcase.
    pub showcase_id: Option<&'a str>,
}

impl<'a> SharedChatInfo<'a> {
    #[must_use]
    pub fn new(chat: &'a SharedChat, urls: &Urls) -> Self {
        Self {
            id: chat.id.as_str(),
            name: chat.name.as_deref(),
            chat_session_id: chat.chat_session_id.as_ref().map(|id| id.as_str()),
            is_private: chat.is_private(),
            is_frozen: chat.is_frozen(),
            includes_artifacts: chat.includes_artifacts,
            created_at: chat.created_at,
            updated_at: chat.updated_at,
            expires_at: chat.expires_at,
            label: chat.label.as_deref(),
            url: urls.url(&chat.id),
            relative_path: urls.relative_path(&chat.id),
            qr_code_url: urls.qr_code_path(&chat.id),
            showcase_id: None,
        }
    }
}

/// A link, as the chat service sees it: `label` is null, since it is for the owner's eyes only.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnedSharedChatInfo<'a> {
    #[serde(flatten)]
    info: SharedChatInfo<'a>,
    owner_id: Option<&'a str>,
}

impl<'a> OwnedSharedChatInfo<'a> {
    #[must_use]
    pub fn new(chat: &'a SharedChat, urls: &Urls) -> Self {
        Self {
            info: SharedChatInfo { label: None, ..SharedChatInfo::new(chat, urls) },
            owner_id: chat.owner_id.as_ref().map(|id| id.as_str()),
        }
    }
}

/// A shared chat, as a viewer sees it. `messages` comes last: it is stored as it is sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11",
    "name": "Why is the quarterly report slow?",
    "shared_at": "2026-11-22T09:30:00Z",
    "shared_by": "Alice",
    "is_frozen": true,
    "is_private": false,
    "includes_artifacts": false,
    "expires_at": null,
    "messages": [
        {"id": "m1", "role": "user", "content": "Why is it slow?",
         "created_at": "2026-11-20T08:00:00Z", "reply_to": null},
        {"id": "m2", "role": "assistant", "content": "An index is missing.",
         "created_at": "2026-11-20T08:00:07Z", "reply_to": "m1"},
    ],
}))]
pub struct SharedChatDetail<'a> {
    pub id: &'a str,
    pub name: Option<&'a str>,
    pub shared_at: DateTime<Utc>,
    /// Who shared it, by a name that is no address; null where there is none.
    pub shared_by: Option<&'a str>,
    pub is_frozen: bool,
    pub is_private: bool,
    pub includes_artifacts: bool,
    pub expires_at: Option<DateTime<Utc>>,
    /// Only while `includes_artifacts` is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Vec<Artifact<'a>>>,
    /// Oldest first.
    #[schema(value_type = Vec<ViewedMessage>)]
    pub messages: &'a [ViewedMessage],
}

/// A message, as a viewer sees it; the schema of [`crate::model::Message`].
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Message")]
pub struct ViewedMessage {
    pub id: String,
    /// `user`, `assistant`, or what the chat service calls it.
    pub role: String,
    pub content: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The message that this one answers.
    pub reply_to: Option<String>,
}

// Written by `crate::live::Frame`.
/// What one event of a stream is made of.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is only described: what is sent is no JSON, but its data is")]
pub struct ChatEvent {
    #[schema(pattern = "^(message|changed|removed|renamed|settings|reset|revoked)$")]
    event: String,
    /// The cursor from here on: of a `message` its own id.
    id: Option<String>,
    /// A JSON object.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// A file that the agents made in the chat.
#[derive(Debug, Serialize, ToSchema)]
pub struct Artifact<'a> {
    pub id: &'a str,
    pub filename: &'a str,
    pub bytes: u64,
    pub created_at: DateTime<Utc>,
    pub media_type: String,
    /// Whether its bytes can be had.
    pub available: bool,
    /// A path on this API.
    pub url: String,
}

impl<'a> Artifact<'a> {
    fn new(id: &ShareId, file: &'a ChatFile, available: bool, urls: &Urls) -> Self {
        Self {
            id: &file.id,
            filename: &file.filename,
            bytes: file.bytes,
            created_at: file.created_at,
            media_type: media_type(&file.filename),
            available,
            url: urls.artifact_path(id, &file.id),
        }
    }
}

/// The files of a link, while it includes them.
#[must_use]
pub fn artifacts<'a>(
    chat: &SharedChat,
    content: &'a Content,
    urls: &Urls,
) -> Option<Vec<Artifact<'a>>> {
    let artifact =
        |file: &'a ChatFile| Artifact::new(&chat.id, file, content.available.has(&file.id), urls);
    chat.includes_artifacts.then(|| content.files.iter().map(artifact).collect())
}

/// The media type that a file's name tells.
#[must_use]
pub fn media_type(filename: &str) -> String {
    mime_guess::from_path(filename).first_or_octet_stream().to_string()
}

/// The view's JSON up to where the messages' array begins, and what comes after it.
///
/// # Errors
/// Those of the JSON encoder, which these types do not have.
pub fn around_messages(
    chat: &SharedChat,
    content: &Content,
    urls: &Urls,
) -> serde_json::Result<(Vec<u8>, &'static [u8])> {
    let mut json = serde_json::to_vec(&SharedChatDetail {
        id: chat.id.as_str(),
        name: content.name.as_deref(),
        shared_at: chat.created_at,
        shared_by: chat.shared_by.as_deref(),
        is_frozen: chat.is_frozen(),
        is_private: chat.is_private(),
        includes_artifacts: chat.includes_artifacts,
        expires_at: chat.expires_at,
        artifacts: artifacts(chat, content, urls),
        messages: &[],
    })?;
    // `…,"messages":[]}` without its last three bytes.
    json.truncate(json.len() - b"[]}".len());
    Ok((json, b"}"))
}
