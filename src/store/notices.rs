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
    model::{ChatSessionId, ShareId},
    store::{Database, Store, StoreError, on, sqlite::SqliteConn},
};

/// The channel of `LISTEN` and `NOTIFY`. All schemas of a database share it, so payloads begin with
/// the name of the schema.
pub(super) const CHANNEL: &str = "shared_chats";

/// Ids in one payload. A payload has less than 8000 bytes (PostgreSQL's manual, `NOTIFY`), an id at
/// most 128.
const IDS: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The chat's messages or its name, or the chat and its links were deleted.
    Chat(ChatSessionId),
    /// The settings of these links, or they were deleted.
    Links(Vec<ShareId>),
    /// Anything: notices may have been missed.
    Everything,
}

impl Notice {
    /// The notice as payloads, without the schema.
    pub(super) fn payloads(&self) -> Vec<String> {
        match self {
            Self::Chat(id) => vec![format!("chat {}", id.as_str())],
            Self::Links(ids) => ids
                .chunks(IDS)
                .map(|ids| {
                    let ids: Vec<&str> = ids.iter().map(ShareId::as_str).collect();
                    format!("links {}", ids.join(","))
                })
                .collect(),
            Self::Everything => vec!["everything".to_owned()],
        }
    }

    /// Reads a payload. An unknown one, of a newer instance perhaps, is [`Notice::Everything`].
    pub(super) fn parse(payload: &str) -> Self {
        let read = match payload.split_once(' ') {
            Some(("chat", id)) => ChatSessionId::parse(id).ok().map(Self::Chat),
            Some(("links", ids)) => {
                ids.split(',').map(ShareId::parse).collect::<Option<_>>().map(Self::Links)
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

    #[test]
    fn a_parsed_payload_is_the_same_notice() {
        let ids: Vec<ShareId> = (0..120).map(|_| ShareId::random()).collect();
        let payloads = Notice::Links(ids.clone()).payloads();
        assert_eq!(payloads.len(), 3);
        let heard = payloads.iter().flat_map(|payload| match Notice::parse(payload) {
            Notice::Links(ids) => ids,
            other => panic!("{other:?}"),
        });
        assert_eq!(heard.collect::<Vec<_>>(), ids);
        let chat = Notice::Chat(ChatSessionId::parse("a.b~c").unwrap());
        assert_eq!(Notice::parse(&chat.payloads()[0]), chat);
        for other in ["", "everything", "links ", "links ../..", "chat a/b", "moon full"] {
            assert_eq!(Notice::parse(other), Notice::Everything, "{other}");
        }
    }

    #[test]
    fn a_payload_of_the_longest_ids_fits() {
        let id = ShareId::parse(&"x".repeat(128)).unwrap();
        let schema = 63 + 1;
        for payload in Notice::Links(vec![id; 120]).payloads() {
            assert!(payload.len() + schema < 8000, "{}", payload.len());
        }
    }
}
