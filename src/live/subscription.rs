//! The open event streams of this instance.

use std::{
    slice,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::watch};

use super::{
    Ended, Full, LiveSettings,
    access::LinkAccess,
    feed::{ChatFeed, Position},
    fetch::{LiveChats, Scope},
    open::Open,
};
use crate::{
    chat_service::ChatServiceError,
    clock::Clock,
    model::{ChatSessionId, Client, SharedChat},
    store::{Notice, Store, StoreError},
};

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
    /// Bytes that the feeds hold.
    held: Arc<AtomicUsize>,
    stopping: watch::Sender<bool>,
}

/// One stream. Dropping it ends it; the last one of a chat ends its feed.
pub struct Subscription {
    all: Subscriptions,
    chat_id: ChatSessionId,
    client: Option<Client>,
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
            held: Arc::default(),
            stopping: watch::Sender::new(false),
        }))
    }

    /// Wakes the streams that the notice concerns.
    pub fn notify(&self, notice: &Notice) {
        let open = self.0.open.lock();
        match notice {
            Notice::Chat(chat) => {
                open.feeds_named(slice::from_ref(chat)).for_each(ChatFeed::notify);
            }
            Notice::Links(ids) => open.links_named(ids).for_each(LinkAccess::notify),
            Notice::Everything => {
                open.feeds().for_each(ChatFeed::notify);
                open.links().for_each(LinkAccess::notify);
            }
        }
    }

    /// Ends every stream and refuses new ones: the process is about to stop.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// The number of open streams.
    pub fn streams(&self) -> usize {
        self.0.open.lock().streams()
    }

    /// Opens a stream of this client that starts after the message `cursor`, or without one after
    /// the current state. The chat may have to be read first, which may take long: call
    /// [`Subscription::current_link`] before anything is sent.
    ///
    /// # Errors
    /// [`SubscribeError::ChatService`] with `NotFound` when the chat is gone; with another cause
    /// when the chat service fails and the feed does not have the cursor's message.
    pub async fn subscribe(
        &self,
        link: SharedChat,
        chat_id: ChatSessionId,
        client: Option<Client>,
        cursor: Option<&str>,
    ) -> Result<Subscription, SubscribeError> {
        let mut subscription = self.register(link, chat_id, client)?;
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
        self.0.make_room(feed);
        if feed.has_ended() {
            return Err(Full::Memory.into());
        }
        Ok(subscription)
    }

    fn register(
        &self,
        link: SharedChat,
        chat_id: ChatSessionId,
        client: Option<Client>,
    ) -> Result<Subscription, Full> {
        let Inner { settings, chats, held, runtime, .. } = &*self.0;
        let mut open = self.0.open.lock();
        if *self.0.stopping.borrow() {
            return Err(Full::Instance);
        }
        let new_feed = || {
            let feed = Arc::new(ChatFeed::new(held.clone()));
            let all: Weak<Inner> = Arc::downgrade(&self.0);
            let make_room = move |feed: &ChatFeed| {
                if let Some(all) = all.upgrade() {
                    all.make_room(feed);
                }
            };
            let (id, chats, interval) = (chat_id.clone(), chats.clone(), settings.poll_interval);
            let running = runtime.spawn(feed.clone().run(id, chats, interval, make_room));
            (feed, running.abort_handle())
        };
        let (access, feed) = open.add(settings, &link.id, client.as_ref(), &chat_id, new_feed)?;
        drop(open);
        Ok(Subscription {
            all: self.clone(),
            chat_id,
            client,
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

impl Inner {
    /// See [`Open::make_room`].
    fn make_room(&self, grown: &ChatFeed) {
        let max = self.settings.max_watched_bytes;
        if self.held.load(Ordering::Relaxed) > max {
            self.open.lock().make_room(max, grown);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.all.0.open.lock().remove(&self.link.id, self.client.as_ref(), &self.chat_id);
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
