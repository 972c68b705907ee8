//! What the chat service asks about a chat: its links, and their end.

use chrono::{DateTime, Utc};
use diesel::prelude::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, QueryDsl, SelectableHelper,
};
use diesel_async::RunQueryDsl;

use super::{
    Notice, Store, StoreError,
    notices::Announce,
    on,
    rows::{SharedChatRow, into_models, not_expired},
    schema::{chats, shared_chats},
    timestamp::Moment,
};
use crate::model::{ChatSessionId, SharedChat};

impl Store {
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
        now: DateTime<Utc>,
    ) -> Result<usize, StoreError> {
        let notice = Notice::Chat(chat.clone());
        let chat = chat.as_str().to_owned();
        on!(&self.database, transaction, |conn| {
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
            let ended = diesel::delete(links.filter(not_expired!(now))).execute(conn).await?;
            diesel::delete(links).execute(conn).await?;
            conn.announce(&notice).await?;
            Ok(ended)
        })
    }
}
