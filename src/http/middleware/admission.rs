//! Admission control: at most `MAX_CONCURRENT_REQUESTS` in flight, and the rate limits.

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};

use crate::http::{
    State,
    error::{ApiError, ErrorType},
    middleware::rate_limit,
};

/// Admits a request, or refuses it before it costs anything: 414 if its target is too long, 503
/// while `MAX_CONCURRENT_REQUESTS` are in flight, 429 over a rate limit. Probes are always admitted.
pub async fn admit(
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
    match &state.rate_limits {
        Some(limits) => rate_limit::counted(request, next, &state, limits.clone()).await,
        None => Ok(next.call(request).await?.map_into_boxed_body()),
    }
}
