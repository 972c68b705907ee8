//! What the chat service asks (contract 4). That it is the chat service is the extractor's word.

use super::{Sharing, SharingError};
use crate::{
    model::{ChatSessionId, SharedChat},
    store::Notice,
};

impl Sharing {
    /// All links to the chat, whoever made them.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`] when the database is out of reach.
    pub async fn links_of_chat(
        &self,
        chat: &ChatSessionId,
    ) -> Result<Vec<SharedChat>, SharingError> {
        Ok(self.store.links_of_chat(chat, self.clock.now()).await?)
    }

    /// The chat was deleted: all its links go, and a create that is under way will not leave one.
    /// Returns how many links ended. It can be repeated.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`] when the database is out of reach; nothing was deleted then.
    pub async fn chat_deleted(&self, chat: &ChatSessionId) -> Result<usize, SharingError> {
        let ended = self.store.delete_chat(chat, self.clock.now()).await?;
        self.waste_was_made();
        self.tell(&Notice::Chat(chat.clone()));
        Ok(ended)
    }

    /// The chat's messages or its name changed: whoever views it from now on, through any instance,
    /// sees what it holds now, and whoever watches it is told within a second.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`] when the other instances cannot be told; this one knows.
    pub async fn chat_changed(&self, chat: &ChatSessionId) -> Result<(), SharingError> {
        let notice = Notice::Chat(chat.clone());
        self.tell(&notice);
        Ok(self.store.announce(notice).await?)
    }
}
