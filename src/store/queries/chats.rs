//! The links of a chat, for the chat service, and their deletion.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{deleted_links, log_audit_record, record_change};
use crate::{
    model::{AuditRecord, ChatSessionId, Detail, ShareId, SharedChat, UserId},
    store::{
        Moment, Notice, Store, StoreError, into_models, not_expired, on,
        rows::LinkRow,
        schema::{chats, shared_chats},
    },
};

/// `… DO UPDATE SET … WHERE predicate`. The method of the trait would be ambiguous.
pub(in crate::store) fn upsert_where<Upsert, Predicate>(
    upsert: Upsert,
    predicate: Predicate,
) -> Upsert::Output
where
    Upsert: diesel::query_dsl::methods::FilterDsl<Predicate>,
{
    upsert.filter(predicate)
}

/// Writes the chat's row, which serialises creates of its links with its deletion. It changes no
/// row while the chat has a tombstone.
macro_rules! touch_chat {
    ($chat_session_id:expr, $now:expr) => {{
        use diesel::{BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods};
        use $crate::store::{Moment, TOMBSTONE_RETENTION, queries::upsert_where, schema::chats};
        let expired = Moment($now - TOMBSTONE_RETENTION);
        let touch = diesel::insert_into(chats::table)
            .values(chats::chat_session_id.eq($chat_session_id))
            .on_conflict(chats::chat_session_id)
            .do_update()
            .set(chats::deleted_at.eq(None::<Moment>));
        let unless_deleted =
            chats::deleted_at.is_null().or(chats::deleted_at.assume_not_null().le(expired));
        upsert_where(touch, unless_deleted)
    }};
}
pub(in crate::store) use touch_chat;

impl Store {
    /// Up to `limit` chats behind `after` that have links which have not expired by `now`, legacy
    /// links included, ordered by their ids.
    pub async fn chats_with_links(
        &self,
        after: Option<&ChatSessionId>,
        limit: i64,
        now: DateTime<Utc>,
    ) -> Result<Vec<ChatSessionId>, StoreError> {
        // No id is empty.
        let after = after.map_or_else(String::new, |id| id.as_str().to_owned());
        let ids: Vec<Option<String>> = on!(&self.database, read, |conn| {
            Ok(shared_chats::table
                .filter(shared_chats::chat_session_id.gt(after))
                .filter(not_expired!(now))
                .select(shared_chats::chat_session_id)
                .distinct()
                .order(shared_chats::chat_session_id.asc())
                .limit(limit)
                .load(conn)
                .await?)
        })?;
        let malformed = |_| StoreError::malformed("shared_chats.chat_session_id");
        ids.iter().flatten().map(|id| ChatSessionId::parse(id).map_err(malformed)).collect()
    }

    /// All owners' links to the chat, newest first, without expired and legacy ones.
    pub async fn links_of_chat(
        &self,
        chat: &ChatSessionId,
        now: DateTime<Utc>,
    ) -> Result<Vec<SharedChat>, StoreError> {
        let chat = chat.as_str().to_owned();
        let rows: Vec<LinkRow> = on!(&self.database, read, |conn| {
            Ok(shared_chats::table
                .filter(shared_chats::chat_session_id.eq(chat))
                .filter(shared_chats::is_legacy.eq(false))
                .filter(not_expired!(now))
                .order((shared_chats::created_at.desc(), shared_chats::id.desc()))
                .select(LinkRow::as_select())
                .load(conn)
                .await?)
        })?;
        into_models(rows)
    }

    /// The owners of links to the chat that have not expired by `now`, ordered by their ids.
    pub async fn owners_of_chat(
        &self,
        chat: &ChatSessionId,
        now: DateTime<Utc>,
    ) -> Result<Vec<UserId>, StoreError> {
        let chat = chat.as_str().to_owned();
        let ids: Vec<Option<String>> = on!(&self.database, read, |conn| {
            Ok(shared_chats::table
                .filter(shared_chats::chat_session_id.eq(chat))
                .filter(shared_chats::owner_id.is_not_null())
                .filter(not_expired!(now))
                .select(shared_chats::owner_id)
                .distinct()
                .order(shared_chats::owner_id.asc())
                .load(conn)
                .await?)
        })?;
        let malformed = |_| StoreError::malformed("shared_chats.owner_id");
        ids.iter().flatten().map(|id| UserId::parse(id).map_err(malformed)).collect()
    }

    /// Deletes the owner's links to the chat, also expired ones, and returns those that had not
    /// expired. The chat gets no tombstone: others may share it, and so may the owner again.
    pub async fn delete_links_of_owner(
        &self,
        chat: &ChatSessionId,
        owner: &UserId,
        mut record: AuditRecord,
    ) -> Result<Vec<ShareId>, StoreError> {
        let now = record.at;
        let (chat, owner) = (chat.as_str().to_owned(), owner.as_str().to_owned());
        let (ended, record) = on!(&self.database, bulk, |conn| {
            let links = shared_chats::table
                .filter(shared_chats::chat_session_id.eq(&chat))
                .filter(shared_chats::owner_id.eq(&owner));
            let ended: Vec<String> = diesel::delete(links.filter(not_expired!(now)))
                .returning(shared_chats::id)
                .get_results(conn)
                .await?;
            diesel::delete(links).execute(conn).await?;
            record.detail = Some(Detail::Deleted(deleted_links(&ended)));
            let ended: Vec<ShareId> = ended.iter().filter_map(|id| ShareId::parse(id)).collect();
            record_change!(conn, &record, &Notice::links(&ended));
            Ok((ended, record))
        })?;
        log_audit_record(&record);
        Ok(ended)
    }

    /// Deletes all links to the chat, also legacy and expired ones, and sets its tombstone. Returns
    /// how many of the links had not expired.
    pub async fn delete_chat(
        &self,
        chat: &ChatSessionId,
        mut record: AuditRecord,
    ) -> Result<usize, StoreError> {
        let now = record.at;
        let notice = Notice::chat(chat);
        let chat = chat.as_str().to_owned();
        let (ended, record) = on!(&self.database, bulk, |conn| {
            // First, so that a concurrent create either commits before this and is deleted below,
            // or finds the tombstone.
            diesel::insert_into(chats::table)
                .values((chats::chat_session_id.eq(&chat), chats::deleted_at.eq(Some(Moment(now)))))
                .on_conflict(chats::chat_session_id)
                .do_update()
                .set(chats::deleted_at.eq(Some(Moment(now))))
                .execute(conn)
                .await?;
            let links = shared_chats::table.filter(shared_chats::chat_session_id.eq(&chat));
            let ended: Vec<String> = diesel::delete(links.filter(not_expired!(now)))
                .returning(shared_chats::id)
                .get_results(conn)
                .await?;
            diesel::delete(links).execute(conn).await?;
            record.detail = Some(Detail::Deleted(deleted_links(&ended)));
            record_change!(conn, &record, &notice);
            Ok((ended.len(), record))
        })?;
        log_audit_record(&record);
        Ok(ended)
    }
}
