//! What the chat service asks about a chat: its links, and their end.

use chrono::{DateTime, Utc};
use diesel::prelude::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, QueryDsl, SelectableHelper,
};
use diesel_async::RunQueryDsl;

use crate::{
    model::{AuditRecord, ChatSessionId, Detail, SharedChat},
    store::{
        Notice, Store, StoreError, on,
        queries::{
            audit::{log_audit_record, record_change},
            owner::deleted_links,
        },
        rows::{SharedChatRow, into_models, not_expired},
        schema::{chats, shared_chats},
        timestamp::Moment,
    },
};

/// `… DO UPDATE SET … WHERE predicate`; the trait's method would be ambiguous on a table.
pub(in crate::store) fn upsert_where<Upsert, Predicate>(
    upsert: Upsert,
    predicate: Predicate,
) -> Upsert::Output
where
    Upsert: diesel::query_dsl::methods::FilterDsl<Predicate>,
{
    upsert.filter(predicate)
}

/// Writes the chat's row, which makes whoever makes a link and a deletion of the chat take turns. It
/// changes no row while the chat's tombstone stands.
macro_rules! touch_chat {
    ($chat_session_id:expr, $now:expr) => {{
        use diesel::{BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods};
        use $crate::store::{
            TOMBSTONE_RETENTION, queries::chats::upsert_where, schema::chats, timestamp::Moment,
        };
        let stands_since = Moment($now - TOMBSTONE_RETENTION);
        let touch = diesel::insert_into(chats::table)
            .values(chats::chat_session_id.eq($chat_session_id))
            .on_conflict(chats::chat_session_id)
            .do_update()
            .set(chats::deleted_at.eq(None::<Moment>));
        let unless_deleted =
            chats::deleted_at.is_null().or(chats::deleted_at.assume_not_null().le(stands_since));
        upsert_where(touch, unless_deleted)
    }};
}
pub(in crate::store) use touch_chat;

impl Store {
    /// Chats that have links, legacy ones too, in the order of their ids, from behind `after` on; at
    /// most `limit` of them. The chats of links that have expired by `now` are not among them.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
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
        let parse = |id: String| {
            ChatSessionId::parse(&id)
                .map_err(|_| StoreError::Failed("shared_chats.chat_session_id".to_owned()))
        };
        ids.into_iter().flatten().map(parse).collect()
    }

    /// All links to the chat, whoever made them, newest first; neither expired nor legacy ones.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
    pub async fn links_of_chat(
        &self,
        chat: &ChatSessionId,
        now: DateTime<Utc>,
    ) -> Result<Vec<SharedChat>, StoreError> {
        let chat = chat.as_str().to_owned();
        let rows: Vec<SharedChatRow> = on!(&self.database, read, |conn| {
            Ok(shared_chats::table
                .filter(shared_chats::chat_session_id.eq(chat))
                .filter(shared_chats::is_legacy.eq(false))
                .filter(not_expired!(now))
                .order((shared_chats::created_at.desc(), shared_chats::id.desc()))
                .select(SharedChatRow::as_select())
                .load(conn)
                .await?)
        })?;
        into_models(rows)
    }

    /// Deletes every link to the chat, legacy and expired ones too, and leaves its tombstone.
    /// Returns how many links ended; expired ones had ended before.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach; nothing was deleted then.
    pub async fn delete_chat(
        &self,
        chat: &ChatSessionId,
        mut record: AuditRecord,
    ) -> Result<usize, StoreError> {
        let now = record.at;
        let notice = Notice::Chat(chat.clone());
        let chat = chat.as_str().to_owned();
        let (ended, record) = on!(&self.database, bulk, |conn| {
            // First, so that a create of a link to this chat that is under way either commits
            // before this and is deleted below, or finds the tombstone.
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
