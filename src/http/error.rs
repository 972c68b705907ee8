//! Errors on the wire (contract 2): one table of every `error_type`, and the one place where a
//! refusal becomes a response.
//!
//! To add one: a variant of [`ErrorType`] with its row in [`ErrorType::row`], and where a rule
//! gives rise to it, an arm of `From<SharingError>`.

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::AuthError,
    chat_service::ChatServiceError,
    sharing::{Full, SharingError},
};

/// What went wrong, in a form for programs. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    BadRequest,
    LoginRequired,
    InvalidToken,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    LegacyLink,
    IdempotencyConflict,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    ChatTooLarge,
    ChatIsEmpty,
    ArtifactTooLarge,
    TooManyRequests,
    InternalError,
    ChatServiceError,
    Unavailable,
    ChatServiceTimeout,
}

impl ErrorType {
    /// Its status, and what it says where nothing more precise is known.
    const fn row(self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest => (S::BAD_REQUEST, "The request is malformed."),
            Self::LoginRequired => (S::UNAUTHORIZED, "Sign in first: send a bearer token."),
            Self::InvalidToken => (S::UNAUTHORIZED, "The token is not valid, or not any more."),
            Self::Forbidden => (S::FORBIDDEN, "You may not do that."),
            Self::NotFound => (S::NOT_FOUND, "There is no such thing here."),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "This path has no such method."),
            Self::LegacyLink => {
                (S::CONFLICT, "A link from the old system cannot be changed or deleted.")
            }
            Self::IdempotencyConflict => (S::CONFLICT, "The idempotency key is in use."),
            Self::PreconditionFailed => {
                (S::PRECONDITION_FAILED, "The link's settings have changed since you read them.")
            }
            Self::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "The body is too large."),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "Send JSON, with Content-Type: application/json.")
            }
            Self::RangeNotSatisfiable => {
                (S::RANGE_NOT_SATISFIABLE, "The file has no bytes in that range.")
            }
            Self::ChatTooLarge => (S::UNPROCESSABLE_ENTITY, "The chat is too large to share."),
            Self::ChatIsEmpty => {
                (S::UNPROCESSABLE_ENTITY, "The chat has no messages, so there is nothing to share.")
            }
            Self::ArtifactTooLarge => {
                (S::UNPROCESSABLE_ENTITY, "A file of the chat is too large to share.")
            }
            Self::TooManyRequests => {
                (S::TOO_MANY_REQUESTS, "Too many of these at once. Try again later.")
            }
            Self::InternalError => {
                (S::INTERNAL_SERVER_ERROR, "Something is wrong here. It has been logged.")
            }
            Self::ChatServiceError => {
                (S::BAD_GATEWAY, "The chat service did not give a usable answer.")
            }
            Self::Unavailable => {
                (S::SERVICE_UNAVAILABLE, "The service is not available at the moment. Try again.")
            }
            Self::ChatServiceTimeout => {
                (S::GATEWAY_TIMEOUT, "The chat service did not answer in time.")
            }
        }
    }

    fn for_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::LoginRequired,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            429 => Self::TooManyRequests,
            503 => Self::Unavailable,
            400..=499 => Self::BadRequest,
            _ => Self::InternalError,
        }
    }
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "EndpointError", example = json!({
    "code": 404,
    "message": "There is no such link.",
    "error_type": "not_found",
    "request_id": "0192f0c1-6b7a-4f0e-9a51-4f2f4a1c7d11",
}))]
pub struct EndpointError<'a> {
    /// Repeats the status.
    pub code: u16,
    /// For people.
    pub message: &'a str,
    /// For programs; stable.
    pub error_type: ErrorType,
    /// To find the request in the log; also in the header `X-Request-Id`.
    pub request_id: &'a str,
}

/// An error on its way out.
#[derive(Debug)]
pub struct ApiError {
    error_type: ErrorType,
    message: Cow<'static, str>,
    /// For our log alone.
    cause: Option<String>,
    allow: Option<&'static str>,
    /// The size of the file of which there is no such range.
    content_range: Option<u64>,
}

/// Seconds until another try makes sense while something of ours is out of reach.
const RETRY_AFTER: &str = "5";

impl ApiError {
    #[must_use]
    pub fn new(error_type: ErrorType, message: impl Into<Cow<'static, str>>) -> Self {
        Self { error_type, message: message.into(), cause: None, allow: None, content_range: None }
    }

    /// A value that is not as it must be, by its field's name.
    #[must_use]
    pub fn bad_value(field: &str, problem: impl fmt::Display) -> Self {
        Self::new(ErrorType::BadRequest, format!("{field}: {problem}"))
    }

    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..ErrorType::MethodNotAllowed.into() }
    }

    /// No range of a file of so many bytes.
    #[must_use]
    pub fn range_not_satisfiable(bytes: u64) -> Self {
        Self { content_range: Some(bytes), ..ErrorType::RangeNotSatisfiable.into() }
    }

    #[must_use]
    pub fn no_such_link() -> Self {
        Self::new(ErrorType::NotFound, "There is no such link.")
    }

    /// What a response that the framework made by itself should have been.
    #[must_use]
    pub fn for_status(status: StatusCode, cause: String) -> Self {
        Self { cause: Some(cause), ..ErrorType::for_status(status).into() }
    }

    fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    #[must_use]
    pub fn error_type(&self) -> ErrorType {
        self.error_type
    }

    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// For the log: the cause, which never leaves this process otherwise.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The response, with the id by which the request is found in the log.
    #[must_use]
    pub fn respond(&self, request_id: &str) -> HttpResponse {
        let status = self.error_type.row().0;
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        match self.error_type {
            ErrorType::LoginRequired => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            ErrorType::InvalidToken => {
                let challenge = "Bearer error=\"invalid_token\"";
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            ErrorType::Unavailable | ErrorType::TooManyRequests => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
            }
            _ => {}
        }
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, HeaderValue::from_static(allow)));
        }
        if let Some(bytes) = self.content_range {
            response.insert_header((header::CONTENT_RANGE, format!("bytes */{bytes}")));
        }
        response.json(EndpointError {
            code: status.as_u16(),
            message: &self.message,
            error_type: self.error_type,
            request_id,
        })
    }
}

impl From<ErrorType> for ApiError {
    fn from(error_type: ErrorType) -> Self {
        Self::new(error_type, error_type.row().1)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.error_type.row().0
    }

    /// `http::request` renders it once more, with the request's id.
    fn error_response(&self) -> HttpResponse {
        self.respond("")
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::InvalidToken(_) => ErrorType::InvalidToken.into(),
            AuthError::KeysUnavailable => Self::new(
                ErrorType::Unavailable,
                "Tokens cannot be checked at the moment. Try again.",
            )
            .because("no keys of the identity provider are known"),
        }
    }
}

impl From<SharingError> for ApiError {
    fn from(error: SharingError) -> Self {
        use ErrorType as T;
        match error {
            SharingError::Invalid { field, message } => Self::bad_value(field, message),
            SharingError::NotFound => Self::no_such_link(),
            SharingError::ChatNotFound => Self::new(T::NotFound, "There is no such chat."),
            SharingError::SignInRequired => Self::new(
                T::LoginRequired,
                "This link is private. Sign in to open it: send a bearer token.",
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
            SharingError::ArtifactStore(error) => Self::from(T::Unavailable).because(error),
            SharingError::Unsettled => T::Unavailable.into(),
            SharingError::Full(Full::Link) => {
                Self::new(T::TooManyRequests, "Too many people watch this link. Try again later.")
            }
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
        use ErrorType as T;
        match error {
            ChatServiceError::Unauthorized => {
                Self::new(T::InvalidToken, "The chat service does not accept your token.")
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
            ChatServiceError::TimedOut => Self::from(T::ChatServiceTimeout).because(error),
            ChatServiceError::NoServiceCredential => Self::new(
                T::BadRequest,
                "This service has no credential of its own for the chat service \
                 (CHAT_SERVICE_TOKEN or CHAT_SERVICE_CLIENT_ID), so it cannot read chats by itself.",
            ),
        }
    }
}
