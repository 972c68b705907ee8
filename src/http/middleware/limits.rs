//! Limits: at most `MAX_CONCURRENT_REQUESTS` in flight, and the rate limits.

use std::{rc::Rc, sync::Arc};

use actix_web::{
    Error, HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::HeaderValue,
    middleware::Next,
    web,
};

use crate::http::{
    State,
    error::{ApiError, ErrorType},
    extract::{
        context::client_address,
        presented::{Presented, presented},
    },
    rate_limits::{Count, Meter, RateLimits},
    ui,
};

/// Passes a request on, or refuses it before it costs anything: 414 if its target is too long, 503
/// while `MAX_CONCURRENT_REQUESTS` are in flight, 429 over a rate limit. Probes always pass, and
/// scripts are not counted: behind one address are many people, and a page loads dozens.
pub async fn limit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = request.app_data::<web::Data<State>>().cloned();
    let Some(state) = state.filter(|_| !request.path().starts_with("/health/")) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() > state.settings.max_uri_bytes {
        return Ok(request.error_response(ApiError::from(ErrorType::UriTooLong)));
    }
    // Released when the response begins, so event streams and downloads do not hold a permit.
    let Ok(_permit) = state.requests.try_acquire() else {
        let refusal = ApiError::overloaded("MAX_CONCURRENT_REQUESTS are in flight");
        return Ok(request.error_response(refusal));
    };
    match state.rate_limits.as_ref().filter(|_| !request.path().starts_with(ui::PREFIX)) {
        Some(limits) => counted(request, next, &state, limits.clone()).await,
        None => Ok(next.call(request).await?.map_into_boxed_body()),
    }
}

/// Counts a request, and refuses it over the limit. A request without a credential is counted at
/// once, for its address. Of one with a credential the handler knows the caller; if it did not
/// verify the credential, the request is counted for its address in the end.
async fn counted(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    state: &State,
    limits: Arc<RateLimits>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_known = state.settings.trusted_proxies.knows_client(request.headers());
    let meter = Rc::new(Meter::new(limits, client_address(request.request()), is_known));
    let allowed = match presented(request.request(), state.settings.auth_cookie.as_deref()) {
        Presented::Header(_) | Presented::Cookies(_) => Ok(()),
        Presented::Nothing | Presented::Malformed(_) => meter.anonymous(),
    };
    let mut response = match allowed {
        Err(refusal) => request.error_response(refusal),
        Ok(()) => {
            request.extensions_mut().insert(meter.clone());
            let response = next.call(request).await?.map_into_boxed_body();
            match meter.anonymous() {
                Err(refusal) => response.error_response(refusal),
                Ok(()) => response,
            }
        }
    };
    for (name, value) in meter.count().iter().flat_map(Count::fields) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
