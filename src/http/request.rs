//! Around every request: its id, its line in the log, and the shape of its errors.

use std::time::{Duration, Instant};

use actix_web::{
    Error, HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use uuid::Uuid;

use super::{audit, error::ApiError, lifecycle::Lifecycle};
use crate::telemetry::{RequestSpan, RequestsInFlight, Route};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request, from `X-Request-Id` where a proxy gave a sane one, else a new one.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The one that was given, if it is sane.
    fn given_or_new(given: Option<&HeaderValue>) -> Self {
        let sane = |value: &&HeaderValue| {
            let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
            (1..=64).contains(&value.len()) && value.as_bytes().iter().all(allowed)
        };
        given.filter(sane).cloned().map_or_else(Self::new, Self)
    }

    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-")))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }
}

/// Gives each request its id, its line in the log, its place in the metrics and, while traces are on,
/// its span; and each error, the framework's own too, the shape of contract 2. All of them hold the
/// route's pattern, never the path: a path holds the id of a link, which is a secret.
///
/// # Errors
/// None of its own. Handlers' errors arrive here as responses already.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let headers = request.headers();
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(span) = RequestSpan::begin(request.method().as_str(), said) else {
        return answer(request, next).await;
    };
    // On the heap: while traces are off this is not part of every request.
    let response = span.around(Box::pin(answer(request, next))).await?;
    let method = response.request().method().as_str();
    let route = route(&response).and_then(Route::pattern);
    span.answered(method, route, response.status().as_u16());
    Ok(response)
}

async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let _in_flight = RequestsInFlight::one_more();
    let id = RequestId::given_or_new(request.headers().get(X_REQUEST_ID));
    request.extensions_mut().insert(id.clone());
    let mut response = next.call(request).await?.map_into_boxed_body();
    if response.status().is_client_error() || response.status().is_server_error() {
        audit::log_refusal(&response);
        response = shape_error(response, &id);
    }
    // What a 304 says would replace what was said of the page that it is about (RFC 9111, 3.2).
    if response.status() == StatusCode::NOT_MODIFIED {
        name(response.headers_mut(), &id);
    } else {
        on_every_answer(response.headers_mut(), &id);
    }
    if response.request().app_data::<Lifecycle>().is_some_and(Lifecycle::is_stopping) {
        // Whoever keeps this connection for later would find it closed.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let method = response.request().method().as_str();
    note(method, route(&response), response.status(), started.elapsed(), &id);
    Ok(response)
}

/// Gives what was answered its place in the metrics and its line in the log.
fn note(method: &str, route: Option<&Route>, status: StatusCode, took: Duration, id: &RequestId) {
    let status = status.as_u16();
    if let Some(route) = route {
        route.answered(method, status, took);
    }
    tracing::info!(
        target: "shared_chats::request",
        method,
        route = route.and_then(Route::pattern).unwrap_or("none"),
        status,
        duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        request_id = id.as_str(),
    );
}

/// What every answer says beside what its route says.
fn on_every_answer(headers: &mut HeaderMap, id: &RequestId) {
    name(headers, id);
    forbid_the_rest(headers);
}

fn name(headers: &mut HeaderMap, id: &RequestId) {
    headers.insert(X_REQUEST_ID, id.0.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// What an answer does not ask for itself, a browser is not to do with it: it is data, which loads
/// nothing and stands in no frame, nor in another site's page as an image or a script. What CORS lets
/// in comes all the same (Fetch, 3.7).
fn forbid_the_rest(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The route that answered. Each resource has its own at hand ([`super::resource`]): to find it once more
/// by the path would match all patterns again.
fn route<B>(response: &ServiceResponse<B>) -> Option<&Route> {
    response.request().app_data()
}

fn shape_error(response: ServiceResponse, id: &RequestId) -> ServiceResponse {
    let status = response.status();
    let error = response.response().error();
    let mut shaped = match error.map(|error| (error, error.as_error::<ApiError>())) {
        Some((_, Some(error))) => {
            log_defect(status, error.cause().unwrap_or(error.message()), id);
            error.respond(id.as_str())
        }
        Some((error, None)) => {
            log_defect(status, &error.to_string(), id);
            ApiError::for_status(status, error.to_string()).respond(id.as_str())
        }
        // An error page, which has its shape already.
        None => return response,
    };
    // What CORS said of this response holds for its new form as well: without it a page of another
    // origin would see a network failure instead of the error. So does how the call was counted.
    let stays = |name: &str| name.starts_with("access-control-") || name.starts_with("ratelimit");
    for (name, value) in response.headers() {
        if stays(name.as_str()) || name == header::VARY {
            shaped.headers_mut().append(name.clone(), value.clone());
        }
    }
    response.into_response(shaped)
}

/// A 5xx is logged once, here, where it becomes a response.
fn log_defect(status: StatusCode, cause: &str, id: &RequestId) {
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), request_id = id.as_str(), "{cause}");
    }
}
