//! The link itself, at `SHARE_PATH`: a page, or JSON for clients that ask for it.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    http::header::{self, HeaderValue},
    web,
};
use url::Url;

use crate::{
    http::{
        State,
        call::{Audited, CALLER, CHAT_SERVICE, Call, Refusals},
        error::{ApiError, ErrorType},
        extract::{context::RequestId, credentials::OptionalCaller, link_id::LinkId},
        headers::accept::preferred,
        links::view::View,
        page,
        responses::SharedChatDetail,
        views::{
            representation::Format,
            show::{UNLISTED, show, unlisted},
        },
    },
    model::ShareId,
    sharing::SharingError,
};

pub struct Open;

impl Call for Open {
    const AUDITED: Audited = View::AUDITED;
    const REFUSALS: &'static [&'static [ErrorType]] =
        &[CALLER, CHAT_SERVICE, &[ErrorType::NotFound]];
    const HAS_PAGES: bool = true;
}

/// Opens a link (at `SHARE_PATH`, by default as here, while this service shows links itself): a
/// page, and what the API gives for a client that prefers `application/json` or `text/markdown`.
/// Refusals are pages too. With a slash at its end the path is redirected to the one without.
///
/// # Errors
/// Those of [`show`].
#[utoipa::path(
    get, path = "/shared/{shared_chat_id}", tag = "links", operation_id = "open_link",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("If-None-Match" = Option<String>, Header, description = "An entity tag of the view"),
    ),
    responses(
        (status = 200, description = "The shared chat",
            content((String = "text/html"), (SharedChatDetail = "application/json"),
                (String = "text/markdown")),
            headers(
                ("ETag" = String, description = "Strong, one for each coding"),
                ("Cache-Control" = String, description = "`no-cache`; `private, no-cache` for a private link"),
            )),
        (status = 304, description = "`If-None-Match` names it"),
        Refusals<Open>,
    ),
    security((), ("bearer" = [])),
)]
pub async fn open(
    request: HttpRequest,
    state: web::Data<State>,
    id: LinkId,
    viewer: OptionalCaller,
) -> Result<HttpResponse, ApiError> {
    let format = wanted(&request);
    let shown = match id.0.clone() {
        Some(id) => show(&request, &state, &id, &viewer, format).await,
        None => Err(ApiError::no_such_link()),
    };
    match shown {
        Err(error) if format == Format::Page => {
            error_page(&request, &state, id.0.as_ref(), Some(&viewer), &error)
        }
        shown => shown,
    }
}

/// Redirects to the link a path with a slash at its end, which chats and mail programs add. It
/// does not look the link up, so it is the same whether the link exists.
pub async fn without_slash(
    request: HttpRequest,
    state: web::Data<State>,
    id: LinkId,
) -> Result<HttpResponse, ApiError> {
    let Some(id) = id.0 else {
        let error = ApiError::no_such_link();
        return match wanted(&request) {
            Format::Page => error_page(&request, &state, None, None, &error),
            Format::Json | Format::Markdown => Err(error),
        };
    };
    let mut response = HttpResponse::PermanentRedirect();
    unlisted(&mut response);
    Ok(response.insert_header((header::LOCATION, state.urls.relative_path(&id))).finish())
}

/// The pages' icon: without it browsers log an error on each page.
pub async fn favicon() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(page::FAVICON)
}

/// What the client names and prefers. A crawler's `*/*` names nothing, and gets the page.
fn wanted(request: &HttpRequest) -> Format {
    let offers = [
        ("text/html", Format::Page),
        ("application/json", Format::Json),
        ("text/markdown", Format::Markdown),
    ];
    preferred(request, &offers).unwrap_or(Format::Page)
}

fn error_page(
    request: &HttpRequest,
    state: &State,
    id: Option<&ShareId>,
    viewer: Option<&OptionalCaller>,
    error: &ApiError,
) -> Result<HttpResponse, ApiError> {
    let request_id = request.extensions().get::<RequestId>().cloned();
    let request_id = request_id.as_ref().map_or("-", RequestId::as_str);
    let status = error.status_code();
    let html = match error.error_type() {
        ErrorType::NotFound => page::not_found(),
        ErrorType::LoginRequired | ErrorType::InvalidToken => {
            page::sign_in(id.and_then(|id| login_url(state, id)).as_deref())
        }
        ErrorType::NotInAudience => {
            let viewer = viewer.and_then(OptionalCaller::verified).map(|caller| caller.identity);
            let name = viewer.as_ref().and_then(|viewer| viewer.display_name.as_deref());
            page::not_in_audience(name, id.and_then(|id| login_url(state, id)).as_deref())
        }
        _ => {
            let title = "This chat cannot be shown at the moment";
            page::failure(status.as_u16(), title, error.message(), request_id)
        }
    };
    let html = html.map_err(SharingError::defect)?;
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), request_id, "{}", error.cause().unwrap_or("-"));
    }
    // `WWW-Authenticate` and `Retry-After` are those of the JSON error.
    let mut response = error.respond(request_id).map_into_boxed_body();
    let headers = response.headers_mut();
    for (name, value) in UNLISTED {
        headers.insert(name, value);
    }
    headers.insert(header::VARY, state.vary());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&page::NOTICE_CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // For the audit record, and the request's line in the log.
    response.extensions_mut().insert(error.error_type());
    if let Some(refused) = error.refusal() {
        response.extensions_mut().insert(refused);
    }
    Ok(response.set_body(html).map_into_boxed_body())
}

/// `LOGIN_URL`, with the address to return to.
fn login_url(state: &State, id: &ShareId) -> Option<String> {
    let mut url: Url = state.settings.login_url.clone()?;
    url.query_pairs_mut().append_pair("return_to", &state.urls.url(id));
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn json_and_markdown_are_for_clients_that_name_them() {
        use Format::{Json, Markdown, Page};
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, format) in [
            (browser, Page),
            ("text/html", Page),
            ("*/*", Page),
            ("", Page),
            ("image/png", Page),
            ("text/*", Page),
            ("text/html, application/json", Page),
            ("text/markdown, text/html", Page),
            ("application/json;q=0, */*", Page),
            ("text/markdown;q=0, */*", Page),
            ("application/activity+json, application/ld+json", Page),
            ("application/json", Json),
            ("application/json, text/plain, */*", Json),
            ("application/json, text/html;q=0.5", Json),
            ("application/json, text/markdown", Json),
            ("application/*", Json),
            ("text/markdown", Markdown),
            ("TEXT/Markdown; charset=utf-8, */*;q=0.1", Markdown),
            ("text/html;q=0.8, text/markdown;q=0.9, application/json;q=0.7", Markdown),
        ] {
            let request =
                TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request();
            assert_eq!(wanted(&request), format, "{accept}");
        }
    }
}
