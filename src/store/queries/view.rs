//! What a viewer's request reads.

use chrono::{DateTime, Utc};
use diesel::prelude::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;

use crate::{
    model::{LinkState, ShareId, SharedChat},
    store::{
        Database, Snapshot, Store, StoreError, counted, on,
        rows::SharedChatRow,
        schema::{shared_chats, snapshots},
    },
};

impl Store {
    /// The link, unless there is none or it expired by `now`. Every view asks this, so that a
    /// revoked link is never served from a cache.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
    pub async fn link(
        &self,
        id: &ShareId,
        now: DateTime<Utc>,
    ) -> Result<Option<SharedChat>, StoreError> {
        let id = id.as_str().to_owned();
        // As plain as can be: SQLite would plan it anew for each LIMIT that is bound.
        let row: Option<SharedChatRow> = on!(&self.database, fast_read(id), |conn| {
            Ok(shared_chats::table
                .find(id)
                .select(SharedChatRow::as_select())
                .get_result(conn)
                .await
                .optional()?)
        })?;
        let link = row.map(SharedChat::try_from).transpose()?;
        Ok(link.filter(|link| !link.is_expired(now)))
    }

    /// The state of the link, as [`Store::link`] would find it.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
    pub async fn link_state(
        &self,
        id: &ShareId,
        now: DateTime<Utc>,
    ) -> Result<Option<LinkState>, StoreError> {
        let id = id.as_str().to_owned();
        let row = counted(match &self.database {
            Database::Sqlite(db) => db.link_state(id).await,
            Database::Postgres(db) => db.link_state(id).await,
        })?;
        Ok(row.map(LinkState::from).filter(|link| !link.is_expired(now)))
    }

    /// What a frozen link shows; `None` when the link is gone or not frozen.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
    pub async fn snapshot(&self, id: &ShareId) -> Result<Option<Snapshot>, StoreError> {
        let id = id.as_str().to_owned();
        let row: Option<(Vec<u8>, String)> = on!(&self.database, read, |conn| {
            Ok(snapshots::table
                .find(id)
                .select((snapshots::messages, snapshots::files))
                .first(conn)
                .await
                .optional()?)
        })?;
        Ok(row.map(|(messages, files)| Snapshot { messages: messages.into(), files }))
    }

    /// The list of files that a frozen link remembers, as JSON; `None` as for the snapshot.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
    pub async fn snapshot_files(&self, id: &ShareId) -> Result<Option<String>, StoreError> {
        let id = id.as_str().to_owned();
        on!(&self.database, read, |conn| {
            Ok(snapshots::table.find(id).select(snapshots::files).first(conn).await.optional()?)
        })
    }

    /// Whether the database answers. It is asked as a view asks, so that a pool that is busy does
    /// not count: an instance under load is not one to be taken away.
    ///
    /// # Errors
    /// [`StoreError`] when it does not, or is not the one that was opened.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if let Database::Sqlite(sqlite) = &self.database {
            sqlite.check_file()?;
        }
        let nobody = String::new();
        let _: i64 = on!(&self.database, fast_read(nobody), |conn| {
            Ok(snapshots::table
                .filter(snapshots::shared_chat_id.eq(nobody))
                .count()
                .get_result(conn)
                .await?)
        })?;
        Ok(())
    }
}
