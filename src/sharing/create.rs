//! Creating a link.

use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest, Sha256};

use super::{
    Sharing, SharingError,
    detached::run_detached,
    policy::{Asked, judge},
    snapshot,
};
use crate::{
    chat_service::Access,
    model::{
        Action, Audience, AuditRecord, Caller, ChatSessionId, ClientInfo, Detail, Intent,
        LabelChange, Mode, Policy, Settings, ShareId, SharedChat, UserId, Visibility, storable,
    },
    store::{IdempotencyKey, NewSharedChat, Refused, StoreError, Usage},
};

/// Characters of a label (docs/API.md 3).
const LABEL_CHARS: usize = 200;
/// Characters that are kept of a sharer's name.
const SHARED_BY_CHARS: usize = 200;

/// Every field is part of the hash that an idempotency key is compared by.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    pub chat_session_id: ChatSessionId,
    pub visibility: Visibility,
    pub audience: Option<Audience>,
    pub mode: Mode,
    pub includes_artifacts: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub label: Option<String>,
    /// Whose link it will be, when the chat service creates it.
    pub owner: Option<Owner>,
}

#[derive(Debug, Clone)]
pub struct Owner {
    pub id: UserId,
    /// What viewers see, unless it looks like an address.
    pub name: Option<String>,
}

impl Sharing {
    /// Creates a link, or returns the one that the same request with the same key created before.
    ///
    /// The chat is fetched with the caller's own token, so the chat service decides who may share
    /// it; for the chat service itself with the service credential.
    ///
    /// Returns the policy too that it was judged by.
    ///
    /// # Errors
    /// [`SharingError`]; nothing is stored then, and the key is not used.
    pub async fn create(
        &self,
        caller: &Caller,
        request: CreateRequest,
        key: Option<String>,
        origin: ClientInfo,
    ) -> Result<(SharedChat, Policy), SharingError> {
        let began_at = self.clock.now();
        let owner_id = self.check(caller, &request)?;
        // Before the create: an error afterwards would hide a link that was made.
        let policy = self.store.policy().await?.policy;
        let idempotency = key.map(|key| {
            let (caller, owner) = (caller.user_id().clone(), owner_id.clone());
            (IdempotencyKey { caller, owner, key }, request.hash())
        });
        if let Some(used) = &idempotency
            && let Some(chat) = self.created_before(caller, &request.label, used).await?
        {
            return Ok((chat, policy));
        }
        let (this, caller) = (self.clone(), caller.clone());
        run_detached(async move {
            let label = request.label.clone();
            check_policy(&policy, &request, began_at)?;
            let new = this.fetch(&caller, owner_id, request, began_at, idempotency.clone()).await?;
            let (chat, copies) = (new.chat.clone(), new.copies.clone());
            let created = this.store.create(new, record(&caller, &chat, origin)).await;
            let Err(error) = created else { return Ok((chat, policy)) };
            // If the link was created in spite of the error, it keeps its copies.
            this.discard(copies).await;
            match (error, idempotency) {
                (StoreError::Refused(Refused::KeyTaken), Some(used)) => this
                    .created_before(&caller, &label, &used)
                    .await?
                    .map(|chat| (chat, policy))
                    .ok_or(SharingError::IdempotencyConflict("it was used a moment ago")),
                (StoreError::Refused(Refused::OwnerEnded), _) => Err(SharingError::OwnerEnded),
                (StoreError::Refused(Refused::AudienceMemberEnded), _) => {
                    Err(SharingError::AudienceMemberEnded)
                }
                (StoreError::Refused(_), _) => Err(SharingError::ChatNotFound),
                (error, _) => Err(error.into()),
            }
        })
        .await
    }

    /// Checks the request itself, and returns whose link it will be.
    fn check(&self, caller: &Caller, request: &CreateRequest) -> Result<UserId, SharingError> {
        check_settings(request.label.as_deref(), request.expires_at, self.clock.now())?;
        if request.mode == Mode::Live && !self.chat_service.has_service_access() {
            return Err(SharingError::invalid(
                "is_frozen",
                "live links are not available here: the service has no credential of its own for \
                 the chat service (CHAT_SERVICE_TOKEN or CHAT_SERVICE_CLIENT_ID)",
            ));
        }
        // Errors in the values come before those about the caller (docs/API.md 2).
        match (&request.owner, caller.identity.is_chat_service) {
            (Some(owner), true) => Ok(owner.id.clone()),
            (None, false) => Ok(caller.user_id().clone()),
            (None, true) => {
                Err(SharingError::invalid("owner", "the chat service must say whose link it is"))
            }
            (Some(_), false) => {
                Err(SharingError::WrongCaller("only the chat service may name an owner"))
            }
        }
    }

    /// The link that an earlier request with the same key created. The chat service gets the label
    /// of its own request: one that the owner set since is for the owner alone (docs/API.md 3).
    async fn created_before(
        &self,
        caller: &Caller,
        label: &Option<String>,
        (key, hash): &(IdempotencyKey, Vec<u8>),
    ) -> Result<Option<SharedChat>, SharingError> {
        let now = self.clock.now();
        let Some(past) = self.store.past_use(key, now).await? else { return Ok(None) };
        if past.request_hash != *hash {
            return Err(SharingError::IdempotencyConflict("it was used for another request"));
        }
        let mut chat = self
            .store
            .link(&past.shared_chat_id, now)
            .await?
            .ok_or(SharingError::IdempotencyConflict("the link that it made is gone"))?;
        if caller.identity.is_chat_service {
            chat.label.clone_from(label);
        }
        Ok(Some(chat))
    }

    async fn fetch(
        &self,
        caller: &Caller,
        owner_id: UserId,
        request: CreateRequest,
        began_at: DateTime<Utc>,
        idempotency: Option<(IdempotencyKey, Vec<u8>)>,
    ) -> Result<NewSharedChat, SharingError> {
        let access =
            if caller.identity.is_chat_service { Access::Service } else { Access::Caller(caller) };
        let intent = Intent {
            visibility: request.visibility,
            is_named: request.audience.is_some(),
            mode: request.mode,
        };
        let mut growth = self.growth_of(&owner_id, request.includes_artifacts).await?;
        growth.add(Usage { links: 1, ..Usage::default() })?;
        let reader = self.chat_service.read(access, &request.chat_session_id);
        let reader = reader.for_link(intent).counted_for(&owner_id);
        let source = reader.chat().await?;
        let (snapshot, files) = match request.mode {
            Mode::Frozen => {
                let messages = reader.messages().await?;
                if messages.is_empty() {
                    return Err(SharingError::ChatIsEmpty);
                }
                let files = reader.files().await?;
                let snapshot = snapshot::encode(messages, files.clone()).await?;
                let bytes = snapshot.messages.len() as u64;
                growth.add(Usage { bytes, ..Usage::default() })?;
                (Some(snapshot), files)
            }
            Mode::Live => {
                if !reader.has_messages().await? {
                    return Err(SharingError::ChatIsEmpty);
                }
                // Viewers get the files with the service credential, so the caller's right to
                // them is checked here alone (docs/API.md 3).
                if request.includes_artifacts {
                    reader.files().await?;
                }
                (None, Vec::new())
            }
        };
        let copies = if request.includes_artifacts {
            self.copy_files(&reader, &files, &files, &mut growth).await?
        } else {
            Vec::new()
        };
        // Its permit is free for other requests while this link is stored.
        drop(reader);
        let now = self.clock.now();
        // The fetch may have outlasted the link.
        if let Err(error) = check_settings(None, request.expires_at, now) {
            self.discard(copies).await;
            return Err(error);
        }
        let chat = SharedChat {
            id: ShareId::random(),
            chat_session_id: Some(request.chat_session_id),
            owner_id: Some(owner_id),
            name: source.name,
            shared_by: shared_by(caller, request.owner.as_ref()),
            label: request.label,
            visibility: request.visibility,
            audience: request.audience,
            mode: request.mode,
            includes_artifacts: request.includes_artifacts,
            is_legacy: false,
            created_at: now,
            updated_at: now,
            expires_at: request.expires_at,
            revision: 1,
            policy: 0,
        };
        Ok(NewSharedChat { chat, began_at, snapshot, copies, idempotency })
    }
}

fn check_policy(
    policy: &Policy,
    request: &CreateRequest,
    now: DateTime<Utc>,
) -> Result<(), SharingError> {
    let asked = Asked {
        visibility: Some(request.visibility),
        audience: Some(request.audience.as_ref()),
        includes_artifacts: Some(request.includes_artifacts),
        // Without an end a link has the policy's.
        expires_at: request.expires_at.map(Some),
    };
    judge(policy, &asked, now)
}

fn record(caller: &Caller, chat: &SharedChat, origin: ClientInfo) -> AuditRecord {
    let settings = Settings {
        is_private: Some(chat.is_private()),
        is_frozen: Some(chat.is_frozen()),
        includes_artifacts: Some(chat.includes_artifacts),
        expires_at: Some(chat.expires_at),
        label: chat.label.as_ref().map(|_| LabelChange::Set),
        audience: chat.audience.as_ref().map(|list| Some(principals(list))),
    };
    AuditRecord {
        link: Some(chat.id.short()),
        chat: chat.chat_session_id.as_ref().map(|id| id.short()),
        detail: Some(Detail::Settings(settings)),
        ..AuditRecord::of(Action::Create, caller.into(), origin, chat.created_at)
    }
}

/// For an audit record.
pub(super) fn principals(audience: &Audience) -> Vec<String> {
    audience.principals().map(str::to_owned).collect()
}

/// What viewers see as the sharer's name (docs/API.md 1): never an id or an address.
fn shared_by(caller: &Caller, owner: Option<&Owner>) -> Option<String> {
    let Some(owner) = owner else { return caller.identity.display_name.clone() };
    let name = owner.name.as_deref().filter(|name| name.trim() != owner.id.as_str())?;
    shown_name(name)
}

/// A name that viewers may see (docs/API.md 1): without an `@`, cut to [`SHARED_BY_CHARS`].
pub(super) fn shown_name(name: &str) -> Option<String> {
    let name = name.trim();
    let fit = !name.is_empty() && !name.contains('@');
    fit.then(|| storable(name).chars().take(SHARED_BY_CHARS).collect())
}

pub(super) fn check_settings(
    label: Option<&str>,
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), SharingError> {
    if label.is_some_and(|label| label.chars().count() > LABEL_CHARS) {
        let message = format!("must have at most {LABEL_CHARS} characters");
        return Err(SharingError::invalid("label", message));
    }
    if label.is_some_and(|label| label.contains('\0')) {
        return Err(SharingError::invalid("label", "must not contain NUL"));
    }
    if expires_at.is_some_and(|at| at <= now) {
        return Err(SharingError::invalid("expires_at", "must be in the future"));
    }
    Ok(())
}

impl CreateRequest {
    /// SHA-256 of the parsed values, so that two spellings of one request are the same.
    fn hash(&self) -> Vec<u8> {
        let meaning = (
            self.chat_session_id.as_str(),
            self.visibility == Visibility::Private,
            self.mode == Mode::Frozen,
            self.includes_artifacts,
            self.expires_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            &self.label,
            self.owner.as_ref().map(|owner| (owner.id.as_str(), &owner.name)),
        );
        // Tuples of text and flags always serialise.
        let meaning = serde_json::to_vec(&meaning).unwrap_or_default();
        let mut hash = Sha256::new().chain_update(meaning);
        // Only where there is one: a request without it has the hash that earlier versions stored.
        if let Some(audience) = &self.audience {
            hash.update(serde_json::to_vec(audience).unwrap_or_default());
        }
        hash.finalize().to_vec()
    }
}
