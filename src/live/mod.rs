//! Who is watching a live link, and what they are told (contract 3, "events").
//!
//! One task watches each chat that anybody watches through this instance, however many do. What it
//! finds goes into the chat's [`log`] once; each stream remembers how far it has read. Whether the
//! link still stands is asked once for all streams of a link that want to know at the same moment.
//!
//! To add an event: a constructor of [`Frame`], and its place in [`Transcript::since`] where it
//! follows from what the chat holds.

mod access;
mod feed;
mod fetch;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod log;
mod subscription;
#[cfg(test)]
mod tests;
mod transcript;

pub use feed::{Fetched, Unread};
pub use fetch::{KnownBy, LiveChats};
pub use frame::Frame;
pub use log::TooSlow;
pub use subscription::{Full, Next, Seat};
pub use transcript::Transcript;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, sync::watch};

use crate::{
    model::{ChatSessionId, ShareId},
    store::Notice,
};
use access::WatchedLink;
use feed::WatchedChat;

/// How streams are served. Every field is a setting.
#[derive(Debug, Clone, Copy)]
pub struct EventsSettings {
    /// `LIVE_POLL_INTERVAL`: how often a watched chat is looked at when no notice comes.
    pub poll_interval: Duration,
    /// `MAX_STREAMS`: open streams of this instance.
    pub max_streams: usize,
    /// `MAX_STREAMS_PER_LINK`: open streams of one link on this instance.
    pub max_streams_per_link: usize,
}

/// Asks what a chat holds. What it gives may have been asked for by somebody else a moment before,
/// but not before the last notice about the chat.
pub type Fetch =
    Arc<dyn Fn(ChatSessionId) -> BoxFuture<'static, Result<Fetched, Unread>> + Send + Sync>;

/// Everything that is watched through this instance. Clones share it.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    settings: EventsSettings,
    fetch: Fetch,
    /// Where chats are watched: a worker ends with its streams, this one does not.
    runtime: Handle,
    open: Mutex<Open>,
    stopping: watch::Sender<bool>,
}

#[derive(Default)]
struct Open {
    streams: usize,
    chats: HashMap<ChatSessionId, Arc<WatchedChat>>,
    links: HashMap<ShareId, Arc<WatchedLink>>,
}

impl Events {
    /// Must be called within the runtime on which chats are to be watched.
    #[must_use]
    pub fn new(settings: EventsSettings, fetch: Fetch) -> Self {
        Self(Arc::new(Inner {
            settings,
            fetch,
            runtime: Handle::current(),
            open: Mutex::default(),
            stopping: watch::Sender::new(false),
        }))
    }

    /// Passes a notice on to those whom it concerns.
    pub fn deliver(&self, notice: &Notice) {
        let open = self.open();
        match notice {
            Notice::Chat(id) => {
                if let Some(chat) = open.chats.get(id) {
                    chat.may_have_changed();
                }
            }
            Notice::Links(ids) => {
                for link in ids.iter().filter_map(|id| open.links.get(id)) {
                    link.may_have_changed();
                }
            }
            Notice::Everything => {
                for chat in open.chats.values() {
                    chat.may_have_changed();
                }
            }
        }
    }

    /// Ends every stream, and begins none any more: the process is about to stop.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.open().streams
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
