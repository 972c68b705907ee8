//! The feed of one watched chat: a single task reads the chat for all of its streams.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use super::{
    Frame,
    fetch::{ChatState, LiveChats, Scope},
    log::{Log, chunk},
    memory::{Held, Usage},
};
use crate::{chat_service::ChatServiceError, model::ChatSessionId};

/// A chat is not read more often than this, however fast notices come.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// The pause after the first failure; it doubles up to the poll interval.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// What a poll waits longer for each byte of the chat: a large chat is read at 1 MB/s on average.
const POLL_PAUSE_PER_BYTE: Duration = Duration::from_micros(1);
/// A chat that did not change for a while is polled after this part of that time, if that is longer
/// than its pause is otherwise, but [`MAX_QUIET_PAUSE`] at most.
const QUIET_PART: u32 = 20;
const MAX_QUIET_PAUSE: Duration = Duration::from_secs(30);
/// A chat that did not change for this long is idle: it makes room for others first.
const IDLE: Duration = Duration::from_secs(60);

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The chat does not exist any more.
    ChatGone,
    /// The client read so slowly that the log dropped frames it needs.
    TooSlow,
    /// Watched chats hold too many bytes, and this one makes room for others.
    NoRoom,
}

pub(super) struct ChatFeed {
    /// Wakes the task that reads the chat.
    due: Notify,
    /// Wakes the streams.
    pub(super) changed: watch::Sender<()>,
    pub(super) notices: AtomicU64,
    usage: Arc<Usage>,
    inner: Mutex<Inner>,
}

struct Inner {
    current: Option<Arc<Counted>>,
    /// When the last question began whose answer was taken.
    asked_at: Option<Instant>,
    /// When its content last changed, or it was first read.
    changed_at: Instant,
    log: Log,
    log_held: Held,
    is_gone: bool,
    /// The last frame of every stream, once they have to end.
    ended: Option<Frame>,
}

/// A state, whose bytes count for as long as the feed or a stream has it.
struct Counted {
    state: Arc<ChatState>,
    _held: Held,
}

/// A stream's position: it is sent the first frame, then what it missed, then the log.
#[derive(Default)]
pub(super) struct Position {
    first: Option<Frame>,
    /// A state of the chat, and the index of the first message that the client missed.
    missed: Option<(Arc<Counted>, usize)>,
    /// The number of the next frame of the log.
    next: u64,
    /// Whether it was sent `Inner::ended`.
    was_ended: bool,
}

impl ChatFeed {
    /// What it holds counts for `of_all` too.
    pub(super) fn new(of_all: Arc<AtomicUsize>) -> Self {
        let usage = Arc::new(Usage::new(of_all));
        let inner = Inner {
            current: None,
            asked_at: None,
            changed_at: Instant::now(),
            log: Log::default(),
            log_held: Held::new(&usage, 0),
            is_gone: false,
            ended: None,
        };
        Self {
            due: Notify::default(),
            changed: watch::Sender::default(),
            notices: AtomicU64::default(),
            usage,
            inner: Mutex::new(inner),
        }
    }

    /// How many bytes it and its streams hold: the transcript, earlier ones that streams still
    /// send, and the log.
    pub(super) fn bytes(&self) -> usize {
        self.usage.bytes()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.inner.lock().changed_at.elapsed() >= IDLE
    }

    /// Ends its streams with a `reset`, and frees what it holds. No state is taken any more.
    pub(super) fn end(&self) {
        let mut inner = self.inner.lock();
        let last = inner.current.take();
        let last_id = last.as_ref().and_then(|last| last.state.transcript.last_id());
        inner.ended = Some(Frame::reset(last_id));
        inner.log = Log::default();
        inner.log_held.set(0);
        drop(inner);
        self.changed.send_replace(());
    }

    pub(super) fn has_ended(&self) -> bool {
        self.inner.lock().ended.is_some()
    }

    /// The chat's messages, its name or its links may have changed.
    pub(super) fn notify(&self) {
        self.notices.fetch_add(1, Ordering::SeqCst);
        self.due.notify_one();
        self.changed.send_replace(());
    }

    /// Takes a state of the chat, unless a later one is known, and wakes the streams if it changed.
    pub(super) fn ingest(&self, state: Arc<ChatState>) {
        let mut inner = self.inner.lock();
        if inner.ended.is_some() || inner.asked_at.is_some_and(|at| at >= state.asked_at) {
            return;
        }
        inner.asked_at = Some(state.asked_at);
        inner.is_gone = false;
        if let Some(current) = &inner.current {
            let mut frames = state.transcript.changes_since(&current.state.transcript);
            if frames.is_empty() {
                // The earlier copy stays, which slow streams may have.
                return;
            }
            if !Log::has_room_for(&frames) {
                frames = vec![Frame::reset(state.transcript.last_id())];
            }
            inner.log.push(frames);
            let bytes = inner.log.bytes();
            inner.log_held.set(bytes);
            inner.changed_at = Instant::now();
            self.changed.send_replace(());
        }
        // The one before goes first, so that they do not count together.
        inner.current = None;
        let held = Held::new(&self.usage, state.transcript.bytes());
        inner.current = Some(Arc::new(Counted { state, _held: held }));
    }

    /// Where a stream starts: after the message `cursor`, or without one after the current state.
    /// What the client missed and the next frame of the log are taken under one lock, so that
    /// nothing falls between them. `None` when the chat was never read, or has no such message.
    pub(super) fn start(&self, cursor: Option<&str>) -> Option<Position> {
        let inner = self.inner.lock();
        let current = inner.current.as_ref()?;
        let (first, missed) = match cursor {
            None => (Frame::cursor(current.state.transcript.last_id()), None),
            Some(cursor) => {
                let index = current.state.transcript.index_after(cursor)?;
                (Frame::begun(), Some((current.clone(), index)))
            }
        };
        Some(Position { first: Some(first), missed, next: inner.log.end(), was_ended: false })
    }

    /// As [`ChatFeed::start`], with a state that was just read. An unknown cursor is a `reset`.
    pub(super) fn start_with(&self, state: &Arc<ChatState>, cursor: Option<&str>) -> Position {
        self.ingest(state.clone());
        self.start(cursor).unwrap_or_else(|| {
            let inner = self.inner.lock();
            let current = inner.current.as_ref().map_or(state, |current| &current.state);
            let first = Some(Frame::reset(current.transcript.last_id()));
            Position { first, next: inner.log.end(), ..Position::default() }
        })
    }

    /// Whether [`ChatFeed::read`] has bytes, or ends the stream.
    pub(super) fn has_more(&self, position: &Position) -> bool {
        if position.first.is_some() || position.missed.is_some() {
            return true;
        }
        let inner = self.inner.lock();
        inner.ended.is_some() || inner.log.end() > position.next
    }

    /// The next bytes for a stream; empty if nothing is new.
    pub(super) fn read(&self, position: &mut Position) -> Result<Bytes, Ended> {
        if let Some(last) = &self.inner.lock().ended {
            position.missed = None;
            let was_ended = std::mem::replace(&mut position.was_ended, true);
            return if was_ended { Err(Ended::NoRoom) } else { Ok(last.bytes().clone()) };
        }
        if let Some(first) = position.first.take() {
            return Ok(first.bytes().clone());
        }
        if let Some((missed, index)) = position.missed.take() {
            let (bytes, count) = chunk(missed.state.transcript.frames_from(index));
            if count > 0 {
                position.missed = Some((missed, index + count));
                return Ok(bytes);
            }
        }
        let inner = self.inner.lock();
        if inner.is_gone {
            return Err(Ended::ChatGone);
        }
        let (bytes, next) = inner.log.read(position.next).ok_or(Ended::TooSlow)?;
        position.next = next;
        Ok(bytes)
    }

    /// How long after a read the next one comes without a notice.
    pub(super) fn pause(&self, poll_interval: Duration) -> Duration {
        let inner = self.inner.lock();
        let bytes = inner.current.as_ref().map_or(0, |current| current.state.transcript.bytes());
        let for_size = POLL_PAUSE_PER_BYTE * u32::try_from(bytes).unwrap_or(u32::MAX);
        let for_quiet = (inner.changed_at.elapsed() / QUIET_PART).min(MAX_QUIET_PAUSE);
        (poll_interval + for_size).max(for_quiet)
    }

    /// Reads the chat on every notice and after every [`ChatFeed::pause`], until it is aborted.
    /// `make_room` is called after the feed took a state.
    pub(super) async fn run(
        self: Arc<Self>,
        id: ChatSessionId,
        chats: LiveChats,
        poll_interval: Duration,
        make_room: impl Fn(&Self) + Send,
    ) {
        let mut read_at = Instant::now();
        let mut pause = poll_interval;
        loop {
            tokio::select! {
                () = self.due.notified() => sleep_until(read_at + MIN_INTERVAL).await,
                () = sleep_until(read_at + pause) => {}
            }
            read_at = Instant::now();
            pause = match chats.get(&id, Scope::Messages).await {
                Ok(state) => {
                    self.ingest(state);
                    make_room(&self);
                    self.pause(poll_interval)
                }
                Err(ChatServiceError::NotFound) => {
                    self.inner.lock().is_gone = true;
                    self.changed.send_replace(());
                    self.pause(poll_interval)
                }
                Err(error) => {
                    tracing::debug!(%error, "a watched chat could not be read");
                    let usual = self.pause(poll_interval);
                    let longer = if pause < usual { pause * 2 } else { FIRST_RETRY };
                    // The pause begins now: otherwise a read that timed out is repeated at once.
                    read_at = Instant::now();
                    longer.min(usual)
                }
            };
        }
    }
}
