//! The chat service's calls about its chats (docs/API.md 4).

use actix_web::{HttpRequest, HttpResponse, web};

use crate::http::State;
use crate::http::call::{Audited, CALLER, Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::credentials::ChatServiceCaller;
use crate::http::extract::user_id::user_id;
use crate::http::responses::{DeletedLinks, OwnedSharedChatInfo};
use crate::model::{Action, ChatSessionId, ClientInfo};

/// The id in the path; 404 if no chat can have it.
fn chat_id(request: &HttpRequest) -> Result<ChatSessionId, ApiError> {
    let id = request.match_info().get("id").and_then(|id| ChatSessionId::parse(id).ok());
    id.ok_or_else(|| ApiError::new(E::NotFound, "There is no such chat."))
}

pub struct ListOfChat;

impl Call for ListOfChat {
    const AUDITED: Audited = Audited::AttemptsAtChat(Action::ListOfChat);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, &[E::NotFound]];
}

/// Lists all links to a chat, of every owner.
///
/// `label` is null: only a link's owner sees it.
#[utoipa::path(
    get, path = "/api/v1/chats/{chat_session_id}/shared_chats", tag = "chat service",
    operation_id = "list_shared_chats_of_chat",
    params(("chat_session_id" = String, Path, description = "The chat's id")),
    responses(
        (status = 200, description = "All links to the chat", body = Vec<OwnedSharedChatInfo>),
        Refusals<ListOfChat>,
    ),
    security(("chat_service" = [])),
)]
pub async fn links(
    request: HttpRequest,
    state: web::Data<State>,
    _: ChatServiceCaller,
) -> Result<HttpResponse, ApiError> {
    let chats = state.sharing.links_of_chat(&chat_id(&request)?).await?;
    let policy = state.sharing.policy().await?.policy;
    let rows: Vec<_> =
        chats.iter().map(|chat| OwnedSharedChatInfo::new(chat, &state.urls, &policy)).collect();
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(rows))
}

pub struct DeleteOfChat;

impl Call for DeleteOfChat {
    const AUDITED: Audited = Audited::AttemptsAtChat(Action::ChatDeleted);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, &[E::NotFound]];
}

/// Deletes all links to a chat, because the chat was deleted.
#[utoipa::path(
    delete, path = "/api/v1/chats/{chat_session_id}/shared_chats", tag = "chat service",
    operation_id = "delete_shared_chats_of_chat",
    params(("chat_session_id" = String, Path, description = "The chat's id")),
    responses(
        (status = 200, description = "The links are deleted", body = DeletedLinks),
        Refusals<DeleteOfChat>,
    ),
    security(("chat_service" = [])),
)]
pub async fn delete_links(
    request: HttpRequest,
    state: web::Data<State>,
    caller: ChatServiceCaller,
    origin: ClientInfo,
) -> Result<HttpResponse, ApiError> {
    let deleted = state.sharing.chat_deleted(&caller, &chat_id(&request)?, origin).await?;
    Ok(HttpResponse::Ok().json(DeletedLinks { deleted }))
}

pub struct DeleteOfOwner;

impl Call for DeleteOfOwner {
    const AUDITED: Audited = Audited::AttemptsAtChat(Action::OwnerRemoved);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, &[E::BadRequest, E::NotFound]];
}

/// Deletes one owner's links to a chat, because they may not share it any more.
///
/// Other owners' links stay, and the owner may share the chat again once the chat service lets
/// them.
#[utoipa::path(
    delete, path = "/api/v1/chats/{chat_session_id}/owners/{owner_id}/shared_chats",
    tag = "chat service", operation_id = "delete_shared_chats_of_owner",
    params(
        ("chat_session_id" = String, Path, description = "The chat's id"),
        ("owner_id" = String, Path, description = "The owner's `sub`, percent-encoded",
            min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"),
    ),
    responses(
        (status = 200, description = "The links are deleted", body = DeletedLinks),
        Refusals<DeleteOfOwner>,
    ),
    security(("chat_service" = [])),
)]
pub async fn delete_links_of_owner(
    request: HttpRequest,
    state: web::Data<State>,
    caller: ChatServiceCaller,
    origin: ClientInfo,
) -> Result<HttpResponse, ApiError> {
    let (chat, owner) = (chat_id(&request)?, user_id(&request, 1)?);
    let deleted = state.sharing.owner_removed(&caller, &chat, &owner, origin).await?;
    Ok(HttpResponse::Ok().json(DeletedLinks { deleted }))
}

pub struct ChangeOfChat;

impl Call for ChangeOfChat {
    const AUDITED: Audited = Audited::AttemptsAtChat(Action::ChatChanged);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, &[E::NotFound]];
}

/// Reports that messages or the name of a chat changed.
///
/// Views of its live links show the change from now on, and open event streams send it within a
/// second, on every instance. For a chat without links the call does nothing.
#[utoipa::path(
    post, path = "/api/v1/chats/{chat_session_id}/changes", tag = "chat service",
    operation_id = "chat_changed",
    params(("chat_session_id" = String, Path, description = "The chat's id")),
    responses((status = 202, description = "Viewers are being told"), Refusals<ChangeOfChat>),
    security(("chat_service" = [])),
)]
pub async fn changed(
    request: HttpRequest,
    state: web::Data<State>,
    _: ChatServiceCaller,
) -> Result<HttpResponse, ApiError> {
    state.sharing.chat_changed(&chat_id(&request)?).await?;
    Ok(HttpResponse::Accepted().insert_header(("cache-control", "no-store")).finish())
}
