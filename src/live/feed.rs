//! A chat that somebody watches.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{Fetch, Frame, TooSlow, Transcript, log::Log};
use crate::model::ChatSessionId;

/// A chat is not asked for more often than this, however fast notices come.
const GAP: Duration = Duration::from_millis(50);
/// After a failure the next try comes this soon, and then ever later up to the poll interval.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// A transcript, and when asking for it began: whatever came before that moment is in it.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub began: Instant,
    pub transcript: Arc<Transcript>,
}

/// Why there is no transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// There is no such chat any more.
    Gone,
    /// For another reason, which may pass.
    Failed(String),
}

pub(super) struct WatchedChat {
    pub(super) id: ChatSessionId,
    /// Streams, under the lock of `Open`.
    pub(super) streams: AtomicUsize,
    /// Wakes the task that watches.
    notice: Notify,
    /// Wakes the streams.
    pub(super) wake: watch::Sender<u64>,
    /// Counts the notices after which links have to be asked for again.
    pub(super) rechecks: AtomicU64,
    state: Mutex<State>,
    pub(super) watcher: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct State {
    now: Option<Fetched>,
    log: Log,
    is_gone: bool,
}

/// How a stream begins.
pub(super) struct Start {
    pub(super) first: Frame,
    /// A transcript, and the number of the first of its messages that the client does not know.
    pub(super) behind: Option<(Arc<Transcript>, usize)>,
    /// The number of the frame that comes after these.
    pub(super) next: u64,
}

/// What a stream is to be sent next.
pub(super) enum Read {
    Frames(Bytes, u64),
    Gone,
}

impl WatchedChat {
    pub(super) fn new(id: ChatSessionId) -> Self {
        Self {
            id,
            streams: AtomicUsize::new(0),
            notice: Notify::new(),
            wake: watch::Sender::new(0),
            rechecks: AtomicU64::new(0),
            state: Mutex::default(),
            watcher: Mutex::default(),
        }
    }

    /// Its messages, its name or its links may not be what they were.
    pub(super) fn may_have_changed(&self) {
        self.rechecks.fetch_add(1, Ordering::SeqCst);
        self.notice.notify_one();
        self.wake_streams();
    }

    fn wake_streams(&self) {
        self.wake.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Takes what the chat held at a moment, unless something later is known.
    pub(super) fn take(&self, fetched: Fetched) {
        let mut state = self.state();
        if state.now.as_ref().is_some_and(|now| now.began >= fetched.began) {
            return;
        }
        state.is_gone = false;
        if let Some(now) = &state.now {
            let mut frames = fetched.transcript.since(&now.transcript);
            if !Log::has_room_for(&frames) {
                frames = vec![Frame::reset(&fetched.transcript)];
            }
            if !frames.is_empty() {
                state.log.push(frames);
                self.wake_streams();
            }
        }
        state.now = Some(fetched);
    }

    fn is_gone(&self) {
        self.state().is_gone = true;
        self.wake_streams();
    }

    /// Where a stream begins that knows everything up to the message `cursor`, or wants only what
    /// comes from now on. What it is to be sent at first and the number of what comes after are taken
    /// under one lock, so that nothing falls between them. `None` when the chat was never read, or
    /// has no such message.
    pub(super) fn begin(&self, cursor: Option<&str>) -> Option<Start> {
        let state = self.state();
        let now = &state.now.as_ref()?.transcript;
        let (first, behind) = match cursor {
            None => (Frame::cursor(now), None),
            Some(cursor) => (Frame::begun(), Some((now.clone(), now.after(cursor)?))),
        };
        Some(Start { first, behind, next: state.log.end() })
    }

    /// The same for a stream whose cursor nobody knows.
    pub(super) fn begin_anew(&self) -> Option<Start> {
        let state = self.state();
        let now = &state.now.as_ref()?.transcript;
        Some(Start { first: Frame::reset(now), behind: None, next: state.log.end() })
    }

    /// The number of the frame that comes next.
    pub(super) fn end(&self) -> u64 {
        self.state().log.end()
    }

    pub(super) fn read(&self, next: u64) -> Result<Read, TooSlow> {
        let state = self.state();
        if state.is_gone {
            return Ok(Read::Gone);
        }
        state.log.read(next).map(|(chunk, next)| Read::Frames(chunk, next))
    }

    /// Watches until it is aborted.
    pub(super) async fn watch(self: Arc<Self>, fetch: Fetch, poll_interval: Duration) {
        let mut asked = Instant::now();
        let mut pause = poll_interval;
        loop {
            tokio::select! {
                () = self.notice.notified() => sleep_until(asked + GAP).await,
                () = sleep_until(asked + pause) => {}
            }
            asked = Instant::now();
            pause = match fetch(self.id.clone()).await {
                Ok(fetched) => {
                    self.take(fetched);
                    poll_interval
                }
                Err(Unread::Gone) => {
                    self.is_gone();
                    poll_interval
                }
                Err(Unread::Failed(why)) => {
                    tracing::debug!(%why, "a watched chat could not be read");
                    let longer = if pause < poll_interval { pause * 2 } else { FIRST_RETRY };
                    // From its end, not from its beginning: a time-out must not be followed at once.
                    asked = Instant::now();
                    longer.min(poll_interval)
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
