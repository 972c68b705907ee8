//! Imports links of the old system.

use std::collections::{BTreeMap, BTreeSet};

use diesel::ExpressionMethods;
use diesel_async::RunQueryDsl;

use super::{AuditRow, insert_snapshot, log_audit_record, touch_chat};
use crate::{
    model::{AuditRecord, Detail, ImportedLinks},
    store::{
        NewSharedChat, SharedChatRow, Store, StoreError, on,
        schema::{audit_records, shared_chats},
    },
};

/// What happened to a link of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegacyOutcome {
    Imported,
    /// There was a link with this token before, which is unchanged.
    AlreadyThere,
    /// The chat has a tombstone.
    ChatDeleted,
}

impl Store {
    /// Imports the links in one transaction, and returns the outcome of each, in their order. Of
    /// two links with the same token the first is stored. The import has one audit record, with
    /// these counts and those of the outcomes.
    pub async fn import_legacy(
        &self,
        links: Vec<NewSharedChat>,
        mut counts: ImportedLinks,
        mut record: AuditRecord,
    ) -> Result<Vec<LegacyOutcome>, StoreError> {
        let now = record.at;
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let chats: BTreeSet<String> =
            links.iter().filter_map(|link| chat_of(link).map(str::to_owned)).collect();
        let mut in_order: Vec<usize> = (0..links.len()).collect();
        in_order.sort_by_key(|index| links[*index].chat.id.as_str());
        let (outcomes, record) = on!(&self.database, transaction, |conn| {
            // Chats first, and both sorted, so that concurrent imports do not deadlock.
            let mut exists: BTreeMap<String, bool> = BTreeMap::new();
            for chat in chats {
                let touched = touch_chat!(chat.as_str(), now).execute(conn).await?;
                exists.insert(chat, touched == 1);
            }
            let mut outcomes = vec![LegacyOutcome::ChatDeleted; links.len()];
            for index in in_order {
                let link = &links[index];
                if chat_of(link).is_some_and(|chat| exists.get(chat) != Some(&true)) {
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
                insert_snapshot!(conn, &link.snapshot, link.chat.id.as_str());
            }
            let count = |outcome| outcomes.iter().filter(|other| **other == outcome).count();
            counts.imported = count(LegacyOutcome::Imported);
            counts.already_there = count(LegacyOutcome::AlreadyThere);
            counts.chat_deleted = count(LegacyOutcome::ChatDeleted);
            if counts.imported == 0 {
                return Ok((outcomes, None));
            }
            let imported = links.iter().zip(&outcomes);
            let imported = imported.filter(|(_, outcome)| **outcome == LegacyOutcome::Imported);
            counts.links = imported.map(|(link, _)| link.chat.id.short()).collect();
            record.detail = Some(Detail::Imported(counts));
            let row = AuditRow::from(&record);
            diesel::insert_into(audit_records::table).values(row).execute(conn).await?;
            Ok((outcomes, Some(record)))
        })?;
        record.iter().for_each(log_audit_record);
        Ok(outcomes)
    }
}

fn chat_of(link: &NewSharedChat) -> Option<&str> {
    link.chat.chat_session_id.as_ref().map(|id| id.as_str())
}
