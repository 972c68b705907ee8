//! Lists an owner's links.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{Bool, Text},
};
use diesel_async::RunQueryDsl;

use crate::{
    model::{ChatSessionId, ShareId, SharedChat, UserId, fold_case},
    store::{
        Database, Moment, SharedChatRow, Store, StoreError, UtcMicros, into_models, not_expired,
        on, rows::LinkRow, schema::shared_chats,
    },
};

/// Which links to list (docs/API.md 3, `filter_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkFilter {
    #[default]
    All,
    Private,
    Public,
    Frozen,
    /// Live links.
    Active,
}

/// The order of a list. Links of the same moment or name are ordered by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkOrder {
    #[default]
    NewestFirst,
    OldestFirst,
    Name,
    NameBackwards,
}

#[derive(Debug, Clone)]
pub struct ListQuery {
    pub owner: UserId,
    pub filter: LinkFilter,
    /// A part of the name, in any case.
    pub name_part: Option<String>,
    pub chat_session_id: Option<ChatSessionId>,
    pub order: LinkOrder,
    pub offset: i64,
    /// Continue behind this place of the same order instead of skipping `offset` links. The cost
    /// does not grow with the distance from the first page.
    pub after: Option<Place>,
    pub limit: i64,
}

/// A place in a list: that of a link, which may be deleted by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub key: PlaceKey,
    pub id: ShareId,
}

/// The sort key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceKey {
    CreatedAt(DateTime<Utc>),
    /// As [`fold_case`] makes it.
    FoldedName(String),
}

impl LinkOrder {
    /// The place of the link in a list of this order.
    #[must_use]
    pub fn place_of(self, link: &SharedChat) -> Place {
        let key = match self {
            Self::NewestFirst | Self::OldestFirst => PlaceKey::CreatedAt(link.created_at),
            Self::Name | Self::NameBackwards => {
                PlaceKey::FoldedName(fold_case(link.name.as_deref().unwrap_or_default()))
            }
        };
        Place { key, id: link.id.clone() }
    }
}

#[derive(Debug, Clone)]
pub struct Page {
    pub links: Vec<SharedChat>,
    /// How many links there are on all pages.
    pub total: i64,
}

impl Store {
    /// The owner's links, without expired ones.
    pub async fn list(&self, query: ListQuery, now: DateTime<Utc>) -> Result<Page, StoreError> {
        let ListQuery { filter, order, offset, after, limit, .. } = query;
        let owner = query.owner.as_str().to_owned();
        let chat = query.chat_session_id.map(|id| id.as_str().to_owned());
        let pattern = query.name_part.filter(|part| !part.is_empty()).map(|part| contains(&part));
        // PostgreSQL's index has the beginning of the name alone, as an entry has at most 2,704
        // bytes. This order is that of the whole name, too.
        let on_postgres = matches!(self.database, Database::Postgres(_));
        let (total, rows): (i64, Vec<LinkRow>) = on!(&self.database, read, |conn| {
            let found = || {
                let mut found = shared_chats::table
                    .filter(shared_chats::owner_id.eq(&owner))
                    .filter(not_expired!(now))
                    .into_boxed();
                found = match filter {
                    LinkFilter::All => found,
                    LinkFilter::Private => found.filter(shared_chats::is_private.eq(true)),
                    LinkFilter::Public => found.filter(shared_chats::is_private.eq(false)),
                    LinkFilter::Frozen => found.filter(shared_chats::is_frozen.eq(true)),
                    LinkFilter::Active => found.filter(shared_chats::is_frozen.eq(false)),
                };
                if let Some(chat) = &chat {
                    found = found.filter(shared_chats::chat_session_id.eq(chat));
                }
                if let Some(pattern) = &pattern {
                    found = found.filter(shared_chats::name_folded.like(pattern).escape('\\'));
                }
                found
            };
            let total: i64 = found().count().get_result(conn).await?;
            let mut page = found().offset(offset);
            if let Some(Place { key, id }) = after {
                // Both databases seek to a row value in the index of this order.
                let behind = sql::<Bool>(match (order, on_postgres) {
                    (LinkOrder::NewestFirst, _) => "(created_at, id) < (",
                    (LinkOrder::OldestFirst, _) => "(created_at, id) > (",
                    (LinkOrder::Name, false) => "(name_folded, id) > (",
                    (LinkOrder::NameBackwards, false) => "(name_folded, id) < (",
                    (LinkOrder::Name, true) => "(left(name_folded, 200), name_folded, id) > (left(",
                    (LinkOrder::NameBackwards, true) => {
                        "(left(name_folded, 200), name_folded, id) < (left("
                    }
                });
                let id = id.as_str().to_owned();
                page = match key {
                    PlaceKey::CreatedAt(at) => {
                        let place = behind.bind::<UtcMicros, _>(Moment(at));
                        found().filter(place.sql(", ").bind::<Text, _>(id).sql(")"))
                    }
                    PlaceKey::FoldedName(name) if on_postgres => {
                        let place = behind.bind::<Text, _>(name.clone()).sql(", 200), ");
                        let place = place.bind::<Text, _>(name);
                        found().filter(place.sql(", ").bind::<Text, _>(id).sql(")"))
                    }
                    PlaceKey::FoldedName(name) => {
                        let place = behind.bind::<Text, _>(name);
                        found().filter(place.sql(", ").bind::<Text, _>(id).sql(")"))
                    }
                };
            }
            let id = shared_chats::id;
            let page = match order {
                LinkOrder::NewestFirst => page.order((shared_chats::created_at.desc(), id.desc())),
                LinkOrder::OldestFirst => page.order((shared_chats::created_at.asc(), id.asc())),
                LinkOrder::Name if on_postgres => {
                    page.order(sql::<Text>("left(name_folded, 200), name_folded, id"))
                }
                LinkOrder::NameBackwards if on_postgres => {
                    let order = "left(name_folded, 200) DESC, name_folded DESC, id DESC";
                    page.order(sql::<Text>(order))
                }
                LinkOrder::Name => page.order((shared_chats::name_folded.asc(), id.asc())),
                LinkOrder::NameBackwards => {
                    page.order((shared_chats::name_folded.desc(), id.desc()))
                }
            };
            let page = page.limit(limit);
            if on_postgres {
                let rows: Vec<LinkRow> = page.select(LinkRow::as_select()).load(conn).await?;
                return Ok((total, rows));
            }
            // SQLite reads a page from its index alone, which does not hold the audiences: they have
            // one of their own.
            let rows: Vec<SharedChatRow> =
                page.select(SharedChatRow::as_select()).load(conn).await?;
            let ids = rows.iter().map(SharedChatRow::id);
            let mut audiences: HashMap<String, Option<String>> = shared_chats::table
                .filter(shared_chats::id.eq_any(ids))
                .filter(shared_chats::audience.is_not_null())
                .select((shared_chats::id, shared_chats::audience))
                .load(conn)
                .await?
                .into_iter()
                .collect();
            let rows = rows.into_iter().map(|row| {
                let audience = audiences.remove(row.id()).flatten();
                LinkRow { row, audience }
            });
            Ok((total, rows.collect()))
        })?;
        Ok(Page { links: into_models(rows)?, total })
    }
}

/// A `LIKE` pattern for names that contain the text, with `%`, `_` and `\` escaped.
fn contains(text: &str) -> String {
    let text = fold_case(text).replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{text}%")
}
