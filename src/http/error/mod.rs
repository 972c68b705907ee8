//! Errors (docs/API.md 2): the table of every `error_type`, and the conversion to a response.
//!
//! To add one: a variant of [`ErrorType`] with its row in [`ErrorType::row`], and an arm in
//! `conversions` if a module below returns it.

mod conversions;

use std::{borrow::Cow, fmt};

use actix_web::http::{StatusCode, header::CACHE_CONTROL};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// What went wrong, for programs. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    BadRequest,
    LoginRequired,
    InvalidToken,
    Forbidden,
    NotInAudience,
    PolicyForbids,
    NotFound,
    MethodNotAllowed,
    LegacyLink,
    IdempotencyConflict,
    QuotaExceeded,
    PreconditionFailed,
    PayloadTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    ChatTooLarge,
    ChatIsEmpty,
    ArtifactTooLarge,
    TooManyRequests,
    RateLimited,
    InternalError,
    ChatServiceError,
    Unavailable,
    ChatServiceTimeout,
}

impl ErrorType {
    /// Its status and default message.
    const fn row(self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest => (S::BAD_REQUEST, "The request is malformed."),
            Self::LoginRequired => (S::UNAUTHORIZED, "Sign in first: send a bearer token."),
            Self::InvalidToken => (S::UNAUTHORIZED, "The token is not valid, or not any more."),
            Self::Forbidden => (S::FORBIDDEN, "You may not do that."),
            Self::NotInAudience => (S::FORBIDDEN, "This link is for other people."),
            Self::PolicyForbids => (S::FORBIDDEN, "The policy of this service forbids that."),
            Self::NotFound => (S::NOT_FOUND, "There is no such thing here."),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "This path has no such method."),
            Self::LegacyLink => {
                (S::CONFLICT, "A link from the old system cannot be changed or deleted.")
            }
            Self::IdempotencyConflict => (S::CONFLICT, "The idempotency key is in use."),
            Self::QuotaExceeded => (S::CONFLICT, "You have as much as one owner may have."),
            Self::PreconditionFailed => {
                (S::PRECONDITION_FAILED, "The settings have changed since you read them.")
            }
            Self::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "The body is too large."),
            Self::UriTooLong => (S::URI_TOO_LONG, "The address is too long."),
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
            Self::RateLimited => {
                (S::TOO_MANY_REQUESTS, "You call too often. Slow down, and try again later.")
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

    /// Its name in JSON.
    pub fn name(self) -> String {
        json!(self).as_str().unwrap_or_default().to_owned()
    }

    /// Maps the status of an error that the framework returned.
    fn for_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::LoginRequired,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            413 => Self::PayloadTooLarge,
            414 => Self::UriTooLong,
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
    /// The status again.
    pub code: u16,
    /// For people.
    pub message: &'a str,
    /// For programs; stable.
    pub error_type: ErrorType,
    /// Identifies the request in the log; also in the header `X-Request-Id`.
    pub request_id: &'a str,
}

/// Why a credential was refused: words of this code, for the request's line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub &'static str);

/// An error that a handler or middleware returns.
#[derive(Debug, Clone)]
pub struct ApiError {
    error_type: ErrorType,
    message: Cow<'static, str>,
    /// For the log only; never part of the response.
    cause: Option<String>,
    refused: Option<Refused>,
    header: Option<(&'static str, Cow<'static, str>)>,
}

impl ApiError {
    pub fn new(error_type: ErrorType, message: impl Into<Cow<'static, str>>) -> Self {
        let header = match error_type {
            ErrorType::LoginRequired => Some(("www-authenticate", "Bearer")),
            ErrorType::InvalidToken => Some(("www-authenticate", "Bearer error=\"invalid_token\"")),
            ErrorType::Unavailable | ErrorType::TooManyRequests | ErrorType::RateLimited => {
                Some(("retry-after", "5"))
            }
            _ => None,
        };
        let header = header.map(|(name, value)| (name, value.into()));
        Self { error_type, message: message.into(), cause: None, refused: None, header }
    }

    fn with_header(error_type: ErrorType, name: &'static str, value: String) -> Self {
        Self { header: Some((name, value.into())), ..error_type.into() }
    }

    /// 400 that names the field.
    pub fn bad_value(field: &str, problem: impl fmt::Display) -> Self {
        Self::new(ErrorType::BadRequest, format!("{field}: {problem}"))
    }

    pub fn method_not_allowed(allow: &str) -> Self {
        Self::with_header(ErrorType::MethodNotAllowed, "allow", allow.to_owned())
    }

    /// 416 for a file of this size.
    pub fn range_not_satisfiable(bytes: u64) -> Self {
        let range = format!("bytes */{bytes}");
        Self::with_header(ErrorType::RangeNotSatisfiable, "content-range", range)
    }

    /// 503 because a bound on concurrent work is reached.
    pub fn overloaded(cause: &str) -> Self {
        let message = "Too much is under way here at the moment. Try again.";
        Self::new(ErrorType::Unavailable, message).because(cause)
    }

    pub fn rate_limited(retry_after_seconds: u64) -> Self {
        let seconds = retry_after_seconds.to_string();
        Self::with_header(ErrorType::RateLimited, "retry-after", seconds)
    }

    pub fn no_such_link() -> Self {
        Self::new(ErrorType::NotFound, "There is no such link.")
    }

    /// Replaces an error response of the framework.
    pub fn for_status(status: StatusCode, cause: String) -> Self {
        Self::from(ErrorType::for_status(status)).because(cause)
    }

    /// Adds a cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds why a credential was refused.
    #[must_use]
    pub fn refused(mut self, why: &'static str) -> Self {
        self.refused = Some(Refused(why));
        self
    }

    /// Why a credential was refused, if that is the error.
    pub fn refusal(&self) -> Option<Refused> {
        self.refused
    }

    pub fn error_type(&self) -> ErrorType {
        self.error_type
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    pub fn respond(&self, request_id: &str) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some((name, value)) = &self.header {
            response.insert_header((*name, &**value));
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

    /// Without a body: [`ApiError::respond`] writes it when the request's id is known.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}
