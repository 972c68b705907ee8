//! Taking away what nobody may see any more.

use chrono::{DateTime, Duration, Utc};
use diesel::{ExpressionMethods, NullableExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;

use super::{
    IDEMPOTENCY_RETENTION, Store, StoreError, TOMBSTONE_RETENTION,
    artifacts::disown,
    on,
    schema::{chats, idempotency_keys, shared_chats, snapshots},
    timestamp::Moment,
};

/// How much a sweep took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Contents of expired links.
    pub snapshots: usize,
    /// Files of expired links, whose bytes go next.
    pub artifacts: usize,
    /// Expired links whose retention is over.
    pub links: usize,
    /// Idempotency keys past their 24 hours.
    pub idempotency_keys: usize,
    /// Tombstones past their 30 days.
    pub tombstones: usize,
}

impl Store {
    /// Deletes the content of links that have expired by `now`, the bare rows of those that did so
    /// longer than `expired_retention` ago, and keys and tombstones that are past their time.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach; the next sweep goes on.
    pub async fn sweep(
        &self,
        expired_retention: Duration,
        now: DateTime<Utc>,
    ) -> Result<Swept, StoreError> {
        on!(&self.database, write, |conn| {
            let expired = || {
                shared_chats::table
                    .filter(shared_chats::expires_at.le(Moment(now)))
                    .select(shared_chats::id)
            };
            let unseen = snapshots::table.filter(snapshots::shared_chat_id.eq_any(expired()));
            let snapshots = diesel::delete(unseen).execute(conn).await?;
            let artifacts = disown!(conn, expired().select(shared_chats::id.nullable()));
            let forgotten = shared_chats::table
                .filter(shared_chats::expires_at.le(Moment(now - expired_retention)));
            let links = diesel::delete(forgotten).execute(conn).await?;
            let keys = idempotency_keys::table
                .filter(idempotency_keys::created_at.le(Moment(now - IDEMPOTENCY_RETENTION)));
            let idempotency_keys = diesel::delete(keys).execute(conn).await?;
            let tombstones =
                chats::table.filter(chats::deleted_at.le(Moment(now - TOMBSTONE_RETENTION)));
            let tombstones = diesel::delete(tombstones).execute(conn).await?;
            Ok(Swept { snapshots, artifacts, links, idempotency_keys, tombstones })
        })
    }
}
