//! The policy: one row, which every view's read names by its revision.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{log_audit_record, record_change};
use crate::{
    model::{AuditRecord, Detail, Policy, PolicyChange, StoredPolicy, UserId},
    store::{Moment, Notice, Store, StoreError, on, schema::policy},
};

/// The key of the one row.
pub(in crate::store) const ID: i64 = 1;

/// The revision of the policy, as a part of another query; null without a row.
macro_rules! policy_revision {
    () => {{
        use diesel::prelude::*;
        use $crate::store::{queries::policy::ID, schema::policy};
        policy::table.filter(policy::id.eq(ID)).select(policy::revision).single_value()
    }};
}
pub(in crate::store) use policy_revision;

/// How often a link is read because the policy was changed right after.
pub(in crate::store) const TRIES: usize = 8;

/// Reads a link with the policy's revision until that policy is known, and narrows the link by it.
macro_rules! narrowed {
    ($store:expr, $read:expr, $narrow:expr) => {{
        let mut narrowed = None;
        for _ in 0..$crate::store::queries::policy::TRIES {
            let read = $read;
            let Some((link, revision)) = read else { return Ok(None) };
            if let Some(policy) = $store.policy_at(revision).await? {
                narrowed = Some($narrow(link, &policy)?);
                break;
            }
        }
        narrowed.ok_or_else(|| {
            $crate::store::StoreError::unavailable("the policy changes all the time")
        })?
    }};
}
pub(in crate::store) use narrowed;

impl Store {
    /// The policy now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] also if the stored one is damaged: taken for none, it would open
    /// what it closes.
    pub async fn policy(&self) -> Result<StoredPolicy, StoreError> {
        let id = ID;
        let row: Option<(String, i64)> = on!(&self.database, fast_read(id), |conn| {
            Ok(policy::table
                .find(id)
                .select((policy::document, policy::revision))
                .get_result(conn)
                .await
                .optional()?)
        })?;
        let Some((document, revision)) = row else { return Ok(StoredPolicy::default()) };
        Ok(StoredPolicy { revision, policy: parse(&document)? })
    }

    /// The policy of this revision, which a link was read together with: the cached one, or else the
    /// one that is stored. `None` if that is of another revision by now: then the link has to be
    /// read again, so that no view goes by a policy that is not of its own read.
    pub(in crate::store) async fn policy_at(
        &self,
        revision: Option<i64>,
    ) -> Result<Option<StoredPolicy>, StoreError> {
        let Some(revision) = revision else { return Ok(Some(StoredPolicy::default())) };
        {
            let cached = self.policy.lock();
            if cached.revision == revision {
                return Ok(Some(cached.clone()));
            }
        }
        // Boxed, as it is rare and would make every view's future larger.
        let current = Box::pin(self.policy()).await?;
        *self.policy.lock() = current.clone();
        Ok(Some(current).filter(|current| current.revision == revision))
    }

    /// Replaces the policy, if it is at one of these revisions; `None` is any. Returns the new
    /// revision, and `None` if the policy is at another one.
    pub async fn set_policy(
        &self,
        new: Policy,
        by: &UserId,
        revisions: Option<Vec<i64>>,
        mut record: AuditRecord,
    ) -> Result<Option<i64>, StoreError> {
        let now: DateTime<Utc> = record.at;
        let by = by.as_str().to_owned();
        let any = revisions.is_none();
        let revisions = revisions.unwrap_or_default();
        let changed = on!(&self.database, transaction, |conn| {
            diesel::insert_into(policy::table)
                .values((
                    policy::id.eq(ID),
                    policy::document.eq(serialized(&Policy::default())),
                    policy::revision.eq(0),
                    policy::changed_at.eq(Moment(now)),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .await?;
            let at_revision = policy::table.find(ID).filter(
                policy::revision.eq_any(revisions).or(any.into_sql::<diesel::sql_types::Bool>()),
            );
            // It returns the old document, from under the lock of the row.
            let old: Option<(String, i64)> = diesel::update(at_revision)
                .set(policy::revision.eq(policy::revision + 1))
                .returning((policy::document, policy::revision))
                .get_result(conn)
                .await
                .optional()?;
            let Some((old, revision)) = old else { return Ok(None) };
            diesel::update(policy::table.find(ID))
                .set((
                    policy::document.eq(serialized(&new)),
                    policy::changed_at.eq(Moment(now)),
                    policy::changed_by.eq(Some(by)),
                ))
                .execute(conn)
                .await?;
            // A damaged one can be replaced.
            let before = parse(&old).ok();
            record.detail = Some(Detail::Policy(PolicyChange { before, after: new }));
            record_change!(conn, &record, &Notice::Everything);
            Ok(Some((revision, record)))
        })?;
        let Some((revision, record)) = changed else { return Ok(None) };
        log_audit_record(&record);
        Ok(Some(revision))
    }
}

fn serialized(policy: &Policy) -> String {
    // Words, numbers and flags always serialise.
    serde_json::to_string(policy).unwrap_or_default()
}

fn parse(document: &str) -> Result<Policy, StoreError> {
    let damaged = || StoreError::unavailable("the stored policy is damaged");
    let policy: Policy = serde_json::from_str(document).map_err(|_| damaged())?;
    policy.check().map_err(|_| damaged())?;
    Ok(policy)
}
