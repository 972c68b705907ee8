//! Announces changes to every instance that shares the database: on PostgreSQL by `NOTIFY` within
//! the transaction of the change, so that no acknowledged change goes unannounced. A SQLite file
//! has one instance, which is told by `sharing`.
//!
//! To add a kind: a variant of [`Notice`], and its word in [`Notice::payloads`] and
//! [`Notice::parse`].

use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::task::JoinHandle;

use crate::{
    model::{ChatSessionId, ShareId, ShortId},
    store::{Database, Store, StoreError, on, sqlite::SqliteConn},
};

/// The channel of `LISTEN` and `NOTIFY`. All schemas of a database share it, so payloads begin with
/// the name of the schema.
pub(super) const CHANNEL: &str = "shared_chats";

/// Ids in one payload, which must have less than 8000 bytes (PostgreSQL's manual, `NOTIFY`).
const IDS: usize = 400;

/// Ids are in their short forms: any role that may connect to the database may listen, and the id
/// of a link gives access to it. Two ids with the same short form share their notices, which are
/// only a reason to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The chat's messages or its name, or the chat and its links were deleted.
    Chat(ShortId),
    /// The settings of these links, or they were deleted.
    Links(Vec<ShortId>),
    /// Anything: notices may have been missed.
    Everything,
}

impl Notice {
    pub fn chat(id: &ChatSessionId) -> Self {
        Self::Chat(id.short())
    }

    pub fn links<'a>(ids: impl IntoIterator<Item = &'a ShareId>) -> Self {
        Self::Links(ids.into_iter().map(ShareId::short).collect())
    }

    /// What needs no announcement.
    pub fn nothing() -> Self {
        Self::Links(Vec::new())
    }

    /// The notice as payloads, without the schema.
    pub(super) fn payloads(&self) -> Vec<String> {
        match self {
            Self::Chat(id) => vec![format!("chat# {}", id.as_str())],
            Self::Links(ids) => ids
                .chunks(IDS)
                .map(|ids| {
                    let ids: Vec<&str> = ids.iter().map(ShortId::as_str).collect();
                    format!("links# {}", ids.join(","))
                })
                .collect(),
            Self::Everything => vec!["everything".to_owned()],
        }
    }

    /// Reads a payload, also one with whole ids, of an instance of before the short forms. An
    /// unknown one, of a newer instance perhaps, is [`Notice::Everything`].
    pub(super) fn parse(payload: &str) -> Self {
        let (kind, ids) = payload.split_once(' ').unwrap_or((payload, ""));
        let read = match kind {
            "chat#" => ShortId::parse(ids).map(Self::Chat),
            "links#" => ids.split(',').map(ShortId::parse).collect::<Option<_>>().map(Self::Links),
            "chat" => ChatSessionId::parse(ids).ok().map(|id| Self::chat(&id)),
            "links" => {
                let ids: Option<Vec<_>> = ids.split(',').map(ShareId::parse).collect();
                ids.map(|ids| Self::links(&ids))
            }
            _ => None,
        };
        read.unwrap_or(Self::Everything)
    }
}

/// Announces a notice to every instance when the open transaction commits.
pub(super) trait Announce {
    fn announce<'c>(&'c mut self, notice: &Notice) -> BoxFuture<'c, Result<(), StoreError>>;
}

impl Announce for AsyncPgConnection {
    fn announce<'c>(&'c mut self, notice: &Notice) -> BoxFuture<'c, Result<(), StoreError>> {
        let payloads = notice.payloads();
        async move {
            for payload in payloads {
                diesel::sql_query("SELECT pg_notify($1, current_schema() || ' ' || $2)")
                    .bind::<Text, _>(CHANNEL)
                    .bind::<Text, _>(payload)
                    .execute(self)
                    .await?;
            }
            Ok(())
        }
        .boxed()
    }
}

impl Announce for SqliteConn {
    // There is no other instance.
    fn announce<'c>(&'c mut self, _: &Notice) -> BoxFuture<'c, Result<(), StoreError>> {
        std::future::ready(Ok(())).boxed()
    }
}

impl Store {
    /// Announces a change outside this database: of a chat's messages or name.
    pub async fn announce(&self, notice: Notice) -> Result<(), StoreError> {
        on!(&self.database, transaction, |conn| conn.announce(&notice).await)
    }

    /// Calls `on_notice` for each announcement of any instance, this one included, until the
    /// returned task ends. After a lost connection the notice is [`Notice::Everything`]. `None` on
    /// SQLite.
    #[must_use]
    pub fn listen(
        &self,
        on_notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Option<JoinHandle<()>> {
        match &self.database {
            Database::Sqlite(_) => None,
            Database::Postgres(db) => Some(db.listen(on_notice)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(number: usize) -> Vec<ShareId> {
        (0..number).map(|_| ShareId::random()).collect()
    }

    fn heard(payloads: &[String]) -> Vec<ShortId> {
        let links = |payload: &String| match Notice::parse(payload) {
            Notice::Links(ids) => ids,
            other => panic!("{other:?}"),
        };
        payloads.iter().flat_map(links).collect()
    }

    #[test]
    fn a_parsed_payload_is_the_same_notice() {
        let ids = ids(1000);
        let payloads = Notice::links(&ids).payloads();
        assert_eq!(payloads.len(), 3);
        assert_eq!(heard(&payloads), ids.iter().map(ShareId::short).collect::<Vec<_>>());
        let chat = Notice::chat(&ChatSessionId::parse("a.b~c").unwrap());
        assert_eq!(Notice::parse(&chat.payloads()[0]), chat);
        for other in ["", "everything", "links ", "links ../..", "chat a/b", "moon full", "chat#"] {
            assert_eq!(Notice::parse(other), Notice::Everything, "{other}");
        }
    }

    #[test]
    fn a_payload_holds_no_whole_id() {
        let ids = ids(2);
        let chat = ChatSessionId::parse("a-chat-of-ours").unwrap();
        let mut payloads = Notice::links(&ids).payloads();
        payloads.extend(Notice::chat(&chat).payloads());
        for id in [ids[0].as_str(), ids[1].as_str(), chat.as_str()] {
            assert!(!payloads.iter().any(|payload| payload.contains(id)), "{payloads:?}");
        }
    }

    #[test]
    fn payloads_of_older_instances_are_heard() {
        let ids = ids(2);
        let payload = format!("links {},{}", ids[0].as_str(), ids[1].as_str());
        assert_eq!(Notice::parse(&payload), Notice::links(&ids));
        let chat = ChatSessionId::parse("a.b~c").unwrap();
        assert_eq!(Notice::parse("chat a.b~c"), Notice::chat(&chat));
    }

    #[test]
    fn the_longest_payload_fits() {
        let schema = 63 + 1;
        for payload in Notice::links(&ids(IDS)).payloads() {
            assert!(payload.len() + schema < 8000, "{}", payload.len());
        }
    }
}
