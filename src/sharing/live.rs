//! What chats hold now, for live links: asked once for all who want to know it at the same moment.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use crate::{
    chat_service::{Access, ChatService, ChatServiceError},
    events::{Fetched, Transcript, Unread},
    model::{ChatFile, ChatSessionId, Message},
    store::Notice,
};

/// Bytes of answers that are kept to be used again.
const KEPT_BYTES: u64 = 32 * 1024 * 1024;

/// Of two questions about one chat the second waits for the answer to the first, but not longer than
/// this: the first may hang. With a time-out of 30 s at most 60 of them wait for one chat.
const STAGGER: Duration = Duration::from_millis(500);

/// How many views may wait for an answer at a time. Fewer than the 64 requests that the proxy sends
/// to an instance at a time (deploy/haproxy.cfg): frozen links share their path with live ones, and
/// are served while the chat service hangs.
const MAX_WAITING_VIEWS: usize = 48;

/// A hash of all that a chat held at a moment: name, messages, files.
pub type KnownBy = Arc<str>;

/// What a chat held at a moment.
#[derive(Debug)]
pub struct Live {
    /// When asking for it began.
    began: Instant,
    /// Empty where it was not asked for, as the files.
    pub transcript: Arc<Transcript>,
    pub files: Vec<ChatFile>,
    pub known_by: KnownBy,
}

impl Live {
    /// CPU work that grows with the chat.
    ///
    /// # Errors
    /// Those of the JSON encoder, which messages and files do not have.
    fn new(
        began: Instant,
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
        let known_by: String = hash.finalize()[..12].iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self { began, transcript: transcript.into(), files, known_by: known_by.into() })
    }

    #[must_use]
    pub fn fetched(&self) -> Fetched {
        Fetched { began: self.began, transcript: self.transcript.clone() }
    }
}

/// What somebody wants to know of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Messages,
    /// The list alone, for a download: the messages of a large chat take many calls.
    Files,
    Both,
}

impl What {
    const ALL: [Self; 3] = [Self::Messages, Self::Files, Self::Both];
}

type Key = (ChatSessionId, What);
type Answer = Result<Arc<Live>, ChatServiceError>;

/// Asks the chat service. Clones share what is under way and what is kept.
#[derive(Clone)]
pub struct LiveChats(Arc<Inner>);

struct Inner {
    chat_service: Arc<ChatService>,
    max_age: Duration,
    /// Where questions are asked: a client that goes away takes none with it.
    runtime: Handle,
    kept: Cache<Key, Arc<Live>>,
    asking: Mutex<Asking>,
    /// For views that wait for an answer.
    views: Semaphore,
    /// For streams and downloads that do.
    places: Semaphore,
}

#[derive(Default)]
struct Asking {
    last_number: u64,
    questions: HashMap<Key, Vec<Question>>,
}

/// A question to the chat service that is not answered yet. Only the last one of a chat may still
/// have to begin.
struct Question {
    number: u64,
    began: Option<Instant>,
    /// A notice came after it began: its answer may be older than that.
    is_stale: bool,
    answer: watch::Receiver<Option<Answer>>,
}

impl LiveChats {
    /// Must be called within the runtime on which to ask. An answer is used again for `max_age`, and
    /// `max_waiting` streams and downloads may wait for one at a time.
    #[must_use]
    pub fn new(chat_service: Arc<ChatService>, max_age: Duration, max_waiting: usize) -> Self {
        let kept = Cache::builder()
            .max_capacity(KEPT_BYTES)
            .weigher(|_: &Key, live: &Arc<Live>| {
                let files = live.files.len() * 256;
                u32::try_from(live.transcript.bytes() + files).unwrap_or(u32::MAX)
            })
            .time_to_live(max_age.max(Duration::from_millis(1)))
            .build();
        let runtime = Handle::current();
        let asking = Mutex::default();
        let views = Semaphore::new(max_waiting.min(MAX_WAITING_VIEWS));
        let places = Semaphore::new(max_waiting);
        Self(Arc::new(Inner { chat_service, max_age, runtime, kept, asking, views, places }))
    }

    /// What the chat holds, as of a moment at most `LIVE_MAX_AGE` ago, and after the last notice.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; everyone who waits for the same question gets the same. `Busy` too
    /// when as many wait as may.
    pub async fn get(&self, chat: &ChatSessionId) -> Answer {
        self.get_within(chat, What::Messages, self.0.max_age, &self.0.places).await
    }

    /// The same for a view, with the files where it shows them.
    ///
    /// # Errors
    /// As [`LiveChats::get`].
    pub async fn view(&self, chat: &ChatSessionId, with_files: bool) -> Answer {
        let what = if with_files { What::Both } else { What::Messages };
        self.get_within(chat, what, self.0.max_age, &self.0.views).await
    }

    /// Its files, as of such a moment; a chat that is gone has none.
    ///
    /// # Errors
    /// As [`LiveChats::get`].
    pub async fn files(&self, chat: &ChatSessionId) -> Answer {
        self.get_within(chat, What::Files, self.0.max_age, &self.0.places).await
    }

    /// The same, asked for after this call.
    ///
    /// # Errors
    /// As [`LiveChats::get`].
    pub async fn get_anew(&self, chat: &ChatSessionId) -> Answer {
        self.get_within(chat, What::Messages, Duration::ZERO, &self.0.places).await
    }

    /// For [`Events`](crate::events::Events).
    pub async fn fetch(self, chat: ChatSessionId) -> Result<Fetched, Unread> {
        match self.get(&chat).await {
            Ok(live) => Ok(live.fetched()),
            Err(ChatServiceError::NotFound) => Err(Unread::Gone),
            Err(error) => Err(Unread::Failed(error.to_string())),
        }
    }

    /// From now on nothing is used that was asked for before.
    pub fn forget(&self, notice: &Notice) {
        let mut asking = self.asking();
        match notice {
            Notice::Chat(chat) => {
                for what in What::ALL {
                    let key = (chat.clone(), what);
                    asking.questions.get_mut(&key).into_iter().flatten().for_each(Question::age);
                    self.0.kept.invalidate(&key);
                }
            }
            Notice::Links(_) => {}
            Notice::Everything => {
                asking.questions.values_mut().flatten().for_each(Question::age);
                self.0.kept.invalidate_all();
            }
        }
    }

    async fn get_within(
        &self,
        chat: &ChatSessionId,
        what: What,
        age: Duration,
        places: &Semaphore,
    ) -> Answer {
        let key = (chat.clone(), what);
        let (_place, mut answer) = {
            let mut asking = self.asking();
            if let Some(live) = self.kept(&key, age) {
                return Ok(live);
            }
            let place = places.try_acquire().map_err(|_| ChatServiceError::Busy)?;
            let answer = match asking.questions.get(&key).and_then(|of_chat| of_chat.last()) {
                Some(question) if question.serves(age) => question.answer.clone(),
                _ => self.ask(&mut asking, key),
            };
            (place, answer)
        };
        let answered = answer.wait_for(Option::is_some).await;
        let stopped = || Err(ChatServiceError::Unreachable("asking was stopped".to_owned()));
        answered.ok().and_then(|answer| answer.clone()).unwrap_or_else(stopped)
    }

    /// An answer that is young enough. What a view was told of files is good for a download, and the
    /// later one of both is what its viewer knows.
    fn kept(&self, key: &Key, age: Duration) -> Option<Arc<Live>> {
        let whole = (key.1 == What::Files).then(|| (key.0.clone(), What::Both));
        let kept = [Some(key), whole.as_ref()].into_iter().flatten();
        let kept = kept.filter_map(|key| self.0.kept.get(key)).max_by_key(|live| live.began);
        kept.filter(|live| live.began.elapsed() < age)
    }

    /// Asks, in a task of its own.
    fn ask(&self, asking: &mut Asking, key: Key) -> watch::Receiver<Option<Answer>> {
        asking.last_number += 1;
        let number = asking.last_number;
        let of_chat = asking.questions.entry(key.clone()).or_default();
        let before = of_chat.last().map(|question| (question.began, question.answer.clone()));
        let (done, answer) = watch::channel(None);
        let began = before.is_none().then(Instant::now);
        of_chat.push(Question { number, began, is_stale: false, answer: answer.clone() });
        let this = self.clone();
        let asking = async move {
            if let Some((began, mut answer)) = before {
                let until = began.unwrap_or_else(Instant::now) + STAGGER;
                let _ = timeout_at(until, answer.wait_for(Option::is_some)).await;
            }
            let began = this.begin(&key, number);
            let asked = this.read(&key, began).await.map(Arc::new);
            this.end(&key, number, &asked);
            done.send_replace(Some(asked));
        };
        // A part of the trace of whoever asked first.
        self.0.runtime.spawn(asking.in_current_span());
        answer
    }

    fn begin(&self, key: &Key, number: u64) -> Instant {
        let mut asking = self.asking();
        // Within the lock: a notice comes either before this moment, or finds that it has begun.
        let now = Instant::now();
        let mut of_chat = asking.questions.get_mut(key).into_iter().flatten();
        let mine = of_chat.find(|question| question.number == number);
        mine.map_or(now, |question| *question.began.get_or_insert(now))
    }

    fn end(&self, key: &Key, number: u64, answer: &Answer) {
        let mut asking = self.asking();
        let Some(of_chat) = asking.questions.get_mut(key) else { return };
        let Some(at) = of_chat.iter().position(|question| question.number == number) else {
            return;
        };
        let question = of_chat.remove(at);
        if of_chat.is_empty() {
            asking.questions.remove(key);
        }
        if let Ok(live) = answer
            && !question.is_stale
            && self.0.kept.get(key).is_none_or(|kept| kept.began < live.began)
        {
            self.0.kept.insert(key.clone(), live.clone());
        }
    }

    async fn read(&self, (id, what): &Key, began: Instant) -> Result<Live, ChatServiceError> {
        let reader = self.0.chat_service.read(Access::Service, id);
        let (name, messages) = match what {
            What::Messages | What::Both => (reader.chat().await?.name, reader.messages().await?),
            What::Files => (None, Vec::new()),
        };
        let files = match what {
            What::Messages => Vec::new(),
            What::Files | What::Both => reader.files().await?,
        };
        let made =
            tokio::task::spawn_blocking(move || Live::new(began, name, &messages, files)).await;
        let broken = |error: String| ChatServiceError::BadAnswer(error);
        made.map_err(|e| broken(e.to_string()))?.map_err(|e| broken(e.to_string()))
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.0.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    /// Whether its answer will do for whoever asks now.
    fn serves(&self, age: Duration) -> bool {
        self.began.is_none_or(|began| !self.is_stale && began.elapsed() < age)
    }

    fn age(&mut self) {
        self.is_stale = self.began.is_some();
    }
}
