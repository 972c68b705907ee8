//! `GET /api/v1/shared_chats/{id}/activity`.

use actix_web::{HttpResponse, http::header, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::State;
use crate::http::call::{Audited, CALLER, Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::link_id::LinkId;
use crate::model::{Action, Activity, Caller, LinkChange, Settings};

/// How often a link was viewed, and its changes. It names no viewer.
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
    /// How often the link was shown, as JSON or as a page, the owner's own views included; known
    /// bots, such as link previews, are not counted. A view is counted within ten seconds.
    pub views: u64,
    /// How often it was shown to known bots.
    pub bot_views: u64,
    /// How often one of its files was sent from its beginning.
    pub downloads: u64,
    /// The last view other than by bots; null if there was none.
    pub last_viewed_at: Option<DateTime<Utc>>,
    /// The latest 100, oldest first, for as long as audit records are kept.
    pub changes: Vec<ChangeOfLink>,
}

/// A change of the link.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeOfLink {
    pub at: DateTime<Utc>,
    /// `create` or `change`.
    #[schema(pattern = "^(create|change)$")]
    pub action: &'static str,
    #[schema(value_type = GivenSettings)]
    pub settings: Settings,
}

// The schema of `Settings`.
/// The settings that were given.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct GivenSettings {
    #[schema(required = false)]
    is_private: bool,
    #[schema(required = false)]
    is_frozen: bool,
    #[schema(required = false)]
    includes_artifacts: bool,
    #[schema(required = false)]
    expires_at: Option<DateTime<Utc>>,
    /// `set` or `cleared`; the text itself is in the list of links only.
    #[schema(required = false, pattern = "^(set|cleared)$")]
    label: String,
}

impl From<Activity> for LinkActivity {
    fn from(Activity { link, view_counts, changes }: Activity) -> Self {
        let change = |LinkChange { at, action, settings }| ChangeOfLink { at, action, settings };
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
    const REFUSALS: &'static [&'static [E]] = &[CALLER, &[E::NotFound]];
}

/// How often the caller's own link was viewed, and its changes.
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}/activity", tag = "links",
    operation_id = "get_shared_chat_activity",
    params(("shared_chat_id" = String, Path, description = "The link's id")),
    responses(
        (status = 200, description = "The link's activity", body = LinkActivity),
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
