//! An owner's changes. Each begins with a statement that has its guard in the `WHERE`, and
//! announces itself and writes its audit record in the same transaction, with the same time.

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_types::Bool};
use diesel_async::RunQueryDsl;

use super::{
    attach, detach, log_audit_record, record_change,
    users::lock::{LockUsers, ended_since},
};
use crate::{
    model::{
        Audience, AuditRecord, Deleted, Detail, LinkState, ObjectKey, ShareId, SharedChat, UserId,
        Visibility,
    },
    store::{
        Moment, Notice, Refused, Store, StoreError, not_expired, on,
        rows::{LinkRow, short_chat, stored_audience},
        schema::shared_chats,
    },
};

/// The settings to change. `None` leaves a setting as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsChange {
    pub is_private: Option<bool>,
    pub includes_artifacts: Option<bool>,
    pub expires_at: Option<Option<DateTime<Utc>>>,
    pub label: Option<Option<String>>,
    pub audience: Option<Option<Audience>>,
}

impl SettingsChange {
    /// The state of the link after the change.
    #[must_use]
    pub fn apply(&self, to: LinkState, now: DateTime<Utc>) -> LinkState {
        LinkState {
            visibility: self.is_private.map_or(to.visibility, Visibility::of),
            audience: self.audience.clone().unwrap_or(to.audience),
            includes_artifacts: self.includes_artifacts.unwrap_or(to.includes_artifacts),
            expires_at: self.expires_at.unwrap_or(to.expires_at),
            updated_at: now,
            ..to
        }
    }
}

/// The condition of a change of settings, and the copies that it attaches.
#[derive(Debug, Clone, Default)]
pub struct ChangeGuard {
    /// The link must be at one of these revisions, if there are any.
    pub revisions: Option<Vec<i64>>,
    /// Finished copies of files, to be attached to the link.
    pub copies: Vec<ObjectKey>,
    /// The change does not count as one that the policy's lifetime begins with anew.
    pub keeps_updated_at: bool,
}

impl Store {
    /// Changes the settings of the owner's link and returns the changed link. `None` when there is
    /// no such link or the guard does not hold. Files that are no longer included become orphans.
    ///
    /// # Errors
    /// [`Refused::AudienceMemberEnded`] when a person whom the new audience names ended after
    /// `began_at`; [`StoreError::Unavailable`] also when a sweep has deleted a copy.
    pub async fn change_settings(
        &self,
        id: &ShareId,
        owner: &UserId,
        change: SettingsChange,
        guard: ChangeGuard,
        began_at: DateTime<Utc>,
        mut record: AuditRecord,
    ) -> Result<Option<SharedChat>, StoreError> {
        let now = record.at;
        let notice = Notice::links([id]);
        let (id, owner) = (id.as_str().to_owned(), owner.as_str().to_owned());
        let any_revision = guard.revisions.is_none();
        let revisions = guard.revisions.unwrap_or_default();
        let ends_artifacts = change.includes_artifacts == Some(false);
        let (copies, updated_at) = (guard.copies, (!guard.keeps_updated_at).then_some(Moment(now)));
        let named = change.audience.iter().flatten().flat_map(Audience::users);
        let named: Vec<String> = named.map(str::to_owned).collect();
        let audience = change.audience.map(|list| list.as_ref().map(stored_audience));
        let changed: Option<(LinkRow, AuditRecord)> = on!(&self.database, transaction, |conn| {
            let mine = shared_chats::table
                .find(&id)
                .filter(shared_chats::owner_id.eq(owner))
                .filter(not_expired!(now))
                .filter(
                    shared_chats::revision.eq_any(revisions).or(any_revision.into_sql::<Bool>()),
                );
            let changed = diesel::update(mine)
                .set((
                    change.is_private.map(|on| shared_chats::is_private.eq(on)),
                    change.includes_artifacts.map(|on| shared_chats::includes_artifacts.eq(on)),
                    change.expires_at.map(|at| shared_chats::expires_at.eq(at.map(Moment))),
                    change.label.map(|label| shared_chats::label.eq(label)),
                    audience.map(|list| shared_chats::audience.eq(list)),
                    updated_at.map(|at| shared_chats::updated_at.eq(at)),
                    shared_chats::revision.eq(shared_chats::revision + 1),
                ))
                .returning(LinkRow::as_returning())
                .get_result(conn)
                .await
                .optional()?;
            let Some(changed): Option<LinkRow> = changed else { return Ok(None) };
            if !named.is_empty() {
                conn.lock_users(&named, false).await?;
                if !ended_since!(conn, &named, began_at).is_empty() {
                    return Err(StoreError::Refused(Refused::AudienceMemberEnded));
                }
            }
            if ends_artifacts {
                detach!(conn, [&id]);
            }
            attach!(conn, copies, &id);
            record.chat = changed.row.short_chat();
            record_change!(conn, &record, &notice);
            Ok(Some((changed, record)))
        })?;
        let Some((changed, record)) = changed else { return Ok(None) };
        log_audit_record(&record);
        SharedChat::try_from(changed).map(Some)
    }

    /// Deletes the owner's link, with its content. `false` when there is no such link.
    pub async fn delete(
        &self,
        id: &ShareId,
        owner: &UserId,
        mut record: AuditRecord,
    ) -> Result<bool, StoreError> {
        let now = record.at;
        let notice = Notice::links([id]);
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

    /// Deletes those of the links that exist, all or none, and returns how many.
    ///
    /// # Errors
    /// [`Refused::NotTheOwner`] when one of them belongs to another owner, [`Refused::Legacy`] when
    /// one is a legacy link; nothing is deleted then.
    pub async fn delete_all(
        &self,
        ids: &[ShareId],
        owner: &UserId,
        mut record: AuditRecord,
    ) -> Result<usize, StoreError> {
        let now = record.at;
        let notice = Notice::links(ids);
        let ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let owner = owner.as_str().to_owned();
        let (deleted, record) = on!(&self.database, bulk, |conn| {
            let mine = shared_chats::table
                .filter(shared_chats::id.eq_any(&ids))
                .filter(shared_chats::owner_id.eq(owner))
                .filter(not_expired!(now));
            let deleted: Vec<String> =
                diesel::delete(mine).returning(shared_chats::id).get_results(conn).await?;
            // Those that are left are not the owner's.
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
            // Ids without a link are not announced.
            let notice = if deleted.is_empty() { Notice::nothing() } else { notice };
            record_change!(conn, &record, &notice);
            Ok((deleted.len(), record))
        })?;
        log_audit_record(&record);
        Ok(deleted)
    }
}

/// The detail of the audit record of links that were deleted together.
pub(in crate::store) fn deleted_links(ids: &[String]) -> Deleted {
    let links = ids.iter().take(Deleted::LISTED).filter_map(|id| ShareId::parse(id));
    Deleted { deleted: ids.len(), links: links.map(|id| id.short()).collect() }
}
