//! `GET /api/v1/shared_chats/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{
    http::{
        call::{Audited, Call, Refusals},
        error::{ApiError, ErrorType as E},
        extract::{credentials::OptionalCaller, link_id::LinkId},
        responses::SharedChatDetail,
        state::State,
        views::{representation::Format, show::show},
    },
    model::Action,
};

pub struct View;

impl Call for View {
    const AUDITED: Audited = Audited::PrivateLinks(Action::View);
    const REFUSALS: &'static [E] = &[
        E::LoginRequired,
        E::InvalidToken,
        E::Forbidden,
        E::NotFound,
        E::ChatTooLarge,
        E::ChatServiceError,
        E::Unavailable,
        E::ChatServiceTimeout,
    ];
}

/// Shows a link: anyone a public one, people who are signed in a private one.
///
/// # Errors
/// See [`show`].
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
                ("Cache-Control" = String, description = "`no-cache`; `private, no-cache` for a private link"),
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
