//! The feed of one watched chat: a single task reads the chat for all of its streams.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
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
};
use crate::{chat_service::ChatServiceError, model::ChatSessionId};

/// A chat is not read more often than this, however fast notices come.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// The pause after the first failure; it doubles up to the poll interval.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The chat does not exist any more.
    ChatGone,
    /// The client read so slowly that the log dropped frames it needs.
    TooSlow,
}

#[derive(Default)]
pub(super) struct ChatFeed {
    /// Wakes the task that reads the chat.
    due: Notify,
    /// Wakes the streams.
    pub(super) changed: watch::Sender<()>,
    pub(super) notices: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    current: Option<Arc<ChatState>>,
    log: Log,
    is_gone: bool,
}

/// A stream's position: it is sent the first frame, then what it missed, then the log.
#[derive(Default)]
pub(super) struct Position {
    first: Option<Frame>,
    /// A state of the chat, and the index of the first message that the client missed.
    missed: Option<(Arc<ChatState>, usize)>,
    /// The number of the next frame of the log.
    next: u64,
}

impl ChatFeed {
    /// The chat's messages, its name or its links may have changed.
    pub(super) fn notify(&self) {
        self.notices.fetch_add(1, Ordering::SeqCst);
        self.due.notify_one();
        self.changed.send_replace(());
    }

    /// Takes a state of the chat, unless a later one is known, and wakes the streams if it changed.
    pub(super) fn ingest(&self, state: Arc<ChatState>) {
        let mut inner = self.inner.lock();
        if inner.current.as_ref().is_some_and(|current| current.asked_at >= state.asked_at) {
            return;
        }
        inner.is_gone = false;
        if let Some(current) = &inner.current {
            let mut frames = state.transcript.changes_since(&current.transcript);
            if !Log::has_room_for(&frames) {
                frames = vec![Frame::reset(state.transcript.last_id())];
            }
            if !frames.is_empty() {
                inner.log.push(frames);
                self.changed.send_replace(());
            }
        }
        inner.current = Some(state);
    }

    /// Where a stream starts: after the message `cursor`, or without one after the current state.
    /// What the client missed and the next frame of the log are taken under one lock, so that
    /// nothing falls between them. `None` when the chat was never read, or has no such message.
    pub(super) fn start(&self, cursor: Option<&str>) -> Option<Position> {
        let inner = self.inner.lock();
        let current = inner.current.as_ref()?;
        let (first, missed) = match cursor {
            None => (Frame::cursor(current.transcript.last_id()), None),
            Some(cursor) => {
                let index = current.transcript.index_after(cursor)?;
                (Frame::begun(), Some((current.clone(), index)))
            }
        };
        Some(Position { first: Some(first), missed, next: inner.log.end() })
    }

    /// As [`ChatFeed::start`], with a state that was just read. An unknown cursor is a `reset`.
    pub(super) fn start_with(&self, state: &Arc<ChatState>, cursor: Option<&str>) -> Position {
        self.ingest(state.clone());
        self.start(cursor).unwrap_or_else(|| {
            let inner = self.inner.lock();
            let current = inner.current.as_ref().unwrap_or(state);
            let first = Some(Frame::reset(current.transcript.last_id()));
            Position { first, missed: None, next: inner.log.end() }
        })
    }

    /// Whether [`ChatFeed::read`] has bytes, or ends the stream.
    pub(super) fn has_more(&self, position: &Position) -> bool {
        position.first.is_some()
            || position.missed.is_some()
            || self.inner.lock().log.end() > position.next
    }

    /// The next bytes for a stream; empty if nothing is new.
    pub(super) fn read(&self, position: &mut Position) -> Result<Bytes, Ended> {
        if let Some(first) = position.first.take() {
            return Ok(first.bytes().clone());
        }
        if let Some((state, index)) = position.missed.take() {
            let (bytes, count) = chunk(state.transcript.frames_from(index));
            if count > 0 {
                position.missed = Some((state, index + count));
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

    /// Reads the chat on every notice and at every poll interval, until it is aborted.
    pub(super) async fn run(
        self: Arc<Self>,
        id: ChatSessionId,
        chats: LiveChats,
        poll_interval: Duration,
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
                    poll_interval
                }
                Err(ChatServiceError::NotFound) => {
                    self.inner.lock().is_gone = true;
                    self.changed.send_replace(());
                    poll_interval
                }
                Err(error) => {
                    tracing::debug!(%error, "a watched chat could not be read");
                    let longer = if pause < poll_interval { pause * 2 } else { FIRST_RETRY };
                    // The pause begins now: otherwise a read that timed out is repeated at once.
                    read_at = Instant::now();
                    longer.min(poll_interval)
                }
            };
        }
    }
}
