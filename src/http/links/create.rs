//! `POST /api/v1/shared_chats`.

use actix_web::{HttpMessage, HttpRequest, HttpResponse, http::header, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::State;
use crate::http::call::{Audited, CALLER, CHAT_SERVICE, Call, JSON_BODY, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::{context::AuditedChat, json_body::JsonBody};
use crate::http::links::change::{given, is_private_with, parse_audience, rfc3339};
use crate::http::responses::{Principal, SharedChatInfo};
use crate::model::{Action, Caller, ChatSessionId, ClientInfo, Mode, Object, UserId, Visibility};
use crate::sharing::{CreateRequest, Owner};

/// The chat to share, and the link's settings.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"chat_session_id": "quarterly-report", "is_private": true}))]
pub struct ShareChatRequest {
    /// 1–128 characters of `A–Z a–z 0–9 . _ ~ -`, neither `.` nor `..`.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^([A-Za-z0-9_~-]|\.[A-Za-z0-9_~-]|\.\.[A-Za-z0-9._~-])[A-Za-z0-9._~-]*$"
    )]
    chat_session_id: String,
    /// Only signed-in users may open the link; otherwise anyone who has it. By default true with an
    /// `audience`, else false.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    is_private: Option<bool>,
    /// Only these may open the link, and its owner: at most 100 of `user:<sub>` and
    /// `group:<value>`, each value of 1–255 characters, none of them a control character. An empty
    /// one admits the owner alone, null everyone whom `is_private` does.
    #[schema(value_type = Option<Vec<Principal>>, max_items = 100)]
    audience: Option<Vec<String>>,
    /// The link shows a snapshot; otherwise it follows the chat.
    #[serde(default = "frozen")]
    #[schema(default = true)]
    is_frozen: bool,
    /// The link shows the files that the agents made.
    #[serde(default)]
    #[schema(default = false)]
    includes_artifacts: bool,
    /// When the link ends: RFC 3339 with a zone, in the future.
    #[serde(default, deserialize_with = "rfc3339")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<DateTime<Utc>>,
    /// A note that only the owner sees. No NUL.
    #[schema(max_length = 200, pattern = r"^[^\u0000]*$")]
    label: Option<String>,
    /// The link's owner: required from the chat service, forbidden to users.
    #[schema(value_type = Option<OwnerOfLink>)]
    owner: Option<Object<OwnerOfLink>>,
}

/// The user for whom the chat service makes a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerOfLink {
    /// The `sub` of the user's tokens, 1–255 characters, none of them a control character.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    id: String,
    /// The name that viewers see; one with an `@` is not shown.
    name: Option<String>,
}

fn frozen() -> bool {
    true
}

impl TryFrom<ShareChatRequest> for CreateRequest {
    type Error = ApiError;

    fn try_from(request: ShareChatRequest) -> Result<Self, ApiError> {
        let chat_session_id = ChatSessionId::parse(&request.chat_session_id)
            .map_err(|e| ApiError::bad_value("chat_session_id", e))?;
        let owner = match request.owner {
            None => None,
            Some(Object(OwnerOfLink { id, name })) => {
                let id = UserId::parse(&id).map_err(|e| ApiError::bad_value("owner.id", e))?;
                Some(Owner { id, name })
            }
        };
        let audience = request.audience.map(parse_audience).transpose()?;
        let is_private = is_private_with(request.is_private, audience.is_some())?;
        Ok(Self {
            chat_session_id,
            visibility: Visibility::of(is_private.unwrap_or(false)),
            audience,
            mode: if request.is_frozen { Mode::Frozen } else { Mode::Live },
            includes_artifacts: request.includes_artifacts,
            expires_at: request.expires_at,
            label: request.label,
            owner,
        })
    }
}

pub struct Create;

impl Call for Create {
    const AUDITED: Audited = Audited::Attempts(Action::Create);
    const REFUSALS: &'static [&'static [E]] = &[
        CALLER,
        JSON_BODY,
        CHAT_SERVICE,
        &[
            E::NotFound,
            E::PolicyForbids,
            E::IdempotencyConflict,
            E::QuotaExceeded,
            E::ChatIsEmpty,
            E::ArtifactTooLarge,
        ],
    ];
}

/// Makes a link to a chat.
#[utoipa::path(
    post, path = "/api/v1/shared_chats", tag = "links", operation_id = "share_chat_session",
    request_body = ShareChatRequest,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1–255 visible ASCII characters, kept 24 hours per caller and owner: the \
                       same request returns the first link again",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses(
        (status = 201, description = "The link", body = SharedChatInfo,
            headers(("Location" = String, description = "The link on this API"))),
        Refusals<Create>,
    ),
    security(("bearer" = []), ("chat_service" = [])),
)]
pub async fn create(
    request: HttpRequest,
    state: web::Data<State>,
    caller: Caller,
    origin: ClientInfo,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let key = idempotency_key(&request)?;
    let create = CreateRequest::try_from(body.read::<ShareChatRequest>().await?)?;
    request.extensions_mut().insert(AuditedChat(create.chat_session_id.clone()));
    let (chat, policy) = state.sharing.create(&caller, create, key, origin).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, state.urls.api_path(&chat.id)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(SharedChatInfo::new(&chat, &state.urls, &policy)))
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let mut keys = request.headers().get_all("idempotency-key");
    let Some(key) = keys.next() else { return Ok(None) };
    let key = key.to_str().unwrap_or_default();
    let visible = key.bytes().all(|b| b.is_ascii_graphic());
    if keys.next().is_some() || !visible || !(1..=255).contains(&key.len()) {
        let message = "Idempotency-Key: must be one key of 1 to 255 visible ASCII characters";
        return Err(ApiError::new(E::BadRequest, message));
    }
    Ok(Some(key.to_owned()))
}
