//! The ledger of the artifact store: the objects and the links that own them. `sharing::artifacts`
//! has its rules, and why no object is lost or left over.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    model::{KeptFile, ObjectKey, ShareId},
    store::{
        Moment, Store, StoreError, on,
        schema::{artifacts, shared_chats},
    },
};

/// Attaches finished copies to a link, within the transaction that makes the link show them. A copy
/// that a sweep has taken fails the transaction.
macro_rules! attach {
    ($conn:ident, $keys:expr, $link:expr) => {{
        use $crate::store::schema::artifacts;
        let keys: Vec<String> = $keys.iter().map(|key| key.as_str().to_owned()).collect();
        if !keys.is_empty() {
            let copies = artifacts::table
                .filter(artifacts::object_key.eq_any(&keys))
                .filter(artifacts::shared_chat_id.is_null())
                .filter(artifacts::leased_until.is_not_null());
            let attached = diesel::update(copies)
                .set((
                    artifacts::shared_chat_id.eq(Some($link)),
                    artifacts::leased_until.eq(None::<$crate::store::Moment>),
                ))
                .execute($conn)
                .await?;
            if attached != keys.len() {
                return Err($crate::store::StoreError::Unavailable(
                    "copying the files took so long that the sweep took them away".to_owned(),
                ));
            }
        }
    }};
}
pub(in crate::store) use attach;

/// Makes orphans of the files of these links, within the transaction that takes the files from
/// them.
macro_rules! detach {
    ($conn:ident, $links:expr) => {{
        use $crate::store::schema::artifacts;
        let kept = artifacts::table.filter(artifacts::shared_chat_id.eq_any($links));
        diesel::update(kept)
            .set((
                artifacts::shared_chat_id.eq(None::<String>),
                artifacts::leased_until.eq(None::<$crate::store::Moment>),
            ))
            .execute($conn)
            .await?
    }};
}
pub(in crate::store) use detach;

impl Store {
    /// Adds copies that are about to be made. Until `leased_until` no sweep takes them.
    pub async fn begin_copies(
        &self,
        copies: Vec<KeptFile>,
        now: DateTime<Utc>,
        leased_until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        on!(&self.database, transaction, |conn| {
            for copy in copies {
                let bytes = i64::try_from(copy.bytes)
                    .map_err(|_| StoreError::malformed("artifacts.bytes"))?;
                diesel::insert_into(artifacts::table)
                    .values((
                        artifacts::object_key.eq(copy.key.as_str()),
                        artifacts::artifact_id.eq(copy.id.as_str()),
                        artifacts::filename.eq(copy.filename.as_str()),
                        artifacts::bytes.eq(bytes),
                        artifacts::created_at.eq(Moment(now)),
                        artifacts::leased_until.eq(Some(Moment(leased_until))),
                    ))
                    .execute(conn)
                    .await?;
            }
            Ok(())
        })
    }

    /// The ids of the link's files at this revision; `None` when the link is at another revision,
    /// or gone. One statement, so that the files are those of this revision.
    pub async fn kept_files(
        &self,
        link: &ShareId,
        revision: i64,
    ) -> Result<Option<HashSet<String>>, StoreError> {
        let link = link.as_str().to_owned();
        let ids: Vec<Option<String>> = on!(&self.database, read, |conn| {
            let of_the_link = artifacts::shared_chat_id.eq(shared_chats::id.nullable());
            Ok(shared_chats::table
                .left_join(artifacts::table.on(of_the_link))
                .filter(shared_chats::id.eq(link))
                .filter(shared_chats::revision.eq(revision))
                .select(artifacts::artifact_id.nullable())
                .load(conn)
                .await?)
        })?;
        Ok((!ids.is_empty()).then(|| ids.into_iter().flatten().collect()))
    }

    pub async fn kept_file(
        &self,
        link: &ShareId,
        id: &str,
    ) -> Result<Option<KeptFile>, StoreError> {
        let (link, artifact_id) = (link.as_str().to_owned(), id.to_owned());
        let row: Option<(String, String, i64)> = on!(&self.database, read, |conn| {
            Ok(artifacts::table
                .filter(artifacts::shared_chat_id.eq(link))
                .filter(artifacts::artifact_id.eq(artifact_id))
                .select((artifacts::object_key, artifacts::filename, artifacts::bytes))
                .first(conn)
                .await
                .optional()?)
        })?;
        let Some((key, filename, bytes)) = row else { return Ok(None) };
        Ok(Some(KeptFile {
            id: id.to_owned(),
            filename,
            bytes: u64::try_from(bytes).map_err(|_| StoreError::malformed("artifacts.bytes"))?,
            key: ObjectKey::parse(&key).ok_or_else(malformed_key)?,
        }))
    }

    /// Makes orphans of unfinished copies whose lease ended by `now`, and returns up to `limit`
    /// orphans.
    pub async fn orphans(
        &self,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<ObjectKey>, StoreError> {
        let keys: Vec<String> = on!(&self.database, transaction, |conn| {
            let unfinished = artifacts::table
                .filter(artifacts::shared_chat_id.is_null())
                .filter(artifacts::leased_until.le(Moment(now)));
            diesel::update(unfinished)
                .set(artifacts::leased_until.eq(None::<Moment>))
                .execute(conn)
                .await?;
            Ok(artifacts::table
                .filter(artifacts::shared_chat_id.is_null())
                .filter(artifacts::leased_until.is_null())
                .select(artifacts::object_key)
                .limit(limit)
                .load(conn)
                .await?)
        })?;
        keys.iter().map(|key| ObjectKey::parse(key).ok_or_else(malformed_key)).collect()
    }

    /// Makes orphans of those copies that no link has, and returns them: their objects may be
    /// deleted. It waits for a commit in progress, which may attach copies whose outcome is
    /// unknown.
    pub async fn reclaim(&self, copies: &[ObjectKey]) -> Result<Vec<ObjectKey>, StoreError> {
        let keys: Vec<String> = copies.iter().map(|key| key.as_str().to_owned()).collect();
        let kept: HashSet<String> = on!(&self.database, transaction, |conn| {
            let unfinished = artifacts::table
                .filter(artifacts::object_key.eq_any(&keys))
                .filter(artifacts::shared_chat_id.is_null());
            diesel::update(unfinished)
                .set(artifacts::leased_until.eq(None::<Moment>))
                .execute(conn)
                .await?;
            let kept: Vec<String> = artifacts::table
                .filter(artifacts::object_key.eq_any(&keys))
                .filter(artifacts::shared_chat_id.is_not_null())
                .select(artifacts::object_key)
                .load(conn)
                .await?;
            Ok(kept.into_iter().collect())
        })?;
        Ok(copies.iter().filter(|key| !kept.contains(key.as_str())).cloned().collect())
    }

    /// Removes deleted objects from the ledger, except those of a link.
    pub async fn forget_objects(&self, keys: &[ObjectKey]) -> Result<(), StoreError> {
        let keys: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        on!(&self.database, bulk, |conn| {
            let deleted = artifacts::table
                .filter(artifacts::object_key.eq_any(&keys))
                .filter(artifacts::shared_chat_id.is_null());
            diesel::delete(deleted).execute(conn).await?;
            Ok(())
        })
    }

    /// Those of the objects that are in the ledger.
    pub async fn known_objects(
        &self,
        keys: &[ObjectKey],
    ) -> Result<HashSet<ObjectKey>, StoreError> {
        let keys: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        let known: Vec<String> = on!(&self.database, read, |conn| {
            let known = artifacts::table.filter(artifacts::object_key.eq_any(&keys));
            Ok(known.select(artifacts::object_key).load(conn).await?)
        })?;
        Ok(known.iter().filter_map(|key| ObjectKey::parse(key)).collect())
    }
}

fn malformed_key() -> StoreError {
    StoreError::malformed("artifacts.object_key")
}
