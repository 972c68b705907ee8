//! Counts requests against the rate limits.

use std::{rc::Rc, sync::Arc};

use actix_web::{
    Error, HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::HeaderValue,
    middleware::Next,
};

use crate::http::{
    extract::{
        client_address::client_address,
        credentials::{Presented, presented},
    },
    rate_limits::{Count, Meter, RateLimits},
    state::State,
};

/// Counts a request, and refuses it over the limit. A request without a credential is counted at
/// once, for its address. Of one with a credential the handler knows the caller; if it did not
/// verify the credential, the request is counted for its address in the end.
pub async fn counted(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    state: &State,
    limits: Arc<RateLimits>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let meter = Rc::new(Meter::new(limits, client_address(request.request())));
    let admitted = match presented(request.request(), state.settings.auth_cookie.as_deref()) {
        Presented::Credential(_) => Ok(()),
        Presented::Nothing | Presented::Malformed => meter.anonymous(),
    };
    let mut response = match admitted {
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
