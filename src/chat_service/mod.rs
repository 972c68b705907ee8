//! Where chats come from (docs/API.md 5): the chat service by HTTP, or a JSON file.
//!
//! Nothing that arrives here is trusted: answers are bounded in size and time, checked field by
//! field, and [`wire`] drops every field that a viewer must not see.
//!
//! To add a source: a file beside `http.rs` and `file.rs` with the same reads, a variant of
//! [`Source`] and of [`ChatService`], and an arm in the macro `read`.

use std::time::Duration;

use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};

use crate::{
    clock::Clock,
    model::{Caller, Chat, ChatFile, ChatSessionId, Intent, Message, UserId},
    telemetry::{self, AskedOutcome, Operation},
};
use calls::Permit;

mod authorization;
mod calls;
mod chats_file;
mod content;
mod credential;
mod error;
mod fetched_token;
mod file;
mod file_content;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod http;
mod settings;
#[cfg(test)]
mod tests;
mod transcript;
mod wire;

pub use content::{FileContent, Pace};
pub use credential::ServiceCredential;
pub use error::ChatServiceError;
pub use file::FileChatService;
pub use http::HttpChatService;
pub use settings::{ChatServiceSettings, FilePath, InvalidSettings, Source};
pub use wire::{MAX_FILES, MAX_ID_CHARS, MAX_NAME_CHARS, MAX_ROLE_CHARS};
pub(crate) use wire::{is_id, is_role, name as decode_name};

/// With whose rights a chat is read (docs/API.md 5).
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// The caller's own: their token is forwarded with the scheme it came with, and the chat
    /// service's 401, 403 and 404 pass through.
    Caller(&'a Caller),
    /// This service's ([`ServiceCredential`]): for live views, creates for an owner and live files.
    Service,
}

/// What the chat service says of the right of one user to share a chat (docs/API.md 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerRight {
    Kept,
    /// They may not share it any more. That holds only if the chat itself can be read.
    Lost,
    /// This chat service does not answer for owners.
    Unsupported,
}

/// Where chats are read. Made once and shared: it holds the connections, or the parsed file.
#[derive(Debug)]
pub enum ChatService {
    Http(HttpChatService),
    File(FileChatService),
}

impl ChatService {
    /// Opens the source that the settings name. For [`Source::File`] the file is read at once, with
    /// blocking calls, so that an invalid one stops the start; an HTTP service is not called.
    ///
    /// # Errors
    /// [`InvalidSettings`] names the setting that is wrong, and for a file the line and column.
    pub fn new(settings: ChatServiceSettings) -> Result<Self, InvalidSettings> {
        Self::with_clock(settings, Clock::system())
    }

    /// [`ChatService::new`] with another clock, by which a fetched credential expires.
    pub fn with_clock(
        settings: ChatServiceSettings,
        clock: Clock,
    ) -> Result<Self, InvalidSettings> {
        settings.check()?;
        Ok(match &settings.source {
            Source::Http(_) => Self::Http(HttpChatService::new(settings, clock)?),
            Source::File(_) => Self::File(FileChatService::new(settings)?),
        })
    }

    /// Fetches the service credential, if it is one that has to be fetched. That may take 10 s. A
    /// failure is logged and the fetch is retried later: only [`Access::Service`] needs it.
    pub async fn prepare(&self) {
        if let Self::Http(http) = self {
            http.prepare().await;
        }
    }

    /// Whether [`Access::Service`] can be used: over HTTP it needs a credential, a file needs none.
    /// Without it live links cannot be made (docs/API.md 5).
    #[must_use]
    pub fn has_service_access(&self) -> bool {
        match self {
            Self::Http(http) => http.has_service_access(),
            Self::File(_) => true,
        }
    }

    /// Begins one operation on a chat. The time for all its reads together
    /// ([`ChatServiceSettings::timeout`]) starts now, or for a user when they may begin.
    #[must_use]
    pub fn read<'a>(&'a self, access: Access<'a>, id: &'a ChatSessionId) -> ChatReader<'a> {
        self.read_until(access, id, self.deadline())
    }

    /// The deadline of an operation that begins now.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.timeout()
    }

    /// [`ChatService::read`] with the deadline of an operation that has begun already.
    #[must_use]
    pub fn read_until<'a>(
        &'a self,
        access: Access<'a>,
        id: &'a ChatSessionId,
        deadline: Instant,
    ) -> ChatReader<'a> {
        let user = match access {
            Access::Caller(caller) => Some(caller.user_id()),
            Access::Service => None,
        };
        let (begun, version) = (OnceCell::new(), OnceCell::new());
        ChatReader { service: self, access, id, user, deadline, intent: None, begun, version }
    }

    fn timeout(&self) -> Duration {
        match self {
            Self::Http(http) => http.timeout,
            Self::File(file) => file.timeout,
        }
    }
}

/// The reads of one operation on one chat, all of which end by the same deadline. Each of them
/// calls the chat service; of a file all of them read the same version. The first one waits for a
/// permit (see [`calls`]), which the operation holds until this is dropped, so that it is not
/// refused half way.
#[derive(Debug)]
pub struct ChatReader<'a> {
    service: &'a ChatService,
    access: Access<'a>,
    id: &'a ChatSessionId,
    /// Whom the operation counts for; `None`: the viewers of the chat.
    user: Option<&'a UserId>,
    /// Of an operation for viewers; a user's begins when it is permitted.
    deadline: Instant,
    intent: Option<Intent>,
    begun: OnceCell<Begun>,
    version: file::Version,
}

#[derive(Debug)]
struct Begun {
    deadline: Instant,
    /// Reads of a file need none.
    _permit: Option<Permit>,
}

/// Calls one of the reads of the source, within the operation's deadline.
macro_rules! read {
    ($reader:ident, $operation:ident, $read:ident($($argument:expr),*)) => {
        match $reader.service {
            ChatService::Http(http) => {
                let read = http.$read($reader, $($argument),*);
                $reader.in_time(Operation::$operation, read).await
            }
            ChatService::File(file) => {
                let read = file.$read($reader, $($argument),*);
                $reader.in_time(Operation::$operation, read).await
            }
        }
    };
}

impl<'a> ChatReader<'a> {
    /// The operation counts for this user: it makes a link of theirs, with whatever credential.
    #[must_use]
    pub fn counted_for(self, user: &'a UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Tells the chat service with each read what link is to be made, so that it can refuse by a
    /// policy of its own.
    #[must_use]
    pub fn for_link(self, intent: Intent) -> Self {
        Self { intent: Some(intent), ..self }
    }

    /// The chat itself: its id and name, the name of at most [`MAX_NAME_CHARS`] characters.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; `BadAnswer` too when another chat was answered.
    pub async fn chat(&self) -> Result<Chat, ChatServiceError> {
        read!(self, Chat, chat())
    }

    /// Whether this user may still share the chat: a read of the chat that names them.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]: the answer says nothing about the user then.
    pub async fn owner_right(&self, owner: &UserId) -> Result<OwnerRight, ChatServiceError> {
        read!(self, Chat, owner_right(owner))
    }

    /// All messages of the chat, oldest first, each id once.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; `TooLarge` once they exceed
    /// [`ChatServiceSettings::max_snapshot_bytes`]. It is all of them or an error, never a part.
    pub async fn messages(&self) -> Result<Vec<Message>, ChatServiceError> {
        read!(self, Messages, messages())
    }

    /// Whether the chat has any message: an empty one cannot be shared (422, docs/API.md 2). Asks
    /// for one message only.
    pub async fn has_messages(&self) -> Result<bool, ChatServiceError> {
        read!(self, HasMessages, has_messages())
    }

    /// The files that the agents made in the chat, in the order in which the chat service lists
    /// them, each id once. A 404 means that there are none (docs/API.md 5).
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; `TooLarge` for more than [`MAX_FILES`].
    pub async fn files(&self) -> Result<Vec<ChatFile>, ChatServiceError> {
        read!(self, Files, files())
    }

    /// The bytes of one of the chat's files. The caller has to know that it is one: here the id is
    /// only kept from naming another path.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; `NotFound` when the file is gone, or its id is `.` or `..`. The
    /// stream of bytes may end in an error too.
    pub async fn file(&self, file_id: &str, pace: Pace) -> Result<FileContent, ChatServiceError> {
        let content = read!(self, File, file(file_id))?;
        let deadline = self.begun.get().map_or(self.deadline, |begun| begun.deadline);
        Ok(content.paced(pace, deadline, self.service.timeout()))
    }

    /// Waits for a permit.
    async fn begin(&self) -> Result<Begun, ChatServiceError> {
        let permit = match self.service {
            ChatService::Http(http) => Some(http.calls.permit(self.user, self.id).await?),
            ChatService::File(_) => None,
        };
        // What a user waited for their own operations is not taken from the time for this one.
        let deadline = self.user.map_or(self.deadline, |_| self.service.deadline());
        Ok(Begun { deadline, _permit: permit })
    }

    async fn in_time<T>(
        &self,
        operation: Operation,
        read: impl Future<Output = Result<T, ChatServiceError>> + Send,
    ) -> Result<T, ChatServiceError> {
        let begun = self.begun.get_or_try_init(|| self.begin()).await;
        let began = Instant::now();
        let read = match begun {
            Ok(begun) => {
                let read = timeout_at(begun.deadline, read).await;
                read.unwrap_or(Err(ChatServiceError::TimedOut))
            }
            Err(busy) => Err(busy),
        };
        let outcome = read.as_ref().err().map_or(AskedOutcome::Answered, ChatServiceError::outcome);
        telemetry::chat_service_asked(operation, outcome, began.elapsed());
        read
    }
}
