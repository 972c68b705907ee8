//! The open streams, counted by link, client and chat, and their bounds.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    hash::Hash,
    ptr,
    sync::Arc,
};

use tokio::task::AbortHandle;

use super::{LiveSettings, access::LinkAccess, feed::ChatFeed};
use crate::model::{ChatSessionId, Client, ShareId, ShortId};

/// Why another stream cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// `MAX_STREAMS`, or the instance is about to stop.
    #[error("too many streams")]
    Instance,
    /// One link has half of `MAX_STREAMS`.
    #[error("too many streams of this link")]
    Link,
    /// One client has a quarter of `MAX_STREAMS`.
    #[error("too many streams of this client")]
    Client,
    /// Watched chats hold too many bytes for this one.
    #[error("too large chats are watched")]
    Memory,
}

/// A feed, and the task that reads its chat.
type Feed = (Arc<ChatFeed>, AbortHandle);

#[derive(Default)]
pub(super) struct Open {
    streams: usize,
    feeds: HashMap<ChatSessionId, Counted<Feed>>,
    links: HashMap<ShareId, Counted<Arc<LinkAccess>>>,
    clients: HashMap<Client, usize>,
}

/// An item that streams share, with their number.
struct Counted<T> {
    /// Of the key, by which notices name it.
    short: ShortId,
    streams: usize,
    item: T,
}

impl Open {
    pub(super) fn streams(&self) -> usize {
        self.streams
    }

    pub(super) fn feeds(&self) -> impl Iterator<Item = &ChatFeed> {
        self.feeds.values().map(|counted| &*counted.item.0)
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &LinkAccess> {
        self.links.values().map(|counted| &*counted.item)
    }

    pub(super) fn feeds_named(&self, chats: &[ShortId]) -> impl Iterator<Item = &ChatFeed> {
        named(&self.feeds, chats).map(|(feed, _)| &**feed)
    }

    pub(super) fn links_named(&self, links: &[ShortId]) -> impl Iterator<Item = &LinkAccess> {
        named(&self.links, links).map(|access| &**access)
    }

    /// Counts one stream more, and returns what it shares with others. Without a `client`, none can
    /// be told from others.
    pub(super) fn add(
        &mut self,
        settings: &LiveSettings,
        link: &ShareId,
        client: Option<&Client>,
        chat: &ChatSessionId,
        new_feed: impl FnOnce() -> Feed,
    ) -> Result<(Arc<LinkAccess>, Arc<ChatFeed>), Full> {
        if self.streams >= settings.max_streams {
            return Err(Full::Instance);
        }
        let of_link = self.links.get(link).map_or(0, |counted| counted.streams);
        if of_link >= settings.max_streams_per_link {
            return Err(Full::Link);
        }
        let of_client = client.and_then(|client| self.clients.get(client)).copied();
        if of_client.is_some_and(|streams| streams >= settings.max_streams_per_client) {
            return Err(Full::Client);
        }
        if self.feeds.get(chat).is_some_and(|counted| counted.item.0.has_ended()) {
            return Err(Full::Memory);
        }
        self.streams += 1;
        if let Some(client) = client {
            *self.clients.entry(client.clone()).or_default() += 1;
        }
        let access = share(&mut self.links, link, ShareId::short, Arc::default);
        let (feed, _) = share(&mut self.feeds, chat, ChatSessionId::short, new_feed);
        Ok((access, feed))
    }

    /// Counts one stream less. The last one of a chat ends its feed.
    pub(super) fn remove(&mut self, link: &ShareId, client: Option<&Client>, chat: &ChatSessionId) {
        self.streams -= 1;
        if let Some(client) = client
            && let Some(of_client) = self.clients.get_mut(client)
        {
            *of_client -= 1;
            if *of_client == 0 {
                self.clients.remove(client);
            }
        }
        release(&mut self.links, link);
        if let Some((_, task)) = release(&mut self.feeds, chat) {
            task.abort();
        }
    }

    /// Keeps watched chats within `max` bytes after `grown` was read: ends larger ones, those that
    /// are idle first, or else `grown` itself. A chat that had to go and comes again finds no
    /// larger one, so no two of them push each other out in turn.
    pub(super) fn make_room(&self, max: usize, grown: &ChatFeed) {
        // Those that have ended are about to let go of what their streams hold.
        let mut feeds: Vec<(usize, &Feed)> = self
            .feeds
            .values()
            .map(|counted| (counted.item.0.bytes(), &counted.item))
            .filter(|(_, (feed, _))| !feed.has_ended())
            .collect();
        let mut held: usize = feeds.iter().map(|(bytes, _)| bytes).sum();
        let needed = grown.bytes();
        feeds.retain(|(bytes, (feed, _))| *bytes > needed || ptr::eq(&**feed, grown));
        feeds.sort_by_key(|(bytes, (feed, _))| Reverse((feed.is_idle(), *bytes)));
        for (bytes, (feed, task)) in feeds {
            if held <= max {
                break;
            }
            tracing::info!(bytes, "a watched chat makes room for others: its event streams end");
            feed.end();
            task.abort();
            held -= bytes;
        }
    }
}

/// The items that a notice about these ids concerns.
fn named<'a, K, T>(
    map: &'a HashMap<K, Counted<T>>,
    ids: &[ShortId],
) -> impl Iterator<Item = &'a T> {
    let ids: HashSet<&ShortId> = ids.iter().collect();
    map.values().filter(move |counted| ids.contains(&counted.short)).map(|counted| &counted.item)
}

/// The shared item for one more stream.
fn share<K: Clone + Eq + Hash, T: Clone>(
    map: &mut HashMap<K, Counted<T>>,
    key: &K,
    short: impl FnOnce(&K) -> ShortId,
    new: impl FnOnce() -> T,
) -> T {
    let counted = map.entry(key.clone()).or_insert_with(|| Counted {
        short: short(key),
        streams: 0,
        item: new(),
    });
    counted.streams += 1;
    counted.item.clone()
}

/// Counts one stream less; returns the item when it was the last.
fn release<K: Eq + Hash, T>(map: &mut HashMap<K, Counted<T>>, key: &K) -> Option<T> {
    let counted = map.get_mut(key)?;
    counted.streams -= 1;
    if counted.streams > 0 {
        return None;
    }
    map.remove(key).map(|counted| counted.item)
}
