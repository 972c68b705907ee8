//! The calls of the chat service (docs/API.md 4). The extractor checks that it is the caller.

use super::{Sharing, SharingError, detached::run_detached};
use crate::{
    model::{Action, Actor, AuditRecord, Caller, ChatSessionId, ClientInfo, SharedChat, UserId},
    store::Notice,
};

impl Sharing {
    /// All links to the chat, of every owner.
    pub async fn links_of_chat(
        &self,
        chat: &ChatSessionId,
    ) -> Result<Vec<SharedChat>, SharingError> {
        Ok(self.store.links_of_chat(chat, self.clock.now()).await?)
    }

    /// The chat was deleted: deletes all its links, and makes a create in progress fail. Returns
    /// how many links were deleted. It can be repeated.
    pub async fn chat_deleted(
        &self,
        caller: &Caller,
        chat: &ChatSessionId,
        origin: ClientInfo,
    ) -> Result<usize, SharingError> {
        let (this, chat, actor) = (self.clone(), chat.clone(), caller.into());
        let action = Action::ChatDeleted;
        run_detached(async move { this.end_links_of(&chat, action, actor, origin).await }).await
    }

    /// The owner may not share the chat any more: deletes their links to it. Returns how many. It
    /// can be repeated. A create in progress may still make a link.
    pub async fn owner_removed(
        &self,
        caller: &Caller,
        chat: &ChatSessionId,
        owner: &UserId,
        origin: ClientInfo,
    ) -> Result<usize, SharingError> {
        let (this, chat, owner, actor) = (self.clone(), chat.clone(), owner.clone(), caller.into());
        let action = Action::OwnerRemoved;
        run_detached(
            async move { this.end_links_of_owner(&chat, &owner, action, actor, origin).await },
        )
        .await
    }

    pub(super) async fn end_links_of_owner(
        &self,
        chat: &ChatSessionId,
        owner: &UserId,
        action: Action,
        actor: Actor,
        origin: ClientInfo,
    ) -> Result<usize, SharingError> {
        let record = AuditRecord {
            chat: Some(chat.short()),
            ..AuditRecord::of(action, actor, origin, self.clock.now())
        };
        let ended = self.store.delete_links_of_owner(chat, owner, record).await?;
        self.orphans_created();
        self.notify(&Notice::links(&ended));
        Ok(ended.len())
    }

    pub(super) async fn end_links_of(
        &self,
        chat: &ChatSessionId,
        action: Action,
        actor: Actor,
        origin: ClientInfo,
    ) -> Result<usize, SharingError> {
        let record = AuditRecord {
            chat: Some(chat.short()),
            ..AuditRecord::of(action, actor, origin, self.clock.now())
        };
        let ended = self.store.delete_chat(chat, record).await?;
        self.orphans_created();
        self.notify(&Notice::chat(chat));
        Ok(ended)
    }

    /// The chat's messages or its name changed: from now on views on every instance show the new
    /// state, and event streams send it within a second.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`] when the other instances cannot be notified; this one was.
    pub async fn chat_changed(&self, chat: &ChatSessionId) -> Result<(), SharingError> {
        let notice = Notice::chat(chat);
        self.notify(&notice);
        Ok(self.store.announce(notice).await?)
    }
}
