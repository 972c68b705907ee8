//! What an owner has stored.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Text},
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

#[derive(QueryableByName)]
struct UsageRow {
    #[diesel(sql_type = BigInt)]
    links: i64,
    #[diesel(sql_type = BigInt)]
    message_bytes: i64,
    #[diesel(sql_type = BigInt)]
    files: i64,
    #[diesel(sql_type = BigInt)]
    file_bytes: i64,
}

/// One statement, for it is a part of each create. The indexes of owners, snapshots and files serve
/// it; no content is read.
const USAGE: &str = "\
    SELECT COUNT(CASE WHEN l.expires_at IS NULL OR l.expires_at > $1 THEN 1 END) AS links, \
    CAST(COALESCE(SUM(OCTET_LENGTH(s.messages)), 0) AS BIGINT) AS message_bytes, \
    CAST(COALESCE(SUM(CASE WHEN l.includes_artifacts THEN (SELECT COUNT(*) FROM artifacts a \
    WHERE a.shared_chat_id = l.id) END), 0) AS BIGINT) AS files, \
    CAST(COALESCE(SUM(CASE WHEN l.includes_artifacts THEN (SELECT SUM(a.bytes) FROM artifacts a \
    WHERE a.shared_chat_id = l.id) END), 0) AS BIGINT) AS file_bytes \
    FROM shared_chats l LEFT JOIN snapshots s ON s.shared_chat_id = l.id WHERE l.owner_id = $2";

impl Store {
    /// What the owner's links take at `now`. The cost grows with the number of links.
    pub async fn usage(&self, owner: &UserId, now: DateTime<Utc>) -> Result<Usage, StoreError> {
        let owner = owner.as_str().to_owned();
        let row: UsageRow = on!(&self.database, read, |conn| {
            Ok(diesel::sql_query(USAGE)
                .bind::<UtcMicros, _>(Moment(now))
                .bind::<Text, _>(owner)
                .get_result(conn)
                .await?)
        })?;
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(Usage {
            links: count(row.links),
            bytes: count(row.message_bytes).saturating_add(count(row.file_bytes)),
            files: count(row.files),
        })
    }
}
