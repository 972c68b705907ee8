//! What the chat service asks about its chats (contract 4).

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{
        State,
        call::{Audited, Call, Refusals},
        error::{ApiError, ErrorType as E},
        extract::credentials::ChatServiceCaller,
        responses::OwnedSharedChatInfo,
    },
    model::{Action, ChatSessionId, ClientInfo},
};

/// How many links ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"deleted": 3}))]
pub struct DeletedLinks {
    pub deleted: usize,
}

/// The id of a chat in a path.
pub struct ChatId(Option<ChatSessionId>);

impl FromRequest for ChatId {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id");
        std::future::ready(Ok(Self(id.and_then(|id| ChatSessionId::parse(id).ok()))))
    }
}

impl ChatId {
    /// What cannot be a chat's id is a chat that there is not.
    fn get(self) -> Result<ChatSessionId, ApiError> {
        self.0.ok_or_else(|| ApiError::new(E::NotFound, "There is no such chat."))
    }
}

const REFUSALS: &[E] =
    &[E::LoginRequired, E::InvalidToken, E::Forbidden, E::NotFound, E::Unavailable];

pub struct ListOfChat;

impl Call for ListOfChat {
    const AUDITED: Audited = Audited::AttemptsAtChat(Action::ListOfChat);
    const REFUSALS: &'static [E] = REFUSALS;
}

/// All links to a chat, whoever made them.
///
/// Labels are for their owners alone: `label` is null.
///
/// # Errors
/// 401, 403 without the scope, 503.
#[utoipa::path(
    get, path = "/api/v1/chats/{chat_session_id}/shared_chats", tag = "chat service",
    operation_id = "list_shared_chats_of_chat",
    params(("chat_session_id" = String, Path, description = "The chat's id")),
    responses(
        (status = 200, description = "All links to the chat, whoever made them",
            body = Vec<OwnedSharedChatInfo>),
        Refusals<ListOfChat>,
    ),
    security(("chat_service" = [])),
)]
pub async fn links(
    state: web::Data<State>,
    _: ChatServiceCaller,
    id: ChatId,
) -> Result<HttpResponse, ApiError> {
    let chats = state.sharing.links_of_chat(&id.get()?).await?;
    let rows: Vec<_> =
        chats.iter().map(|chat| OwnedSharedChatInfo::new(chat, &state.urls)).collect();
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(rows))
}

pub struct DeleteOfChat;

impl Call for DeleteOfChat {
    const AUDITED: Audited = Audited::AttemptsAtChat(Action::ChatDeleted);
    const REFUSALS: &'static [E] = REFUSALS;
}

/// The chat was deleted: all its links go.
///
/// # Errors
/// 401, 403 without the scope, 503.
#[utoipa::path(
    delete, path = "/api/v1/chats/{chat_session_id}/shared_chats", tag = "chat service",
    operation_id = "delete_shared_chats_of_chat",
    params(("chat_session_id" = String, Path, description = "The chat's id")),
    responses(
        (status = 200, description = "They are gone", body = DeletedLinks),
        Refusals<DeleteOfChat>,
    ),
    security(("chat_service" = [])),
)]
pub async fn delete_links(
    state: web::Data<State>,
    caller: ChatServiceCaller,
    origin: ClientInfo,
    id: ChatId,
) -> Result<HttpResponse, ApiError> {
    let deleted = state.sharing.chat_deleted(&caller, &id.get()?, origin).await?;
    Ok(HttpResponse::Ok().json(DeletedLinks { deleted }))
}

pub struct ChangeOfChat;

impl Call for ChangeOfChat {
    const AUDITED: Audited = Audited::AttemptsAtChat(Action::ChatChanged);
    const REFUSALS: &'static [E] = REFUSALS;
}

/// Messages or the name of the chat changed. Views of its live links show it from now on, and whoever
/// watches one is told within a second, on every instance. There is no need to call it for a chat
/// that nobody shares, and no harm.
///
/// # Errors
/// 401, 403 without the scope, 503.
#[utoipa::path(
    post, path = "/api/v1/chats/{chat_session_id}/changes", tag = "chat service",
    operation_id = "chat_changed",
    params(("chat_session_id" = String, Path, description = "The chat's id")),
    responses((status = 202, description = "Viewers are being told"), Refusals<ChangeOfChat>),
    security(("chat_service" = [])),
)]
pub async fn changed(
    state: web::Data<State>,
    _: ChatServiceCaller,
    id: ChatId,
) -> Result<HttpResponse, ApiError> {
    state.sharing.chat_changed(&id.get()?).await?;
    Ok(HttpResponse::Accepted().insert_header(("cache-control", "no-store")).finish())
}
