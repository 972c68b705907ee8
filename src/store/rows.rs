//! Rows of the tables, and their conversion from and to the model.

use diesel::{Insertable, Queryable, Selectable, define_sql_function, pg::Pg, sqlite::Sqlite};

use crate::{
    model::{
        Audience, ChatSessionId, LinkState, Mode, ShareId, SharedChat, ShortId, UserId, Visibility,
        fold_case,
    },
    store::{
        Snapshot, StoreError,
        schema::{shared_chats, snapshots},
        timestamp::Moment,
    },
};

/// All of a link but its audience, which the indexes of lists do not hold.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = shared_chats, check_for_backend(Pg, Sqlite))]
pub(super) struct SharedChatRow {
    id: String,
    chat_session_id: Option<String>,
    owner_id: Option<String>,
    name: Option<String>,
    name_folded: String,
    shared_by: Option<String>,
    label: Option<String>,
    is_private: bool,
    is_frozen: bool,
    is_legacy: bool,
    includes_artifacts: bool,
    created_at: Moment,
    updated_at: Moment,
    expires_at: Option<Moment>,
    revision: i64,
}

impl SharedChatRow {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn short_chat(&self) -> Option<ShortId> {
        short_chat(self.chat_session_id.as_deref())
    }
}

pub(super) fn short_chat(chat_session_id: Option<&str>) -> Option<ShortId> {
    chat_session_id.and_then(|id| ChatSessionId::parse(id).ok()).map(|id| id.short())
}

impl From<&SharedChat> for SharedChatRow {
    fn from(chat: &SharedChat) -> Self {
        Self {
            id: chat.id.as_str().to_owned(),
            chat_session_id: chat.chat_session_id.as_ref().map(|id| id.as_str().to_owned()),
            owner_id: chat.owner_id.as_ref().map(|id| id.as_str().to_owned()),
            name: chat.name.clone(),
            name_folded: fold_case(chat.name.as_deref().unwrap_or_default()),
            shared_by: chat.shared_by.clone(),
            label: chat.label.clone(),
            is_private: chat.is_private(),
            is_frozen: chat.is_frozen(),
            is_legacy: chat.is_legacy,
            includes_artifacts: chat.includes_artifacts,
            created_at: Moment(chat.created_at),
            updated_at: Moment(chat.updated_at),
            expires_at: chat.expires_at.map(Moment),
            revision: chat.revision,
        }
    }
}

/// All of a link.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = shared_chats, check_for_backend(Pg, Sqlite))]
pub(super) struct LinkRow {
    #[diesel(embed)]
    pub row: SharedChatRow,
    pub audience: Option<String>,
}

/// How an audience is stored: a JSON array.
pub(super) fn stored_audience(audience: &Audience) -> String {
    // Strings always serialise.
    serde_json::to_string(audience).unwrap_or_default()
}

/// A damaged audience is an error: taken for none, it would admit every user.
pub(super) fn audience(stored: Option<&str>) -> Result<Option<Audience>, StoreError> {
    let malformed = || StoreError::malformed("shared_chats.audience");
    let Some(stored) = stored else { return Ok(None) };
    let principals = serde_json::from_str(stored).map_err(|_| malformed())?;
    Audience::new(principals).map(Some).map_err(|_| malformed())
}

impl TryFrom<LinkRow> for SharedChat {
    type Error = StoreError;

    fn try_from(LinkRow { row, audience: stored }: LinkRow) -> Result<Self, StoreError> {
        let malformed = StoreError::malformed;
        let chat = row.chat_session_id.as_deref().map(ChatSessionId::parse).transpose();
        let owner = row.owner_id.as_deref().map(UserId::parse).transpose();
        Ok(Self {
            id: ShareId::parse(&row.id).ok_or_else(|| malformed("shared_chats.id"))?,
            chat_session_id: chat.map_err(|_| malformed("shared_chats.chat_session_id"))?,
            owner_id: owner.map_err(|_| malformed("shared_chats.owner_id"))?,
            name: row.name,
            shared_by: row.shared_by,
            label: row.label,
            visibility: Visibility::of(row.is_private),
            audience: audience(stored.as_deref())?,
            mode: if row.is_frozen { Mode::Frozen } else { Mode::Live },
            includes_artifacts: row.includes_artifacts,
            is_legacy: row.is_legacy,
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            revision: row.revision,
            policy: 0,
        })
    }
}

/// What access depends on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = shared_chats, check_for_backend(Pg, Sqlite))]
pub(super) struct LinkStateRow {
    is_private: bool,
    is_frozen: bool,
    includes_artifacts: bool,
    updated_at: Moment,
    expires_at: Option<Moment>,
    revision: i64,
    audience: Option<String>,
}

impl TryFrom<LinkStateRow> for LinkState {
    type Error = StoreError;

    fn try_from(row: LinkStateRow) -> Result<Self, StoreError> {
        Ok(Self {
            visibility: Visibility::of(row.is_private),
            audience: audience(row.audience.as_deref())?,
            mode: if row.is_frozen { Mode::Frozen } else { Mode::Live },
            includes_artifacts: row.includes_artifacts,
            updated_at: row.updated_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            revision: row.revision,
            policy: 0,
        })
    }
}

/// The content of a frozen link.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = snapshots, check_for_backend(Pg, Sqlite))]
pub(super) struct SnapshotRow {
    messages: Vec<u8>,
    files: String,
}

impl From<SnapshotRow> for Snapshot {
    fn from(row: SnapshotRow) -> Self {
        Self { messages: row.messages.into(), files: row.files }
    }
}

/// With the revision of the policy, as every row that a view goes by.
pub(super) type LinkWithSnapshotRow = (LinkRow, Option<SnapshotRow>, Option<i64>);

/// A link's state and the revision of the policy.
pub(super) type ViewedStateRow = (LinkStateRow, Option<i64>);

define_sql_function! {
    /// The size of a value, which neither database reads for it.
    fn octet_length(value: diesel::sql_types::Binary) -> diesel::sql_types::Integer;
}

/// The most bytes of a snapshot that a view reads together with its link. A larger one would hold
/// up the other views of the worker.
pub(super) const SMALL_SNAPSHOT_BYTES: i32 = 16 * 1024;

/// The links of `shared_chats`, each with its snapshot if it has a small one.
macro_rules! with_small_snapshot {
    ($links:expr) => {{
        use diesel::prelude::*;
        use $crate::store::{
            queries::policy_revision,
            rows::{LinkRow, SMALL_SNAPSHOT_BYTES, SnapshotRow, octet_length},
            schema::{shared_chats, snapshots},
        };
        let of_the_link = snapshots::shared_chat_id.eq(shared_chats::id);
        let is_small = octet_length(snapshots::messages).le(SMALL_SNAPSHOT_BYTES);
        $links.left_join(snapshots::table.on(of_the_link.and(is_small))).select((
            LinkRow::as_select(),
            Option::<SnapshotRow>::as_select(),
            policy_revision!(),
        ))
    }};
}
pub(super) use with_small_snapshot;

pub(super) fn into_models(rows: Vec<LinkRow>) -> Result<Vec<SharedChat>, StoreError> {
    rows.into_iter().map(SharedChat::try_from).collect()
}

/// `expires_at IS NULL OR expires_at > now`: a link is gone at `expires_at`, not after it.
macro_rules! not_expired {
    ($now:expr) => {{
        use $crate::store::{Moment, schema::shared_chats::dsl::expires_at};
        expires_at.is_null().or(expires_at.assume_not_null().gt(Moment($now)))
    }};
}
pub(super) use not_expired;
