//! Reads for views.

use chrono::{DateTime, Utc};
use diesel::prelude::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;

use super::{narrowed, policy_revision};
use crate::{
    model::{LinkState, ShareId, SharedChat},
    store::{
        Database, Snapshot, Store, StoreError, on,
        rows::{LinkRow, SnapshotRow},
        schema::{shared_chats, snapshots},
    },
};

impl Store {
    /// The link as it is stored, unless it has expired by `now`.
    pub async fn link(
        &self,
        id: &ShareId,
        now: DateTime<Utc>,
    ) -> Result<Option<SharedChat>, StoreError> {
        let id = id.as_str().to_owned();
        // Without `first`: SQLite would plan each query with a bound LIMIT.
        let row: Option<LinkRow> = on!(&self.database, fast_read(id), |conn| {
            Ok(shared_chats::table
                .find(id)
                .select(LinkRow::as_select())
                .get_result(conn)
                .await
                .optional()?)
        })?;
        let link = row.map(SharedChat::try_from).transpose()?;
        Ok(link.filter(|link| !link.is_expired(now)))
    }

    /// The link as viewers see it by the policy, unless it has expired for them by `now`.
    pub async fn viewed_link(
        &self,
        id: &ShareId,
        now: DateTime<Utc>,
    ) -> Result<Option<SharedChat>, StoreError> {
        let id = id.as_str().to_owned();
        let link = narrowed!(
            self,
            {
                let id = id.clone();
                let row: Option<(LinkRow, Option<i64>)> =
                    on!(&self.database, fast_read(id), |conn| {
                        Ok(shared_chats::table
                            .find(id)
                            .select((LinkRow::as_select(), policy_revision!()))
                            .get_result(conn)
                            .await
                            .optional()?)
                    })?;
                row
            },
            |link, policy| SharedChat::try_from(link).map(|link| link.narrowed(policy))
        );
        Ok((!link.is_expired(now)).then_some(link))
    }

    /// The link as viewers see it, unless it has expired by `now`, and its content if that is
    /// small: a snapshot of up to 16 KiB, as it is stored. Every view reads this or the state, so
    /// that a revoked link is never served from a cache.
    pub async fn link_with_small_snapshot(
        &self,
        id: &ShareId,
        now: DateTime<Utc>,
    ) -> Result<Option<(SharedChat, Option<Snapshot>)>, StoreError> {
        let id = id.as_str().to_owned();
        let (link, snapshot) = narrowed!(
            self,
            {
                let id = id.clone();
                let row = on!(@each &self.database, |db| db.link_with_small_snapshot(id))?;
                row.map(|(link, snapshot, policy)| ((link, snapshot), policy))
            },
            |(link, snapshot), policy| {
                SharedChat::try_from(link).map(|link| (link.narrowed(policy), snapshot))
            }
        );
        Ok((!link.is_expired(now)).then(|| (link, snapshot.map(Snapshot::from))))
    }

    /// The state of the link as viewers see it, unless it has expired by `now`.
    pub async fn link_state(
        &self,
        id: &ShareId,
        now: DateTime<Utc>,
    ) -> Result<Option<LinkState>, StoreError> {
        let id = id.as_str().to_owned();
        let link = narrowed!(
            self,
            {
                let id = id.clone();
                on!(@each &self.database, |db| db.link_state(id))?
            },
            |link, policy| LinkState::try_from(link).map(|link| link.narrowed(policy))
        );
        Ok((!link.is_expired(now)).then_some(link))
    }

    /// The content of a frozen link; `None` when there is none.
    pub async fn snapshot(&self, id: &ShareId) -> Result<Option<Snapshot>, StoreError> {
        let id = id.as_str().to_owned();
        let row: Option<SnapshotRow> = on!(&self.database, read, |conn| {
            Ok(snapshots::table
                .find(id)
                .select(SnapshotRow::as_select())
                .first(conn)
                .await
                .optional()?)
        })?;
        Ok(row.map(Snapshot::from))
    }

    /// The list of files in the snapshot, as JSON; `None` when there is none.
    pub async fn snapshot_files(&self, id: &ShareId) -> Result<Option<String>, StoreError> {
        let id = id.as_str().to_owned();
        on!(&self.database, read, |conn| {
            Ok(snapshots::table.find(id).select(snapshots::files).first(conn).await.optional()?)
        })
    }

    /// Checks that the database answers, and that the SQLite file is the one that was opened. It
    /// reads as views do: a busy pool must not make an instance under load look dead.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if let Database::Sqlite(sqlite) = &self.database {
            sqlite.check_file()?;
        }
        let no_id = String::new();
        let _: i64 = on!(&self.database, fast_read(no_id), |conn| {
            Ok(snapshots::table
                .filter(snapshots::shared_chat_id.eq(no_id))
                .count()
                .get_result(conn)
                .await?)
        })?;
        Ok(())
    }
}
