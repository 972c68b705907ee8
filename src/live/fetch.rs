//! Reads live chats from the chat service: one request for all callers of the same chat.

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

use super::Transcript;
use crate::{
    chat_service::{Access, ChatService, ChatServiceError},
    model::{ChatFile, ChatSessionId, Message, hex},
    store::Notice,
    telemetry::shared_work,
};

const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// A request waits for the one before it about the same chat, but not longer than this, as that one
/// may hang. With a time-out of 30 s at most 60 are in flight for one chat.
const STAGGER: Duration = Duration::from_millis(500);

/// Views that may wait for the chat service at a time. Fewer than the 64 concurrent requests that
/// the proxy sends to an instance (deploy/haproxy.cfg): frozen links share their path with live
/// ones, and have to be served while the chat service hangs.
const MAX_WAITING_VIEWS: usize = 48;

/// A hash of a chat's name, messages and files.
pub type ContentHash = Arc<str>;

/// The state of a chat at one moment.
#[derive(Debug)]
pub struct ChatState {
    /// When the request began: it includes all changes before that.
    pub(super) asked_at: Instant,
    /// Empty if it was not requested, as are the files.
    pub transcript: Transcript,
    pub files: Vec<ChatFile>,
    pub content_hash: ContentHash,
}

impl ChatState {
    /// CPU work that grows with the chat.
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

/// What is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Messages,
    /// The list alone, for a download: the messages of a large chat take many calls. The list of a
    /// chat that is gone is empty.
    Files,
    Both,
}

type Key = (ChatSessionId, Scope);
type Answer = Result<Arc<ChatState>, ChatServiceError>;
type Pending = watch::Receiver<Option<Answer>>;

/// Reads chats from the chat service. Clones share the requests in flight and the cache.
#[derive(Clone)]
pub struct LiveChats(Arc<Inner>);

struct Inner {
    chat_service: Arc<ChatService>,
    max_age: Duration,
    /// Requests run in tasks of it, so that a client that disconnects cancels none.
    runtime: Handle,
    cache: Cache<Key, Arc<ChatState>>,
    in_flight: Mutex<HashMap<Key, Request>>,
    /// For views that wait for an answer.
    views: Semaphore,
    /// For event streams and downloads that wait for an answer.
    others: Semaphore,
}

/// The last request for a chat while it is in flight.
struct Request {
    /// `None` while it waits for the one before it.
    began: Option<Instant>,
    /// When the last notice came, or when notices began to be tracked. The answer to a request that
    /// began earlier serves only the callers that wait for it already.
    valid_from: Instant,
    answer: Pending,
}

impl LiveChats {
    /// Must be called within the runtime that runs the requests. An answer is cached for `max_age`,
    /// and at most `max_waiting` event streams and downloads may wait for one.
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

    /// The state of the chat, at most `max_age` old and later than the last notice.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; all callers that wait for the same request get the same one.
    /// `Busy` too when too many callers wait.
    pub async fn get(&self, chat: &ChatSessionId, scope: Scope) -> Answer {
        self.get_within(chat, scope, self.0.max_age, &self.0.others).await
    }

    /// As [`LiveChats::get`], for a view.
    pub async fn get_for_view(&self, chat: &ChatSessionId, scope: Scope) -> Answer {
        self.get_within(chat, scope, self.0.max_age, &self.0.views).await
    }

    /// As [`LiveChats::get`], by a request that begins after this call.
    pub async fn get_fresh(&self, chat: &ChatSessionId, scope: Scope) -> Answer {
        self.get_within(chat, scope, Duration::ZERO, &self.0.others).await
    }

    /// No answer to a request that began before the notice is used again.
    pub fn invalidate(&self, notice: &Notice) {
        let mut in_flight = self.0.in_flight.lock();
        let now = Instant::now();
        match notice {
            Notice::Chat(concerned) => {
                let concerns = |(chat, _): &Key| chat.short() == *concerned;
                for (_, request) in in_flight.iter_mut().filter(|(key, _)| concerns(key)) {
                    request.valid_from = now;
                }
                for (key, _) in self.0.cache.iter().filter(|(key, _)| concerns(key)) {
                    self.0.cache.invalidate(&*key);
                }
            }
            Notice::Links(_) => {}
            Notice::Everything => {
                in_flight.values_mut().for_each(|request| request.valid_from = now);
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
                Some(request) if request.serves(max_age) => request.answer.clone(),
                Some(_) | None => self.request(&mut in_flight, key),
            };
            (permit, answer)
        };
        // Without an answer its task was aborted, as the runtime shuts down.
        let stopped = || Err(ChatServiceError::Unreachable("the request was stopped".to_owned()));
        let answered =
            answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        answered.unwrap_or_else(stopped)
    }

    /// An answer that is young enough. A download also uses the list that a view got, if it is
    /// later than the last one of its own: its viewer may have seen it.
    fn cached(&self, key: &Key, max_age: Duration) -> Option<Arc<ChatState>> {
        let both = (key.1 == Scope::Files).then(|| (key.0.clone(), Scope::Both));
        [Some(key), both.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|key| self.0.cache.get(key))
            .max_by_key(|state| state.asked_at)
            .filter(|state| state.asked_at.elapsed() < max_age)
    }

    /// Starts a request in a task of its own.
    fn request(&self, in_flight: &mut HashMap<Key, Request>, key: Key) -> Pending {
        let now = Instant::now();
        let (sender, answer) = watch::channel(None);
        let before = in_flight.get(&key);
        let request = Request {
            began: before.is_none().then_some(now),
            valid_from: before.map_or(now, |before| before.valid_from),
            answer: answer.clone(),
        };
        let before = in_flight.insert(key.clone(), request);
        let (this, pending) = (self.clone(), answer.clone());
        let requesting = async move {
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
        // In a trace of its own: its callers share it, and none of them is told to the chat
        // service.
        self.0.runtime.spawn(shared_work("read a live chat", requesting));
        answer
    }

    /// Begins the last request for the chat after it waited; while it waits, none replaces it.
    fn begin(&self, key: &Key) -> Instant {
        let mut in_flight = self.0.in_flight.lock();
        // Under the lock, so that a notice comes either before this moment or after it has begun.
        let now = Instant::now();
        if let Some(request) = in_flight.get_mut(key) {
            request.began = Some(now);
        }
        now
    }

    fn end(&self, key: &Key, pending: &Pending, answer: &Answer) {
        let mut in_flight = self.0.in_flight.lock();
        // Without one a later request was answered already.
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
        spawn_blocking(move || ChatState::new(asked_at, name, &messages, files))
            .await
            .map_err(|error| ChatServiceError::BadAnswer(error.to_string()))?
            .map_err(|error| ChatServiceError::BadAnswer(error.to_string()))
    }
}

impl Request {
    /// Whether a caller that comes now may use its answer.
    fn serves(&self, max_age: Duration) -> bool {
        self.began.is_none_or(|began| began >= self.valid_from && began.elapsed() < max_age)
    }
}
