//! `GET /api/v1/shared_chats/{id}/qr_code`.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use url::form_urlencoded;

use crate::http::State;
use crate::http::call::{Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::{credentials::OptionalCaller, link_id::LinkId};
use crate::http::headers::{accept::named_quality, etag::not_modified};
use crate::http::links::query::number;
use crate::http::views::{
    qr_codes::Drawn,
    show::{embeddable, link_headers},
};
use crate::limit::{Limiter, Timeout};
use crate::model::hex;
use crate::qr::{self, ErrorCorrection, QrError, QrFormat, QrOptions};
use crate::sharing::SharingError;

pub struct DrawQrCode;

impl Call for DrawQrCode {
    const REFUSALS: &'static [&'static [E]] = &[&[E::NotFound]];
}

/// The link's URL as a QR code.
///
/// No credential is needed: an `<img>` cannot send one, and the image contains only what the caller
/// already has.
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}/qr_code", tag = "links",
    operation_id = "get_qr_code",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("format" = Option<String>, Query, pattern = "^(png|svg)$",
            description = "By default what `Accept` prefers, else PNG"),
        ("size" = Option<u32>, Query, minimum = 64, maximum = 2048,
            description = "Width and height in pixels, 300 by default. 400 if too small to scan"),
        ("margin" = Option<u32>, Query, minimum = 0, maximum = 16,
            description = "Modules of quiet zone, 4 by default"),
        ("error_correction" = Option<String>, Query, pattern = "^[LMQH]$",
            description = "`M` by default"),
    ),
    responses(
        (status = 200, description = "The image",
            content((Vec<u8> = "image/png"), (String = "image/svg+xml"))),
        (status = 304, description = "`If-None-Match` names it"),
        Refusals<DrawQrCode>,
    ),
    security(()),
)]
pub async fn qr_code(
    request: HttpRequest,
    state: web::Data<State>,
    id: LinkId,
    viewer: OptionalCaller,
) -> Result<HttpResponse, ApiError> {
    viewer.count_as_anyone()?;
    let id = id.get()?;
    let link = state.sharing.link_state(&id).await?;
    let key = (id, options(&request)?);
    let draw = || draw(state.urls.url(&key.0), key.1, &state.bodies.makers);
    let link_state = async || Ok(state.sharing.link_state(&key.0).await?);
    let (Drawn { image, tag }, link) = state.qr_codes.image(&key, link, draw, link_state).await?;
    let unchanged = not_modified(&request, tag.to_str().unwrap_or_default());
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    link_headers(&mut response, link.is_private(), tag);
    embeddable(&mut response, link.is_private());
    response.insert_header((header::VARY, HeaderValue::from_static("Accept")));
    if unchanged {
        return Ok(response.finish());
    }
    let format = key.1.format;
    if format == QrFormat::Svg {
        // If an SVG is opened as a page, it loads nothing.
        response.insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'"));
    }
    let media_type = HeaderValue::from_static(format.content_type());
    Ok(response.insert_header((header::CONTENT_TYPE, media_type)).body(image))
}

/// Draws the image on a blocking thread, with a permit as for a view's body.
async fn draw(url: String, options: QrOptions, makers: &Limiter) -> Result<Drawn, ApiError> {
    // `PUBLIC_URL` may change, so the tag depends on the URL.
    let hash = hex(&Sha256::digest(&url)[..6]);
    let QrOptions { format, size, margin, error_correction } = options;
    let tag = format!("\"q2-{hash}-{format:?}-{size}-{margin}-{error_correction:?}\"");
    let tag = HeaderValue::try_from(tag).map_err(SharingError::defect)?;
    let permit = makers.acquire().await;
    let permit = permit.map_err(|Timeout| ApiError::overloaded("too many images are drawn"))?;
    let drawing = spawn_blocking(move || {
        let _permit = permit;
        qr::render(&url, &options)
    });
    let drawn = drawing.await;
    let drawn = drawn.map_err(SharingError::defect)?.map_err(|error| match error {
        QrError::TooSmall { least } => {
            ApiError::bad_value("size", format!("must be at least {least} to be scanned"))
        }
        QrError::TooLong => ApiError::new(
            E::BadRequest,
            "error_correction: the link is too long for a QR code at this level",
        ),
        other => SharingError::defect(other).into(),
    })?;
    Ok(Drawn { image: drawn.into(), tag })
}

pub fn options(request: &HttpRequest) -> Result<QrOptions, ApiError> {
    let mut options = QrOptions::default();
    let bad = |name: &str, problem: &str| Err(ApiError::bad_value(name, problem));
    let mut format = None;
    for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        match &*name {
            "format" => {
                format = Some(match &*value {
                    "png" => QrFormat::Png,
                    "svg" => QrFormat::Svg,
                    _ => return bad(&name, "must be png or svg"),
                });
            }
            "size" => options.size = number(&name, &value, QrOptions::SIZES)?,
            "margin" => options.margin = number(&name, &value, QrOptions::MARGINS)?,
            "error_correction" => {
                options.error_correction = match &*value {
                    "L" => ErrorCorrection::L,
                    "M" => ErrorCorrection::M,
                    "Q" => ErrorCorrection::Q,
                    "H" => ErrorCorrection::H,
                    _ => return bad(&name, "must be L, M, Q or H"),
                }
            }
            _ => {}
        }
    }
    options.format = format.unwrap_or_else(|| accepted(request));
    Ok(options)
}

/// SVG if `Accept` prefers it to PNG.
fn accepted(request: &HttpRequest) -> QrFormat {
    if !request.headers().contains_key(header::ACCEPT) {
        return QrFormat::Png;
    }
    let quality = |media| named_quality(request, media).unwrap_or(0.0);
    if quality("image/svg+xml") > quality("image/png") { QrFormat::Svg } else { QrFormat::Png }
}
