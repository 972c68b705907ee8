//! How often links were seen: added up from every instance, in a table of its own, so that no view
//! moves a link's revision.

use std::fmt::Write;

use diesel::{
    OptionalExtension, QueryDsl,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl;

use crate::{
    model::{ShareId, ViewCounts},
    store::{
        Store, StoreError, on,
        schema::link_activity,
        timestamp::{Moment, UtcMicros},
    },
};

/// Urls that one statement adds to; each is five of its at most 32766 values (SQLite).
pub const VIEW_COUNTS_AT_ONCE: usize = 500;

impl Store {
    /// Adds these view_counts, of at most [`VIEW_COUNTS_AT_ONCE`] links, each named once. Urls that are
    /// gone are passed by.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach, or, rarely, when one of the links was deleted
    /// in the same moment: nothing was added then, and it is worth another try.
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
        // Not while many links are deleted: they would wait for each other.
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

    /// How often the link was seen.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
    pub async fn view_counts(&self, id: &ShareId) -> Result<ViewCounts, StoreError> {
        let id = id.as_str().to_owned();
        let row: Option<(i64, i64, i64, Option<Moment>)> = on!(&self.database, read, |conn| {
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
        let Some((views, bots, downloads, last)) = row else { return Ok(ViewCounts::default()) };
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok(ViewCounts {
            views: count(views),
            bot_views: count(bots),
            downloads: count(downloads),
            last_viewed_at: last.map(|at| at.0),
        })
    }
}

/// One statement for so many links. Diesel's builder has no such upsert for SQLite; both databases
/// read it alike, and call the columns of `VALUES` so.
fn add(links: usize) -> String {
    let mut text = String::from(
        "INSERT INTO link_activity (shared_chat_id, views, bot_views, downloads, last_viewed_at) \
         SELECT column1, column2, column3, column4, column5 FROM (VALUES ",
    );
    for link in 0..links {
        let first = link * 5 + 1;
        let comma = if link == 0 { "" } else { ", " };
        let places = [first, first + 1, first + 2, first + 3, first + 4].map(|n| format!("${n}"));
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}({})", places.join(", "));
    }
    text.push_str(
        ") AS seen WHERE EXISTS (SELECT 1 FROM shared_chats WHERE shared_chats.id = column1) \
         ORDER BY column1 \
         ON CONFLICT (shared_chat_id) DO UPDATE SET \
         views = link_activity.views + excluded.views, \
         bot_views = link_activity.bot_views + excluded.bot_views, \
         downloads = link_activity.downloads + excluded.downloads, \
         last_viewed_at = CASE WHEN link_activity.last_viewed_at IS NULL \
         OR excluded.last_viewed_at > link_activity.last_viewed_at \
         THEN excluded.last_viewed_at ELSE link_activity.last_viewed_at END",
    );
    text
}
