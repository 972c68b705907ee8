//! `PATCH /api/v1/shared_chats/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de};
use utoipa::ToSchema;

use crate::http::extract::link_id::LinkId;
use crate::{
    http::{
        State,
        call::{Audited, Call, Refusals},
        error::{ApiError, ErrorType as E},
        extract::json_body::JsonBody,
        headers::etag::precondition,
    },
    model::{Action, Caller, ClientInfo, parse_rfc3339},
    sharing::SettingsChange,
};

/// The settings to change; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"is_private": true, "label": null}))]
pub struct UpdateSharedChatRequest {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    is_private: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    includes_artifacts: Option<bool>,
    /// RFC 3339 with a zone, in the future; null clears it.
    #[serde(default, deserialize_with = "given_time")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<Option<DateTime<Utc>>>,
    /// At most 200 characters, none of them NUL; null clears it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200, pattern = r"^[^\u0000]*$")]
    label: Option<Option<String>>,
}

/// A field that is there, null or not: `Option`'s own way reads null as "not there".
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

fn given_time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
    rfc3339(d).map(Some)
}

/// A moment: see [`parse_rfc3339`].
pub fn rfc3339<'de, D: Deserializer<'de>>(d: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(d)? else { return Ok(None) };
    let moment = parse_rfc3339(&text).ok_or_else(|| {
        de::Error::custom(
            "must be a date and time with a zone by RFC 3339, such as 2027-01-31T12:00:00Z",
        )
    })?;
    Ok(Some(moment))
}

pub struct Change;

impl Call for Change {
    const AUDITED: Audited = Audited::Attempts(Action::Change);
    const REFUSALS: &'static [E] = &[
        E::BadRequest,
        E::LoginRequired,
        E::InvalidToken,
        E::Forbidden,
        E::NotFound,
        E::LegacyLink,
        E::PreconditionFailed,
        E::PayloadTooLarge,
        E::UnsupportedMediaType,
        E::ChatTooLarge,
        E::ArtifactTooLarge,
        E::ChatServiceError,
        E::Unavailable,
        E::ChatServiceTimeout,
    ];
}

/// Changes a link's settings.
///
/// # Errors
/// Those of [`crate::sharing::Sharing::change`].
#[utoipa::path(
    patch, path = "/api/v1/shared_chats/{shared_chat_id}", tag = "links",
    operation_id = "update_shared_chat",
    request_body = UpdateSharedChatRequest,
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("If-Match" = Option<String>, Header,
            description = "Any entity tag of the link's view, or `*`: change it only if its \
                           settings are still those"),
    ),
    responses((status = 204, description = "Changed"), Refusals<Change>),
    security(("bearer" = [])),
)]
pub async fn change(
    request: HttpRequest,
    state: web::Data<State>,
    caller: Caller,
    origin: ClientInfo,
    id: LinkId,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let asked: UpdateSharedChatRequest = body.read().await?;
    let precondition = precondition(&request)?;
    let change = SettingsChange {
        is_private: asked.is_private,
        includes_artifacts: asked.includes_artifacts,
        expires_at: asked.expires_at,
        label: asked.label,
    };
    state.sharing.check_change(&change)?;
    state.sharing.change(&caller, &id.get()?, change, precondition, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
