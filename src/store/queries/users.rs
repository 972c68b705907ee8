//! The end of a user: their links, and the traces of the person.

use chrono::{DateTime, Duration, Utc};
use diesel::{prelude::*, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::Value;

use super::{BATCH, log_audit_record, record_change, sweep_until};
use crate::{
    model::{AuditRecord, Detail, EndedUser, ShareId, ShortId, UserId},
    store::{
        Moment, Notice, Store, StoreError, not_expired, on,
        rows::{audience, stored_audience},
        schema::{audit_records, ended_users, idempotency_keys, policy, shared_chats},
        sqlite::SqliteConn,
    },
};

/// How long the end of a user is remembered: far longer than a create takes.
const ENDED_USER_RETENTION: Duration = Duration::days(1);

/// By how much the clocks of two instances may differ: a create that began so long after the end by
/// its instance's clock may have begun before it.
const CLOCK_SKEW: Duration = Duration::seconds(5);

/// Serialises creates of an owner's links with the end of that owner, until the open transaction
/// ends: creates take the lock together, an end takes it alone.
pub(in crate::store) trait LockOwner {
    fn lock_owner<'c>(
        &'c mut self,
        owner: &str,
        is_end: bool,
    ) -> BoxFuture<'c, Result<(), StoreError>>;
}

impl LockOwner for AsyncPgConnection {
    fn lock_owner<'c>(
        &'c mut self,
        owner: &str,
        is_end: bool,
    ) -> BoxFuture<'c, Result<(), StoreError>> {
        // Two owners with the same hash wait for each other.
        let statement = match is_end {
            true => "SELECT pg_advisory_xact_lock(hashtextextended($1, 7352))",
            false => "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 7352))",
        };
        let owner = owner.to_owned();
        async move {
            diesel::sql_query(statement).bind::<Text, _>(owner).execute(self).await?;
            Ok(())
        }
        .boxed()
    }
}

impl LockOwner for SqliteConn {
    // There is one writer.
    fn lock_owner<'c>(&'c mut self, _: &str, _: bool) -> BoxFuture<'c, Result<(), StoreError>> {
        std::future::ready(Ok(())).boxed()
    }
}

/// Whether the owner ended after this moment, from within a create's transaction.
macro_rules! has_ended_since {
    ($conn:ident, $owner:expr, $began:expr) => {{
        use $crate::store::{queries::users::ended_until, schema::ended_users};
        let ended: i64 = ended_users::table
            .filter(ended_users::user_id.eq($owner))
            .filter(ended_users::ended_at.ge(ended_until($began)))
            .count()
            .get_result($conn)
            .await?;
        ended > 0
    }};
}
pub(in crate::store) use has_ended_since;

/// The least moment of an end that a create which began then comes before.
pub(in crate::store) fn ended_until(began: DateTime<Utc>) -> Moment {
    Moment(began - CLOCK_SKEW)
}

impl Store {
    /// Deletes all links of the user, expired ones too, and makes creates in progress fail. Returns
    /// how many of the links had not expired.
    pub async fn end_user(
        &self,
        user: &UserId,
        mut record: AuditRecord,
    ) -> Result<usize, StoreError> {
        let now = record.at;
        let short = user.short();
        let user = user.as_str().to_owned();
        let id = user.clone();
        on!(&self.database, transaction, |conn| {
            conn.lock_owner(&id, true).await?;
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
            let (deleted, live) = on!(&self.database, bulk, |conn| {
                let page: Vec<String> = shared_chats::table
                    .filter(shared_chats::owner_id.eq(&owner))
                    .select(shared_chats::id)
                    .limit(BATCH)
                    .load(conn)
                    .await?;
                let live: Vec<String> = shared_chats::table
                    .filter(shared_chats::id.eq_any(&page))
                    .filter(not_expired!(now))
                    .select(shared_chats::id)
                    .load(conn)
                    .await?;
                let these = shared_chats::table.filter(shared_chats::id.eq_any(&page));
                let deleted = diesel::delete(these).execute(conn).await?;
                let ids: Vec<ShareId> = live.iter().filter_map(|id| ShareId::parse(id)).collect();
                crate::store::notices::Announce::announce(conn, &Notice::links(&ids)).await?;
                Ok((deleted, live.len()))
            })?;
            ended += live;
            if deleted == 0 {
                break;
            }
        }
        record.detail = Some(Detail::EndedUser(EndedUser { user: short, deleted: ended }));
        self.record(record).await?;
        Ok(ended)
    }

    /// Removes a person: from audiences, idempotency keys, and as an actor. Their own links were
    /// ended before.
    pub async fn erase_user(
        &self,
        user: &UserId,
        mut record: AuditRecord,
        ended: usize,
    ) -> Result<(), StoreError> {
        let (now, short) = (record.at, user.short());
        self.erase_from_audiences(user, now).await?;
        self.erase_from_records(user, &short).await?;
        let id = user.as_str().to_owned();
        let replaced = actor(&short);
        record.detail = Some(Detail::EndedUser(EndedUser { user: short, deleted: ended }));
        let record = on!(&self.database, bulk, |conn| {
            let keys = idempotency_keys::table
                .filter(idempotency_keys::caller_id.eq(&id).or(idempotency_keys::owner_id.eq(&id)));
            diesel::delete(keys).execute(conn).await?;
            diesel::update(policy::table.filter(policy::changed_by.eq(&id)))
                .set(policy::changed_by.eq(Some(&replaced)))
                .execute(conn)
                .await?;
            diesel::update(audit_records::table.filter(audit_records::actor_id.eq(&id)))
                .set(audit_records::actor_id.eq(Some(&replaced)))
                .execute(conn)
                .await?;
            record_change!(conn, &record, &Notice::Links(Vec::new()));
            Ok(record)
        })?;
        log_audit_record(&record);
        Ok(())
    }

    /// An audience that loses its last entry stays: none at all would admit every user.
    async fn erase_from_audiences(
        &self,
        user: &UserId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let principal = principal(user);
        let pattern = contains(&principal)?;
        loop {
            let (principal, pattern) = (principal.clone(), pattern.clone());
            let rewritten = on!(&self.database, bulk, |conn| {
                let page: Vec<(String, Option<String>)> = shared_chats::table
                    .filter(shared_chats::audience.is_not_null())
                    .filter(shared_chats::audience.assume_not_null().like(&pattern).escape('\\'))
                    .select((shared_chats::id, shared_chats::audience))
                    .limit(BATCH)
                    .load(conn)
                    .await?;
                for (id, stored) in &page {
                    let list = audience(stored.as_deref())?.unwrap_or_default();
                    let rest = list.without(&principal);
                    diesel::update(shared_chats::table.find(id))
                        .set((
                            shared_chats::audience.eq(Some(stored_audience(&rest))),
                            shared_chats::updated_at.eq(Moment(now)),
                            shared_chats::revision.eq(shared_chats::revision + 1),
                        ))
                        .execute(conn)
                        .await?;
                }
                let ids: Vec<ShareId> =
                    page.iter().filter_map(|(id, _)| ShareId::parse(id)).collect();
                crate::store::notices::Announce::announce(conn, &Notice::links(&ids)).await?;
                Ok(page.len())
            })?;
            if rewritten == 0 {
                return Ok(());
            }
        }
    }

    /// The lists of audiences in the details of audit records.
    async fn erase_from_records(&self, user: &UserId, short: &ShortId) -> Result<(), StoreError> {
        let principal = principal(user);
        let pattern = contains(&principal)?;
        let instead = format!("user#{}", short.as_str());
        loop {
            let (principal, pattern, instead) =
                (principal.clone(), pattern.clone(), instead.clone());
            let rewritten = on!(&self.database, bulk, |conn| {
                let page: Vec<(Moment, i64, Option<String>)> = audit_records::table
                    .filter(audit_records::detail.is_not_null())
                    .filter(audit_records::detail.assume_not_null().like(&pattern).escape('\\'))
                    .select((audit_records::at, audit_records::id, audit_records::detail))
                    .limit(BATCH)
                    .load(conn)
                    .await?;
                for (at, id, detail) in &page {
                    let detail = detail.as_deref().unwrap_or_default();
                    let replaced = replace(detail, &principal, &instead);
                    diesel::update(audit_records::table.find((*at, *id)))
                        .set(audit_records::detail.eq(replaced))
                        .execute(conn)
                        .await?;
                }
                Ok(page.len())
            })?;
            if rewritten == 0 {
                return Ok(());
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

/// What stands for an erased person where their `sub` stood.
fn actor(short: &ShortId) -> String {
    format!("user#{}", short.as_str())
}

fn principal(user: &UserId) -> String {
    format!("user:{}", user.as_str())
}

/// A `LIKE` pattern for JSON that holds this string.
fn contains(text: &str) -> Result<String, StoreError> {
    let json = serde_json::to_string(text).map_err(|e| StoreError::Failed(e.to_string()))?;
    let json = json.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    Ok(format!("%{json}%"))
}

/// A detail with this string, wherever it stands, replaced; null if it cannot be read, so that
/// nothing of the person is left.
fn replace(detail: &str, text: &str, instead: &str) -> Option<String> {
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
    let mut value: Value = serde_json::from_str(detail).ok()?;
    walk(&mut value, text, instead);
    let replaced = value.to_string();
    (replaced != detail).then_some(replaced)
}
