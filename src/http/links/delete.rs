//! `DELETE /api/v1/shared_chats/{id}`.

use actix_web::{HttpResponse, web};

use crate::http::State;
use crate::http::call::{Audited, CALLER, Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::link_id::LinkId;
use crate::model::{Action, Caller, ClientInfo};

pub struct Delete;

impl Call for Delete {
    const AUDITED: Audited = Audited::Attempts(Action::Delete);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, &[E::NotFound, E::LegacyLink]];
}

/// Deletes a link with its content.
#[utoipa::path(
    delete, path = "/api/v1/shared_chats/{shared_chat_id}", tag = "links",
    operation_id = "delete_shared_chat",
    params(("shared_chat_id" = String, Path, description = "The link's id")),
    responses((status = 204, description = "Deleted"), Refusals<Delete>),
    security(("bearer" = [])),
)]
pub async fn delete(
    state: web::Data<State>,
    caller: Caller,
    origin: ClientInfo,
    id: LinkId,
) -> Result<HttpResponse, ApiError> {
    state.sharing.delete(&caller, &id.get()?, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
