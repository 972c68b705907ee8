//! Why a chat cannot be read.

use crate::telemetry::AskedOutcome;

/// Why a chat could not be read. The messages are for the log: they hold no token and nothing of a
/// message or an answer's body, but must not be sent to a caller either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatServiceError {
    /// The chat service does not know the caller's token (401 passes through).
    #[error("the chat service does not accept the caller's token")]
    Unauthorized,
    /// The caller may not share this chat (403 passes through).
    #[error("the caller may not share this chat")]
    Forbidden,
    /// No such chat (404).
    #[error("no such chat")]
    NotFound,
    /// The chat is too large to share (422). `limit` is in bytes and is `max_snapshot_bytes`; for a
    /// list of files it may also be [`MAX_FILES`](super::MAX_FILES), the most that one may hold.
    #[error("the chat is too large to share (the limit is {limit})")]
    TooLarge { limit: u64 },
    /// No connection, or one that broke off; or the chat file cannot be read (502).
    #[error("the chat service cannot be reached: {0}")]
    Unreachable(String),
    /// An answer against docs/API.md 5 (502).
    #[error("the chat service gave a bad answer: {0}")]
    BadAnswer(String),
    /// Not all calls were answered in time (504).
    #[error("the chat service did not answer in time")]
    TimedOut,
    /// No permit became free in time (503).
    #[error("too much is asked of the chat service at the moment")]
    Busy,
    /// [`Access::Service`](super::Access::Service) without a credential in the settings.
    #[error("CHAT_SERVICE_TOKEN is not set")]
    NoServiceCredential,
    /// The identity provider gives no token at the moment (503).
    #[error("the identity provider gave no token for the chat service")]
    CredentialUnavailable,
}

impl ChatServiceError {
    pub(super) fn outcome(&self) -> AskedOutcome {
        match self {
            Self::Unauthorized | Self::Forbidden => AskedOutcome::Refused,
            Self::NotFound => AskedOutcome::NotFound,
            Self::TooLarge { .. } => AskedOutcome::TooLarge,
            Self::Unreachable(_) => AskedOutcome::Unreachable,
            Self::BadAnswer(_) => AskedOutcome::BadAnswer,
            Self::TimedOut => AskedOutcome::TimedOut,
            Self::Busy => AskedOutcome::Busy,
            Self::NoServiceCredential | Self::CredentialUnavailable => AskedOutcome::NoCredential,
        }
    }
}
