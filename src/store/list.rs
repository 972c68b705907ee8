//! An owner's links, page by page.

use chrono::{DateTime, Utc};
use diesel::prelude::{
    BoolExpressionMethods, EscapeExpressionMethods, ExpressionMethods, NullableExpressionMethods,
    QueryDsl, SelectableHelper, TextExpressionMethods,
};
use diesel_async::RunQueryDsl;

use super::{
    Store, StoreError, on,
    rows::{SharedChatRow, into_models, not_expired},
    schema::shared_chats,
};
use crate::model::{ChatSessionId, SharedChat, UserId, fold_case};

/// Which links to list (contract 3, `filter_type`).
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

/// In which order; links of the same moment or name come in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkOrder {
    #[default]
    NewestFirst,
    OldestFirst,
    Name,
    NameBackwards,
}

/// What to list.
#[derive(Debug, Clone)]
pub struct ListQuery {
    pub owner: UserId,
    pub filter: LinkFilter,
    /// A part of the name, in any case.
    pub name_part: Option<String>,
    pub chat_session_id: Option<ChatSessionId>,
    pub order: LinkOrder,
    pub offset: i64,
    pub limit: i64,
}

/// A page of links.
#[derive(Debug, Clone)]
pub struct Page {
    pub links: Vec<SharedChat>,
    /// How many there are in all, on every page.
    pub total: i64,
}

impl Store {
    /// The owner's own links, without expired ones.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach.
    pub async fn list(&self, query: ListQuery, now: DateTime<Utc>) -> Result<Page, StoreError> {
        let owner = query.owner.as_str().to_owned();
        let chat = query.chat_session_id.map(|id| id.as_str().to_owned());
        let pattern = query.name_part.filter(|part| !part.is_empty()).map(|part| contains(&part));
        let (filter, order) = (query.filter, query.order);
        let (offset, limit) = (query.offset, query.limit);
        let (total, rows) = on!(&self.database, read, |conn| {
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
            let id = shared_chats::id;
            let page = match order {
                LinkOrder::NewestFirst => {
                    found().order((shared_chats::created_at.desc(), id.desc()))
                }
                LinkOrder::OldestFirst => found().order((shared_chats::created_at.asc(), id.asc())),
                LinkOrder::Name => found().order((shared_chats::name_folded.asc(), id.asc())),
                LinkOrder::NameBackwards => {
                    found().order((shared_chats::name_folded.desc(), id.desc()))
                }
            };
            let rows: Vec<SharedChatRow> = page
                .offset(offset)
                .limit(limit)
                .select(SharedChatRow::as_select())
                .load(conn)
                .await?;
            Ok((total, rows))
        })?;
        Ok(Page { links: into_models(rows)?, total })
    }
}

/// A `LIKE` pattern for names that contain the text, in which `%`, `_` and `\` are ordinary.
fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in fold_case(text).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
