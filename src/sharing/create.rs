//! Making a link.

use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest, Sha256};

use super::{LABEL_CHARS, Sharing, SharingError, detached::run_detached, snapshot};
use crate::{
    chat_service::Access,
    model::{
        Action, AuditRecord, Caller, ChatSessionId, ClientInfo, Detail, LabelChange, Mode,
        Settings, ShareId, SharedChat, UserId, Visibility, storable,
    },
    store::{IdempotencyKey, NewSharedChat, Refused, StoreError},
};

/// Characters that are kept of a sharer's name.
pub const SHARED_BY_CHARS: usize = 200;

/// What is asked for. Every field counts for an idempotency key.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    pub chat_session_id: ChatSessionId,
    pub visibility: Visibility,
    pub mode: Mode,
    pub includes_artifacts: bool,
    pub expires_at: Option<DateTime<Utc>>,
    pub label: Option<String>,
    /// For whom, when the chat service asks.
    pub owner: Option<Owner>,
}

/// For whom the chat service makes a link.
#[derive(Debug, Clone)]
pub struct Owner {
    pub id: UserId,
    /// What viewers see, unless it looks like an address.
    pub name: Option<String>,
}

impl Sharing {
    /// Makes a link, or finds the one that the same request with the same key made before.
    ///
    /// The chat is fetched with the caller's own token, so the chat service decides who may share
    /// it; for the chat service itself with the service credential.
    ///
    /// # Errors
    /// [`SharingError`]; nothing is stored then, and the key is not used.
    pub async fn create(
        &self,
        caller: &Caller,
        request: CreateRequest,
        key: Option<String>,
        origin: ClientInfo,
    ) -> Result<SharedChat, SharingError> {
        let owner_id = self.check(caller, &request)?;
        let label = request.label.clone();
        let idempotency = key.map(|key| {
            let (caller, owner) = (caller.user_id().clone(), owner_id.clone());
            (IdempotencyKey { caller, owner, key }, request.hash())
        });
        if let Some((key, hash)) = &idempotency
            && let Some(chat) = self.made_before(key, hash).await?
        {
            return Ok(as_known_to(caller, label, chat));
        }
        let (this, by, used) = (self.clone(), caller.clone(), idempotency.clone());
        let (chat, created) = run_detached(async move {
            let new = this.fetch(&by, owner_id, request, used).await?;
            let (chat, copies) = (new.chat.clone(), new.copies.clone());
            let created = this.store.create(new, record(&by, &chat, origin)).await;
            if created.is_err() {
                // Our own alone. Another request with the same key has copies of its own, and if this
                // link was made after all, which an error may leave open, it keeps what it shows.
                this.discard(copies).await;
            }
            Ok((chat, created))
        })
        .await?;
        match (created, idempotency) {
            (Ok(()), _) => Ok(chat),
            (Err(StoreError::Refused(Refused::KeyTaken)), Some((key, hash))) => self
                .made_before(&key, &hash)
                .await?
                .map(|chat| as_known_to(caller, label, chat))
                .ok_or(SharingError::IdempotencyConflict("it was used a moment ago")),
            (Err(StoreError::Refused(_)), _) => Err(SharingError::ChatNotFound),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Checks the request itself, and returns whose link it will be.
    fn check(&self, caller: &Caller, request: &CreateRequest) -> Result<UserId, SharingError> {
        if let Some(label) = &request.label {
            check_label(label)?;
        }
        if let Some(expires_at) = request.expires_at {
            check_expiry(expires_at, self.clock.now())?;
        }
        if request.mode == Mode::Live && !self.chat_service.has_service_access() {
            let message = "live links are not available here: the service has no credential of its \
                           own for the chat service (CHAT_SERVICE_TOKEN or CHAT_SERVICE_CLIENT_ID)";
            return Err(SharingError::Invalid { field: "is_frozen", message: message.to_owned() });
        }
        // Who may ask for it comes after what is asked for (contract 2).
        match (&request.owner, caller.identity.is_chat_service) {
            (Some(owner), true) => Ok(owner.id.clone()),
            (None, false) => Ok(caller.user_id().clone()),
            (None, true) => {
                let message = "the chat service must say whose link it is".to_owned();
                Err(SharingError::Invalid { field: "owner", message })
            }
            (Some(_), false) => {
                Err(SharingError::WrongCaller("only the chat service may name an owner"))
            }
        }
    }

    async fn made_before(
        &self,
        key: &IdempotencyKey,
        hash: &[u8],
    ) -> Result<Option<SharedChat>, SharingError> {
        let now = self.clock.now();
        let Some(past) = self.store.past_use(key, now).await? else { return Ok(None) };
        if past.request_hash != hash {
            return Err(SharingError::IdempotencyConflict("it was used for another request"));
        }
        match self.store.link(&past.shared_chat_id, now).await? {
            Some(chat) => Ok(Some(chat)),
            None => Err(SharingError::IdempotencyConflict("the link that it made is gone")),
        }
    }

    async fn fetch(
        &self,
        caller: &Caller,
        owner_id: UserId,
        request: CreateRequest,
        idempotency: Option<(IdempotencyKey, Vec<u8>)>,
    ) -> Result<NewSharedChat, SharingError> {
        let access = match caller.identity.is_chat_service {
            true => Access::Service,
            false => Access::Caller(caller),
        };
        let reader = self.chat_service.read(access, &request.chat_session_id);
        let source = reader.chat().await?;
        let mut files = Vec::new();
        let snapshot = match request.mode {
            Mode::Frozen => {
                let messages = reader.messages().await?;
                if messages.is_empty() {
                    return Err(SharingError::ChatIsEmpty);
                }
                files = reader.files().await?;
                Some(snapshot::encode(messages, files.clone()).await?)
            }
            Mode::Live if !reader.has_messages().await? => {
                return Err(SharingError::ChatIsEmpty);
            }
            Mode::Live => {
                // Viewers get them with the service credential, so nobody else would ask (contract 3).
                if request.includes_artifacts {
                    reader.files().await?;
                }
                None
            }
        };
        // Of a live link there is nothing to keep.
        let copies = match request.includes_artifacts {
            true => self.copy_files(&reader, &files, &files).await?,
            false => Vec::new(),
        };
        // Another one may ask while this is stored.
        drop(reader);
        let shared_by = shared_by(caller, request.owner.as_ref());
        let now = self.clock.now();
        // Fetching may have taken its time.
        if let Some(Err(error)) = request.expires_at.map(|at| check_expiry(at, now)) {
            self.discard(copies).await;
            return Err(error);
        }
        let chat = SharedChat {
            id: ShareId::random(),
            chat_session_id: Some(request.chat_session_id),
            owner_id: Some(owner_id),
            name: source.name,
            shared_by,
            label: request.label,
            visibility: request.visibility,
            mode: request.mode,
            includes_artifacts: request.includes_artifacts,
            is_legacy: false,
            created_at: now,
            updated_at: now,
            expires_at: request.expires_at,
            revision: 1,
        };
        Ok(NewSharedChat { chat, snapshot, copies, idempotency })
    }
}

fn record(caller: &Caller, chat: &SharedChat, origin: ClientInfo) -> AuditRecord {
    let settings = Settings {
        is_private: Some(chat.is_private()),
        is_frozen: Some(chat.is_frozen()),
        includes_artifacts: Some(chat.includes_artifacts),
        expires_at: Some(chat.expires_at),
        label: chat.label.as_ref().map(|_| LabelChange::Set),
    };
    AuditRecord {
        link: Some(chat.id.short()),
        chat: chat.chat_session_id.as_ref().map(|id| id.short()),
        detail: Some(Detail::Settings(settings)),
        ..AuditRecord::of(Action::Create, caller.into(), origin, chat.created_at)
    }
}

/// A link that the same request made before, for whoever repeats it. The chat service is told the
/// label that it `asked` for, not one that the owner has given since: that is for the owner's eyes
/// only (contract 3).
fn as_known_to(caller: &Caller, asked: Option<String>, chat: SharedChat) -> SharedChat {
    match caller.identity.is_chat_service {
        true => SharedChat { label: asked, ..chat },
        false => chat,
    }
}

/// What viewers see as the sharer's name (contract 1): never an id or an address.
fn shared_by(caller: &Caller, owner: Option<&Owner>) -> Option<String> {
    let Some(owner) = owner else { return caller.identity.display_name.clone() };
    let name = owner.name.as_deref().filter(|name| name.trim() != owner.id.as_str())?;
    shown_name(name)
}

/// A name that others may see (contract 1): nothing with an `@`, cut to [`SHARED_BY_CHARS`].
pub(super) fn shown_name(name: &str) -> Option<String> {
    let name = name.trim();
    let fit = !name.is_empty() && !name.contains('@');
    fit.then(|| storable(name).chars().take(SHARED_BY_CHARS).collect())
}

pub(super) fn check_label(label: &str) -> Result<(), SharingError> {
    let message = if label.chars().count() > LABEL_CHARS {
        format!("must have at most {LABEL_CHARS} characters")
    } else if label.contains('\0') {
        "must not contain NUL".to_owned()
    } else {
        return Ok(());
    };
    Err(SharingError::Invalid { field: "label", message })
}

pub(super) fn check_expiry(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), SharingError> {
    if at > now {
        return Ok(());
    }
    let message = "must be in the future".to_owned();
    Err(SharingError::Invalid { field: "expires_at", message })
}

impl CreateRequest {
    /// SHA-256 of the request's meaning: two spellings of one request are the same.
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
        Sha256::digest(serde_json::to_vec(&meaning).unwrap_or_default()).to_vec()
    }
}
