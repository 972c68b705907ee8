//! What an owner does with links: list, change, delete. A change that has begun is finished even if
//! the client disconnects, so that it is recorded and published.

use chrono::{DateTime, Utc};
use tokio::task::spawn_blocking;

use super::{
    ListQuery, Page, SettingsChange, Sharing, SharingError,
    create::{check_settings, principals},
    detached::run_detached,
    policy::{Asked, judge},
};
use crate::{
    chat_service::Access,
    model::{
        Action, AuditRecord, Caller, ChatFile, ClientInfo, Detail, Intent, LabelChange, Mode,
        ObjectKey, Policy, Settings, ShareId, SharedChat, Visibility,
    },
    store::{ChangeGuard, Notice, Refused, StoreError},
};

/// How often a change that asks the chat service starts over because the link was changed
/// meanwhile.
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
    pub(super) fn revisions(&self) -> Option<Vec<i64>> {
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

/// Whether a change has to be judged by the link's settings, and holds for those alone.
fn depends_on_settings(change: &SettingsChange, chat: &SharedChat) -> bool {
    let adds_files = change.includes_artifacts == Some(true);
    match chat.mode {
        // Its content does not move, so that it goes on showing what its owner could share.
        Mode::Frozen => adds_files,
        Mode::Live => {
            let admits = change.is_private == Some(false) || change.audience.is_some();
            adds_files || admits || change.expires_at.is_some()
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

    /// Changes the settings of the caller's own link. A change that
    /// [widens](crate::model::LinkState::is_wider_than) a live link, or includes files, asks the chat service
    /// first, with the caller's token and as a create does: an owner who lost the right to share a
    /// chat can only narrow its links. The files of a frozen link are copied then.
    ///
    /// # Errors
    /// In this order: [`SharingError::Invalid`], `NotFound`, `NotTheOwner`, `Legacy`,
    /// `PreconditionFailed`, `PolicyForbids`, those of asking the chat service, `QuotaExceeded`;
    /// `Unsettled` if the link keeps changing. Nothing was changed then.
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
        let began_at = self.clock.now();
        let (this, caller, id) = (self.clone(), caller.clone(), id.clone());
        run_detached(async move {
            for _ in 0..TRIES {
                let chat = this.owned(&caller, &id).await?;
                precondition.check(&chat)?;
                let policy = this.store.policy().await?.policy;
                let asked = Asked {
                    visibility: change.is_private.map(Visibility::of),
                    audience: change.audience.as_ref().map(Option::as_ref),
                    includes_artifacts: change.includes_artifacts,
                    expires_at: change.expires_at,
                };
                judge(&policy, &asked, this.clock.now())?;
                let guard = this.guard(&caller, &chat, &change, &precondition, &policy).await?;
                let (change, copies) = (change.clone(), guard.copies.clone());
                let ends_files = change.includes_artifacts == Some(false);
                let committed =
                    this.commit_change(&caller, &id, change, guard, began_at, origin.clone());
                match committed.await {
                    Ok(Some(chat)) => {
                        if ends_files {
                            this.orphans_created();
                        }
                        return Ok(chat);
                    }
                    refused => {
                        // If the change was made in spite of an error, the link keeps its copies.
                        this.discard(copies).await;
                        if let Err(StoreError::Refused(Refused::AudienceMemberEnded)) = refused {
                            return Err(SharingError::AudienceMemberEnded);
                        }
                        refused?;
                    }
                }
            }
            Err(SharingError::Unsettled)
        })
        .await
    }

    /// Asks the chat service if the change needs that, and says what the change depends on then.
    async fn guard(
        &self,
        caller: &Caller,
        chat: &SharedChat,
        change: &SettingsChange,
        precondition: &Precondition,
        policy: &Policy,
    ) -> Result<ChangeGuard, SharingError> {
        if !depends_on_settings(change, chat) {
            // It is no reason to show a live link for longer: the chat service was not asked.
            let keeps_updated_at = chat.mode == Mode::Live && policy.max_lifetime_seconds.is_some();
            let revisions = precondition.revisions();
            return Ok(ChangeGuard { revisions, keeps_updated_at, ..ChangeGuard::default() });
        }
        // What is asked and copied holds for these settings alone.
        let revisions = Some(vec![chat.revision]);
        let before = chat.state();
        let after = change.apply(before.clone(), self.clock.now());
        // A live link may be wider for viewers where it is not by what is stored.
        let widens = after.is_wider_than(&before)
            || (chat.mode == Mode::Live
                && policy.narrow(after).is_wider_than(&policy.narrow(before)));
        let copies =
            if widens { self.ask_for_change(caller, chat, change).await? } else { Vec::new() };
        Ok(ChangeGuard { revisions, copies, keeps_updated_at: false })
    }

    /// Asks the chat service whether the caller may still share what the change shows to more
    /// viewers, more of or for longer, and copies the files that a frozen link comes to include.
    async fn ask_for_change(
        &self,
        caller: &Caller,
        chat: &SharedChat,
        change: &SettingsChange,
    ) -> Result<Vec<ObjectKey>, SharingError> {
        let session = chat.chat_session_id.as_ref().ok_or(SharingError::ChatNotFound)?;
        let visibility = change.is_private.map_or(chat.visibility, Visibility::of);
        let audience = change.audience.as_ref().unwrap_or(&chat.audience);
        let intent = Intent { visibility, is_named: audience.is_some(), mode: chat.mode };
        let reader = self.chat_service.read(Access::Caller(caller), session).for_link(intent);
        if chat.mode == Mode::Live {
            // Viewers get the files with the service credential, so the caller's right to them is
            // checked here alone (docs/API.md 3). A missing list means that there are none, so a
            // 404 comes from the chat alone.
            reader.chat().await?;
            if change.includes_artifacts.unwrap_or(chat.includes_artifacts) {
                reader.files().await?;
            }
            return Ok(Vec::new());
        }
        if chat.includes_artifacts {
            return Ok(Vec::new());
        }
        let stored = self.store.snapshot_files(&chat.id).await?.ok_or(SharingError::NotFound)?;
        let parsing = spawn_blocking(move || serde_json::from_str(&stored));
        let files: Vec<ChatFile> =
            parsing.await.map_err(SharingError::defect)?.map_err(SharingError::defect)?;
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let listed = reader.files().await?;
        let mut growth = self.growth_of(caller.user_id(), true).await?;
        self.copy_files(&reader, &files, &listed, &mut growth).await
    }

    /// Makes a change with its audit record if the guard holds, and publishes it.
    async fn commit_change(
        &self,
        caller: &Caller,
        id: &ShareId,
        change: SettingsChange,
        guard: ChangeGuard,
        began_at: DateTime<Utc>,
        origin: ClientInfo,
    ) -> Result<Option<SharedChat>, StoreError> {
        let settings = Settings {
            is_private: change.is_private,
            is_frozen: None,
            includes_artifacts: change.includes_artifacts,
            expires_at: change.expires_at,
            label: change.label.as_ref().map(|label| LabelChange::to(label.as_ref())),
            audience: change.audience.as_ref().map(|list| list.as_ref().map(principals)),
        };
        let record = AuditRecord {
            link: Some(id.short()),
            detail: Some(Detail::Settings(settings)),
            ..AuditRecord::of(Action::Change, caller.into(), origin, self.clock.now())
        };
        let owner = caller.user_id();
        let changed =
            self.store.change_settings(id, owner, change, guard, began_at, record).await?;
        if changed.is_some() {
            self.notify(&Notice::links([id]));
        }
        Ok(changed)
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
                this.notify(&Notice::links([&id]));
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
                    this.notify(&Notice::links(&ids));
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
