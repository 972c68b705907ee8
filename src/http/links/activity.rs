//! `GET /api/v1/shared_chats/{id}/activity`.

use actix_web::{HttpResponse, http::header, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::extract::link_id::LinkId;
use crate::{
    http::{
        State,
        call::{Audited, Call, Refusals},
        error::{ApiError, ErrorType as E},
    },
    model::{Action, Activity, Caller, LabelChange, LinkChange, Settings},
};

/// What became of a link. It names no viewer, and nobody else.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "created_at": "2026-11-22T09:30:00Z",
    "views": 12,
    "bot_views": 3,
    "downloads": 1,
    "last_viewed_at": "2026-11-23T08:15:30Z",
    "changes": [
        {"at": "2026-11-22T09:30:00Z", "action": "create",
         "settings": {"is_private": false, "is_frozen": true, "includes_artifacts": true,
                      "expires_at": null}},
        {"at": "2026-11-22T10:00:00Z", "action": "change",
         "settings": {"is_private": true, "label": "set"}},
    ],
}))]
pub struct LinkActivity {
    pub created_at: DateTime<Utc>,
    /// How often the link was shown, as JSON or as a page, the owner's own views among them; known
    /// bots, such as link previews, do not count. A view counts within ten seconds.
    pub views: u64,
    /// How often it was shown to known bots.
    pub bot_views: u64,
    /// How often one of its files was sent, from its beginning.
    pub downloads: u64,
    /// When it was viewed last, bots apart; null: never yet.
    pub last_viewed_at: Option<DateTime<Utc>>,
    /// Oldest first; the latest 100, as long as audit records are kept.
    pub changes: Vec<ChangeOfLink>,
}

/// Something that was done to the link.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeOfLink {
    pub at: DateTime<Utc>,
    /// `create` or `change`.
    #[schema(pattern = "^(create|change)$")]
    pub action: &'static str,
    pub settings: GivenSettings,
}

/// The settings that were given.
#[derive(Debug, Serialize, ToSchema)]
pub struct GivenSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub is_private: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub is_frozen: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    pub includes_artifacts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, required = false)]
    pub expires_at: Option<Option<DateTime<Utc>>>,
    /// `set` or `cleared`; what it says is in the list of links alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, pattern = "^(set|cleared)$")]
    pub label: Option<LabelChange>,
}

impl From<Settings> for GivenSettings {
    fn from(settings: Settings) -> Self {
        let Settings { is_private, is_frozen, includes_artifacts, expires_at, label } = settings;
        Self { is_private, is_frozen, includes_artifacts, expires_at, label }
    }
}

impl From<Activity> for LinkActivity {
    fn from(Activity { link, view_counts, changes }: Activity) -> Self {
        let change = |LinkChange { at, action, settings }| ChangeOfLink {
            at,
            action,
            settings: settings.into(),
        };
        Self {
            created_at: link.created_at,
            views: view_counts.views,
            bot_views: view_counts.bot_views,
            downloads: view_counts.downloads,
            last_viewed_at: view_counts.last_viewed_at,
            changes: changes.into_iter().map(change).collect(),
        }
    }
}

pub struct ViewActivity;

impl Call for ViewActivity {
    const AUDITED: Audited = Audited::Attempts(Action::Activity);
    const REFUSALS: &'static [E] =
        &[E::LoginRequired, E::InvalidToken, E::Forbidden, E::NotFound, E::Unavailable];
}

/// How often a link of one's own was seen, and what was done to it.
///
/// # Errors
/// Those of [`crate::sharing::Sharing::activity`].
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}/activity", tag = "links",
    operation_id = "get_shared_chat_activity",
    params(("shared_chat_id" = String, Path, description = "The link's id")),
    responses(
        (status = 200, description = "What became of the link", body = LinkActivity),
        Refusals<ViewActivity>,
    ),
    security(("bearer" = [])),
)]
pub async fn activity(
    state: web::Data<State>,
    caller: Caller,
    id: LinkId,
) -> Result<HttpResponse, ApiError> {
    let activity = state.sharing.activity(&caller, &id.get()?).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(LinkActivity::from(activity)))
}
