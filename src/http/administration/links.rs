//! Calls of administrators; the end of a user is the chat service's call too (docs/API.md 4).

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use url::form_urlencoded::{self, Serializer};
use utoipa::ToSchema;

use crate::http::State;
use crate::http::call::{Audited, CALLER, Call, JSON_BODY, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::credentials::{AdminCaller, EndingCaller};
use crate::http::extract::json_body::JsonBody;
use crate::http::extract::user_id::user_id;
use crate::http::links::batch_delete::DeleteSharedChatsRequest;
use crate::http::links::list::LIMITS;
use crate::http::links::query::number;
use crate::http::responses::{DeletedLinks, OwnedSharedChatInfo};
use crate::model::{
    Action, ChatSessionId, ClientInfo, Policy, ShareId, SharedChat, UserId, ViewCounts,
};
use crate::sharing::{InventoryFilter, InventoryQuery, Urls};

const DEFAULT_LIMIT: i64 = 100;

/// A link, as an administrator sees it: `label` is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct InventoryRow<'a> {
    #[serde(flatten)]
    info: OwnedSharedChatInfo<'a>,
    shared_by: Option<&'a str>,
    is_legacy: bool,
    /// Without those of known bots.
    views: u64,
    last_viewed_at: Option<DateTime<Utc>>,
}

impl<'a> InventoryRow<'a> {
    fn new(chat: &'a SharedChat, seen: &ViewCounts, urls: &Urls, policy: &Policy) -> Self {
        Self {
            info: OwnedSharedChatInfo::new(chat, urls, policy),
            shared_by: chat.shared_by.as_deref(),
            is_legacy: chat.is_legacy,
            views: seen.views,
            last_viewed_at: seen.last_viewed_at,
        }
    }
}

pub struct Inventory;

impl Call for Inventory {
    const AUDITED: Audited = Audited::Attempts(Action::AdminList);
    const REFUSALS: &'static [&'static [E]] = &[CALLER];
}

/// Lists links of every owner, in the order of their ids.
#[utoipa::path(
    get, path = "/api/v1/admin/shared_chats", tag = "administration",
    operation_id = "list_all_shared_chats",
    params(
        ("owner_id" = Option<String>, Query, description = "Only this owner's links",
            min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$"),
        ("chat_session_id" = Option<String>, Query, description = "Only links to this chat",
            min_length = 1, max_length = 128,
            pattern = r"^([A-Za-z0-9_~-]|\.[A-Za-z0-9_~-]|\.\.[A-Za-z0-9._~-])[A-Za-z0-9._~-]*$"),
        ("filter_type" = Option<String>, Query,
            description = "`all`, `private`, `public`, `frozen`, `active` (live) or `legacy`",
            pattern = "^(all|private|public|frozen|active|legacy)$"),
        ("after" = Option<String>, Query,
            description = "The id of a link, behind which to go on, as the `next` page in `Link` \
                           has it"),
        ("limit" = Option<i64>, Query, description = "Links on a page, 100 by default",
            minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "A page of links", body = Vec<InventoryRow>,
            headers(("Link" = String, description = "The next page (RFC 8288)"))),
        Refusals<Inventory>,
    ),
    security(("bearer" = [])),
)]
pub async fn inventory(
    request: HttpRequest,
    state: web::Data<State>,
    caller: AdminCaller,
    origin: ClientInfo,
) -> Result<HttpResponse, ApiError> {
    let (query, kept) = parse(request.query_string())?;
    let limit = query.limit;
    let page = state.sharing.inventory(&caller, query, origin).await?;
    let policy = state.sharing.policy().await?.policy;
    let rows: Vec<_> = page
        .iter()
        .map(|(chat, seen)| InventoryRow::new(chat, seen, &state.urls, &policy))
        .collect();
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    let is_full = i64::try_from(page.len()).is_ok_and(|rows| rows == limit);
    if let Some((last, _)) = page.last().filter(|_| is_full) {
        let mut next = Serializer::new(String::new());
        next.extend_pairs(kept).append_pair("after", last.id.as_str());
        next.append_pair("limit", &limit.to_string());
        let path = state.urls.at(request.path());
        let link = format!("<{path}?{}>; rel=\"next\"", next.finish());
        response.insert_header((header::LINK, link));
    }
    Ok(response.json(rows))
}

/// The query, and the parameters that the next page repeats. Unknown parameters are ignored.
fn parse(text: &str) -> Result<(InventoryQuery, Vec<(String, String)>), ApiError> {
    let mut query = InventoryQuery {
        owner: None,
        chat_session_id: None,
        filter: InventoryFilter::default(),
        after: None,
        limit: DEFAULT_LIMIT,
    };
    let mut kept = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        match &*name {
            "owner_id" => {
                let owner = UserId::parse(&value).map_err(|e| ApiError::bad_value(&name, e))?;
                query.owner = Some(owner);
            }
            "chat_session_id" => {
                let chat = ChatSessionId::parse(&value);
                query.chat_session_id = Some(chat.map_err(|e| ApiError::bad_value(&name, e))?);
            }
            "filter_type" => {
                let named = InventoryFilter::ALL.into_iter().find(|one| one.name() == value);
                let choices = "must be all, private, public, frozen, active or legacy";
                query.filter = named.ok_or_else(|| ApiError::bad_value(&name, choices))?;
            }
            "after" => {
                let after = ShareId::parse(&value);
                let problem = || ApiError::bad_value(&name, "must be the id of a link");
                query.after = Some(after.ok_or_else(problem)?);
                continue;
            }
            "limit" => {
                query.limit = number(&name, &value, LIMITS)?;
                continue;
            }
            _ => continue,
        }
        kept.push((name.into_owned(), value.into_owned()));
    }
    Ok((query, kept))
}

pub struct TakeDown;

impl Call for TakeDown {
    const AUDITED: Audited = Audited::Attempts(Action::AdminDelete);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, JSON_BODY];
}

/// Deletes links of any owner, legacy ones too. Ids of links that do not exist are skipped.
#[utoipa::path(
    post, path = "/api/v1/admin/shared_chats/batch_delete", tag = "administration",
    operation_id = "take_down_shared_chats",
    request_body = DeleteSharedChatsRequest,
    responses((status = 204, description = "They are deleted"), Refusals<TakeDown>),
    security(("bearer" = [])),
)]
pub async fn take_down(
    state: web::Data<State>,
    caller: AdminCaller,
    origin: ClientInfo,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let ids = body.read::<DeleteSharedChatsRequest>().await?.ids()?;
    state.sharing.take_down(&caller, &ids, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub struct EndUser;

impl Call for EndUser {
    const AUDITED: Audited = Audited::Attempts(Action::UserLinksDeleted);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, &[E::BadRequest]];
}

/// Deletes all links of a user, who left or deleted all chats. For the chat service and
/// administrators.
#[utoipa::path(
    delete, path = "/api/v1/users/{user_id}/shared_chats", tag = "administration",
    operation_id = "delete_shared_chats_of_user",
    params(("user_id" = String, Path, description = "The user's `sub`, percent-encoded",
        min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")),
    responses(
        (status = 200, description = "The links are deleted", body = DeletedLinks),
        Refusals<EndUser>,
    ),
    security(("bearer" = []), ("chat_service" = [])),
)]
pub async fn end_user(
    request: HttpRequest,
    state: web::Data<State>,
    caller: EndingCaller,
    origin: ClientInfo,
) -> Result<HttpResponse, ApiError> {
    let user = user_id(&request, 1)?;
    let deleted = state.sharing.user_ended(&caller, &user, origin).await?;
    Ok(HttpResponse::Ok().json(DeletedLinks { deleted }))
}

pub struct EraseUser;

impl Call for EraseUser {
    const AUDITED: Audited = Audited::Attempts(Action::UserErased);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, &[E::BadRequest]];
}

/// Deletes all links of a user and erases the person: from audiences, idempotency keys and audit
/// records, where a one-way short form stands instead.
#[utoipa::path(
    delete, path = "/api/v1/users/{user_id}", tag = "administration",
    operation_id = "erase_user",
    params(("user_id" = String, Path, description = "The user's `sub`, percent-encoded",
        min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")),
    responses(
        (status = 200, description = "The links are deleted, the person is erased",
            body = DeletedLinks),
        Refusals<EraseUser>,
    ),
    security(("bearer" = [])),
)]
pub async fn erase_user(
    request: HttpRequest,
    state: web::Data<State>,
    caller: AdminCaller,
    origin: ClientInfo,
) -> Result<HttpResponse, ApiError> {
    let user = user_id(&request, 0)?;
    let deleted = state.sharing.user_erased(&caller, &user, origin).await?;
    Ok(HttpResponse::Ok().json(DeletedLinks { deleted }))
}
