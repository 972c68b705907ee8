//! What an owner does with links: list, change, delete. A change that was begun goes on when whoever
//! asked for it goes away, so that what is done is told and logged.

use chrono::{DateTime, Utc};

use super::{
    ListQuery, Page, SettingsChange, Sharing, SharingError,
    artifacts::remembered,
    create::{check_expiry, check_label},
    detached::run_detached,
};
use crate::{
    chat_service::Access,
    model::{
        Action, AuditRecord, Caller, ClientInfo, Detail, LabelChange, Mode, ObjectKey, Settings,
        ShareId, SharedChat,
    },
    store::{ChangeGuard, Notice, Refused, StoreError},
};

/// What `If-Match` asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// No such header, or `*`, which any existing link matches.
    None,
    /// The link's settings must be those of one of these revisions.
    Revisions(Vec<i64>),
}

/// How often including files starts over because the link was changed meanwhile.
const TRIES: usize = 3;

/// The record of a change that is made at this moment.
fn changing(
    caller: &Caller,
    id: &ShareId,
    change: &SettingsChange,
    origin: ClientInfo,
    now: DateTime<Utc>,
) -> AuditRecord {
    let settings = Settings {
        is_private: change.is_private,
        is_frozen: None,
        includes_artifacts: change.includes_artifacts,
        expires_at: change.expires_at,
        label: change.label.as_ref().map(|label| LabelChange::to(label.as_ref())),
    };
    AuditRecord {
        link: Some(id.short()),
        detail: Some(Detail::Settings(settings)),
        ..AuditRecord::of(Action::Change, caller.into(), origin, now)
    }
}

impl Precondition {
    fn revisions(&self) -> Option<Vec<i64>> {
        match self {
            Self::None => None,
            Self::Revisions(revisions) => Some(revisions.clone()),
        }
    }

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

    /// Checks a change by itself, which comes before any question about the link (contract 2): whether
    /// there can be one with such an id, for one.
    ///
    /// # Errors
    /// [`SharingError::Invalid`] for a value out of range.
    pub fn check_change(&self, change: &SettingsChange) -> Result<(), SharingError> {
        if let Some(Some(label)) = &change.label {
            check_label(label)?;
        }
        if let Some(Some(expires_at)) = change.expires_at {
            check_expiry(expires_at, self.clock.now())?;
        }
        Ok(())
    }

    /// Changes the settings of the caller's own link. When files come to be included, they are asked
    /// for with the caller's token first, and those of a frozen link copied.
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
            return match precondition.holds(&chat) {
                true => Ok(chat),
                false => Err(SharingError::PreconditionFailed),
            };
        }
        let (this, caller, id) = (self.clone(), caller.clone(), id.clone());
        run_detached(async move {
            match change.includes_artifacts {
                Some(true) => {
                    this.include_artifacts(&caller, &id, change, precondition, origin).await
                }
                _ => this.change_at_once(&caller, &id, change, precondition, origin).await,
            }
        })
        .await
    }

    /// A change for which nothing has to be fetched.
    async fn change_at_once(
        &self,
        caller: &Caller,
        id: &ShareId,
        change: SettingsChange,
        precondition: Precondition,
        origin: ClientInfo,
    ) -> Result<SharedChat, SharingError> {
        let guard = ChangeGuard { revisions: precondition.revisions(), ..Default::default() };
        let ends_artifacts = change.includes_artifacts == Some(false);
        let changed = self.make_change(caller, id, change, guard, origin).await?;
        if ends_artifacts {
            self.orphans_created();
        }
        match changed {
            Some(chat) => Ok(chat),
            // It is there and the caller's own: then it was the precondition.
            None => self.owned(caller, id).await.and(Err(SharingError::PreconditionFailed)),
        }
    }

    /// A change by which files are to be included, whether they are already or not.
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
            if !precondition.holds(&chat) {
                return Err(SharingError::PreconditionFailed);
            }
            let copies = match (chat.includes_artifacts, chat.mode) {
                (true, _) => Vec::new(),
                (false, Mode::Frozen) => self.copy_remembered(caller, &chat).await?,
                (false, Mode::Live) => {
                    self.ask_for_files(caller, &chat).await?;
                    Vec::new()
                }
            };
            let guard = ChangeGuard {
                revisions: precondition.revisions(),
                // Whoever switched it meanwhile, we would include too few files, or too many.
                includes_artifacts: Some(chat.includes_artifacts),
                copies: copies.clone(),
            };
            let (change, origin) = (change.clone(), origin.clone());
            match self.make_change(caller, id, change, guard, origin).await {
                Ok(Some(chat)) => return Ok(chat),
                Ok(None) => self.discard(copies).await,
                Err(error) => {
                    // If the change was made all the same, they stay.
                    self.discard(copies).await;
                    return Err(error.into());
                }
            }
        }
        Err(SharingError::Unsettled)
    }

    /// Makes a change if its guard holds, with its record, and tells of it.
    async fn make_change(
        &self,
        caller: &Caller,
        id: &ShareId,
        change: SettingsChange,
        guard: ChangeGuard,
        origin: ClientInfo,
    ) -> Result<Option<SharedChat>, StoreError> {
        let record = changing(caller, id, &change, origin, self.clock.now());
        let changed = self.store.change_settings(id, caller.user_id(), change, guard, record);
        let changed = changed.await?;
        if changed.is_some() {
            self.tell(&Notice::Links(vec![id.clone()]));
        }
        Ok(changed)
    }

    async fn copy_remembered(
        &self,
        caller: &Caller,
        chat: &SharedChat,
    ) -> Result<Vec<ObjectKey>, SharingError> {
        let files = self.store.snapshot_files(&chat.id).await?.ok_or(SharingError::NotFound)?;
        let files = remembered(&files)?;
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let session = chat.chat_session_id.as_ref().ok_or(SharingError::ChatNotFound)?;
        let reader = self.chat_service.read(Access::Caller(caller), session);
        let listed = reader.files().await?;
        self.copy_files(&reader, &files, &listed).await
    }

    /// Whether the caller may still have the files of a live link's chat. Viewers get them with the
    /// service credential, so nobody else would ask that (contract 3).
    async fn ask_for_files(&self, caller: &Caller, chat: &SharedChat) -> Result<(), SharingError> {
        let session = chat.chat_session_id.as_ref().ok_or(SharingError::ChatNotFound)?;
        let reader = self.chat_service.read(Access::Caller(caller), session);
        // A list that is not there says that there are no files, so it is the chat that says 404.
        reader.chat().await?;
        reader.files().await?;
        Ok(())
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
            let may = !caller.identity.is_chat_service;
            let now = this.clock.now();
            let record = AuditRecord::of(Action::Delete, (&caller).into(), origin, now);
            let record = AuditRecord { link: Some(id.short()), ..record };
            if may && this.store.delete(&id, caller.user_id(), record).await? {
                this.orphans_created();
                this.tell(&Notice::Links(vec![id]));
                return Ok(());
            }
            this.owned(&caller, &id).await.and(Err(SharingError::NotFound))
        })
        .await
    }

    /// Deletes the caller's own links, all or none. Urls that are not there are skipped.
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
            return Err(SharingError::WrongCaller("the chat service deletes links by their chat"));
        }
        let (this, caller, ids) = (self.clone(), caller.clone(), ids.to_vec());
        run_detached(async move {
            let now = this.clock.now();
            let record = AuditRecord::of(Action::BatchDelete, (&caller).into(), origin, now);
            match this.store.delete_all(&ids, caller.user_id(), record).await {
                Ok(_) => {
                    this.orphans_created();
                    this.tell(&Notice::Links(ids));
                    Ok(())
                }
                Err(StoreError::Refused(Refused::Legacy)) => Err(SharingError::Legacy),
                Err(StoreError::Refused(_)) => Err(SharingError::NotTheOwner),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// The link, if it is the caller's own to change.
    pub(super) async fn owned(
        &self,
        caller: &Caller,
        id: &ShareId,
    ) -> Result<SharedChat, SharingError> {
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
