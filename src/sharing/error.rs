//! Why a request is refused. `http::error` gives each its status and message.

use super::quotas::Quota;
use crate::{
    artifacts::ArtifactStoreError, chat_service::ChatServiceError, live::Full, store::StoreError,
};

/// Why a request was not carried out. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SharingError {
    /// A value is out of range.
    #[error("{field}: {message}")]
    Invalid { field: &'static str, message: String },
    /// No such link, or it is deleted or expired, which a client cannot tell apart.
    #[error("no such link")]
    NotFound,
    /// No such chat, or it is deleted.
    #[error("no such chat")]
    ChatNotFound,
    /// The link is private, and the viewer is not signed in.
    #[error("sign-in required")]
    SignInRequired,
    /// The link is for named people and groups, and the viewer is not one of them.
    #[error("not in the audience")]
    NotInAudience,
    /// The link belongs to another user.
    #[error("not the owner")]
    NotTheOwner,
    /// All links of the owner were ended while this one was made.
    #[error("the owner ended")]
    OwnerEnded,
    /// A person whom the audience names ended, and may have been erased, while this was under way.
    #[error("a person of the audience ended")]
    AudienceMemberEnded,
    /// The policy does not allow what the field asks for.
    #[error("the policy forbids {field}: {bound}")]
    PolicyForbids { field: &'static str, bound: String },
    /// This kind of caller may not do that at all.
    #[error("not for this kind of caller: {0}")]
    WrongCaller(&'static str),
    /// The link came from the old system and cannot be changed.
    #[error("a legacy link")]
    Legacy,
    /// The idempotency key was used for another request, or for a link that is gone.
    #[error("idempotency key in use: {0}")]
    IdempotencyConflict(&'static str),
    /// The link's settings are not those that `If-Match` named.
    #[error("precondition failed")]
    PreconditionFailed,
    /// A chat without messages cannot be shared.
    #[error("the chat has no messages")]
    ChatIsEmpty,
    /// The link shows no such file, or its bytes cannot be had.
    #[error("no such file")]
    ArtifactNotFound,
    /// A file, or with `of_all` the files of the link up to this one, has more bytes than `limit`.
    #[error("a file is too large to share (the limit is {limit})")]
    ArtifactTooLarge { filename: String, limit: u64, of_all: bool },
    /// With what was asked for the owner would have more than `limit` of it.
    #[error("the quota of {quota} is exceeded (the limit is {limit})")]
    QuotaExceeded { quota: Quota, limit: u64 },
    /// The link kept changing while it was read.
    #[error("the link keeps changing")]
    Unsettled,
    /// The limit on open streams is reached.
    #[error(transparent)]
    Full(Full),
    #[error(transparent)]
    ChatService(ChatServiceError),
    #[error(transparent)]
    ArtifactStore(#[from] ArtifactStoreError),
    /// The database is out of reach; a retry may succeed. The text is for the log.
    #[error("{0}")]
    Unavailable(String),
    /// A defect of this service, or a damaged row. The text is for the log.
    #[error("{0}")]
    Defect(String),
}

impl SharingError {
    pub(super) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }

    pub fn defect(cause: impl std::fmt::Display) -> Self {
        Self::Defect(cause.to_string())
    }
}

impl From<StoreError> for SharingError {
    /// Callers that expect a refusal match it before they convert.
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) | StoreError::ReadOnly(_) => {
                Self::Unavailable(error.to_string())
            }
            StoreError::Failed(_) | StoreError::Refused(_) => Self::Defect(error.to_string()),
        }
    }
}

impl From<ChatServiceError> for SharingError {
    fn from(error: ChatServiceError) -> Self {
        match error {
            ChatServiceError::NotFound => Self::ChatNotFound,
            other => Self::ChatService(other),
        }
    }
}
