//! Converts the errors of other modules.

use crate::auth::AuthError;
use crate::chat_service::ChatServiceError;
use crate::http::error::{ApiError, ErrorType as T};
use crate::sharing::{Full, SharingError};

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::InvalidToken(why) => Self::from(T::InvalidToken).refused(why.as_str()),
            AuthError::KeysUnavailable => {
                Self::new(T::Unavailable, "Tokens cannot be checked at the moment. Try again.")
                    .because("no keys of the identity provider are known")
            }
        }
    }
}

impl From<SharingError> for ApiError {
    fn from(error: SharingError) -> Self {
        match error {
            SharingError::Invalid { field, message } => Self::bad_value(field, message),
            SharingError::NotFound => Self::no_such_link(),
            SharingError::ChatNotFound => Self::new(T::NotFound, "There is no such chat."),
            SharingError::SignInRequired => Self::new(
                T::LoginRequired,
                "This link is private. Sign in to open it: send a bearer token.",
            ),
            SharingError::NotInAudience => T::NotInAudience.into(),
            SharingError::OwnerEnded => {
                Self::new(T::Forbidden, "All links of this owner were just deleted. Try again.")
            }
            SharingError::AudienceMemberEnded => {
                Self::new(T::Forbidden, "audience: a person in it was just removed. Try again.")
            }
            SharingError::PolicyForbids { field, bound } => Self::new(
                T::PolicyForbids,
                format!("{field}: the policy of this service forbids it: {bound}."),
            ),
            SharingError::NotTheOwner => Self::new(T::Forbidden, "This is not your link."),
            SharingError::WrongCaller(why) => {
                Self::new(T::Forbidden, format!("This is not for you to do: {why}."))
            }
            SharingError::Legacy => T::LegacyLink.into(),
            SharingError::IdempotencyConflict(why) => {
                Self::new(T::IdempotencyConflict, format!("Take another Idempotency-Key: {why}."))
            }
            SharingError::PreconditionFailed => T::PreconditionFailed.into(),
            SharingError::ChatIsEmpty => T::ChatIsEmpty.into(),
            SharingError::ArtifactNotFound => Self::new(T::NotFound, "There is no such file."),
            SharingError::ArtifactTooLarge { filename, limit, of_all } => {
                let what =
                    if of_all { "with it the chat's files have more" } else { "it has more" };
                let message = format!(
                    "The file {filename:?} is too large to share: {what} than {limit} bytes."
                );
                Self::new(T::ArtifactTooLarge, message)
            }
            SharingError::QuotaExceeded { quota, limit } => {
                let message = format!(
                    "The owner would have more {quota} than one may: the quota is {limit}. Delete \
                     links first."
                );
                Self::new(T::QuotaExceeded, message)
            }
            SharingError::ArtifactStore(error) => Self::from(T::Unavailable).because(error),
            SharingError::Unsettled => T::Unavailable.into(),
            SharingError::Full(Full::Link) => {
                Self::new(T::TooManyRequests, "Too many people watch this link. Try again later.")
            }
            SharingError::Full(Full::Client) => Self::new(
                T::TooManyRequests,
                "Too many streams are open from your account or address. Try again later.",
            ),
            SharingError::Full(Full::Memory) => Self::new(
                T::Unavailable,
                "The chats that are watched here take too much memory. Try again later.",
            ),
            SharingError::Full(Full::Instance) => {
                Self::new(T::Unavailable, "Too many streams are open here. Try again later.")
            }
            SharingError::ChatService(error) => error.into(),
            SharingError::Unavailable(cause) => Self::from(T::Unavailable).because(cause),
            SharingError::Defect(cause) => Self::from(T::InternalError).because(cause),
        }
    }
}

impl From<ChatServiceError> for ApiError {
    fn from(error: ChatServiceError) -> Self {
        match error {
            ChatServiceError::Unauthorized => {
                Self::new(T::InvalidToken, "The chat service does not accept your token.")
                    .refused("by the chat service")
            }
            ChatServiceError::Forbidden => Self::new(T::Forbidden, "You may not share this chat."),
            ChatServiceError::NotFound => Self::new(T::NotFound, "There is no such chat."),
            ChatServiceError::TooLarge { limit } => Self::new(
                T::ChatTooLarge,
                format!("The chat is too large to share; the limit is {limit}."),
            ),
            ChatServiceError::Unreachable(_) | ChatServiceError::BadAnswer(_) => {
                Self::from(T::ChatServiceError).because(error)
            }
            ChatServiceError::CredentialUnavailable => Self::from(T::Unavailable).because(error),
            ChatServiceError::Busy => Self::overloaded("CHAT_SERVICE_MAX_CALLS ask already"),
            ChatServiceError::TimedOut => Self::from(T::ChatServiceTimeout).because(error),
            ChatServiceError::NoServiceCredential => Self::new(
                T::BadRequest,
                "This service has no credential of its own for the chat service \
                 (CHAT_SERVICE_TOKEN or CHAT_SERVICE_CLIENT_ID), so it cannot read chats by itself.",
            ),
        }
    }
}
