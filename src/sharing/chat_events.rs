//! What the chat service asks (contract 4). That it is the chat service is the extractor's word.

use super::{Sharing, SharingError, detached::run_detached};
use crate::{
    model::{Action, Actor, AuditRecord, Caller, ChatSessionId, ClientInfo, SharedChat},
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
    pub async fn chat_deleted(
        &self,
        caller: &Caller,
        chat: &ChatSessionId,
        origin: ClientInfo,
    ) -> Result<usize, SharingError> {
        let (this, chat, actor) = (self.clone(), chat.clone(), caller.into());
        run_detached(
            async move { this.end_links_of(&chat, Action::ChatDeleted, actor, origin).await },
        )
        .await
    }

    pub(super) async fn end_links_of(
        &self,
        chat: &ChatSessionId,
        action: Action,
        actor: Actor,
        origin: ClientInfo,
    ) -> Result<usize, SharingError> {
        let record = AuditRecord::of(action, actor, origin, self.clock.now());
        let record = AuditRecord { chat: Some(chat.short()), ..record };
        let ended = self.store.delete_chat(chat, record).await?;
        self.orphans_created();
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
