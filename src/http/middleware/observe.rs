//! The request id, the access log, and the shape of errors.

use std::time::Instant;

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
        error::{ApiError, Refused},
        extract::context::{RequestId, X_REQUEST_ID},
        lifecycle::Lifecycle,
        middleware::audit,
    },
    telemetry::{RequestSpan, RequestsInFlight, Route},
};

/// Gives each request its id, its access log line, its metrics and, while traces are on, its span;
/// and each error, the framework's included, the shape of docs/API.md 2. Log, metrics and span hold
/// the route's pattern, never the path: the path holds the id of a link, which is a secret.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let headers = request.headers();
    let field = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(span) = RequestSpan::begin(request.method().as_str(), field) else {
        return answer(request, next).await;
    };
    // Boxed, so that the future is no larger while traces are off.
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
    let (mut response, id, refused) = shaped(request, next).await?;
    if response.request().app_data::<Lifecycle>().is_some_and(Lifecycle::is_stopping) {
        // A client that kept this connection for its next request would find it closed.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let method = response.request().method().as_str();
    let (route, status, took) = (route(&response), response.status().as_u16(), started.elapsed());
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
        refused = refused.map(|Refused(why)| why),
    );
    Ok(response)
}

/// Gives each request its id, and each error the shape of docs/API.md 2. Requests to the management
/// address are neither logged nor counted.
pub async fn shape_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    Ok(shaped(request, next).await?.0)
}

async fn shaped(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<(ServiceResponse<BoxBody>, RequestId, Option<Refused>), Error> {
    let id = RequestId::given_or_new(request.headers().get(X_REQUEST_ID));
    request.extensions_mut().insert(id.clone());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let mut refused = None;
    if response.status().is_client_error() || response.status().is_server_error() {
        audit::log_refusal(&response);
        refused = refusal(&response);
        response = shape_error(response, &id);
    }
    set_common_headers(&mut response, &id);
    Ok((response, id, refused))
}

/// Why a credential was refused; an error page keeps it in the response's extensions.
fn refusal(response: &ServiceResponse) -> Option<Refused> {
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
    let of_page = || response.response().extensions().get::<Refused>().copied();
    error.and_then(ApiError::refusal).or_else(of_page)
}

/// The headers of every response. Unless the response sets its own, it is data to a browser: it
/// loads nothing, is not framed, and is not embedded into another site's page as an image or a
/// script. What CORS allows is allowed all the same (Fetch, 3.7).
fn set_common_headers(response: &mut ServiceResponse, id: &RequestId) {
    // The headers of a 304 would replace those of the cached page (RFC 9111, 3.2).
    let is_new = response.status() != StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    let is_page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page {
        // A page of another origin that opened this one has no handle of it, nor the other way
        // round.
        headers.insert(header::CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    }
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

/// The route, from its resource's data: `match_pattern` would match all patterns once more.
fn route<B>(response: &ServiceResponse<B>) -> Option<&Route> {
    response.request().app_data()
}

fn shape_error(response: ServiceResponse, id: &RequestId) -> ServiceResponse {
    let status = response.status();
    // An error page has no error attached: it has its shape already.
    let Some(error) = response.response().error() else { return response };
    let of_framework;
    let error = match error.as_error::<ApiError>() {
        Some(error) => error,
        None => {
            of_framework = ApiError::for_status(status, error.to_string());
            &of_framework
        }
    };
    if status.is_server_error() {
        let cause = error.cause().unwrap_or(error.message());
        tracing::error!(status = status.as_u16(), request_id = id.as_str(), "{cause}");
    }
    let mut shaped = error.respond(id.as_str());
    // Without the CORS headers a page of another origin would see a network failure instead of the
    // error.
    let is_kept = |name: &str| name.starts_with("access-control-") || name.starts_with("ratelimit");
    for (name, value) in response.headers() {
        if is_kept(name.as_str()) || name == header::VARY {
            shaped.headers_mut().append(name.clone(), value.clone());
        }
    }
    response.into_response(shaped)
}
