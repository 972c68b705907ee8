//! What an owner has stored.

use chrono::{DateTime, Utc};
use diesel::{
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    serialize::ToSql,
    sql_types::{BigInt, HasSqlType, Text},
};
use diesel_async::RunQueryDsl;

use crate::{
    model::UserId,
    store::{Moment, Store, StoreError, UtcMicros, on},
};

/// What the links of an owner take. The content of an expired link counts until a sweep deletes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Links that have not expired.
    pub links: u64,
    /// Of compressed messages and of kept files.
    pub bytes: u64,
    /// Kept files.
    pub files: u64,
}

/// One statement, for it is a part of each create; prepared once for each connection. No content is
/// read: the indexes of owners, snapshots and files serve it. Sizes are looked up link by link, as
/// PostgreSQL would answer a join by reading all snapshots. That costs most, 1 ms for 319 links on
/// either database, and is left out for few links without files.
#[derive(QueryId)]
struct SelectUsage {
    owner: String,
    now: Moment,
    uncounted_links: i64,
}

impl Query for SelectUsage {
    /// Links that have not expired, bytes of messages, files, and their bytes.
    type SqlType = (BigInt, BigInt, BigInt, BigInt);
}

impl<DB: Backend + HasSqlType<UtcMicros>> QueryFragment<DB> for SelectUsage
where
    String: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
    Moment: ToSql<UtcMicros, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("SELECT COUNT(CASE WHEN l.expires_at IS NULL OR l.expires_at > ");
        out.push_bind_param::<UtcMicros, _>(&self.now)?;
        out.push_sql(" THEN 1 END), CAST(CASE WHEN COUNT(*) > ");
        out.push_bind_param::<BigInt, _>(&self.uncounted_links)?;
        out.push_sql(
            " OR COUNT(CASE WHEN l.includes_artifacts THEN 1 END) > 0 \
             THEN (SELECT COALESCE(SUM((SELECT OCTET_LENGTH(s.messages) FROM snapshots s \
             WHERE s.shared_chat_id = o.id)), 0) FROM shared_chats o WHERE o.owner_id = ",
        );
        out.push_bind_param::<Text, _>(&self.owner)?;
        out.push_sql(
            ") ELSE 0 END AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN l.includes_artifacts THEN (SELECT COUNT(*) \
             FROM artifacts a WHERE a.shared_chat_id = l.id) END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(CASE WHEN l.includes_artifacts THEN (SELECT SUM(a.bytes) \
             FROM artifacts a WHERE a.shared_chat_id = l.id) END), 0) AS BIGINT) \
             FROM shared_chats l WHERE l.owner_id = ",
        );
        out.push_bind_param::<Text, _>(&self.owner)
    }
}

impl Store {
    /// What the owner's links take at `now`. The bytes of messages are not summed, and 0, while the
    /// owner has up to `uncounted_links` links and none with files. The cost grows with the number
    /// of links.
    pub async fn usage(
        &self,
        owner: &UserId,
        now: DateTime<Utc>,
        uncounted_links: u64,
    ) -> Result<Usage, StoreError> {
        let owner = owner.as_str().to_owned();
        let uncounted_links = i64::try_from(uncounted_links).unwrap_or(i64::MAX);
        let select = SelectUsage { owner, now: Moment(now), uncounted_links };
        let row: (i64, i64, i64, i64) =
            on!(&self.database, read, |conn| Ok(select.get_result(conn).await?))?;
        let (links, message_bytes, files, file_bytes) = row;
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(Usage {
            links: count(links),
            bytes: count(message_bytes).saturating_add(count(file_bytes)),
            files: count(files),
        })
    }
}
