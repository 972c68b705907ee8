//! The product's chats: read as the service reads them, from the same file.

use std::path::PathBuf;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    chat_service::{Access, ChatService, ChatServiceError},
    clock::Clock,
    demo::{
        Failure,
        users::{self, ListedChat, User},
    },
    http::page,
    model::ChatSessionId,
};

/// The chats of a file.
pub(in crate::demo) struct Chats {
    service: ChatService,
    path: PathBuf,
    /// Whether the file is the demo's own, which may be written. Locked while it is.
    own: Option<Mutex<()>>,
}

/// A conversation, as the product shows it.
#[derive(Serialize)]
pub(super) struct Conversation {
    name: Option<String>,
    messages: Vec<ShownMessage>,
}

#[derive(Serialize)]
struct ShownMessage {
    role: String,
    created_at: String,
    /// Safe HTML.
    html: String,
}

impl Chats {
    /// `is_own`: whether the file is the demo's, and not one of the person who runs it.
    pub fn new(service: ChatService, path: PathBuf, is_own: bool) -> Self {
        Self { service, path, own: is_own.then(|| Mutex::new(())) }
    }

    pub(super) fn can_be_written(&self) -> bool {
        self.own.is_some()
    }

    /// The chats that this user owns now.
    pub(super) fn of(&self, user: &User) -> Result<Vec<ListedChat>, Failure> {
        users::chats_of(&self.path, &user.id)
    }

    /// The chat as it is now.
    pub(super) async fn conversation(&self, id: &str) -> Result<Conversation, ChatServiceError> {
        let id = ChatSessionId::parse(id).map_err(|_| ChatServiceError::NotFound)?;
        let reader = self.service.read(Access::Service, &id);
        let name = reader.chat().await?.name;
        let messages = reader.messages().await?;
        let formatted = page::formatted(&messages);
        let messages = messages.into_iter().zip(formatted).map(|(message, html)| ShownMessage {
            role: message.role.as_str().to_owned(),
            created_at: message.created_at,
            html,
        });
        Ok(Conversation { name, messages: messages.collect() })
    }

    /// Adds a user's message to a chat, and replaces the file at once, so that no reader sees half
    /// of it. `false` if the file is not the demo's own, or has no such chat.
    pub(super) fn add(&self, id: &str, content: &str) -> Result<bool, Failure> {
        let Some(own) = &self.own else { return Ok(false) };
        let _writing = own.lock();
        let mut chats: Vec<Value> = serde_json::from_slice(&std::fs::read(&self.path)?)?;
        let chat = chats.iter_mut().find(|chat| chat["id"] == id);
        let messages = chat.and_then(|chat| chat["messages"].as_array_mut());
        let Some(messages) = messages else { return Ok(false) };
        messages.push(json!({
            "id": Uuid::new_v4(),
            "content": content,
            "created_at": Clock::system().now(),
            "reply_to": null,
        }));
        let written = self.path.with_extension("json.new");
        std::fs::write(&written, serde_json::to_string_pretty(&chats)?)?;
        std::fs::rename(written, &self.path)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat_service::{ChatServiceSettings, Source};

    const CHAT: &str = r#"[{"id": "c", "owner": "alice", "x": 1, "messages": [{"id": "m", "content": "a **b**"}]}]"#;

    fn chats(folder: &tempfile::TempDir, is_own: bool) -> Chats {
        let path = folder.path().join("chats.json");
        std::fs::write(&path, CHAT).unwrap();
        let settings = ChatServiceSettings::new(Source::File(path.clone()));
        Chats::new(ChatService::new(settings).unwrap(), path, is_own)
    }

    #[actix_web::test]
    async fn a_message_that_was_added_is_in_the_chat_and_all_else_as_before() {
        let folder = tempfile::TempDir::new().unwrap();
        let chats = chats(&folder, true);
        assert!(chats.add("c", "one <i>\n").unwrap());
        assert!(chats.add("c", "two").unwrap());
        let shown = chats.conversation("c").await.unwrap();
        let html: Vec<_> = shown.messages.iter().map(|message| message.html.trim()).collect();
        assert_eq!(html.len(), 3);
        assert!(html[0].contains("<strong>b</strong>"), "{html:?}");
        assert!(html[1].contains("one &lt;i&gt;"), "{html:?}");
        assert!(shown.messages.iter().all(|message| message.role == "user"));
        let file: Value = serde_json::from_slice(&std::fs::read(&chats.path).unwrap()).unwrap();
        assert_eq!((&file[0]["x"], &file[0]["messages"][0]["id"]), (&json!(1), &json!("m")));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_of_the_user_is_never_written() {
        let folder = tempfile::TempDir::new().unwrap();
        let chats = chats(&folder, false);
        assert!(!chats.can_be_written());
        assert!(!chats.add("c", "x").unwrap());
        assert_eq!(std::fs::read_to_string(&chats.path).unwrap(), CHAT);
    }

    #[actix_web::test]
    async fn an_unknown_chat_is_neither_shown_nor_written() {
        let folder = tempfile::TempDir::new().unwrap();
        let chats = chats(&folder, true);
        for id in ["d", "", "\0"] {
            assert!(!chats.add(id, "x").unwrap());
            assert!(matches!(chats.conversation(id).await, Err(ChatServiceError::NotFound)));
        }
        assert_eq!(std::fs::read_to_string(&chats.path).unwrap(), CHAT);
    }
}
