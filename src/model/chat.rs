//! A chat as the chat service describes it (docs/API.md 5).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ChatSessionId;

/// A chat, without its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    pub id: ChatSessionId,
    /// Made [`storable`](super::storable): NUL and lone surrogates are U+FFFD.
    pub name: Option<String>,
}

/// A file that the agents made in a chat, as the chat service lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatFile {
    pub id: String,
    pub filename: String,
    /// Size in bytes.
    pub bytes: u64,
    pub created_at: DateTime<Utc>,
}
