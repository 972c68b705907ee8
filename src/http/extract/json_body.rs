//! Reading a JSON body: bounded in size and time, and told apart by what is wrong with it.

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header,
    web::{self, Bytes, BytesMut},
};
use futures_util::{
    StreamExt,
    future::{Ready, ready},
};
use serde::de::DeserializeOwned;

use crate::{
    http::{
        State,
        error::{ApiError, ErrorType},
    },
    model::Object,
};

/// Characters of a parser's message that go back to the caller; it may repeat their input.
const MESSAGE_CHARS: usize = 300;

/// A JSON body that has not been read yet. The handler reads it once the caller is known, so that
/// 401 comes before 400 (contract 2) and nobody unknown makes us take in a large body.
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
    /// 415 when it is not declared as JSON, 413 when it is too large, 400 when it does not arrive
    /// in time or is not what is expected; the message names the field.
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

    async fn bytes(mut self) -> Result<Bytes, ApiError> {
        let state = self
            .request
            .app_data::<web::Data<State>>()
            .ok_or_else(|| ApiError::from(ErrorType::InternalError))?;
        let limit = state.settings.max_body_bytes;
        let too_large = || {
            let message = format!("The body is too large; the limit is {limit} bytes.");
            ApiError::new(ErrorType::PayloadTooLarge, message)
        };
        let declared = self.request.headers().get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let reading = async {
            let mut body = BytesMut::with_capacity(declared.unwrap_or(0));
            while let Some(chunk) = self.payload.next().await {
                let chunk = chunk.map_err(|_| {
                    ApiError::new(ErrorType::BadRequest, "The body broke off or is malformed.")
                })?;
                if body.len() + chunk.len() > limit {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body.freeze())
        };
        tokio::time::timeout(state.settings.body_timeout, reading)
            .await
            .map_err(|_| ApiError::new(ErrorType::BadRequest, "The body did not arrive in time."))?
    }
}

fn malformed(path: &str, error: &serde_json::Error) -> ApiError {
    let problem: String = error.to_string().chars().take(MESSAGE_CHARS).collect();
    // "." is the whole body, "?" what is not known.
    let message = match path {
        "." | "?" => format!("The JSON body is malformed: {problem}"),
        field => format!("{field}: {problem}"),
    };
    ApiError::new(ErrorType::BadRequest, message)
}
