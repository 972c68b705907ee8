//! `PATCH /api/v1/shared_chats/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de};
use utoipa::ToSchema;

use crate::http::State;
use crate::http::call::{Audited, CALLER, CHAT_SERVICE, Call, JSON_BODY, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::{json_body::JsonBody, link_id::LinkId};
use crate::http::headers::etag::{names_weak_tag, precondition};
use crate::http::responses::Principal;
use crate::model::{Action, Audience, Caller, ClientInfo, parse_rfc3339};
use crate::sharing::{SettingsChange, SharingError};

/// The settings to change; a field that is left out stays as it is.
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
    /// Only these may open the link, and its owner: at most 100 of `user:<sub>` and
    /// `group:<value>`. It makes the link private. Null admits every signed-in user again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<Principal>>, max_items = 100)]
    audience: Option<Option<Vec<String>>>,
}

/// # Errors
/// 400 names the field.
pub fn parse_audience(principals: Vec<String>) -> Result<Audience, ApiError> {
    Audience::new(principals).map_err(|problem| ApiError::bad_value("audience", problem))
}

/// The setting `is_private` where an audience is given or not: an audience makes a link private.
///
/// # Errors
/// 400 for a public link with an audience, a contradiction.
pub fn is_private_with(given: Option<bool>, has_audience: bool) -> Result<Option<bool>, ApiError> {
    match (given, has_audience) {
        (Some(false), true) => {
            Err(ApiError::bad_value("audience", "cannot be given with is_private false"))
        }
        (None, true) => Ok(Some(true)),
        (given, _) => Ok(given),
    }
}

/// Distinguishes null from a missing field, which `Option` alone does not.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

fn given_time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
    rfc3339(d).map(Some)
}

pub fn rfc3339<'de, D: Deserializer<'de>>(d: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(d)? else { return Ok(None) };
    let problem = "must be a date and time with a zone by RFC 3339, such as 2027-01-31T12:00:00Z";
    parse_rfc3339(&text).map(Some).ok_or_else(|| de::Error::custom(problem))
}

pub struct Change;

impl Call for Change {
    const AUDITED: Audited = Audited::Attempts(Action::Change);
    const REFUSALS: &'static [&'static [E]] = &[
        CALLER,
        JSON_BODY,
        CHAT_SERVICE,
        &[
            E::NotFound,
            E::PolicyForbids,
            E::LegacyLink,
            E::PreconditionFailed,
            E::QuotaExceeded,
            E::ArtifactTooLarge,
        ],
    ];
}

/// Changes a link's settings.
#[utoipa::path(
    patch, path = "/api/v1/shared_chats/{shared_chat_id}", tag = "links",
    operation_id = "update_shared_chat",
    request_body = UpdateSharedChatRequest,
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("If-Match" = Option<String>, Header,
            description = "Any strong entity tag of the link's view, or `*`: the call fails if the \
                           settings have changed since"),
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
    let UpdateSharedChatRequest { is_private, includes_artifacts, expires_at, label, audience } =
        body.read().await?;
    let precondition = precondition(&request)?;
    let audience = audience.map(|list| list.map(parse_audience).transpose()).transpose()?;
    let is_private = is_private_with(is_private, matches!(audience, Some(Some(_))))?;
    let change = SettingsChange { is_private, includes_artifacts, expires_at, label, audience };
    state.sharing.check_change(&change)?;
    let changed = state.sharing.change(&caller, &id.get()?, change, precondition, origin).await;
    match changed {
        Err(SharingError::PreconditionFailed) if names_weak_tag(&request) => {
            let message = "If-Match: the entity tag is weak (W/), and a weak one never matches. \
                           The tags of views are strong: a proxy on the way has changed it.";
            Err(ApiError::new(E::PreconditionFailed, message))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(HttpResponse::NoContent().finish()),
    }
}
