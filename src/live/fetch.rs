//! Reads live chats from the chat service: one question at a time for all callers of the same chat.

use std::{collections::HashMap, sync::Arc, time::Duration};

use moka::sync::Cache;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    task::spawn_blocking,
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use super::Transcript;
use crate::{
    chat_service::{Access, ChatService, ChatServiceError},
    model::{ChatFile, ChatSessionId, Message, hex},
    store::Notice,
};

const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// A question waits for the answer to the one before it about the same chat, but not longer than
/// this, as that one may hang. With a time-out of 30 s at most 60 wait for one chat.
const STAGGER: Duration = Duration::from_millis(500);

/// How many views may wait for an answer at a time. Fewer than the 64 requests that the proxy sends to
/// an instance at a time (deploy/haproxy.cfg): frozen links share their path with live ones, and are
/// served while the chat service hangs.
const MAX_WAITING_VIEWS: usize = 48;

/// A hash of all that a chat held at a moment: name, messages, files.
pub type ContentHash = Arc<str>;

/// What a chat held at a moment.
#[derive(Debug)]
pub struct ChatState {
    /// When the question began: all that came before it is in the answer.
    pub(super) asked_at: Instant,
    /// Empty if it was not asked for, as are the files.
    pub transcript: Transcript,
    pub files: Vec<ChatFile>,
    pub content_hash: ContentHash,
}

impl ChatState {
    /// CPU work that grows with the chat.
    ///
    /// # Errors
    /// Those of the JSON encoder, which messages and files do not have.
    pub(super) fn new(
        asked_at: Instant,
        name: Option<String>,
        messages: &[Message],
        files: Vec<ChatFile>,
    ) -> serde_json::Result<Self> {
        let transcript = Transcript::new(name, messages)?;
        let mut hash = Sha256::new();
        hash.update(transcript.name().unwrap_or_default());
        hash.update([u8::from(transcript.name().is_some())]);
        hash.update(serde_json::to_vec(&files)?);
        hash.update(transcript.json());
        let content_hash = hex(&hash.finalize()[..12]).into();
        Ok(Self { asked_at, transcript, files, content_hash })
    }
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Messages,
    /// The list alone, for a download: the messages of a large chat take many calls. A chat that is
    /// gone has no files.
    Files,
    Both,
}

impl Scope {
    const ALL: [Self; 3] = [Self::Messages, Self::Files, Self::Both];
}

type Key = (ChatSessionId, Scope);
type Answer = Result<Arc<ChatState>, ChatServiceError>;
type Pending = watch::Receiver<Option<Answer>>;

/// Asks the chat service. Clones share the questions in flight and the cache.
#[derive(Clone)]
pub struct LiveChats(Arc<Inner>);

struct Inner {
    chat_service: Arc<ChatService>,
    max_age: Duration,
    /// Where questions are asked, so that a client that disconnects cancels none.
    runtime: Handle,
    cache: Cache<Key, Arc<ChatState>>,
    in_flight: Mutex<HashMap<Key, Question>>,
    /// For views that wait for an answer.
    views: Semaphore,
    /// For event streams and downloads that do.
    others: Semaphore,
}

/// The last question about a chat, not answered yet.
struct Question {
    /// `None` while it waits for the one before it.
    began: Option<Instant>,
    /// The moment of the last notice, or from which on notices are known here. The answer to a
    /// question that began earlier serves only the callers that wait for it already.
    valid_from: Instant,
    answer: Pending,
}

impl LiveChats {
    /// Must be called within the runtime on which to ask. An answer is used again for `max_age`, and
    /// `max_waiting` event streams and downloads may wait for one at a time.
    pub fn new(chat_service: Arc<ChatService>, max_age: Duration, max_waiting: usize) -> Self {
        let cache = Cache::builder()
            .max_capacity(CACHE_BYTES)
            .weigher(|_: &Key, state: &Arc<ChatState>| {
                let files = state.files.len() * 256;
                u32::try_from(state.transcript.bytes() + files).unwrap_or(u32::MAX)
            })
            .time_to_live(max_age.max(Duration::from_millis(1)))
            .build();
        Self(Arc::new(Inner {
            chat_service,
            max_age,
            runtime: Handle::current(),
            cache,
            in_flight: Mutex::default(),
            views: Semaphore::new(max_waiting.min(MAX_WAITING_VIEWS)),
            others: Semaphore::new(max_waiting),
        }))
    }

    /// What the chat holds, as of a moment at most `max_age` ago, and after the last notice.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; all callers that wait for the same question get the same one. `Busy`
    /// too when as many wait already as may.
    pub async fn get(&self, chat: &ChatSessionId, scope: Scope) -> Answer {
        self.get_within(chat, scope, self.0.max_age, &self.0.others).await
    }

    /// The same for a view.
    ///
    /// # Errors
    /// As [`LiveChats::get`].
    pub async fn get_for_view(&self, chat: &ChatSessionId, scope: Scope) -> Answer {
        self.get_within(chat, scope, self.0.max_age, &self.0.views).await
    }

    /// The same, by a question that begins after this call.
    ///
    /// # Errors
    /// As [`LiveChats::get`].
    pub async fn get_fresh(&self, chat: &ChatSessionId, scope: Scope) -> Answer {
        self.get_within(chat, scope, Duration::ZERO, &self.0.others).await
    }

    /// No answer to a question that began before the notice is used again.
    pub fn invalidate(&self, notice: &Notice) {
        let mut in_flight = self.0.in_flight.lock();
        let now = Instant::now();
        match notice {
            Notice::Chat(chat) => {
                for scope in Scope::ALL {
                    let key = (chat.clone(), scope);
                    if let Some(question) = in_flight.get_mut(&key) {
                        question.valid_from = now;
                    }
                    self.0.cache.invalidate(&key);
                }
            }
            Notice::Links(_) => {}
            Notice::Everything => {
                in_flight.values_mut().for_each(|question| question.valid_from = now);
                self.0.cache.invalidate_all();
            }
        }
    }

    async fn get_within(
        &self,
        chat: &ChatSessionId,
        scope: Scope,
        max_age: Duration,
        waiting: &Semaphore,
    ) -> Answer {
        let key = (chat.clone(), scope);
        let (_permit, mut answer) = {
            let mut in_flight = self.0.in_flight.lock();
            if let Some(state) = self.cached(&key, max_age) {
                return Ok(state);
            }
            let permit = waiting.try_acquire().map_err(|_| ChatServiceError::Busy)?;
            let answer = match in_flight.get(&key) {
                Some(question) if question.serves(max_age) => question.answer.clone(),
                Some(_) | None => self.ask(&mut in_flight, key),
            };
            (permit, answer)
        };
        let answered =
            answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        let stopped = || Err(ChatServiceError::Unreachable("asking was stopped".to_owned()));
        answered.unwrap_or_else(stopped)
    }

    /// An answer that is young enough. A download also believes what a view was told of the files, if
    /// that is later than the last list: its viewer has seen it.
    fn cached(&self, key: &Key, max_age: Duration) -> Option<Arc<ChatState>> {
        let both = (key.1 == Scope::Files).then(|| (key.0.clone(), Scope::Both));
        let states = [Some(key), both.as_ref()].into_iter().flatten();
        let states = states.filter_map(|key| self.0.cache.get(key));
        let latest = states.max_by_key(|state| state.asked_at);
        latest.filter(|state| state.asked_at.elapsed() < max_age)
    }

    /// Asks, in a task of its own.
    fn ask(&self, in_flight: &mut HashMap<Key, Question>, key: Key) -> Pending {
        let now = Instant::now();
        let (sender, answer) = watch::channel(None);
        let before = in_flight.get(&key);
        let question = Question {
            began: before.is_none().then_some(now),
            valid_from: before.map_or(now, |before| before.valid_from),
            answer: answer.clone(),
        };
        let before = in_flight.insert(key.clone(), question);
        let (this, pending) = (self.clone(), answer.clone());
        let asking = async move {
            let began = match before {
                Some(mut before) => {
                    let until = before.began.unwrap_or(now) + STAGGER;
                    let _ = timeout_at(until, before.answer.wait_for(Option::is_some)).await;
                    this.begin(&key)
                }
                None => now,
            };
            let answer = this.read(&key, began).await.map(Arc::new);
            this.end(&key, &pending, &answer);
            sender.send_replace(Some(answer));
        };
        // A part of the first caller's trace.
        self.0.runtime.spawn(asking.in_current_span());
        answer
    }

    /// The last question about the chat begins, after it waited: while it waits, none replaces it.
    fn begin(&self, key: &Key) -> Instant {
        let mut in_flight = self.0.in_flight.lock();
        // Within the lock: a notice comes either before this moment, or finds that it has begun.
        let now = Instant::now();
        if let Some(question) = in_flight.get_mut(key) {
            question.began = Some(now);
        }
        now
    }

    fn end(&self, key: &Key, pending: &Pending, answer: &Answer) {
        let mut in_flight = self.0.in_flight.lock();
        // Without one a later question was answered already.
        let Some(last) = in_flight.get(key) else { return };
        if let Ok(state) = answer
            && state.asked_at >= last.valid_from
            && self.0.cache.get(key).is_none_or(|cached| cached.asked_at < state.asked_at)
        {
            self.0.cache.insert(key.clone(), state.clone());
        }
        if last.answer.same_channel(pending) {
            in_flight.remove(key);
        }
    }

    async fn read(&self, key: &Key, asked_at: Instant) -> Result<ChatState, ChatServiceError> {
        let (chat, scope) = key;
        let reader = self.0.chat_service.read(Access::Service, chat);
        let (name, messages) = match scope {
            Scope::Messages | Scope::Both => (reader.chat().await?.name, reader.messages().await?),
            Scope::Files => (None, Vec::new()),
        };
        let files = match scope {
            Scope::Messages => Vec::new(),
            Scope::Files | Scope::Both => reader.files().await?,
        };
        let state = spawn_blocking(move || ChatState::new(asked_at, name, &messages, files)).await;
        state
            .map_err(|error| ChatServiceError::BadAnswer(error.to_string()))?
            .map_err(|error| ChatServiceError::BadAnswer(error.to_string()))
    }
}

impl Question {
    /// Whether its answer will do for a caller that comes now.
    fn serves(&self, max_age: Duration) -> bool {
        self.began.is_none_or(|began| began >= self.valid_from && began.elapsed() < max_age)
    }
}
