//! What an owner does with links: list, change, delete. A change that has begun is finished even if
//! the client disconnects, so that it is recorded and published.

use super::{
    ListQuery, Page, SettingsChange, Sharing, SharingError, create::check_settings,
    detached::run_detached,
};
use crate::{
    chat_service::Access,
    model::{
        Action, AuditRecord, Caller, ChatFile, ClientInfo, Detail, LabelChange, Mode, ObjectKey,
        Settings, ShareId, SharedChat,
    },
    store::{ChangeGuard, Notice, Refused, StoreError},
};

/// How often including files starts over because the link was changed meanwhile.
const TRIES: usize = 3;

const DELETES_BY_CHAT: SharingError =
    SharingError::WrongCaller("the chat service deletes links by their chat");

/// What `If-Match` asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// No such header, or `*`, which any existing link matches.
    None,
    /// The link's settings must be those of one of these revisions.
    Revisions(Vec<i64>),
}

impl Precondition {
    fn revisions(&self) -> Option<Vec<i64>> {
        match self {
            Self::None => None,
            Self::Revisions(revisions) => Some(revisions.clone()),
        }
    }

    fn check(&self, chat: &SharedChat) -> Result<(), SharingError> {
        match self {
            Self::Revisions(revisions) if !revisions.contains(&chat.revision) => {
                Err(SharingError::PreconditionFailed)
            }
            Self::None | Self::Revisions(_) => Ok(()),
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

    /// Checks the values of a change. This comes before the link is looked up (docs/API.md 2).
    pub fn check_change(&self, change: &SettingsChange) -> Result<(), SharingError> {
        let label = change.label.as_ref().and_then(Option::as_deref);
        check_settings(label, change.expires_at.flatten(), self.clock.now())
    }

    /// Changes the settings of the caller's own link. When files come to be included, they are
    /// fetched with the caller's token first, and those of a frozen link copied.
    ///
    /// # Errors
    /// In this order: [`SharingError::Invalid`], `NotFound`, `NotTheOwner`, `Legacy`,
    /// `PreconditionFailed`, those of fetching the files. Nothing was changed then.
    pub async fn change(
        &self,
        caller: &Caller,
        id: &ShareId,
        change: SettingsChange,
        precondition: Precondition,
        origin: ClientInfo,
    ) -> Result<SharedChat, SharingError> {
        self.check_change(&change)?;
        if change == SettingsChange::default() || caller.identity.is_chat_service {
            let chat = self.owned(caller, id).await?;
            return precondition.check(&chat).map(|()| chat);
        }
        let (this, caller, id) = (self.clone(), caller.clone(), id.clone());
        run_detached(async move {
            if change.includes_artifacts == Some(true) {
                return this.include_artifacts(&caller, &id, change, precondition, origin).await;
            }
            let guard = ChangeGuard { revisions: precondition.revisions(), ..Default::default() };
            let excludes_artifacts = change.includes_artifacts.is_some();
            let changed = this.commit_change(&caller, &id, change, guard, origin).await?;
            if excludes_artifacts {
                this.orphans_created();
            }
            match changed {
                Some(chat) => Ok(chat),
                // If the link exists and is the caller's own, the precondition failed.
                None => this.owned(&caller, &id).await.and(Err(SharingError::PreconditionFailed)),
            }
        })
        .await
    }

    /// Makes a change that includes files, whether they are included already or not.
    async fn include_artifacts(
        &self,
        caller: &Caller,
        id: &ShareId,
        change: SettingsChange,
        precondition: Precondition,
        origin: ClientInfo,
    ) -> Result<SharedChat, SharingError> {
        for _ in 0..TRIES {
            let chat = self.owned(caller, id).await?;
            precondition.check(&chat)?;
            let copies = if chat.includes_artifacts {
                Vec::new()
            } else {
                self.fetch_files(caller, &chat).await?
            };
            let guard = ChangeGuard {
                revisions: precondition.revisions(),
                // After another change of this setting the copies are too few, or too many.
                includes_artifacts: Some(chat.includes_artifacts),
                copies: copies.clone(),
            };
            match self.commit_change(caller, id, change.clone(), guard, origin.clone()).await {
                Ok(Some(chat)) => return Ok(chat),
                refused => {
                    // If the change was made in spite of an error, the link keeps its copies.
                    self.discard(copies).await;
                    refused?;
                }
            }
        }
        Err(SharingError::Unsettled)
    }

    /// Makes a change with its audit record if the guard holds, and publishes it.
    async fn commit_change(
        &self,
        caller: &Caller,
        id: &ShareId,
        change: SettingsChange,
        guard: ChangeGuard,
        origin: ClientInfo,
    ) -> Result<Option<SharedChat>, StoreError> {
        let settings = Settings {
            is_private: change.is_private,
            is_frozen: None,
            includes_artifacts: change.includes_artifacts,
            expires_at: change.expires_at,
            label: change.label.as_ref().map(|label| LabelChange::to(label.as_ref())),
        };
        let record = AuditRecord {
            link: Some(id.short()),
            detail: Some(Detail::Settings(settings)),
            ..AuditRecord::of(Action::Change, caller.into(), origin, self.clock.now())
        };
        let changed =
            self.store.change_settings(id, caller.user_id(), change, guard, record).await?;
        if changed.is_some() {
            self.notify(&Notice::Links(vec![id.clone()]));
        }
        Ok(changed)
    }

    /// Copies the files of a frozen link's snapshot. Of a live link it only checks that the caller
    /// may read the files: viewers get them with the service credential, so nothing else would
    /// check that (docs/API.md 3).
    async fn fetch_files(
        &self,
        caller: &Caller,
        chat: &SharedChat,
    ) -> Result<Vec<ObjectKey>, SharingError> {
        let session = chat.chat_session_id.as_ref().ok_or(SharingError::ChatNotFound)?;
        let reader = self.chat_service.read(Access::Caller(caller), session);
        if chat.mode == Mode::Live {
            // A missing list means that there are no files, so a 404 comes from the chat alone.
            reader.chat().await?;
            reader.files().await?;
            return Ok(Vec::new());
        }
        let stored = self.store.snapshot_files(&chat.id).await?.ok_or(SharingError::NotFound)?;
        let files: Vec<ChatFile> = serde_json::from_str(&stored).map_err(SharingError::defect)?;
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let listed = reader.files().await?;
        self.copy_files(&reader, &files, &listed).await
    }

    /// Deletes the caller's own link, with its content.
    ///
    /// # Errors
    /// In this order: [`SharingError::NotFound`], `NotTheOwner`, `Legacy`.
    pub async fn delete(
        &self,
        caller: &Caller,
        id: &ShareId,
        origin: ClientInfo,
    ) -> Result<(), SharingError> {
        let (this, caller, id) = (self.clone(), caller.clone(), id.clone());
        run_detached(async move {
            let record = AuditRecord {
                link: Some(id.short()),
                ..AuditRecord::of(Action::Delete, (&caller).into(), origin, this.clock.now())
            };
            if !caller.identity.is_chat_service
                && this.store.delete(&id, caller.user_id(), record).await?
            {
                this.orphans_created();
                this.notify(&Notice::Links(vec![id]));
                return Ok(());
            }
            this.owned(&caller, &id).await.and(Err(SharingError::NotFound))
        })
        .await
    }

    /// Deletes the caller's own links, all or none. Links that do not exist are skipped.
    ///
    /// # Errors
    /// [`SharingError::NotTheOwner`], `Legacy`; nothing is deleted then.
    pub async fn delete_all(
        &self,
        caller: &Caller,
        ids: &[ShareId],
        origin: ClientInfo,
    ) -> Result<(), SharingError> {
        if caller.identity.is_chat_service {
            return Err(DELETES_BY_CHAT);
        }
        let (this, caller, ids) = (self.clone(), caller.clone(), ids.to_vec());
        run_detached(async move {
            let actor = (&caller).into();
            let record = AuditRecord::of(Action::BatchDelete, actor, origin, this.clock.now());
            match this.store.delete_all(&ids, caller.user_id(), record).await {
                Ok(_) => {
                    this.orphans_created();
                    this.notify(&Notice::Links(ids));
                    Ok(())
                }
                Err(StoreError::Refused(Refused::Legacy)) => Err(SharingError::Legacy),
                Err(StoreError::Refused(_)) => Err(SharingError::NotTheOwner),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// The link, if the caller may change it.
    pub(super) async fn owned(
        &self,
        caller: &Caller,
        id: &ShareId,
    ) -> Result<SharedChat, SharingError> {
        let found = self.store.link(id, self.clock.now()).await?;
        let chat = found.ok_or(SharingError::NotFound)?;
        if caller.identity.is_chat_service {
            Err(DELETES_BY_CHAT)
        } else if chat.is_legacy {
            Err(SharingError::Legacy)
        } else if chat.owner_id.as_ref() != Some(caller.user_id()) {
            Err(SharingError::NotTheOwner)
        } else {
            Ok(chat)
        }
    }
}
