//! The end of a user: their links, and the traces of the person.

pub(in crate::store) mod lock;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use lock::LockUsers;
use serde_json::Value;

use super::{
    BATCH, log_audit_record, record_change,
    sweep::{SizedLink, in_one_batch, length},
    sweep_until,
};
use crate::{
    model::{Actor, Audience, AuditRecord, Detail, EndedUser, ShareId, ShortId, UserId},
    store::{
        Moment, Notice, Store, StoreError, not_expired,
        notices::Announce,
        on,
        rows::{audience, stored_audience},
        schema::{audit_records, ended_users, idempotency_keys, policy, shared_chats, snapshots},
    },
};

/// How long the end of a user is remembered: far longer than a create takes.
const ENDED_USER_RETENTION: Duration = Duration::days(1);

/// An audit record: its key, who acted, and its detail.
type Record = (Moment, i64, Option<String>, Option<String>);

/// Audiences or audit records that are read at a time.
const ROWS: i64 = 5000;
/// How many rows one transaction updates.
const BATCH_OF_ROWS: usize = 500;

impl Store {
    /// Deletes all links of the user, expired ones too. Creates in progress fail, and what is under
    /// way to name the user in an audience. Each transaction deletes a bounded number of links and
    /// bytes, and has an audit record of its own. Returns how many of the links had not expired.
    pub async fn end_user(&self, user: &UserId, record: AuditRecord) -> Result<usize, StoreError> {
        let now = record.at;
        let short = user.short();
        let user = user.as_str().to_owned();
        let id = user.clone();
        on!(&self.database, transaction, |conn| {
            conn.lock_users(std::slice::from_ref(&id), true).await?;
            diesel::insert_into(ended_users::table)
                .values((ended_users::user_id.eq(&id), ended_users::ended_at.eq(Moment(now))))
                .on_conflict(ended_users::user_id)
                .do_update()
                .set(ended_users::ended_at.eq(Moment(now)))
                .execute(conn)
                .await?;
            Ok(())
        })?;
        let mut ended = 0;
        loop {
            let owner = user.clone();
            let page: Vec<SizedLink> = on!(&self.database, read, |conn| {
                // Not joined: PostgreSQL would read all snapshots, or all of the owner's links.
                let size = snapshots::table
                    .filter(snapshots::shared_chat_id.eq(shared_chats::id))
                    .select(length(snapshots::messages.nullable()))
                    .single_value();
                Ok(shared_chats::table
                    .filter(shared_chats::owner_id.eq(owner))
                    .select((shared_chats::id, shared_chats::expires_at, size))
                    .limit(BATCH)
                    .load(conn)
                    .await?)
            })?;
            let batch = in_one_batch(&page);
            if batch.is_empty() && ended > 0 {
                return Ok(ended);
            }
            let (owner, short) = (user.clone(), short.clone());
            let record = record.clone();
            let (deleted, record) = on!(&self.database, bulk, |conn| {
                let these = || {
                    shared_chats::table
                        .filter(shared_chats::id.eq_any(&batch))
                        .filter(shared_chats::owner_id.eq(&owner))
                };
                let live: Vec<String> = diesel::delete(these().filter(not_expired!(now)))
                    .returning(shared_chats::id)
                    .get_results(conn)
                    .await?;
                diesel::delete(these()).execute(conn).await?;
                let ids: Vec<ShareId> = live.iter().filter_map(|id| ShareId::parse(id)).collect();
                let detail = EndedUser { user: short, deleted: live.len() };
                let record = AuditRecord { detail: Some(Detail::EndedUser(detail)), ..record };
                record_change!(conn, &record, &Notice::links(&ids));
                Ok((live.len(), record))
            })?;
            log_audit_record(&record);
            ended += deleted;
            if page.is_empty() {
                return Ok(ended);
            }
        }
    }

    /// Removes a person: from audiences, idempotency keys, and as an actor. Their own links were
    /// ended before. It takes several transactions, of which the last one has the audit record, so
    /// that what a crash left undone is repeated.
    pub async fn erase_user(
        &self,
        user: &UserId,
        mut record: AuditRecord,
        ended: usize,
    ) -> Result<(), StoreError> {
        let short = user.short();
        self.erase_from_audiences(user).await?;
        self.erase_from_records(user, &short).await?;
        let id = user.as_str().to_owned();
        let instead = erased(&short);
        if record.actor.id() == Some(user) {
            // An administrator who erases themself is not named by the record of it.
            record.actor = Actor::Erased(short.clone());
        }
        record.detail = Some(Detail::EndedUser(EndedUser { user: short, deleted: ended }));
        let record = on!(&self.database, bulk, |conn| {
            let keys = idempotency_keys::table
                .filter(idempotency_keys::caller_id.eq(&id).or(idempotency_keys::owner_id.eq(&id)));
            diesel::delete(keys).execute(conn).await?;
            diesel::update(policy::table.filter(policy::changed_by.eq(&id)))
                .set(policy::changed_by.eq(Some(&instead)))
                .execute(conn)
                .await?;
            record_change!(conn, &record, &Notice::nothing());
            Ok(record)
        })?;
        log_audit_record(&record);
        Ok(())
    }

    /// An audience that loses its last entry stays: none at all would admit every user. The links
    /// count as unchanged by their owners, so that a lifetime of the policy goes on.
    async fn erase_from_audiences(&self, user: &UserId) -> Result<(), StoreError> {
        let principal = Audience::user(user);
        let json = Value::from(principal.clone()).to_string();
        let mut after = String::new();
        loop {
            let behind = after.clone();
            // Not searched by the database: a statement would go through all audiences.
            let page: Vec<(String, Option<String>)> = on!(&self.database, read, |conn| {
                Ok(shared_chats::table
                    .filter(shared_chats::id.gt(behind))
                    .filter(shared_chats::audience.is_not_null())
                    .select((shared_chats::id, shared_chats::audience))
                    .order(shared_chats::id.asc())
                    .limit(ROWS)
                    .load(conn)
                    .await?)
            })?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            // It may find more: the string can be a part of another principal.
            let may_name =
                |list: &Option<String>| list.as_ref().is_some_and(|it| it.contains(&json));
            let named: Vec<String> =
                page.into_iter().filter(|(_, list)| may_name(list)).map(|(id, _)| id).collect();
            for batch in named.chunks(BATCH_OF_ROWS) {
                self.erase_from(batch.to_vec(), principal.clone()).await?;
            }
        }
    }

    /// Removes the principal from the audiences of these links, in one transaction.
    async fn erase_from(&self, links: Vec<String>, principal: String) -> Result<(), StoreError> {
        on!(&self.database, bulk, |conn| {
            let mut changed = Vec::new();
            for id in &links {
                // Its owner may change it at the same moment: then it is looked at again.
                loop {
                    let row: Option<(Option<String>, i64)> = shared_chats::table
                        .find(id)
                        .select((shared_chats::audience, shared_chats::revision))
                        .get_result(conn)
                        .await
                        .optional()?;
                    let Some((Some(stored), revision)) = row else { break };
                    // A damaged one admits no one, and is left empty.
                    let list = audience(Some(&stored)).ok().flatten().unwrap_or_default();
                    let rest = stored_audience(&list.without(&principal));
                    if rest == stored {
                        break;
                    }
                    let as_read =
                        shared_chats::table.find(id).filter(shared_chats::revision.eq(revision));
                    let updated = diesel::update(as_read)
                        .set((
                            shared_chats::audience.eq(Some(rest)),
                            shared_chats::revision.eq(shared_chats::revision + 1),
                        ))
                        .execute(conn)
                        .await?;
                    if updated > 0 {
                        changed.extend(ShareId::parse(id));
                        break;
                    }
                }
            }
            conn.announce(&Notice::links(&changed)).await?;
            Ok(())
        })
    }

    /// Who acted, and the lists of audiences, in audit records: read page by page, off SQLite's
    /// writer, for there may be millions.
    async fn erase_from_records(&self, user: &UserId, short: &ShortId) -> Result<(), StoreError> {
        let (id, principal) = (user.as_str().to_owned(), Audience::user(user));
        let json = Value::from(principal.clone()).to_string();
        let instead = erased(short);
        let mut after = (Moment(DateTime::UNIX_EPOCH), i64::MIN);
        loop {
            let (at, last) = after;
            let page: Vec<Record> = on!(&self.database, read, |conn| {
                Ok(audit_records::table
                    .filter(
                        audit_records::at
                            .gt(at)
                            .or(audit_records::at.eq(at).and(audit_records::id.gt(last))),
                    )
                    .order((audit_records::at.asc(), audit_records::id.asc()))
                    .select((
                        audit_records::at,
                        audit_records::id,
                        audit_records::actor_id,
                        audit_records::detail,
                    ))
                    .limit(ROWS)
                    .load(conn)
                    .await?)
            })?;
            let Some((at, id_of_last, ..)) = page.last() else { return Ok(()) };
            after = (*at, *id_of_last);
            let of_person: Vec<Record> = page
                .into_iter()
                .filter(|(_, _, actor, detail)| {
                    let is_named = detail.as_ref().is_some_and(|detail| detail.contains(&json));
                    is_named || actor.as_deref() == Some(&*id)
                })
                .collect();
            for batch in of_person.chunks(BATCH_OF_ROWS) {
                let (batch, id) = (batch.to_vec(), id.clone());
                let (principal, instead) = (principal.clone(), instead.clone());
                on!(&self.database, bulk, |conn| {
                    for (at, key, actor, detail) in batch {
                        let is_actor = actor.as_deref() == Some(&*id);
                        let actor = if is_actor { Some(instead.clone()) } else { actor };
                        let detail = detail.map(|it| replace(&it, &principal, &instead));
                        diesel::update(audit_records::table.find((at, key)))
                            .set((
                                audit_records::actor_id.eq(actor),
                                audit_records::detail.eq(detail),
                            ))
                            .execute(conn)
                            .await?;
                    }
                    Ok(())
                })?;
            }
        }
    }

    /// Forgets the ends of users of longer than a day ago, and returns how many.
    pub(in crate::store) async fn sweep_ended_users(
        &self,
        now: DateTime<Utc>,
    ) -> Result<usize, StoreError> {
        Ok(sweep_until!(self, ended_users, ended_at, now - ENDED_USER_RETENTION))
    }
}

/// What stands for an erased person where their `sub` or principal stood.
fn erased(short: &ShortId) -> String {
    format!("user#{}", short.as_str())
}

/// A detail with this string, wherever it stands, replaced. One that cannot be read is emptied, so
/// that nothing of the person is left.
fn replace(detail: &str, text: &str, instead: &str) -> String {
    fn walk(value: &mut Value, text: &str, instead: &str) {
        match value {
            Value::String(one) if one == text => instead.clone_into(one),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, text, instead)),
            Value::Object(members) => {
                members.values_mut().for_each(|value| walk(value, text, instead));
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut value: Value = serde_json::from_str(detail).unwrap_or_default();
    walk(&mut value, text, instead);
    value.to_string()
}
