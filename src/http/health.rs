//! Whether this instance lives, and whether it can serve.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{
    State,
    call::{Audited, Call, Refusals},
    error::{ApiError, ErrorType as E},
};

/// Whoever asks for readiness gives up soon; a database that needs longer than this is not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// It is well.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    pub status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// The process answers.
#[utoipa::path(get, path = "/health/live", tag = "operations", operation_id = "live",
    responses((status = 200, description = "It answers", body = Health)), security(()))]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(OK)
}

pub struct Ready;

impl Call for Ready {
    const AUDITED: Audited = Audited::None;
    const REFUSALS: &'static [E] = &[E::Unavailable];
    /// Probes are always let in.
    const ANY: &'static [E] = &[E::BadRequest, E::InternalError];
}

/// The database answers, tokens can be checked, and the instance is not about to stop.
///
/// # Errors
/// 503 when one of them is not so.
#[utoipa::path(get, path = "/health/ready", tag = "operations", operation_id = "ready",
    responses((status = 200, description = "It can serve", body = Health), Refusals<Ready>), security(()))]
pub async fn ready(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    if state.lifecycle.is_stopping() {
        return Err(ApiError::new(E::Unavailable, "This instance is about to stop."));
    }
    match tokio::time::timeout(PATIENCE, state.sharing.ping()).await {
        Ok(answered) => answered?,
        Err(_) => {
            let message = "The database does not answer.";
            return Err(ApiError::new(E::Unavailable, message));
        }
    }
    if !state.authenticator.ready() {
        let message = "No keys of the identity provider are known; public links work.";
        return Err(ApiError::new(E::Unavailable, message));
    }
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(OK))
}
