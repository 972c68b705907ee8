//! JSON bodies: bounded in size and time, with errors that name the field.

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    body::{BodyStream, to_bytes_limited},
    dev::Payload,
    http::header,
    web::{self, Bytes},
};
use futures_util::future::{Ready, ready};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{
    http::{
        State,
        error::{ApiError, ErrorType},
    },
    model::Object,
};

/// How many characters of the parser's message are sent back: it may repeat the caller's input.
const MESSAGE_CHARS: usize = 300;

/// A JSON body that has not been read yet. Handlers read it after authentication, so that 401 comes
/// before 400 (docs/API.md 2) and an anonymous client cannot make the service read a large body.
pub struct JsonBody {
    request: HttpRequest,
    payload: Payload,
}

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self { request: request.clone(), payload: payload.take() }))
    }
}

impl JsonBody {
    /// Reads and parses the body.
    ///
    /// # Errors
    /// 415 if its media type is not JSON, 413 if it is too large, 400 if it does not arrive in time
    /// or cannot be parsed; the message names the field.
    pub async fn read<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        let is_json = matches!(self.request.mime_type(), Ok(Some(mime))
            if mime.subtype() == "json" || mime.suffix().is_some_and(|suffix| suffix == "json"));
        if !is_json {
            return Err(ErrorType::UnsupportedMediaType.into());
        }
        let bytes = self.bytes().await?;
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let Object(value) = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| malformed(&error.path().to_string(), error.inner()))?;
        deserializer.end().map_err(|error| malformed(".", &error))?;
        Ok(value)
    }

    async fn bytes(self) -> Result<Bytes, ApiError> {
        let Some(state) = self.request.app_data::<web::Data<State>>() else {
            return Err(ErrorType::InternalError.into());
        };
        let limit = state.settings.max_body_bytes;
        let too_large = || {
            let message = format!("The body is too large; the limit is {limit} bytes.");
            ApiError::new(ErrorType::PayloadTooLarge, message)
        };
        let bad = |message| ApiError::new(ErrorType::BadRequest, message);
        let declared = self.request.headers().get(header::CONTENT_LENGTH);
        let length = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let body = to_bytes_limited(BodyStream::new(self.payload), limit);
        match timeout(state.settings.body_timeout, body).await {
            Ok(Ok(Ok(bytes))) => Ok(bytes),
            Ok(Ok(Err(_))) => Err(bad("The body broke off or is malformed.")),
            Ok(Err(_)) => Err(too_large()),
            Err(_) => Err(bad("The body did not arrive in time.")),
        }
    }
}

fn malformed(path: &str, error: &serde_json::Error) -> ApiError {
    let problem: String = error.to_string().chars().take(MESSAGE_CHARS).collect();
    // "." is the whole body, "?" an unknown path.
    let message = match path {
        "." | "?" => format!("The JSON body is malformed: {problem}"),
        field => format!("{field}: {problem}"),
    };
    ApiError::new(ErrorType::BadRequest, message)
}
