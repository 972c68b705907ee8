//! JSON types of responses about links.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Audience, ChatFile, Policy, SharedChat, limited_fields};
use crate::sharing::{Available, Content, SharingError, Urls};

/// A link, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11",
    "name": "Why is the quarterly report slow?",
    "chat_session_id": "quarterly-report",
    "is_private": false,
    "audience": null,
    "is_frozen": true,
    "includes_artifacts": false,
    "created_at": "2026-11-22T09:30:00Z",
    "updated_at": "2026-11-22T09:30:00Z",
    "expires_at": null,
    "label": "for the Monday meeting",
    "limited_by_policy": [],
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
    /// Only signed-in users may open it.
    pub is_private: bool,
    /// Who may open it while it is private, beside its owner: `user:<sub>` and `group:<value>`.
    /// Null: every signed-in user.
    #[schema(value_type = Option<Vec<Principal>>)]
    pub audience: Option<&'a Audience>,
    /// It shows a snapshot; otherwise it follows the chat.
    pub is_frozen: bool,
    pub includes_artifacts: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// A note that only the owner sees. The chat service gets the one that it sent when it makes a
    /// link, and null in its lists.
    pub label: Option<&'a str>,
    /// What of the above the policy narrows for viewers: `is_private`, `audience`,
    /// `includes_artifacts`, `expires_at`.
    pub limited_by_policy: Vec<&'static str>,
    /// The URL that a person opens.
    pub url: String,
    /// `url` without the host.
    pub relative_path: String,
    /// A path on this API.
    pub qr_code_url: String,
    /// Always null: this service has no showcase.
    pub showcase_id: Option<&'a str>,
}

impl<'a> SharedChatInfo<'a> {
    pub fn new(chat: &'a SharedChat, urls: &Urls, policy: &Policy) -> Self {
        Self {
            id: chat.id.as_str(),
            name: chat.name.as_deref(),
            chat_session_id: chat.chat_session_id.as_ref().map(|id| id.as_str()),
            is_private: chat.is_private(),
            audience: chat.audience.as_ref(),
            is_frozen: chat.is_frozen(),
            includes_artifacts: chat.includes_artifacts,
            created_at: chat.created_at,
            updated_at: chat.updated_at,
            expires_at: chat.expires_at,
            label: chat.label.as_deref(),
            limited_by_policy: limited_fields(&chat.state(), policy),
            url: urls.url(&chat.id),
            relative_path: urls.relative_path(&chat.id),
            qr_code_url: urls.qr_code_path(&chat.id),
            showcase_id: None,
        }
    }
}

/// A link, as the chat service sees it: `label` is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnedSharedChatInfo<'a> {
    #[serde(flatten)]
    info: SharedChatInfo<'a>,
    owner_id: Option<&'a str>,
}

impl<'a> OwnedSharedChatInfo<'a> {
    pub fn new(chat: &'a SharedChat, urls: &Urls, policy: &Policy) -> Self {
        Self {
            info: SharedChatInfo { label: None, ..SharedChatInfo::new(chat, urls, policy) },
            owner_id: chat.owner_id.as_ref().map(|id| id.as_str()),
        }
    }
}

// The schema of an item of `crate::model::Audience`.
/// A person or a group: `user:<sub>` or `group:<value>`, each value of 1–255 characters, none of
/// them a control character.
#[derive(ToSchema)]
#[schema(
    value_type = String, example = "user:bob", max_length = 261,
    pattern = r"^(user|group):[^\u0000-\u001f\u007f-\u009f]{1,255}$"
)]
pub struct Principal(#[expect(dead_code, reason = "for the document alone")] String);

// `messages` comes last, because of `around_messages`.
/// A shared chat, as a viewer sees it.
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
    /// Empty if the chat has none.
    pub name: &'a str,
    pub shared_at: DateTime<Utc>,
    /// The owner's name; empty if it is unknown or contains an `@`.
    pub shared_by: &'a str,
    pub is_frozen: bool,
    pub is_private: bool,
    pub includes_artifacts: bool,
    pub expires_at: Option<DateTime<Utc>>,
    /// Present only while `includes_artifacts` is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Vec<Artifact<'a>>>,
    /// Oldest first.
    #[schema(value_type = Vec<ViewedMessage>)]
    pub messages: &'a [ViewedMessage],
}

// The schema of `crate::model::Message`.
/// A message, as a viewer sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Message")]
pub struct ViewedMessage {
    pub id: String,
    /// `user`, `assistant`, or a role of the chat service.
    pub role: String,
    pub content: String,
    /// RFC 3339; empty if the chat service gave no time.
    pub created_at: String,
    /// The message that this one answers.
    pub reply_to: Option<String>,
}

// `crate::live::Frame` writes it.
/// An event of a stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct ChatEvent {
    #[schema(pattern = "^(message|changed|removed|renamed|settings|reset|revoked)$")]
    event: String,
    /// The cursor from here on; a `message`'s own id.
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
    /// Whether it can be downloaded.
    pub available: bool,
    /// A path on this API.
    pub url: String,
}

/// The files of a link, if it includes them.
pub fn artifacts<'a>(
    chat: &SharedChat,
    files: &'a [ChatFile],
    available: &Available,
    urls: &Urls,
) -> Option<Vec<Artifact<'a>>> {
    let artifact = |file: &'a ChatFile| Artifact {
        id: &file.id,
        filename: &file.filename,
        bytes: file.bytes,
        created_at: file.created_at,
        media_type: media_type(&file.filename),
        available: available.has(&file.id),
        url: urls.artifact_path(&chat.id, &file.id),
    };
    chat.includes_artifacts.then(|| files.iter().map(artifact).collect())
}

/// The media type by a file's extension.
pub fn media_type(filename: &str) -> String {
    mime_guess::from_path(filename).first_or_octet_stream().to_string()
}

/// The view's JSON before and after the array of messages, which is sent as it is stored.
pub fn around_messages(
    chat: &SharedChat,
    content: &Content,
    urls: &Urls,
) -> Result<(Vec<u8>, &'static [u8]), SharingError> {
    let files = content.files.parse()?;
    let mut json = serde_json::to_vec(&SharedChatDetail {
        id: chat.id.as_str(),
        name: content.name.as_deref().unwrap_or_default(),
        shared_at: chat.created_at,
        shared_by: chat.shared_by.as_deref().unwrap_or_default(),
        is_frozen: chat.is_frozen(),
        is_private: chat.is_private(),
        includes_artifacts: chat.includes_artifacts,
        expires_at: chat.expires_at,
        artifacts: artifacts(chat, &files, &content.available, urls),
        messages: &[],
    })
    .map_err(SharingError::defect)?;
    // `…,"messages":[]}` without its last three bytes.
    json.truncate(json.len() - b"[]}".len());
    Ok((json, b"}"))
}

/// How many links were deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"deleted": 3}))]
pub struct DeletedLinks {
    pub deleted: usize,
}
