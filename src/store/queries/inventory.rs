//! What an administrator sees and takes down: links of every owner.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    activity::{CountsRow, counts},
    deleted_links, log_audit_record, record_change,
};
use crate::{
    model::{AuditRecord, ChatSessionId, Detail, ShareId, SharedChat, UserId, ViewCounts},
    store::{
        Notice, Store, StoreError, not_expired, on,
        rows::LinkRow,
        schema::{link_activity, shared_chats},
    },
};

/// Which links to list, in the order of their ids.
#[derive(Debug, Clone)]
pub struct InventoryQuery {
    pub owner: Option<UserId>,
    pub chat_session_id: Option<ChatSessionId>,
    pub filter: InventoryFilter,
    /// Continue behind this link, which may be deleted by now.
    pub after: Option<ShareId>,
    pub limit: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InventoryFilter {
    #[default]
    All,
    Private,
    Public,
    Frozen,
    /// Live links.
    Active,
    Legacy,
}

impl InventoryFilter {
    pub const ALL: [Self; 6] =
        [Self::All, Self::Private, Self::Public, Self::Frozen, Self::Active, Self::Legacy];

    /// As `filter_type` names it (docs/API.md 4, "Administration").
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Private => "private",
            Self::Public => "public",
            Self::Frozen => "frozen",
            Self::Active => "active",
            Self::Legacy => "legacy",
        }
    }
}

impl Store {
    /// A page of all owners' links, without expired ones, with their views.
    pub async fn inventory(
        &self,
        query: InventoryQuery,
        now: DateTime<Utc>,
    ) -> Result<Vec<(SharedChat, ViewCounts)>, StoreError> {
        let InventoryQuery { filter, limit, .. } = query;
        let owner = query.owner.map(|id| id.as_str().to_owned());
        let chat = query.chat_session_id.map(|id| id.as_str().to_owned());
        // No id is empty.
        let after = query.after.map_or_else(String::new, |id| id.as_str().to_owned());
        let rows: Vec<(LinkRow, Option<CountsRow>)> = on!(&self.database, read, |conn| {
            // The second condition is for PostgreSQL, which may merge both in the order of ids: it
            // would begin with the counts of the first link of all.
            let of_the_link = link_activity::shared_chat_id
                .eq(shared_chats::id)
                .and(link_activity::shared_chat_id.gt(after.clone()));
            let mut found = shared_chats::table
                .left_join(link_activity::table.on(of_the_link))
                .filter(shared_chats::id.gt(after))
                .filter(not_expired!(now))
                .into_boxed();
            found = match filter {
                InventoryFilter::All => found,
                InventoryFilter::Private => found.filter(shared_chats::is_private.eq(true)),
                InventoryFilter::Public => found.filter(shared_chats::is_private.eq(false)),
                InventoryFilter::Frozen => found.filter(shared_chats::is_frozen.eq(true)),
                InventoryFilter::Active => found.filter(shared_chats::is_frozen.eq(false)),
                // As the partial index has it, without a value that is bound.
                InventoryFilter::Legacy => found.filter(shared_chats::is_legacy),
            };
            if let Some(owner) = owner {
                found = found.filter(shared_chats::owner_id.eq(owner));
            }
            if let Some(chat) = chat {
                found = found.filter(shared_chats::chat_session_id.eq(chat));
            }
            Ok(found
                .order(shared_chats::id.asc())
                .limit(limit)
                .select((
                    LinkRow::as_select(),
                    (
                        link_activity::views,
                        link_activity::bot_views,
                        link_activity::downloads,
                        link_activity::last_viewed_at,
                    )
                        .nullable(),
                ))
                .load(conn)
                .await?)
        })?;
        rows.into_iter().map(|(row, seen)| Ok((SharedChat::try_from(row)?, counts(seen)))).collect()
    }

    /// Deletes these links of any owner, legacy and expired ones too.
    pub async fn take_down(
        &self,
        ids: &[ShareId],
        mut record: AuditRecord,
    ) -> Result<(), StoreError> {
        let notice = Notice::links(ids);
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let record = on!(&self.database, bulk, |conn| {
            let these = shared_chats::table.filter(shared_chats::id.eq_any(&ids));
            let deleted: Vec<String> =
                diesel::delete(these).returning(shared_chats::id).get_results(conn).await?;
            record.detail = Some(Detail::Deleted(deleted_links(&deleted)));
            // Nothing is announced if none had a link.
            let notice = if deleted.is_empty() { Notice::nothing() } else { notice };
            record_change!(conn, &record, &notice);
            Ok(record)
        })?;
        log_audit_record(&record);
        Ok(())
    }

    /// Writes an audit record by itself.
    pub async fn record(&self, record: AuditRecord) -> Result<(), StoreError> {
        on!(&self.database, transaction, |conn| {
            record_change!(conn, &record, &Notice::nothing());
            Ok(record)
        })
        .map(|record| log_audit_record(&record))
    }
}
