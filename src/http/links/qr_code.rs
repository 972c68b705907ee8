//! `GET /api/v1/shared_chats/{id}/qr_code`.

use std::{ops::RangeInclusive, str::FromStr};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use url::form_urlencoded;

use crate::http::{extract::link_id::LinkId, views::qr_codes::Drawn};
use crate::{
    http::{
        State,
        call::{Audited, Call, Refusals},
        error::{ApiError, ErrorType as E},
        extract::credentials::OptionalCaller,
        headers::{accept::named_quality, etag::not_modified},
        views::show::link_headers,
    },
    model::hex,
    qr::{self, ErrorCorrection, QrError, QrFormat, QrOptions},
    sharing::SharingError,
};

pub struct DrawQrCode;

impl Call for DrawQrCode {
    const AUDITED: Audited = Audited::None;
    const REFUSALS: &'static [E] = &[E::BadRequest, E::NotFound, E::Unavailable];
}

/// The link's address as an image. No credential is asked for: an `<img>` cannot send one, and the
/// image tells nothing that whoever asks does not know.
///
/// # Errors
/// 404 for a dead link; 400 for options out of range, or a size too small to scan.
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}/qr_code", tag = "links",
    operation_id = "get_qr_code",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("format" = Option<String>, Query, pattern = "^(png|svg)$",
            description = "Without it `Accept` decides, PNG by default"),
        ("size" = Option<u32>, Query, minimum = 64, maximum = 2048,
            description = "Pixels of a side, 300 by default"),
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
    let standing = state.sharing.link_state(&id).await?;
    let key = (id, options(&request)?);
    let draw = || draw(state.urls.url(&key.0), key.1);
    let again = async || Ok(state.sharing.link_state(&key.0).await?);
    let (Drawn { image, tag }, standing) =
        state.qr_codes.image(&key, standing, draw, again).await?;
    let unchanged = not_modified(&request, tag.to_str().unwrap_or_default());
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    link_headers(&mut response, standing.is_private(), tag);
    response
        // An image for other sites' pages too, as the frontend's.
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
        .insert_header((header::VARY, HeaderValue::from_static("Accept")));
    if unchanged {
        return Ok(response.finish());
    }
    let format = key.1.format;
    if format == QrFormat::Svg {
        // Opened by itself an SVG is a document; it needs nothing but its own shapes.
        response.insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'"));
    }
    let media_type = HeaderValue::from_static(format.content_type());
    Ok(response.insert_header((header::CONTENT_TYPE, media_type)).body(image))
}

async fn draw(url: String, options: QrOptions) -> Result<Drawn, ApiError> {
    // The address is part of it: `PUBLIC_URL` may have changed since.
    let address = hex(&Sha256::digest(&url)[..6]);
    let QrOptions { format, size, margin, error_correction } = options;
    let tag = format!("\"q2-{address}-{format:?}-{size}-{margin}-{error_correction:?}\"");
    let tag = HeaderValue::try_from(tag).map_err(SharingError::defect)?;
    let drawn = spawn_blocking(move || qr::render(&url, &options)).await;
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

pub(in crate::http) fn options(request: &HttpRequest) -> Result<QrOptions, ApiError> {
    let mut options = QrOptions::default();
    let mut format = None;
    for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        match &*name {
            "format" => {
                format = Some(match &*value {
                    "png" => QrFormat::Png,
                    "svg" => QrFormat::Svg,
                    _ => return Err(ApiError::bad_value("format", "must be png or svg")),
                });
            }
            "size" => options.size = number("size", &value, QrOptions::SIZES)?,
            "margin" => options.margin = number("margin", &value, QrOptions::MARGINS)?,
            "error_correction" => {
                options.error_correction = match &*value {
                    "L" => ErrorCorrection::L,
                    "M" => ErrorCorrection::M,
                    "Q" => ErrorCorrection::Q,
                    "H" => ErrorCorrection::H,
                    _ => {
                        return Err(ApiError::bad_value(
                            "error_correction",
                            "must be L, M, Q or H",
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    options.format = format.unwrap_or_else(|| accepted(request));
    Ok(options)
}

fn number(name: &str, value: &str, range: RangeInclusive<u32>) -> Result<u32, ApiError> {
    u32::from_str(value).ok().filter(|n| range.contains(n)).ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        ApiError::bad_value(name, format!("must be a whole number from {least} to {most}"))
    })
}

/// SVG where the client likes it better than PNG, as in `Accept: image/svg+xml`.
fn accepted(request: &HttpRequest) -> QrFormat {
    if !request.headers().contains_key(header::ACCEPT) {
        return QrFormat::Png;
    }
    let quality = |media| named_quality(request, media).unwrap_or(0.0);
    if quality("image/svg+xml") > quality("image/png") { QrFormat::Svg } else { QrFormat::Png }
}
