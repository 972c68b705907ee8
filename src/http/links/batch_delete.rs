//! `POST /api/v1/shared_chats/batch_delete`.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::State;
use crate::http::call::{Audited, CALLER, Call, JSON_BODY, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::json_body::JsonBody;
use crate::model::{Action, Caller, ClientInfo, ShareId};
use crate::sharing::BATCH_LINKS;

/// The links to delete.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"shared_chat_ids": ["6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11"]}))]
pub struct DeleteSharedChatsRequest {
    /// Ids of links that do not exist are skipped.
    #[schema(min_items = 1, max_items = 1000)]
    shared_chat_ids: Vec<String>,
}

impl DeleteSharedChatsRequest {
    /// The ids that a link can have.
    ///
    /// # Errors
    /// 400 if there are none or too many.
    pub fn ids(&self) -> Result<Vec<ShareId>, ApiError> {
        let ids = &self.shared_chat_ids;
        if !(1..=BATCH_LINKS).contains(&ids.len()) {
            let problem = format!("must hold 1 to {BATCH_LINKS} ids");
            return Err(ApiError::bad_value("shared_chat_ids", problem));
        }
        Ok(ids.iter().filter_map(|id| ShareId::parse(id)).collect())
    }
}

pub struct BatchDelete;

impl Call for BatchDelete {
    const AUDITED: Audited = Audited::Attempts(Action::BatchDelete);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, JSON_BODY, &[E::LegacyLink]];
}

/// Deletes all of the links or, if one of them may not be deleted, none.
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
    let ids = body.read::<DeleteSharedChatsRequest>().await?.ids()?;
    state.sharing.delete_all(&caller, &ids, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
