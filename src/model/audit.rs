//! Audit records: who did what to which link, from where, and with which result. A record never
//! holds a whole id of a link, a token, or text of a message or a label.
//!
//! To add an action: a variant of [`Action`] with its name; `http::middleware::audit` logs
//! refusals.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Caller, Policy, ShortId, UserId};

/// The `result` of a successful action.
pub const OK: &str = "ok";

/// Who did it, or tried to do it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A user, by the `sub` of a token that was verified.
    User(UserId),
    /// The chat service, by its `sub`.
    ChatService(UserId),
    /// A person who was erased.
    Erased(ShortId),
    /// A caller without a valid credential.
    Anonymous,
    /// The operator who ran a subcommand.
    CommandLine,
    /// This service, by a scheduled task.
    Service,
}

impl Actor {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(_) | Self::Erased(_) => "user",
            Self::ChatService(_) => "chat_service",
            Self::Anonymous => "anonymous",
            Self::CommandLine => "command_line",
            Self::Service => "service",
        }
    }

    /// The `sub` of a token that was verified.
    pub fn id(&self) -> Option<&UserId> {
        match self {
            Self::User(id) | Self::ChatService(id) => Some(id),
            Self::Erased(_) | Self::Anonymous | Self::CommandLine | Self::Service => None,
        }
    }
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Self {
        let id = caller.user_id().clone();
        if caller.identity.is_chat_service { Self::ChatService(id) } else { Self::User(id) }
    }
}

/// What was done, or attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Create,
    Change,
    Delete,
    BatchDelete,
    /// The chat service reported that the chat is gone.
    ChatDeleted,
    /// The chat service reported that an owner may not share the chat any more.
    OwnerRemoved,
    /// Reconciliation found that the chat is gone, or that an owner may not share it any more.
    Reconcile,
    LegacyImport,
    /// An administrator set the policy.
    Policy,
    /// An administrator looked through the links of all owners.
    AdminList,
    /// An administrator took links down.
    AdminDelete,
    /// A user left, or deleted all chats.
    UserLinksDeleted,
    UserErased,
    // Recorded only when refused:
    List,
    ListOfChat,
    ChatChanged,
    Activity,
    View,
    Download,
    Watch,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::BatchDelete => "batch_delete",
            Self::ChatDeleted => "chat_deleted",
            Self::OwnerRemoved => "owner_removed",
            Self::Reconcile => "reconcile",
            Self::LegacyImport => "legacy_import",
            Self::Policy => "policy",
            Self::AdminList => "admin_list",
            Self::AdminDelete => "admin_delete",
            Self::UserLinksDeleted => "user_links_deleted",
            Self::UserErased => "user_erased",
            Self::List => "list",
            Self::ListOfChat => "list_of_chat",
            Self::ChatChanged => "chat_changed",
            Self::Activity => "activity",
            Self::View => "view",
            Self::Download => "download",
            Self::Watch => "watch",
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientInfo {
    pub client: Option<IpAddr>,
    /// Identifies the request in the log.
    pub request_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub at: DateTime<Utc>,
    pub actor: Actor,
    pub action: Action,
    /// [`OK`], or the `error_type` of the refusal.
    pub result: String,
    pub link: Option<ShortId>,
    pub chat: Option<ShortId>,
    pub origin: ClientInfo,
    pub detail: Option<Detail>,
}

impl AuditRecord {
    /// A record of a successful action.
    pub fn of(action: Action, actor: Actor, origin: ClientInfo, at: DateTime<Utc>) -> Self {
        Self {
            at,
            actor,
            action,
            result: OK.to_owned(),
            link: None,
            chat: None,
            origin,
            detail: None,
        }
    }
}

/// Details by action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Detail {
    /// Of a create all settings, of a change those in the request.
    Settings(Settings),
    Deleted(Deleted),
    Policy(PolicyChange),
    Listed(Listed),
    EndedUser(EndedUser),
    Imported(ImportedLinks),
}

/// Settings of a link. The label's text is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_private: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_frozen: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub includes_artifacts: Option<bool>,
    /// `Some(None)`: removed.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Option<DateTime<Utc>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelChange>,
    /// `Some(None)`: every user who is signed in.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub audience: Option<Option<Vec<String>>>,
}

fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelChange {
    Set,
    Cleared,
}

impl LabelChange {
    /// The change to this label.
    pub fn to(label: Option<&String>) -> Self {
        if label.is_some() { Self::Set } else { Self::Cleared }
    }
}

/// What an administrator looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    pub owner: Option<ShortId>,
    pub chat: Option<ShortId>,
    /// The `filter_type`.
    pub filter: &'static str,
}

/// A user whose links were deleted, or who was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndedUser {
    pub user: ShortId,
    pub deleted: usize,
}

/// A change of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyChange {
    /// Null if it could not be read.
    pub before: Option<Policy>,
    pub after: Policy,
}

/// Links that were deleted together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Deleted {
    pub deleted: usize,
    /// At most [`Deleted::LISTED`] of them.
    pub links: Vec<ShortId>,
}

impl Deleted {
    /// As many as one batch delete can name.
    pub const LISTED: usize = 1000;
}

/// Links that were imported together, counted in lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportedLinks {
    pub first_line: u64,
    pub last_line: u64,
    pub imported: usize,
    pub already_there: usize,
    pub chat_deleted: usize,
    pub expired: usize,
    pub bad: usize,
    pub links: Vec<ShortId>,
}
