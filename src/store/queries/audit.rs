//! Audit records: written in the transaction of their change, so that neither exists without the
//! other, and to the log after the commit. They outlive the links.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, Insertable, QueryDsl};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::sweep_until;
use crate::{
    model::{Action, AuditRecord, LinkChange, OK, Settings, ShareId},
    store::{Moment, Store, StoreError, on, schema::audit_records},
};

/// The `times` of each record. Earlier versions counted refusals in one row.
const ONCE: i64 = 1;
/// How many changes of a link its owner sees: the latest.
const CHANGES: i64 = 100;

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = audit_records)]
pub(in crate::store) struct AuditRow {
    at: Moment,
    id: i64,
    actor_kind: &'static str,
    actor_id: Option<String>,
    action: &'static str,
    result: String,
    link: Option<String>,
    chat: Option<String>,
    client: Option<String>,
    request_id: Option<String>,
    times: i64,
    detail: Option<String>,
}

impl From<&AuditRecord> for AuditRow {
    fn from(record: &AuditRecord) -> Self {
        Self {
            at: Moment(record.at),
            // Random, since two records may be of the same microsecond.
            id: Uuid::new_v4().as_u64_pair().0.cast_signed(),
            actor_kind: record.actor.kind(),
            actor_id: record.actor.id().map(|id| id.as_str().to_owned()),
            action: record.action.name(),
            result: record.result.clone(),
            link: record.link.as_ref().map(|id| id.as_str().to_owned()),
            chat: record.chat.as_ref().map(|id| id.as_str().to_owned()),
            client: record.origin.client.map(|address| address.to_string()),
            request_id: record.origin.request_id.clone(),
            times: ONCE,
            detail: detail(record),
        }
    }
}

fn detail(record: &AuditRecord) -> Option<String> {
    // Flags, counts and short forms always serialise.
    record.detail.as_ref().map(|detail| serde_json::to_string(detail).unwrap_or_default())
}

/// Writes a record to the log: of a change after its commit, of a refusal at once. A refusal is
/// only in the log, so that refused requests cannot make the database write.
pub fn log_audit_record(record: &AuditRecord) {
    tracing::info!(
        target: "shared_chats::audit",
        at = %record.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        actor_kind = record.actor.kind(),
        actor_id = record.actor.id().map(|id| id.as_str()),
        action = record.action.name(),
        result = record.result,
        link = record.link.as_ref().map(|id| id.as_str()),
        chat = record.chat.as_ref().map(|id| id.as_str()),
        client = record.origin.client.map(tracing::field::display),
        request_id = record.origin.request_id,
        times = ONCE,
        detail = detail(record),
    );
}

/// Writes the audit record of a change, and announces the change, within the open transaction.
macro_rules! record_change {
    ($conn:expr, $record:expr, $notice:expr) => {{
        use $crate::store::{notices::Announce, queries::AuditRow, schema::audit_records};
        let row = AuditRow::from($record);
        diesel::insert_into(audit_records::table).values(row).execute($conn).await?;
        $conn.announce($notice).await?;
    }};
}
pub(in crate::store) use record_change;

impl Store {
    /// The latest changes of the link, oldest first.
    pub async fn changes_of(&self, link: &ShareId) -> Result<Vec<LinkChange>, StoreError> {
        let short = link.short().as_str().to_owned();
        let actions = [Action::Create, Action::Change];
        let rows: Vec<(Moment, String, Option<String>)> = on!(&self.database, read, |conn| {
            Ok(audit_records::table
                .filter(audit_records::link.eq(short))
                .filter(audit_records::result.eq(OK))
                .filter(audit_records::action.eq_any(actions.map(Action::name)))
                .order((audit_records::at.desc(), audit_records::id.desc()))
                .limit(CHANGES)
                .select((audit_records::at, audit_records::action, audit_records::detail))
                .load(conn)
                .await?)
        })?;
        let change = |(Moment(at), name, detail): (Moment, String, Option<String>)| {
            let action = actions.map(Action::name).into_iter().find(|action| *action == name)?;
            // A newer instance may have written other fields.
            let settings = detail.and_then(|json| serde_json::from_str::<Settings>(&json).ok());
            Some(LinkChange { at, action, settings: settings.unwrap_or_default() })
        };
        Ok(rows.into_iter().rev().filter_map(change).collect())
    }

    /// Deletes the records of `until` and before, and returns how many.
    pub async fn sweep_audit_records(&self, until: DateTime<Utc>) -> Result<usize, StoreError> {
        Ok(sweep_until!(self, audit_records, at, until))
    }
}
