//! `GET /api/v1/shared_chats/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded;

use crate::http::call::{Audited, CALLER, CHAT_SERVICE, Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::{credentials::OptionalCaller, link_id::LinkId};
use crate::http::headers::accept::preferred;
use crate::http::responses::SharedChatDetail;
use crate::http::state::State;
use crate::http::views::{representation::Format, show::show};
use crate::model::Action;

pub struct View;

impl Call for View {
    const AUDITED: Audited = Audited::PrivateLinks(Action::View);
    const REFUSALS: &'static [&'static [E]] =
        &[CALLER, CHAT_SERVICE, &[E::BadRequest, E::NotFound]];
}

/// Shows a link: a public one to anyone, a private one to signed-in users. As a Markdown document
/// for a client that prefers `text/markdown`, or asks for that `format`.
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}", tag = "links",
    operation_id = "get_shared_chat",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("format" = Option<String>, Query, pattern = "^(json|markdown)$",
            description = "By default what `Accept` prefers, else JSON"),
        ("If-None-Match" = Option<String>, Header, description = "An entity tag of the view"),
    ),
    responses(
        (status = 200, description = "The shared chat",
            content((SharedChatDetail = "application/json"), (String = "text/markdown")),
            headers(
                ("ETag" = String, description = "Strong, one for each coding"),
                ("Cache-Control" = String,
                    description = "`no-cache`; `private, no-cache` for a private link"),
            )),
        (status = 304, description = "`If-None-Match` names it"),
        Refusals<View>,
    ),
    security((), ("bearer" = [])),
)]
pub async fn view(
    request: HttpRequest,
    state: web::Data<State>,
    id: LinkId,
    viewer: OptionalCaller,
) -> Result<HttpResponse, ApiError> {
    let id = id.get()?;
    let format = wanted(&request)?;
    show(&request, &state, &id, &viewer, format).await
}

fn wanted(request: &HttpRequest) -> Result<Format, ApiError> {
    let query = form_urlencoded::parse(request.query_string().as_bytes());
    match query.filter(|(name, _)| name == "format").last() {
        Some((_, value)) => match &*value {
            "json" => Ok(Format::Json),
            "markdown" => Ok(Format::Markdown),
            _ => Err(ApiError::bad_value("format", "must be json or markdown")),
        },
        None => {
            let offers = [("application/json", Format::Json), ("text/markdown", Format::Markdown)];
            Ok(preferred(request, &offers).unwrap_or(Format::Json))
        }
    }
}
