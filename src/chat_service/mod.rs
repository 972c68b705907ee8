//! Where chats come from (contract 5): the chat service by HTTP, or a JSON file.
//!
//! Nothing that arrives here is trusted: answers are bounded in size and time, checked field by
//! field, and what a viewer has no business with never gets past [`wire`].
//!
//! To add a source: a file beside `http.rs` and `file.rs` with the same five reads, a variant of
//! [`Source`] and of [`ChatService`], and an arm in each read of [`ChatReader`].

use std::{future::Future, time::Duration};

use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit},
    time::{Instant, timeout_at},
};

use crate::{
    clock::Clock,
    model::{Caller, Chat, ChatFile, ChatSessionId, Message},
    telemetry::{self, AskedOutcome, Operation},
};

mod authorization;
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

/// With whose rights a chat is read (contract 5).
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// The caller's own: their token is forwarded with the scheme it came with, and the chat
    /// service's 401, 403 and 404 pass through.
    Caller(&'a Caller),
    /// This service's ([`ServiceCredential`]): for live views, creates for an owner and live files.
    Service,
}

/// Where chats are read. Made once and shared: it holds the connections, or the parsed file.
#[derive(Debug)]
pub enum ChatService {
    Http(HttpChatService),
    File(FileChatService),
}

impl ChatService {
    /// Makes the source that the settings name. For [`Source::File`] the file is read at once, with
    /// blocking calls, so that a wrong one stops the start; an HTTP service is not asked.
    ///
    /// # Errors
    /// [`InvalidSettings`] names the setting that is wrong, and for a file the line and column.
    pub fn new(settings: ChatServiceSettings) -> Result<Self, InvalidSettings> {
        Self::with_clock(settings, Clock::system())
    }

    /// The same by another clock than the machine's, which a fetched credential ends by.
    ///
    /// # Errors
    /// Those of [`ChatService::new`].
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

    /// Gets ready what can be: a service credential that is fetched. It may take 10 s, and what goes
    /// wrong is logged: without it everything works that needs none, and it is tried again.
    pub async fn prepare(&self) {
        match self {
            Self::Http(http) => http.prepare().await,
            Self::File(_) => {}
        }
    }

    /// Whether [`Access::Service`] can be used: over HTTP it needs a credential, a file needs none.
    /// Without it live links cannot be made (contract 5).
    #[must_use]
    pub fn has_service_access(&self) -> bool {
        match self {
            Self::Http(http) => http.has_service_access(),
            Self::File(_) => true,
        }
    }

    /// Begins one operation of ours on a chat. The time for all its reads together
    /// ([`ChatServiceSettings::timeout`]) starts now.
    #[must_use]
    pub fn read<'a>(&'a self, access: Access<'a>, id: &'a ChatSessionId) -> ChatReader<'a> {
        self.read_until(access, id, self.deadline())
    }

    /// When an operation ends that begins now.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.timeout()
    }

    /// Goes on with an operation that ends by then: others asked a part of it for us.
    #[must_use]
    pub fn read_until<'a>(
        &'a self,
        access: Access<'a>,
        id: &'a ChatSessionId,
        deadline: Instant,
    ) -> ChatReader<'a> {
        ChatReader {
            service: self,
            access,
            id,
            deadline,
            place: OnceCell::new(),
            version: OnceCell::new(),
        }
    }

    /// A file is asked by as many as like.
    async fn place(&self) -> Result<Option<OwnedSemaphorePermit>, ChatServiceError> {
        match self {
            Self::Http(http) => http.place().await.map(Some),
            Self::File(_) => Ok(None),
        }
    }

    fn timeout(&self) -> Duration {
        match self {
            Self::Http(http) => http.timeout(),
            Self::File(file) => file.timeout(),
        }
    }
}

/// The reads of one operation on one chat, all of which end by the same deadline. A chat service is
/// asked by each of them; of a file all of them read the same version. The first one waits for a place (`CHAT_SERVICE_MAX_CALLS`), which the
/// operation has until this is dropped, so that what was begun is not turned away half way.
#[derive(Debug)]
pub struct ChatReader<'a> {
    service: &'a ChatService,
    access: Access<'a>,
    id: &'a ChatSessionId,
    deadline: Instant,
    place: OnceCell<Option<OwnedSemaphorePermit>>,
    version: file::Version,
}

impl ChatReader<'_> {
    /// The chat itself: its id and name, the name of at most [`MAX_NAME_CHARS`] characters.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; `BadAnswer` too when another chat was answered.
    pub async fn chat(&self) -> Result<Chat, ChatServiceError> {
        match self.service {
            ChatService::Http(http) => {
                self.in_time(Operation::Chat, http.chat(self.access, self.id)).await
            }
            ChatService::File(file) => {
                self.in_time(Operation::Chat, file.chat(&self.version, self.access, self.id)).await
            }
        }
    }

    /// All messages of the chat, oldest first, each id once.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; `TooLarge` once they exceed
    /// [`ChatServiceSettings::max_snapshot_bytes`]. It is all of them or an error, never a part.
    pub async fn messages(&self) -> Result<Vec<Message>, ChatServiceError> {
        match self.service {
            ChatService::Http(http) => {
                self.in_time(Operation::Messages, http.messages(self.access, self.id)).await
            }
            ChatService::File(file) => {
                self.in_time(
                    Operation::Messages,
                    file.messages(&self.version, self.access, self.id),
                )
                .await
            }
        }
    }

    /// Whether the chat has any message: an empty one cannot be shared (contract 2, 422). Asks for
    /// one message only.
    ///
    /// # Errors
    /// Any [`ChatServiceError`].
    pub async fn has_messages(&self) -> Result<bool, ChatServiceError> {
        match self.service {
            ChatService::Http(http) => {
                self.in_time(Operation::HasMessages, http.has_messages(self.access, self.id)).await
            }
            ChatService::File(file) => {
                self.in_time(
                    Operation::HasMessages,
                    file.has_messages(&self.version, self.access, self.id),
                )
                .await
            }
        }
    }

    /// The files that the agents made in the chat, in the order that they came, each id once.
    /// A chat service that answers 404 has none (contract 5).
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; `TooLarge` for more than [`MAX_FILES`].
    pub async fn files(&self) -> Result<Vec<ChatFile>, ChatServiceError> {
        match self.service {
            ChatService::Http(http) => {
                self.in_time(Operation::Files, http.files(self.access, self.id)).await
            }
            ChatService::File(file) => {
                self.in_time(Operation::Files, file.files(&self.version, self.access, self.id))
                    .await
            }
        }
    }

    /// The bytes of one of the chat's files. Whether it is one is for the caller to know: the id is
    /// only kept from leading elsewhere.
    ///
    /// # Errors
    /// Any [`ChatServiceError`]; `NotFound` when the file is gone, or its id is `.` or `..`. Later,
    /// the bytes themselves end in one.
    pub async fn file(&self, file_id: &str, pace: Pace) -> Result<FileContent, ChatServiceError> {
        let opened = match self.service {
            ChatService::Http(http) => {
                self.in_time(Operation::File, http.file(self.access, self.id, file_id)).await
            }
            ChatService::File(file) => {
                self.in_time(
                    Operation::File,
                    file.file(&self.version, self.access, self.id, file_id),
                )
                .await
            }
        };
        Ok(opened?.paced(pace, self.deadline, self.service.timeout()))
    }

    async fn in_time<T>(
        &self,
        operation: Operation,
        read: impl Future<Output = Result<T, ChatServiceError>> + Send,
    ) -> Result<T, ChatServiceError> {
        let place = self.place.get_or_try_init(|| self.service.place()).await;
        let began = Instant::now();
        let read = match place {
            Ok(_) => {
                let read = timeout_at(self.deadline, read);
                read.await.unwrap_or(Err(ChatServiceError::TimedOut))
            }
            Err(busy) => Err(busy),
        };
        let outcome = read.as_ref().err().map_or(AskedOutcome::Answered, ChatServiceError::outcome);
        telemetry::chat_service_asked(operation, outcome, began.elapsed());
        read
    }
}
