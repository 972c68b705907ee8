//! View counts, summed over all instances, in a separate table, so that a view does not change the
//! link's revision.

use diesel::{
    OptionalExtension, QueryDsl,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl;

use crate::{
    model::{ShareId, ViewCounts},
    store::{Moment, Store, StoreError, UtcMicros, on, schema::link_activity},
};

/// Links in one statement; each binds five of at most 32,766 values (SQLite).
pub const VIEW_COUNTS_AT_ONCE: usize = 500;

impl Store {
    /// Adds the view counts of at most [`VIEW_COUNTS_AT_ONCE`] links, each listed once. Deleted
    /// links are skipped.
    ///
    /// # Errors
    /// Rarely when one of the links is deleted concurrently: nothing was added, and a retry
    /// succeeds.
    pub async fn add_view_counts(&self, seen: &[(ShareId, ViewCounts)]) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        let statement = add(seen.len());
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let rows: Vec<_> = seen
            .iter()
            .map(|(id, seen)| {
                let id = id.as_str().to_owned();
                let (views, bots) = (count(seen.views), count(seen.bot_views));
                (id, views, bots, count(seen.downloads), seen.last_viewed_at.map(Moment))
            })
            .collect();
        // `bulk`: it could deadlock with a deletion of many links.
        on!(&self.database, bulk, |conn| {
            let mut add = diesel::sql_query(statement).into_boxed();
            for (id, views, bots, downloads, last) in rows {
                add = add
                    .bind::<Text, _>(id)
                    .bind::<BigInt, _>(views)
                    .bind::<BigInt, _>(bots)
                    .bind::<BigInt, _>(downloads)
                    .bind::<Nullable<UtcMicros>, _>(last);
            }
            add.execute(conn).await?;
            Ok(())
        })
    }

    pub async fn view_counts(&self, id: &ShareId) -> Result<ViewCounts, StoreError> {
        let id = id.as_str().to_owned();
        let row: Option<CountsRow> = on!(&self.database, read, |conn| {
            Ok(link_activity::table
                .find(id)
                .select((
                    link_activity::views,
                    link_activity::bot_views,
                    link_activity::downloads,
                    link_activity::last_viewed_at,
                ))
                .first(conn)
                .await
                .optional()?)
        })?;
        Ok(counts(row))
    }
}

/// The views, views by bots and downloads of a link, and when it was viewed last.
pub(in crate::store) type CountsRow = (i64, i64, i64, Option<Moment>);

/// A link without a row was not viewed.
pub(in crate::store) fn counts(row: Option<CountsRow>) -> ViewCounts {
    let Some((views, bots, downloads, last)) = row else { return ViewCounts::default() };
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    ViewCounts {
        views: count(views),
        bot_views: count(bots),
        downloads: count(downloads),
        last_viewed_at: last.map(|at| at.0),
    }
}

/// A statement that adds the counts of `links` links. Diesel's builder has no such upsert for
/// SQLite; both databases accept this one, and name the columns of `VALUES` alike.
fn add(links: usize) -> String {
    let placeholders = |link: usize| {
        let numbers = (link * 5 + 1..=link * 5 + 5).map(|number| format!("${number}"));
        format!("({})", numbers.collect::<Vec<_>>().join(", "))
    };
    let rows: Vec<String> = (0..links).map(placeholders).collect();
    format!(
        "INSERT INTO link_activity (shared_chat_id, views, bot_views, downloads, last_viewed_at) \
         SELECT column1, column2, column3, column4, column5 FROM (VALUES {}) AS seen \
         WHERE EXISTS (SELECT 1 FROM shared_chats WHERE shared_chats.id = column1) \
         ORDER BY column1 \
         ON CONFLICT (shared_chat_id) DO UPDATE SET \
         views = link_activity.views + excluded.views, \
         bot_views = link_activity.bot_views + excluded.bot_views, \
         downloads = link_activity.downloads + excluded.downloads, \
         last_viewed_at = CASE WHEN link_activity.last_viewed_at IS NULL \
         OR excluded.last_viewed_at > link_activity.last_viewed_at \
         THEN excluded.last_viewed_at ELSE link_activity.last_viewed_at END",
        rows.join(", ")
    )
}
