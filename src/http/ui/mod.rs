//! The JavaScript of `clients/web`, for pages of any origin to load (docs/INTEGRATION.md).

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::Bytes,
};
use moka::future::Cache;
use rust_embed::RustEmbed;
use tokio::task::spawn_blocking;

use crate::{
    http::{
        error::{ApiError, ErrorType},
        headers::{coding::Coding, etag::not_modified},
    },
    model::hex,
    sharing::SharingError,
};

/// Where the files are served.
pub const PREFIX: &str = "/ui/";

/// Part of the binary; a debug build reads them from the checkout at each request.
#[derive(RustEmbed)]
#[folder = "clients/web/"]
#[include = "*.js"]
#[exclude = "node_modules/*"]
#[exclude = "sample/*"]
struct Files;

/// Encoded files by their entity tags. There are fewer than 64 files, in four codings each.
static BODIES: LazyLock<Cache<String, Bytes>> = LazyLock::new(|| Cache::new(256));

/// Sends a file. Unlike everything else here it is for every origin, as it holds no data. The files
/// import each other, so a browser asks for each again (`no-cache`) and never mixes two releases.
///
/// # Errors
/// 404 if there is no such file.
pub async fn file(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = request.match_info().get("file").unwrap_or_default();
    let file = Files::get(path).ok_or(ErrorType::NotFound)?;
    let coding = Coding::negotiate(&request);
    let hash = hex(&file.metadata.sha256_hash()[..16]);
    let tag = format!("\"{hash}-{}\"", coding.name());
    let is_known = not_modified(&request, &tag);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, tag.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"));
    if is_known {
        return Ok(response.finish());
    }
    if coding != Coding::Identity {
        response.insert_header((header::CONTENT_ENCODING, coding.name()));
    }
    let encoding = async {
        let file = Bytes::from(file.data.into_owned());
        spawn_blocking(move || coding.encode(&file)).await?
    };
    let body = BODIES.try_get_with(tag, encoding).await.map_err(SharingError::defect)?;
    response.insert_header((header::CONTENT_TYPE, JAVASCRIPT));
    Ok(response.body(body))
}

/// RFC 9239.
const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
