//! `POST /api/v1/shared_chats/batch_delete`.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    http::{
        State,
        call::{Audited, Call, Refusals},
        error::{ApiError, ErrorType as E},
        extract::json_body::JsonBody,
    },
    model::{Action, Caller, ClientInfo, ShareId},
    sharing::BATCH_LINKS,
};

/// The links to delete.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"shared_chat_ids": ["6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11"]}))]
pub struct DeleteSharedChatsRequest {
    /// All or none of them; those that are not there are skipped.
    #[schema(min_items = 1, max_items = 1000)]
    shared_chat_ids: Vec<String>,
}

pub struct BatchDelete;

impl Call for BatchDelete {
    const AUDITED: Audited = Audited::Attempts(Action::BatchDelete);
    const REFUSALS: &'static [E] = &[
        E::BadRequest,
        E::LoginRequired,
        E::InvalidToken,
        E::Forbidden,
        E::LegacyLink,
        E::PayloadTooLarge,
        E::UnsupportedMediaType,
        E::Unavailable,
    ];
}

/// Deletes links, all or none.
///
/// # Errors
/// Those of [`crate::sharing::Sharing::delete_all`].
#[utoipa::path(
    post, path = "/api/v1/shared_chats/batch_delete", tag = "links",
    operation_id = "delete_shared_chats",
    request_body = DeleteSharedChatsRequest,
    responses((status = 204, description = "All of them are deleted"), Refusals<BatchDelete>),
    security(("bearer" = [])),
)]
pub async fn batch_delete(
    state: web::Data<State>,
    caller: Caller,
    origin: ClientInfo,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let asked: DeleteSharedChatsRequest = body.read().await?;
    if !(1..=BATCH_LINKS).contains(&asked.shared_chat_ids.len()) {
        let problem = format!("must hold 1 to {BATCH_LINKS} ids");
        return Err(ApiError::bad_value("shared_chat_ids", problem));
    }
    // What cannot be a link's id is no link, and skipped like any other that is not there.
    let ids: Vec<ShareId> =
        asked.shared_chat_ids.iter().filter_map(|id| ShareId::parse(id)).collect();
    state.sharing.delete_all(&caller, &ids, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
