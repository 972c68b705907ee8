//! The open event streams of this instance.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    slice,
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::watch, task::AbortHandle};

use super::{
    Ended, LiveSettings,
    access::LinkAccess,
    feed::{ChatFeed, Position},
    fetch::{LiveChats, Scope},
};
use crate::{
    chat_service::ChatServiceError,
    clock::Clock,
    model::{ChatSessionId, ShareId, SharedChat, ShortId},
    store::{Notice, Store, StoreError},
};

/// Why another stream cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// `MAX_STREAMS`, or the instance is about to stop.
    #[error("too many streams")]
    Instance,
    /// One link has half of `MAX_STREAMS`.
    #[error("too many streams of this link")]
    Link,
}

/// Why a stream does not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    ChatService(#[from] ChatServiceError),
}

/// All open streams. Clones share them.
#[derive(Clone)]
pub struct Subscriptions(Arc<Inner>);

struct Inner {
    settings: LiveSettings,
    chats: LiveChats,
    store: Store,
    clock: Clock,
    /// Where feeds run: it outlives the workers that serve the streams.
    runtime: Handle,
    open: Mutex<Open>,
    stopping: watch::Sender<bool>,
}

#[derive(Default)]
struct Open {
    streams: usize,
    feeds: HashMap<ChatSessionId, Counted<(Arc<ChatFeed>, AbortHandle)>>,
    links: HashMap<ShareId, Counted<Arc<LinkAccess>>>,
}

/// An item that streams share, with their number.
struct Counted<T> {
    /// Of the key, by which notices name it.
    short: ShortId,
    streams: usize,
    item: T,
}

/// The items that a notice about these ids concerns.
fn concerned<'a, K, T>(
    map: &'a HashMap<K, Counted<T>>,
    ids: &[ShortId],
) -> impl Iterator<Item = &'a Counted<T>> {
    let ids: HashSet<&ShortId> = ids.iter().collect();
    map.values().filter(move |counted| ids.contains(&counted.short))
}

/// One stream. Dropping it ends it; the last one of a chat ends its feed.
pub struct Subscription {
    all: Subscriptions,
    chat_id: ChatSessionId,
    link: Arc<SharedChat>,
    access: Arc<LinkAccess>,
    access_changed: watch::Receiver<()>,
    feed: Arc<ChatFeed>,
    feed_changed: watch::Receiver<()>,
    stopping: watch::Receiver<bool>,
    position: Position,
}

impl Subscriptions {
    /// Must be called within the runtime on which chats are to be read.
    pub fn new(settings: LiveSettings, chats: LiveChats, store: Store, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            settings,
            chats,
            store,
            clock,
            runtime: Handle::current(),
            open: Mutex::default(),
            stopping: watch::Sender::new(false),
        }))
    }

    /// Wakes the streams that the notice concerns.
    pub fn notify(&self, notice: &Notice) {
        let open = self.0.open.lock();
        match notice {
            Notice::Chat(chat) => {
                for Counted { item: (feed, _), .. } in concerned(&open.feeds, slice::from_ref(chat))
                {
                    feed.notify();
                }
            }
            Notice::Links(ids) => {
                for Counted { item: link, .. } in concerned(&open.links, ids) {
                    link.notify();
                }
            }
            Notice::Everything => {
                for Counted { item: (feed, _), .. } in open.feeds.values() {
                    feed.notify();
                }
                for Counted { item: link, .. } in open.links.values() {
                    link.notify();
                }
            }
        }
    }

    /// Ends every stream and refuses new ones: the process is about to stop.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// The number of open streams.
    pub fn streams(&self) -> usize {
        self.0.open.lock().streams
    }

    /// Opens a stream that starts after the message `cursor`, or without one after the current
    /// state. The chat may have to be read first, which may take long: call
    /// [`Subscription::current_link`] before anything is sent.
    ///
    /// # Errors
    /// [`SubscribeError::ChatService`] with `NotFound` when the chat is gone; with another cause
    /// when the chat service fails and the feed does not have the cursor's message.
    pub async fn subscribe(
        &self,
        link: SharedChat,
        chat_id: ChatSessionId,
        cursor: Option<&str>,
    ) -> Result<Subscription, SubscribeError> {
        let mut subscription = self.register(link, chat_id)?;
        let (feed, chat_id) = (&subscription.feed, &subscription.chat_id);
        // First, so that the stream does not repeat what the client has just got in the view.
        let read = self.0.chats.get(chat_id, Scope::Messages).await.map(|state| feed.ingest(state));
        if let Err(ChatServiceError::NotFound) = read {
            return Err(ChatServiceError::NotFound.into());
        }
        subscription.position = match feed.start(cursor) {
            Some(position) => position,
            None => {
                read?;
                // The cursor may come from an instance that has read the chat later.
                let state = self.0.chats.get_fresh(chat_id, Scope::Messages).await?;
                feed.start_with(&state, cursor)
            }
        };
        Ok(subscription)
    }

    fn register(&self, link: SharedChat, chat_id: ChatSessionId) -> Result<Subscription, Full> {
        let settings = &self.0.settings;
        let mut open = self.0.open.lock();
        if open.streams >= settings.max_streams || *self.0.stopping.borrow() {
            return Err(Full::Instance);
        }
        let of_link = open.links.get(&link.id).map_or(0, |link| link.streams);
        if of_link >= settings.max_streams_per_link {
            return Err(Full::Link);
        }
        open.streams += 1;
        let access = share(&mut open.links, &link.id, ShareId::short, Arc::default);
        let (feed, _) = share(&mut open.feeds, &chat_id, ChatSessionId::short, || {
            let feed = Arc::new(ChatFeed::default());
            let running =
                feed.clone().run(chat_id.clone(), self.0.chats.clone(), settings.poll_interval);
            (feed, self.0.runtime.spawn(running).abort_handle())
        });
        drop(open);
        Ok(Subscription {
            all: self.clone(),
            chat_id,
            link: Arc::new(link),
            access_changed: access.changed.subscribe(),
            access,
            feed_changed: feed.changed.subscribe(),
            feed,
            stopping: self.0.stopping.subscribe(),
            position: Position::default(),
        })
    }
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

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut open = self.all.0.open.lock();
        open.streams -= 1;
        release(&mut open.links, &self.link.id);
        if let Some((_, task)) = release(&mut open.feeds, &self.chat_id) {
            task.abort();
        }
    }
}

impl Subscription {
    /// Completes when something may have changed, and at once when the instance stops.
    pub async fn changed(&mut self) {
        if self.is_stopping() {
            return;
        }
        // These fail only when a sender is dropped, and this holds all three.
        tokio::select! {
            _ = self.stopping.changed() => {}
            _ = self.access_changed.changed() => {}
            _ = self.feed_changed.changed() => {}
        }
    }

    /// Whether the stream has to end now because the instance stops.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// The link as it was last read.
    pub fn link(&self) -> &SharedChat {
        &self.link
    }

    /// The link as it is now; `None` when it is deleted or expired. The streams of one link share a
    /// query for a tenth of a second, unless a notice came.
    pub async fn current_link(&mut self) -> Result<Option<&SharedChat>, StoreError> {
        let Inner { store, clock, .. } = &*self.all.0;
        let notices = &self.feed.notices;
        let found = self.access.current(&self.link.id, notices, store, clock).await?;
        Ok(found.map(|link| {
            self.link = link;
            &*self.link
        }))
    }

    /// The clock by which links and tokens expire.
    pub fn clock(&self) -> Clock {
        self.all.0.clock.clone()
    }

    /// Whether [`Subscription::read`] has bytes, or ends the stream.
    pub fn has_more(&self) -> bool {
        self.feed.has_more(&self.position)
    }

    /// The next bytes to be sent; empty if nothing is new.
    pub fn read(&mut self) -> Result<Bytes, Ended> {
        self.feed.read(&mut self.position)
    }
}
