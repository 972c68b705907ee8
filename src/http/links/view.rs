//! `GET /api/v1/shared_chats/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::call::{Audited, CALLER, CHAT_SERVICE, Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::{credentials::OptionalCaller, link_id::LinkId};
use crate::http::responses::SharedChatDetail;
use crate::http::state::State;
use crate::http::views::{representation::Format, show::show};
use crate::model::Action;

pub struct View;

impl Call for View {
    const AUDITED: Audited = Audited::PrivateLinks(Action::View);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, CHAT_SERVICE, &[E::NotFound]];
}

/// Shows a link: a public one to anyone, a private one to signed-in users.
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}", tag = "links",
    operation_id = "get_shared_chat",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("If-None-Match" = Option<String>, Header, description = "An entity tag of the view"),
    ),
    responses(
        (status = 200, description = "The shared chat",
            body = SharedChatDetail,
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
    show(&request, &state, &id.get()?, &viewer, Format::Json).await
}
