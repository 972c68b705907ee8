//! A place from which one stream watches.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{
    Events, Fetched, Frame, TooSlow, Transcript,
    access::WatchedLink,
    feed::{Read, Start, WatchedChat},
    log::CHUNK,
};
use crate::model::{ChatSessionId, ShareId, SharedChat};

/// Why there is no place for another stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// `MAX_STREAMS`, or the instance is about to stop.
    #[error("too many streams")]
    Instance,
    /// `MAX_STREAMS_PER_LINK`.
    #[error("too many streams of this link")]
    Link,
}

/// What a stream is to be sent next.
#[derive(Debug)]
pub enum Next {
    /// Frames, or nothing when there are none yet.
    Frames(Bytes),
    /// The chat is not there any more.
    Gone,
}

/// One stream's place. It is given up when this is dropped; with the last one nobody watches the
/// chat any more.
pub struct Seat {
    events: Events,
    link_id: ShareId,
    link: Arc<WatchedLink>,
    link_wakes: watch::Receiver<u64>,
    chat: Arc<WatchedChat>,
    chat_wakes: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// What comes before everything else.
    first: Option<Frame>,
    /// What the client did not know when it came: a transcript that is shared, and how far it was
    /// read. Only then the log.
    behind: Option<(Arc<Transcript>, usize)>,
    /// The number of the frame that comes next.
    next: u64,
}

impl Events {
    /// Takes a place.
    ///
    /// # Errors
    /// [`Full`].
    pub fn sit_down(&self, link_id: &ShareId, chat_id: &ChatSessionId) -> Result<Seat, Full> {
        let settings = self.0.settings;
        let mut open = self.open();
        if open.streams >= settings.max_streams || *self.0.stopping.borrow() {
            return Err(Full::Instance);
        }
        let taken = open.links.get(link_id).map_or(0, |link| link.streams.load(Ordering::SeqCst));
        if taken >= settings.max_streams_per_link {
            return Err(Full::Link);
        }
        open.streams += 1;
        let link = open.links.entry(link_id.clone()).or_insert_with(|| WatchedLink::new().into());
        link.streams.fetch_add(1, Ordering::SeqCst);
        let link = link.clone();
        let chat = open.chats.entry(chat_id.clone()).or_insert_with(|| {
            let chat = Arc::new(WatchedChat::new(chat_id.clone()));
            let watching = chat.clone().watch(self.0.fetch.clone(), settings.poll_interval);
            let watcher = self.0.runtime.spawn(watching).abort_handle();
            *chat.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(watcher);
            chat
        });
        chat.streams.fetch_add(1, Ordering::SeqCst);
        let chat = chat.clone();
        drop(open);
        Ok(Seat {
            events: self.clone(),
            link_id: link_id.clone(),
            link_wakes: link.wake.subscribe(),
            link,
            chat_wakes: chat.wake.subscribe(),
            chat,
            stopping: self.0.stopping.subscribe(),
            first: None,
            behind: None,
            next: 0,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.events.open();
        open.streams -= 1;
        if self.link.streams.fetch_sub(1, Ordering::SeqCst) == 1 {
            open.links.remove(&self.link_id);
        }
        if self.chat.streams.fetch_sub(1, Ordering::SeqCst) == 1 {
            open.chats.remove(&self.chat.id);
            let watcher = self.chat.watcher.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(watcher) = watcher {
                watcher.abort();
            }
        }
    }
}

impl Seat {
    /// Takes what the chat held at a moment, unless something later is known; every stream of the
    /// chat is told what is new.
    pub fn take(&self, fetched: Fetched) {
        self.chat.take(fetched);
    }

    /// Begins after the message `cursor`, or with what comes from now on. `false` when the chat was
    /// never read, or no such message is known.
    pub fn begin(&mut self, cursor: Option<&str>) -> bool {
        self.chat.begin(cursor).is_some_and(|start| self.start(start))
    }

    /// Begins with a `reset`: nobody knows what the client knows. `false` when the chat was never
    /// read.
    pub fn begin_anew(&mut self) -> bool {
        self.chat.begin_anew().is_some_and(|start| self.start(start))
    }

    fn start(&mut self, start: Start) -> bool {
        (self.first, self.behind, self.next) = (Some(start.first), start.behind, start.next);
        true
    }

    /// Completes when something may have happened, and at once when the instance stops.
    pub async fn woken(&mut self) {
        if self.is_stopping() {
            return;
        }
        // Their senders live as long as this.
        tokio::select! {
            _ = self.stopping.changed() => {}
            _ = self.link_wakes.changed() => {}
            _ = self.chat_wakes.changed() => {}
        }
    }

    /// Whether the stream has to end now because the instance does.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Whether there is something to be sent already.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.first.is_some() || self.behind.is_some() || self.chat.end() > self.next
    }

    /// What comes next.
    ///
    /// # Errors
    /// [`TooSlow`] when it is not kept any more.
    pub fn read(&mut self) -> Result<Next, TooSlow> {
        if let Some(first) = self.first.take() {
            return Ok(Next::Frames(first.bytes().clone()));
        }
        if let Some((transcript, number)) = self.behind.take() {
            let mut chunk = Vec::new();
            for (read, frame) in transcript.from(number).enumerate() {
                if !chunk.is_empty() && chunk.len() + frame.bytes().len() > CHUNK {
                    self.behind = Some((transcript.clone(), number + read));
                    break;
                }
                chunk.extend_from_slice(frame.bytes());
            }
            if !chunk.is_empty() {
                return Ok(Next::Frames(chunk.into()));
            }
        }
        Ok(match self.chat.read(self.next)? {
            Read::Gone => Next::Gone,
            Read::Frames(chunk, next) => {
                self.next = next;
                Next::Frames(chunk)
            }
        })
    }

    /// The link as it is now, `None` when it is gone. It is asked once for all streams that want to
    /// know it at the same moment, and always anew after a notice.
    ///
    /// # Errors
    /// Those of `ask`.
    pub async fn standing<'a, E>(
        &self,
        ask: impl FnOnce() -> BoxFuture<'a, Result<Option<SharedChat>, E>>,
    ) -> Result<Option<Arc<SharedChat>>, E> {
        self.link.standing(&self.chat.rechecks, ask).await
    }
}
