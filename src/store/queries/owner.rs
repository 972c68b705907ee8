//! What an owner does to a link: each begins with one statement that has its guard in the `WHERE`,
//! and within the same transaction announces what it did and leaves its audit record. The record's
//! moment is that of the change.

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, BoolExpressionMethods, ExpressionMethods, IntoSql, NullableExpressionMethods,
    OptionalExtension, QueryDsl, SelectableHelper, sql_types::Bool,
};
use diesel_async::RunQueryDsl;

use crate::{
    model::{AuditRecord, Deleted, Detail, ObjectKey, ShareId, SharedChat, UserId},
    store::{
        Notice, Refused, Store, StoreError, on,
        queries::{
            artifacts::{attach, detach},
            audit::{log_audit_record, record_change},
        },
        rows::{SharedChatRow, not_expired, short_chat},
        schema::shared_chats,
        timestamp::Moment,
    },
};

/// The settings to change; a `None` leaves its setting as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsChange {
    pub is_private: Option<bool>,
    pub includes_artifacts: Option<bool>,
    pub expires_at: Option<Option<DateTime<Utc>>>,
    pub label: Option<Option<String>>,
}

/// What must hold for a change of settings to be made, and what it brings along.
#[derive(Debug, Clone, Default)]
pub struct ChangeGuard {
    /// The link must still be at one of these revisions; any, if none is asked for.
    pub revisions: Option<Vec<i64>>,
    /// Its files must still be included, or still not be; either, if none is asked for.
    pub includes_artifacts: Option<bool>,
    /// Finished copies of its files, which become the link's.
    pub copies: Vec<ObjectKey>,
}

#[derive(AsChangeset)]
#[diesel(table_name = shared_chats)]
struct Changes {
    is_private: Option<bool>,
    includes_artifacts: Option<bool>,
    expires_at: Option<Option<Moment>>,
    label: Option<Option<String>>,
    updated_at: Moment,
}

impl Store {
    /// Changes the settings of the owner's own link, if the guard holds, and returns it as it is
    /// now. `None`: there is no such link to change, for whatever reason. Files that are not
    /// included any more become orphans in the same moment.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach, or a sweep has taken a copy.
    pub async fn change_settings(
        &self,
        id: &ShareId,
        owner: &UserId,
        change: SettingsChange,
        guard: ChangeGuard,
        mut record: AuditRecord,
    ) -> Result<Option<SharedChat>, StoreError> {
        let now = record.at;
        let notice = Notice::Links(vec![id.clone()]);
        let (id, owner) = (id.as_str().to_owned(), owner.as_str().to_owned());
        let changes = Changes {
            is_private: change.is_private,
            includes_artifacts: change.includes_artifacts,
            expires_at: change.expires_at.map(|at| at.map(Moment)),
            label: change.label,
            updated_at: Moment(now),
        };
        let any_revision = guard.revisions.is_none();
        let revisions = guard.revisions.unwrap_or_default();
        let switch = guard.includes_artifacts.map_or(vec![true, false], |is_on| vec![is_on]);
        let ends_artifacts = change.includes_artifacts == Some(false);
        let copies = guard.copies;
        let changed: Option<(SharedChatRow, AuditRecord)> =
            on!(&self.database, transaction, |conn| {
                let mine = shared_chats::table
                    .find(&id)
                    .filter(shared_chats::owner_id.eq(owner))
                    .filter(not_expired!(now))
                    .filter(shared_chats::includes_artifacts.eq_any(switch))
                    .filter(
                        shared_chats::revision
                            .eq_any(revisions)
                            .or(any_revision.into_sql::<Bool>()),
                    );
                let changed = diesel::update(mine)
                    .set((changes, shared_chats::revision.eq(shared_chats::revision + 1)))
                    .returning(SharedChatRow::as_returning())
                    .get_result(conn)
                    .await
                    .optional()?;
                let Some(changed) = changed else { return Ok(None) };
                if ends_artifacts {
                    detach!(conn, [&id]);
                }
                attach!(conn, copies, &id);
                record.chat = changed.short_chat();
                record_change!(conn, &record, &notice);
                Ok(Some((changed, record)))
            })?;
        let Some((changed, record)) = changed else { return Ok(None) };
        log_audit_record(&record);
        SharedChat::try_from(changed).map(Some)
    }

    /// Deletes the owner's own link, with its content. `false`: there was none to delete.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
    pub async fn delete(
        &self,
        id: &ShareId,
        owner: &UserId,
        mut record: AuditRecord,
    ) -> Result<bool, StoreError> {
        let now = record.at;
        let notice = Notice::Links(vec![id.clone()]);
        let (id, owner) = (id.as_str().to_owned(), owner.as_str().to_owned());
        let record = on!(&self.database, transaction, |conn| {
            let mine = shared_chats::table
                .find(id)
                .filter(shared_chats::owner_id.eq(owner))
                .filter(not_expired!(now));
            let deleted: Option<Option<String>> = diesel::delete(mine)
                .returning(shared_chats::chat_session_id)
                .get_result(conn)
                .await
                .optional()?;
            let Some(chat) = deleted else { return Ok(None) };
            record.chat = short_chat(chat.as_deref());
            record_change!(conn, &record, &notice);
            Ok(Some(record))
        })?;
        record.iter().for_each(log_audit_record);
        Ok(record.is_some())
    }

    /// Deletes those of the links that there are, all or none, and returns how many.
    ///
    /// # Errors
    /// [`Refused::NotTheOwner`] or [`Refused::Legacy`] when one of them is not the owner's to
    /// delete; nothing is deleted then.
    pub async fn delete_all(
        &self,
        ids: &[ShareId],
        owner: &UserId,
        mut record: AuditRecord,
    ) -> Result<usize, StoreError> {
        let now = record.at;
        let notice = Notice::Links(ids.to_vec());
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let owner = owner.as_str().to_owned();
        let (deleted, record) = on!(&self.database, bulk, |conn| {
            let mine = shared_chats::table
                .filter(shared_chats::id.eq_any(&ids))
                .filter(shared_chats::owner_id.eq(owner))
                .filter(not_expired!(now));
            let deleted: Vec<String> =
                diesel::delete(mine).returning(shared_chats::id).get_results(conn).await?;
            // What is left of them is not the owner's.
            let left: Vec<bool> = shared_chats::table
                .filter(shared_chats::id.eq_any(&ids))
                .filter(not_expired!(now))
                .select(shared_chats::is_legacy)
                .load(conn)
                .await?;
            if left.contains(&false) {
                return Err(StoreError::Refused(Refused::NotTheOwner));
            }
            if left.contains(&true) {
                return Err(StoreError::Refused(Refused::Legacy));
            }
            record.detail = Some(Detail::Deleted(deleted_links(&deleted)));
            // Nobody is told of ids that are nothing to anybody.
            let notice = if deleted.is_empty() { Notice::Links(Vec::new()) } else { notice };
            record_change!(conn, &record, &notice);
            Ok((deleted.len(), record))
        })?;
        log_audit_record(&record);
        Ok(deleted)
    }
}

/// What a record says of links that were deleted together.
pub(in crate::store) fn deleted_links(ids: &[String]) -> Deleted {
    let links = ids.iter().take(Deleted::LISTED).filter_map(|id| ShareId::parse(id));
    Deleted { deleted: ids.len(), links: links.map(|id| id.short()).collect() }
}
