//! Liveness and readiness.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::http::State;
use crate::http::call::{Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};

/// How long readiness waits for the database; probes themselves have short timeouts.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// The status of a healthy instance.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    pub status: &'static str,
}

/// Liveness: the process answers.
#[utoipa::path(get, path = "/health/live", tag = "operations", operation_id = "live",
    responses((status = 200, description = "It answers", body = Health)), security(()))]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(Health { status: "ok" })
}

pub struct Ready;

impl Call for Ready {
    const REFUSALS: &'static [&'static [E]] = &[&[E::Unavailable]];
    /// Probes are not rate-limited.
    const ANY: &'static [E] = &[E::BadRequest, E::InternalError];
}

/// Readiness: the database answers, tokens can be verified, and the instance is not shutting down.
#[utoipa::path(get, path = "/health/ready", tag = "operations", operation_id = "ready",
    responses((status = 200, description = "It can serve", body = Health), Refusals<Ready>),
    security(()))]
pub async fn ready(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let unready = |message: &'static str| ApiError::new(E::Unavailable, message);
    if state.lifecycle.is_stopping() {
        return Err(unready("This instance is about to stop."));
    }
    let ask = async || {
        let answered = timeout(DATABASE_TIMEOUT, state.sharing.ping()).await;
        Ok(answered.map_err(|_| unready("The database does not answer."))??)
    };
    state.database_check.answer(ask).await?;
    if !state.authenticator.ready() {
        return Err(unready("No keys of the identity provider are known; public links work."));
    }
    Ok(live().await)
}
