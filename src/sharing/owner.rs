//! What an owner does with links: list, change, delete.

use super::{
    ListQuery, Page, SettingsChange, Sharing, SharingError,
    create::{check_expiry, check_label},
};
use crate::{
    model::{Caller, ShareId, SharedChat},
    store::{Notice, Refused, StoreError},
};

/// What `If-Match` asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// No such header, or `*`, which any existing link matches.
    None,
    /// The link's settings must be those of one of these revisions.
    Revisions(Vec<i64>),
}

impl Precondition {
    fn holds(&self, chat: &SharedChat) -> bool {
        match self {
            Self::None => true,
            Self::Revisions(revisions) => revisions.contains(&chat.revision),
        }
    }
}

impl Sharing {
    /// A page of the caller's own links.
    ///
    /// # Errors
    /// [`SharingError::WrongCaller`] for the chat service.
    pub async fn list(&self, caller: &Caller, query: ListQuery) -> Result<Page, SharingError> {
        if caller.identity.is_chat_service {
            return Err(SharingError::WrongCaller("the chat service has no links of its own"));
        }
        debug_assert_eq!(&query.owner, caller.user_id());
        Ok(self.store.list(query, self.clock.now()).await?)
    }

    /// Changes the settings of the caller's own link.
    ///
    /// # Errors
    /// In this order: [`SharingError::Invalid`], `NotFound`, `NotTheOwner`, `Legacy`,
    /// `PreconditionFailed`.
    pub async fn change(
        &self,
        caller: &Caller,
        id: &ShareId,
        change: SettingsChange,
        precondition: Precondition,
    ) -> Result<SharedChat, SharingError> {
        let now = self.clock.now();
        if let Some(Some(label)) = &change.label {
            check_label(label)?;
        }
        if let Some(Some(expires_at)) = change.expires_at {
            check_expiry(expires_at, now)?;
        }
        if change == SettingsChange::default() || caller.identity.is_chat_service {
            let chat = self.owned(caller, id).await?;
            return match precondition.holds(&chat) {
                true => Ok(chat),
                false => Err(SharingError::PreconditionFailed),
            };
        }
        let revisions = match precondition {
            Precondition::None => None,
            Precondition::Revisions(revisions) => Some(revisions),
        };
        let changed = self.store.change_settings(id, caller.user_id(), change, revisions, now);
        match changed.await? {
            Some(chat) => {
                self.tell(&Notice::Links(vec![id.clone()]));
                Ok(chat)
            }
            // It is there and the caller's own: then it was the precondition.
            None => self.owned(caller, id).await.and(Err(SharingError::PreconditionFailed)),
        }
    }

    /// Deletes the caller's own link, with its content.
    ///
    /// # Errors
    /// In this order: [`SharingError::NotFound`], `NotTheOwner`, `Legacy`.
    pub async fn delete(&self, caller: &Caller, id: &ShareId) -> Result<(), SharingError> {
        let may = !caller.identity.is_chat_service;
        if may && self.store.delete(id, caller.user_id(), self.clock.now()).await? {
            self.tell(&Notice::Links(vec![id.clone()]));
            return Ok(());
        }
        self.owned(caller, id).await.and(Err(SharingError::NotFound))
    }

    /// Deletes the caller's own links, all or none. Links that are not there are skipped.
    ///
    /// # Errors
    /// [`SharingError::NotTheOwner`], `Legacy`; nothing is deleted then.
    pub async fn delete_all(&self, caller: &Caller, ids: &[ShareId]) -> Result<(), SharingError> {
        if caller.identity.is_chat_service {
            return Err(SharingError::WrongCaller("the chat service deletes links by their chat"));
        }
        match self.store.delete_all(ids, caller.user_id(), self.clock.now()).await {
            Ok(_) => {
                self.tell(&Notice::Links(ids.to_vec()));
                Ok(())
            }
            Err(StoreError::Refused(Refused::Legacy)) => Err(SharingError::Legacy),
            Err(StoreError::Refused(_)) => Err(SharingError::NotTheOwner),
            Err(error) => Err(error.into()),
        }
    }

    /// The link, if it is the caller's own to change.
    async fn owned(&self, caller: &Caller, id: &ShareId) -> Result<SharedChat, SharingError> {
        let found = self.store.link(id, self.clock.now()).await?;
        let chat = found.ok_or(SharingError::NotFound)?;
        if caller.identity.is_chat_service {
            return Err(SharingError::WrongCaller("the chat service deletes links by their chat"));
        }
        if chat.is_legacy {
            return Err(SharingError::Legacy);
        }
        if chat.owner_id.as_ref() != Some(caller.user_id()) {
            return Err(SharingError::NotTheOwner);
        }
        Ok(chat)
    }
}
