//! Errors on the wire (contract 2): one table of every `error_type`, and the one place where a
//! refusal becomes a response.
//!
//! To add one: a variant of [`ErrorType`] with its row in [`ErrorType::row`], and where a rule
//! gives rise to it, an arm in `refusals`.

mod conversions;

use std::{borrow::Cow, fmt, sync::Arc};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

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

    /// As in the body of an error.
    #[must_use]
    pub fn name(self) -> String {
        json!(self).as_str().unwrap_or_default().to_owned()
    }

    /// What it is when the framework refuses, which gives a status alone.
    pub(super) fn for_status(status: StatusCode) -> Self {
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
#[derive(Debug, Clone)]
pub struct ApiError {
    error_type: ErrorType,
    message: Cow<'static, str>,
    /// For our log alone.
    cause: Option<String>,
    allow: Option<Arc<str>>,
    /// The size of the file of which there is no such range.
    content_range: Option<u64>,
    /// Seconds until another try makes sense, where that is known.
    retry_after: Option<u64>,
}

/// Seconds until another try makes sense while something of ours is out of reach.
const RETRY_AFTER: u64 = 5;

impl ApiError {
    #[must_use]
    pub fn new(error_type: ErrorType, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            error_type,
            message: message.into(),
            cause: None,
            allow: None,
            content_range: None,
            retry_after: None,
        }
    }

    /// A value that is not as it must be, by its field's name.
    #[must_use]
    pub fn bad_value(field: &str, problem: impl fmt::Display) -> Self {
        Self::new(ErrorType::BadRequest, format!("{field}: {problem}"))
    }

    #[must_use]
    pub fn method_not_allowed(allow: Arc<str>) -> Self {
        Self { allow: Some(allow), ..ErrorType::MethodNotAllowed.into() }
    }

    /// No range of a file of so many bytes.
    #[must_use]
    pub fn range_not_satisfiable(bytes: u64) -> Self {
        Self { content_range: Some(bytes), ..ErrorType::RangeNotSatisfiable.into() }
    }

    /// More is asked at the moment than can be served soon.
    #[must_use]
    pub fn overloaded(cause: &str) -> Self {
        let message = "Too much is under way here at the moment. Try again.";
        Self::new(ErrorType::Unavailable, message).because(cause)
    }

    /// Until so many seconds have passed.
    #[must_use]
    pub fn rate_limited(seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..ErrorType::RateLimited.into() }
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

    /// With a cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
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
            ErrorType::Unavailable | ErrorType::TooManyRequests | ErrorType::RateLimited => {
                let seconds = self.retry_after.unwrap_or(RETRY_AFTER);
                response.insert_header((header::RETRY_AFTER, seconds));
            }
            _ => {}
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, &**allow));
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

    /// `http::request` renders it, with the request's id.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}
