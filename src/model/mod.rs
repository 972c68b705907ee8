//! Plain types without I/O: the terms of docs/API.md.
//!
//! To add one: a file of its own when it has rules (parsing, bounds), with the rule's source in its
//! doc comment; this module depends on no other one.

mod activity;
mod artifact;
mod audience;
mod audit;
mod caller;
mod chat;
mod ids;
mod json;
mod message;
mod moment;
mod policy;
mod shared_chat;
mod text;

pub use activity::{Activity, LinkChange, ViewCounts, ViewKind};
pub use artifact::{KeptFile, ObjectKey};
pub use audience::{Audience, Groups, InvalidAudience};
pub use audit::{
    Action, Actor, AuditRecord, ClientInfo, Deleted, Detail, EndedUser, ImportedLinks, LabelChange,
    Listed, OK, PolicyChange, Settings,
};
pub use caller::{Caller, Client, Credential, CredentialScheme, Identity};
pub use chat::{Chat, ChatFile};
pub use ids::{
    ChatSessionId, IdTemplate, InvalidChatSessionId, InvalidUserId, ShareId, ShortId, UserId,
};
pub use json::Object;
pub use message::{Message, MessageContent, NotAString, Role};
pub use moment::parse_rfc3339;
pub use policy::{Policy, StoredPolicy, WidestAudience, limited_fields};
pub use shared_chat::{Intent, LinkState, Mode, SharedChat, Visibility};
pub use text::{decode_json_string, fold_case, hex, storable};
