//! Whether this instance lives, and whether it can serve.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    State,
    error::{ApiError, ErrorType},
};

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

/// The database answers, and tokens can be checked.
///
/// # Errors
/// 503 when one of them is not so.
#[utoipa::path(get, path = "/health/ready", tag = "operations", operation_id = "ready",
    responses((status = 200, description = "It can serve", body = Health)), security(()))]
pub async fn ready(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    state.sharing.ping().await?;
    if !state.authenticator.ready() {
        let message = "No keys of the identity provider are known; public links work.";
        return Err(ApiError::new(ErrorType::Unavailable, message));
    }
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(OK))
}
