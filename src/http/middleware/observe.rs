//! Around every request: its id, its line in the log, and the shape of its errors.

use std::time::{Duration, Instant};

use actix_web::{
    Error, HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, StatusCode,
        header::{self, HeaderValue},
    },
    middleware::Next,
};

use crate::{
    http::{
        error::ApiError,
        extract::context::{RequestId, X_REQUEST_ID},
        lifecycle::Lifecycle,
        middleware::audit,
    },
    telemetry::{RequestSpan, RequestsInFlight, Route},
};

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
    let (mut response, id) = shaped(request, next).await?;
    if response.request().app_data::<Lifecycle>().is_some_and(Lifecycle::is_stopping) {
        // Whoever keeps this connection for later would find it closed.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let method = response.request().method().as_str();
    note(method, route(&response), response.status(), started.elapsed(), &id);
    Ok(response)
}

/// Gives each request its id, and each error the shape of docs/API.md 2, and nothing else: requests
/// to the management address are neither logged nor counted.
///
/// # Errors
/// None of its own. Handlers' errors arrive here as responses already.
pub async fn shape_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    Ok(shaped(request, next).await?.0)
}

async fn shaped(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<(ServiceResponse<BoxBody>, RequestId), Error> {
    let id = RequestId::given_or_new(request.headers().get(X_REQUEST_ID));
    request.extensions_mut().insert(id.clone());
    let mut response = next.call(request).await?.map_into_boxed_body();
    if response.status().is_client_error() || response.status().is_server_error() {
        audit::log_refusal(&response);
        response = shape_error(response, &id);
    }
    set_common_headers(&mut response, &id);
    Ok((response, id))
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

/// The headers of every response. What a response does not set itself, a browser is not to do with
/// it: it is data, which loads nothing and stands in no frame, nor in another site's page as an image
/// or a script. What CORS allows comes all the same (Fetch, 3.7).
fn set_common_headers(response: &mut ServiceResponse, id: &RequestId) {
    // The headers of a 304 replace those of the page that it is about (RFC 9111, 3.2).
    let is_new = response.status() != StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.0.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ] {
        if is_new && !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The route that answered, from the data of its resource: `match_pattern` would match all patterns
/// again.
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
