//! Folds the names of links anew that an earlier version folded otherwise.

use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use diesel_async::RunQueryDsl;

use super::BATCH;
use crate::{
    model::fold_case,
    store::{Store, StoreError, on, schema::shared_chats},
};

/// The links that are looked through by one statement.
const PAGE: i64 = 10 * BATCH;

/// A link's id, and its folded name before and after.
type Stale = (String, String, String);

impl Store {
    /// Brings `name_folded` of every link to what [`fold_case`] makes now, page by page, and returns
    /// how many have changed. Names in ASCII fold as they always did.
    pub async fn fold_names(&self) -> Result<usize, StoreError> {
        let (mut after, mut changed) = (String::new(), 0);
        loop {
            let from = after.clone();
            let end: Option<String> = on!(&self.database, read, |conn| {
                let ids = shared_chats::table.filter(shared_chats::id.gt(from));
                let ids = ids.select(shared_chats::id).order(shared_chats::id.asc());
                Ok(ids.offset(PAGE - 1).first(conn).await.optional()?)
            })?;
            changed += self.fold_page(after, end.clone()).await?;
            match end {
                Some(end) => after = end,
                None => return Ok(changed),
            }
        }
    }

    /// The links behind `after`, up to `end`.
    async fn fold_page(&self, after: String, end: Option<String>) -> Result<usize, StoreError> {
        let named: Vec<(String, Option<String>, String)> = on!(&self.database, read, |conn| {
            let mut named = shared_chats::table
                .filter(shared_chats::id.gt(after))
                .filter(sql::<Bool>("octet_length(name) <> length(name)"))
                .into_boxed();
            if let Some(end) = end {
                named = named.filter(shared_chats::id.le(end));
            }
            let columns = (shared_chats::id, shared_chats::name, shared_chats::name_folded);
            Ok(named.select(columns).load(conn).await?)
        })?;
        let stale = named.into_iter().filter_map(|(id, name, folded)| {
            let anew = fold_case(&name.unwrap_or_default());
            (anew != folded).then_some((id, folded, anew))
        });
        let stale: Vec<Stale> = stale.collect();
        let mut changed = 0;
        for batch in stale.chunks(usize::try_from(BATCH).unwrap_or(usize::MAX)) {
            let batch = batch.to_vec();
            changed += on!(&self.database, bulk, |conn| {
                let mut changed = 0;
                for (id, folded, anew) in batch {
                    let link = shared_chats::table.find(id);
                    let link = link.filter(shared_chats::name_folded.eq(folded));
                    let folding = diesel::update(link).set(shared_chats::name_folded.eq(anew));
                    changed += folding.execute(conn).await?;
                }
                Ok(changed)
            })?;
        }
        Ok(changed)
    }
}
