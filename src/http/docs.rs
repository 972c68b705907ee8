//! The API's description, as JSON, as YAML, and to browse, all from within the binary.

use std::sync::{Arc, LazyLock};

use actix_web::{HttpRequest, HttpResponse, http::header};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use super::{error::ApiError, openapi::ApiDoc};

static JSON: LazyLock<String> =
    LazyLock::new(|| ApiDoc::openapi().to_pretty_json().unwrap_or_default());
static YAML: LazyLock<String> = LazyLock::new(|| ApiDoc::openapi().to_yaml().unwrap_or_default());
static BROWSER: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(Config::from("/openapi.json").validator_url("none").persist_authorization(false))
});

/// Swagger UI styles itself inline; scripts come from this service alone.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `openapi.yaml` as this binary has it.
#[must_use]
pub fn yaml_text() -> &'static str {
    &YAML
}

/// The description as JSON.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", operation_id = "openapi_json",
    responses((status = 200, description = "This document", content_type = "application/json")),
    security(()))]
pub async fn json() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(JSON.as_str())
}

/// The description as YAML (RFC 9512).
#[utoipa::path(get, path = "/openapi.yaml", tag = "operations", operation_id = "openapi_yaml",
    responses((status = 200, description = "This document", content_type = "application/yaml")),
    security(()))]
pub async fn yaml() -> HttpResponse {
    HttpResponse::Ok().content_type("application/yaml").body(YAML.as_str())
}

/// Where the browser's relative addresses start.
pub async fn to_index() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

/// The description to browse.
///
/// # Errors
/// 404 for a file that Swagger UI does not have.
pub async fn browse(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = request.match_info().get("file").unwrap_or_default();
    match utoipa_swagger_ui::serve(path, BROWSER.clone()) {
        Ok(Some(file)) => Ok(HttpResponse::Ok()
            .content_type(file.content_type)
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .body(file.bytes.into_owned())),
        _ => Err(super::error::ErrorType::NotFound.into()),
    }
}
