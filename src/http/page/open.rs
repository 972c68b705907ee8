//! The link itself, at `SHARE_PATH`: a page for a browser, JSON for other clients.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    http::header::{self, HeaderValue},
    web,
};
use url::Url;

use crate::{
    http::{
        State,
        call::Refusals,
        error::{ApiError, ErrorType},
        extract::{context::RequestId, credentials::OptionalCaller, link_id::LinkId},
        headers::accept::named_quality,
        links::view::View,
        page,
        responses::SharedChatDetail,
        views::{
            representation::Format,
            show::{UNLISTED, show},
        },
    },
    model::ShareId,
    sharing::SharingError,
};

/// Opens a link (at `SHARE_PATH`, by default as here, while this service shows links itself): a page
/// for a browser, and what the API gives for anything else. A browser gets refusals as pages too.
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
            content((String = "text/html"), (SharedChatDetail = "application/json")),
            headers(
                ("ETag" = String, description = "Strong, one for each coding"),
                ("Cache-Control" = String, description = "`no-cache`; `private, no-cache` for a private link"),
            )),
        (status = 304, description = "`If-None-Match` names it"),
        Refusals<View>,
    ),
    security((), ("bearer" = [])),
)]
pub async fn open(
    request: HttpRequest,
    state: web::Data<State>,
    id: LinkId,
    viewer: OptionalCaller,
) -> Result<HttpResponse, ApiError> {
    let format = if wants_html(&request) { Format::Page } else { Format::Json };
    let shown = match id.0.clone() {
        Some(id) => show(&request, &state, &id, &viewer, format).await,
        None => Err(ApiError::no_such_link()),
    };
    match shown {
        Err(error) if format == Format::Page => error_page(&request, &state, id.0.as_ref(), &error),
        shown => shown,
    }
}

/// The pages' icon: without it browsers log an error on each page.
pub async fn favicon() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(page::FAVICON)
}

/// Whether the client prefers HTML. curl's `*/*` does not count.
fn wants_html(request: &HttpRequest) -> bool {
    let html = named_quality(request, "text/html").unwrap_or(0.0);
    html > 0.0 && html >= named_quality(request, "application/json").unwrap_or(0.0)
}

fn error_page(
    request: &HttpRequest,
    state: &State,
    id: Option<&ShareId>,
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
    headers.insert(header::VARY, state.vary(request));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&page::CONTENT_SECURITY_POLICY) {
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
    fn a_browser_gets_a_page_and_other_clients_get_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, page) in [
            (browser, true),
            ("text/html", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html;q=0.5", false),
            ("text/html;q=0", false),
            ("", false),
        ] {
            let request =
                TestRequest::default().insert_header((header::ACCEPT, accept)).to_http_request();
            assert_eq!(wants_html(&request), page, "{accept}");
        }
    }
}
