//! Links that come from the old system.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use diesel::ExpressionMethods;
use diesel_async::RunQueryDsl;

use super::{
    NewSharedChat, Store, StoreError,
    chats::touch_chat,
    on,
    rows::SharedChatRow,
    schema::{shared_chats, snapshots},
};

/// What became of a link that was to be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegacyOutcome {
    Imported,
    /// A link with this token was there before, and is left as it is.
    AlreadyThere,
    /// The chat's tombstone stands.
    ChatDeleted,
}

impl Store {
    /// Stores these links in one transaction, but for those that cannot be, and says in their order
    /// what became of each. Of two with the same token the first is stored.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach; nothing is stored then.
    pub async fn import_legacy(
        &self,
        links: Vec<NewSharedChat>,
        now: DateTime<Utc>,
    ) -> Result<Vec<LegacyOutcome>, StoreError> {
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let chats: BTreeSet<String> =
            links.iter().filter_map(|link| chat_of(link).map(str::to_owned)).collect();
        let mut in_order: Vec<usize> = (0..links.len()).collect();
        in_order.sort_by_key(|index| links[*index].chat.id.as_str());
        on!(&self.database, transaction, |conn| {
            // Chats first, and both in order, so that two imports at once wait for each other
            // instead of standing in each other's way.
            let mut is_there: BTreeMap<String, bool> = BTreeMap::new();
            for chat in chats {
                let touched = touch_chat!(conn, chat.as_str(), now);
                is_there.insert(chat, touched);
            }
            let mut outcomes = vec![LegacyOutcome::ChatDeleted; links.len()];
            for index in in_order {
                let link = &links[index];
                if chat_of(link).is_some_and(|chat| is_there.get(chat) != Some(&true)) {
                    continue;
                }
                let inserted = diesel::insert_into(shared_chats::table)
                    .values(SharedChatRow::from(&link.chat))
                    .on_conflict(shared_chats::id)
                    .do_nothing()
                    .execute(conn)
                    .await?;
                if inserted == 0 {
                    outcomes[index] = LegacyOutcome::AlreadyThere;
                    continue;
                }
                outcomes[index] = LegacyOutcome::Imported;
                if let Some(snapshot) = &link.snapshot {
                    diesel::insert_into(snapshots::table)
                        .values((
                            snapshots::shared_chat_id.eq(link.chat.id.as_str()),
                            snapshots::messages.eq(snapshot.messages.as_ref()),
                            snapshots::files.eq(snapshot.files.as_str()),
                        ))
                        .execute(conn)
                        .await?;
                }
            }
            Ok(outcomes)
        })
    }
}

fn chat_of(link: &NewSharedChat) -> Option<&str> {
    link.chat.chat_session_id.as_ref().map(|id| id.as_str())
}
