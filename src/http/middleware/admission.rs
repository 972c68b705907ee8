//! Which requests are begun: at most `MAX_CONCURRENT_REQUESTS` at a time, and not more of a client
//! than its rate limit allows. What is beyond is refused before anything is done for it.

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

/// Lets a request in, or refuses it before anything is done for it: 414 with too long an address, 503
/// while `MAX_CONCURRENT_REQUESTS` are in flight, 429 over a rate limit. Probes are always let in.
///
/// # Errors
/// None of its own; a refusal is a response.
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
    // Free again once the response begins, so neither event streams nor downloads hold one.
    let Ok(_permit) = state.requests.try_acquire() else {
        let refusal = ApiError::overloaded("MAX_CONCURRENT_REQUESTS are in flight");
        return Ok(request.error_response(refusal));
    };
    match &state.rate_limits {
        Some(limits) => rate_limit::counted(request, next, &state, limits.clone()).await,
        None => Ok(next.call(request).await?.map_into_boxed_body()),
    }
}
