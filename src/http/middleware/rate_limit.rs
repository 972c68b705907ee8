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
    extract::{client_address::client_address, credentials},
    rate_limits::{Count, Meter, RateLimits},
    state::State,
};

/// Counts a request, and refuses it if it is one too many. Without a credential it is clear at once
/// whose it is; with one the handler tells ([`credentials`]), and where it has no use for it, it was
/// anyone's.
///
/// # Errors
/// None of its own; a refusal is a response.
pub async fn counted(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    state: &State,
    limits: Arc<RateLimits>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let meter = Rc::new(Meter::new(limits, client_address(request.request())));
    let has_credential = credentials::are_presented(request.request(), state);
    let mut response = match meter.anyone_unless(has_credential) {
        Err(refused) => request.error_response(refused),
        Ok(()) => {
            request.extensions_mut().insert(meter.clone());
            let response = next.call(request).await?.map_into_boxed_body();
            match meter.anyone() {
                Err(refused) => response.error_response(refused),
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
