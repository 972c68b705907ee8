//! Deletes what has expired.
//!
//! Each statement deletes a bounded number of rows, in a separate transaction, so that SQLite's
//! writer serves other changes in between and no statement times out.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::detach;
use crate::store::{
    IDEMPOTENCY_RETENTION, Moment, Store, StoreError, TOMBSTONE_RETENTION, on,
    schema::{shared_chats, snapshots},
};

/// The most rows that one statement deletes.
pub(in crate::store) const BATCH: i64 = 500;
/// The bytes of content after which a statement takes no further row: SQLite overwrites what it
/// deletes.
const BATCH_BYTES: i64 = 16 * 1024 * 1024;

/// How much a sweep deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Contents of expired links.
    pub snapshots: usize,
    /// Files of expired links, which became orphans.
    pub artifacts: usize,
    /// Expired links whose retention is over.
    pub links: usize,
    /// Idempotency keys past [`IDEMPOTENCY_RETENTION`].
    pub idempotency_keys: usize,
    /// Tombstones past [`TOMBSTONE_RETENTION`].
    pub tombstones: usize,
    /// Ends of users of longer than a day ago.
    pub ended_users: usize,
}

/// The id and the end of a link, and the size of its content if there is any.
pub(in crate::store) type SizedLink = (String, Option<Moment>, Option<i32>);

diesel::define_sql_function! {
    /// The size of a binary value. Neither database reads the value for it.
    fn length(content: diesel::sql_types::Nullable<diesel::sql_types::Binary>)
        -> diesel::sql_types::Nullable<diesel::sql_types::Integer>;
}

/// Deletes the rows whose moment is `until` or before, page by page, and returns how many. The end
/// of a page is looked up off SQLite's writer, by the index that begins with that column.
macro_rules! sweep_until {
    ($store:expr, $table:ident, $moment:ident, $until:expr) => {{
        use diesel::prelude::*;
        use diesel_async::RunQueryDsl;
        use $crate::store::{Moment, on, queries::BATCH, schema::$table};
        let until = Moment($until);
        let mut swept = 0;
        loop {
            let end: Option<Moment> = on!(&$store.database, read, |conn| {
                Ok($table::table
                    .filter($table::$moment.le(until))
                    .select($table::$moment.assume_not_null())
                    .order($table::$moment.asc())
                    .offset(BATCH - 1)
                    .first(conn)
                    .await
                    .optional()?)
            })?;
            let is_last = end.is_none();
            let end = end.unwrap_or(until);
            swept += on!(&$store.database, bulk, |conn| {
                let page = $table::table.filter($table::$moment.le(end));
                Ok(diesel::delete(page).execute(conn).await?)
            })?;
            if is_last {
                break swept;
            }
        }
    }};
}
pub(in crate::store) use sweep_until;

impl Store {
    /// Deletes the content of links that have expired by `now`, the rows of links that expired
    /// longer than `expired_retention` ago, and old idempotency keys and tombstones.
    pub async fn sweep(
        &self,
        expired_retention: Duration,
        now: DateTime<Utc>,
    ) -> Result<Swept, StoreError> {
        let links = self.sweep_links(now - expired_retention).await?;
        let (snapshots, artifacts) = self.sweep_contents(now).await?;
        Ok(Swept {
            snapshots,
            artifacts,
            links,
            idempotency_keys: sweep_until!(
                self,
                idempotency_keys,
                created_at,
                now - IDEMPOTENCY_RETENTION
            ),
            tombstones: sweep_until!(self, chats, deleted_at, now - TOMBSTONE_RETENTION),
            ended_users: self.sweep_ended_users(now).await?,
        })
    }

    /// Deletes the rows, with their content if it is still there.
    async fn sweep_links(&self, until: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut swept = 0;
        loop {
            let page = self.expired_after(None, until).await?;
            let ids = in_one_batch(&page);
            if ids.is_empty() {
                return Ok(swept);
            }
            let deleted = on!(&self.database, bulk, |conn| {
                let expired = shared_chats::table
                    .filter(shared_chats::id.eq_any(ids))
                    .filter(shared_chats::expires_at.le(Moment(until)));
                Ok(diesel::delete(expired).execute(conn).await?)
            })?;
            swept += deleted;
            if deleted == 0 {
                // Another instance deletes them.
                return Ok(swept);
            }
        }
    }

    /// Deletes content, and keeps the rows. It reads all expired links page by page, off SQLite's
    /// writer; most of them have no content any more.
    async fn sweep_contents(&self, now: DateTime<Utc>) -> Result<(usize, usize), StoreError> {
        let mut swept = (0, 0);
        let mut after: Option<(Moment, String)> = None;
        loop {
            let page = self.expired_after(after.take(), now).await?;
            let Some((id, Some(at), _)) = page.last() else { return Ok(swept) };
            after = Some((*at, id.clone()));
            let mut rest = page.as_slice();
            while !rest.is_empty() {
                let batch = in_one_batch(rest).len();
                let (these, others) = rest.split_at(batch);
                rest = others;
                let filled = these.iter().filter(|(_, _, bytes)| bytes.is_some());
                let ids: Vec<String> = filled.map(|(id, ..)| id.clone()).collect();
                if ids.is_empty() {
                    continue;
                }
                let (contents, files) = on!(&self.database, bulk, |conn| {
                    // Checked again: an instance whose clock is behind may have extended it.
                    let expired = || {
                        shared_chats::table
                            .filter(shared_chats::id.eq_any(&ids))
                            .filter(shared_chats::expires_at.le(Moment(now)))
                            .select(shared_chats::id)
                    };
                    let expired_contents =
                        snapshots::table.filter(snapshots::shared_chat_id.eq_any(expired()));
                    let contents = diesel::delete(expired_contents).execute(conn).await?;
                    let files = detach!(conn, expired().select(shared_chats::id.nullable()));
                    Ok((contents, files))
                })?;
                swept = (swept.0 + contents, swept.1 + files);
            }
        }
    }

    /// The page of links behind `after` that have expired by `until`, ordered by their end and id.
    async fn expired_after(
        &self,
        after: Option<(Moment, String)>,
        until: DateTime<Utc>,
    ) -> Result<Vec<SizedLink>, StoreError> {
        on!(&self.database, read, |conn| {
            let expired = || {
                shared_chats::table
                    .left_join(snapshots::table.on(snapshots::shared_chat_id.eq(shared_chats::id)))
                    .select((
                        shared_chats::id,
                        shared_chats::expires_at,
                        length(snapshots::messages.nullable()),
                    ))
                    .order((shared_chats::expires_at.asc(), shared_chats::id.asc()))
                    .limit(BATCH)
                    .filter(shared_chats::expires_at.le(Moment(until)))
            };
            let Some((at, id)) = after else { return Ok(expired().load(conn).await?) };
            // Many links may end at the same moment. The index serves each of the two queries.
            let mut page: Vec<SizedLink> = expired()
                .filter(shared_chats::expires_at.eq(at))
                .filter(shared_chats::id.gt(id))
                .load(conn)
                .await?;
            if page.is_empty() {
                page = expired().filter(shared_chats::expires_at.gt(at)).load(conn).await?;
            }
            Ok(page)
        })
    }
}

/// The ids of the first links, as many as one statement may delete, but at least one.
pub(in crate::store) fn in_one_batch(links: &[SizedLink]) -> Vec<String> {
    let mut bytes = 0;
    let fitting = links.iter().take_while(|(_, _, content)| {
        let fits = bytes < BATCH_BYTES;
        bytes += i64::from(content.unwrap_or(0));
        fits
    });
    fitting.map(|(id, ..)| id.clone()).collect()
}
