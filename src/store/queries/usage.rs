//! What an owner has stored.

use chrono::{DateTime, Utc};
use diesel::{dsl::sql, prelude::*, sql_types::BigInt};
use diesel_async::RunQueryDsl;

use crate::{
    model::UserId,
    store::{
        Store, StoreError, not_expired, on,
        schema::{artifacts, shared_chats, snapshots},
    },
};

/// What links take that have not expired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub links: u64,
    /// Of compressed messages and of kept files.
    pub bytes: u64,
    /// Kept files.
    pub files: u64,
}

impl Store {
    /// What the owner's links take at `now`. The cost grows with the number of links; no content is
    /// read for it.
    pub async fn usage(&self, owner: &UserId, now: DateTime<Utc>) -> Result<Usage, StoreError> {
        let owner = owner.as_str().to_owned();
        let ((links, messages), (files, file_bytes)): ((i64, i64), (i64, i64)) =
            on!(&self.database, read, |conn| {
                let snapshots = shared_chats::table
                    .left_join(snapshots::table)
                    .filter(shared_chats::owner_id.eq(&owner))
                    .filter(not_expired!(now))
                    .select((
                        diesel::dsl::count_star(),
                        sql::<BigInt>(
                            "CAST(COALESCE(SUM(OCTET_LENGTH(snapshots.messages)), 0) AS BIGINT)",
                        ),
                    ))
                    .first(conn)
                    .await?;
                let of_the_link = artifacts::shared_chat_id.eq(shared_chats::id.nullable());
                let files = shared_chats::table
                    .inner_join(artifacts::table.on(of_the_link))
                    .filter(shared_chats::owner_id.eq(&owner))
                    .filter(not_expired!(now))
                    .select((
                        diesel::dsl::count_star(),
                        sql::<BigInt>("CAST(COALESCE(SUM(artifacts.bytes), 0) AS BIGINT)"),
                    ))
                    .first(conn)
                    .await?;
                Ok((snapshots, files))
            })?;
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(Usage {
            links: count(links),
            bytes: count(messages).saturating_add(count(file_bytes)),
            files: count(files),
        })
    }
}
