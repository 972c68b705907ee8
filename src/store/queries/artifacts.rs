//! The ledger of the artifact store: which objects there are, and whose. Its rules, and why nothing
//! is lost or left over, stand in `sharing::artifacts`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl,
};
use diesel_async::RunQueryDsl;

use crate::{
    model::{KeptFile, ObjectKey, ShareId},
    store::{
        Store, StoreError, on,
        schema::{artifacts, shared_chats},
        timestamp::Moment,
    },
};

/// Hands finished copies over to a link, within the transaction that makes the link show them. All
/// of them or none: one that a sweep has taken by now fails the transaction.
macro_rules! attach {
    ($conn:ident, $keys:expr, $link:expr) => {{
        use $crate::store::schema::artifacts;
        let keys: Vec<String> = $keys.iter().map(|key| key.as_str().to_owned()).collect();
        if !keys.is_empty() {
            let copies = artifacts::table
                .filter(artifacts::object_key.eq_any(&keys))
                .filter(artifacts::shared_chat_id.is_null())
                .filter(artifacts::leased_until.is_not_null());
            let adopted = diesel::update(copies)
                .set((
                    artifacts::shared_chat_id.eq(Some($link)),
                    artifacts::leased_until.eq(None::<$crate::store::timestamp::Moment>),
                ))
                .execute($conn)
                .await?;
            if adopted != keys.len() {
                return Err($crate::store::StoreError::Unavailable(
                    "copying the files took so long that the sweep took them away".to_owned(),
                ));
            }
        }
    }};
}
pub(in crate::store) use attach;

/// Makes orphans of what is kept for these links, within the transaction that ends their right to it.
macro_rules! detach {
    ($conn:ident, $links:expr) => {{
        use $crate::store::schema::artifacts;
        let kept = artifacts::table.filter(artifacts::shared_chat_id.eq_any($links));
        diesel::update(kept)
            .set((
                artifacts::shared_chat_id.eq(None::<String>),
                artifacts::leased_until.eq(None::<$crate::store::timestamp::Moment>),
            ))
            .execute($conn)
            .await?
    }};
}
pub(in crate::store) use detach;

impl Store {
    /// Enters copies that are about to be made. Until `leased_until` no sweep touches them.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach; nothing was entered then.
    pub async fn begin_copies(
        &self,
        copies: Vec<KeptFile>,
        now: DateTime<Utc>,
        leased_until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        on!(&self.database, transaction, |conn| {
            for copy in copies {
                let bytes = i64::try_from(copy.bytes)
                    .map_err(|_| StoreError::Failed("artifacts.bytes".to_owned()))?;
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

    /// The ids of the files that are kept for the link at this revision; `None` when it is at another
    /// one by now, or gone. One statement, so the files are those of this revision.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
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

    /// One file that is kept for the link.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
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
        let wrong = |column: &str| StoreError::Failed(format!("artifacts.{column} is malformed"));
        Ok(Some(KeptFile {
            id: id.to_owned(),
            filename,
            bytes: u64::try_from(bytes).map_err(|_| wrong("bytes"))?,
            key: ObjectKey::parse(&key).ok_or_else(|| wrong("object_key"))?,
        }))
    }

    /// Takes unfinished copies whose lease ended by `now`, so that they cannot be adopted any more,
    /// and returns up to `limit` objects that belong to nobody, those among them.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
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
        let malformed = || StoreError::Failed("artifacts.object_key is malformed".to_owned());
        keys.iter().map(|key| ObjectKey::parse(key).ok_or_else(malformed)).collect()
    }

    /// Makes orphans of copies that did not become a link's, so that they cannot be adopted any more, and
    /// returns those whose objects may be deleted: all but a link's. One whose outcome nobody knew may
    /// have become one: a commit that is still under way is waited for.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach; their lease ends by itself.
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

    /// Strikes out objects that were deleted. Those that belong to a link stay.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach; the next sweep goes on.
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

    /// Those of the objects that have a row.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
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
