//! Chats from a JSON file (docs/API.md 5), for trying the service out and for running it without a
//! chat service.
//!
//! Each operation checks whether the file changed, and then reads it again. A file that became
//! unreadable or invalid gives errors, never its previous content: a chat that was taken out must
//! not stay readable because of a mistake elsewhere in the file.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{OnceCell, RwLock},
    time::Instant,
};

use crate::model::{Chat, ChatFile, ChatSessionId, Message, UserId};

use super::{
    Access, ChatReader, ChatServiceError, ChatServiceSettings, InvalidSettings, OwnerRight, Source,
    chats_file::{WireFileChat, WireStoredFile},
    settings::url_error,
    transcript::{self, Transcript},
    wire,
};

/// A file system's times move in steps of up to 10 ms: two changes within one step look the same.
/// Content is cached only if it was read this long after its stamp was first seen.
const SETTLE: Duration = Duration::from_millis(20);

/// How often a file is read that changes while it is read.
const READ_ATTEMPTS: usize = 3;

/// Reads chats from a file. Of callers, only the chat's `owner` has access.
#[derive(Debug)]
pub struct FileChatService {
    pub(super) path: Arc<Path>,
    pub(super) timeout: Duration,
    max_snapshot_bytes: u64,
    /// Locked for writing while the file is read, so that one operation at a time reads it.
    loaded: RwLock<Loaded>,
}

pub(super) type Chats = HashMap<ChatSessionId, StoredChat>;

/// The file's content when an operation first read from it.
pub(super) type Version = OnceCell<Arc<Chats>>;

#[derive(Debug)]
pub(super) struct StoredChat {
    name: Option<String>,
    owner: UserId,
    transcript: Transcript,
    pub(super) artifacts: Vec<WireStoredFile>,
}

/// The file's content when it was read. An invalid file is cached as an error.
#[derive(Debug)]
struct Loaded {
    stamp: Stamp,
    stamp_first_seen: Instant,
    read_began: Instant,
    chats: Result<Arc<Chats>, ChatServiceError>,
}

impl Loaded {
    fn is_of(&self, stamp: &Stamp) -> bool {
        self.stamp == *stamp && self.read_began.duration_since(self.stamp_first_seen) >= SETTLE
    }
}

impl FileChatService {
    pub(super) fn new(settings: ChatServiceSettings) -> Result<Self, InvalidSettings> {
        let Source::File(path) = settings.source else {
            return Err(url_error("must be file:PATH"));
        };
        let problem = |what: String| url_error(&format!("{}: {what}", path.display()));
        let loaded = load(&path).map_err(|error| problem(error.to_string()))?;
        if let Err(ChatServiceError::BadAnswer(why)) = &loaded.chats {
            return Err(problem(format!("not a file of chats: {why}")));
        }
        Ok(Self {
            path: path.into(),
            timeout: settings.timeout,
            max_snapshot_bytes: settings.max_snapshot_bytes,
            loaded: RwLock::new(loaded),
        })
    }

    pub(super) async fn chat(&self, reader: &ChatReader<'_>) -> Result<Chat, ChatServiceError> {
        self.find(reader, |chat| Ok(Chat { id: reader.id.clone(), name: chat.name.clone() })).await
    }

    pub(super) async fn owner_right(
        &self,
        reader: &ChatReader<'_>,
        owner: &UserId,
    ) -> Result<OwnerRight, ChatServiceError> {
        let right = |is_owner| if is_owner { OwnerRight::Kept } else { OwnerRight::Lost };
        self.find(reader, |chat| Ok(right(chat.owner == *owner))).await
    }

    pub(super) async fn messages(
        &self,
        reader: &ChatReader<'_>,
    ) -> Result<Vec<Message>, ChatServiceError> {
        self.find(reader, |chat| {
            chat.transcript.check_size(self.max_snapshot_bytes)?;
            Ok(chat.transcript.messages().to_vec())
        })
        .await
    }

    pub(super) async fn has_messages(
        &self,
        reader: &ChatReader<'_>,
    ) -> Result<bool, ChatServiceError> {
        self.find(reader, |chat| Ok(!chat.transcript.is_empty())).await
    }

    pub(super) async fn files(
        &self,
        reader: &ChatReader<'_>,
    ) -> Result<Vec<ChatFile>, ChatServiceError> {
        self.find(reader, |chat| {
            transcript::files(chat.artifacts.iter().map(|stored| stored.file.clone()).collect())
        })
        .await
    }

    pub(super) async fn find<T>(
        &self,
        reader: &ChatReader<'_>,
        take: impl FnOnce(&StoredChat) -> Result<T, ChatServiceError> + Send,
    ) -> Result<T, ChatServiceError> {
        let chats = reader.version.get_or_try_init(|| self.chats()).await?;
        let chat = chats.get(reader.id).ok_or(ChatServiceError::NotFound)?;
        match reader.access {
            Access::Caller(caller) if *caller.user_id() != chat.owner => {
                Err(ChatServiceError::Forbidden)
            }
            Access::Caller(_) | Access::Service => take(chat),
        }
    }

    pub(super) async fn chats(&self) -> Result<Arc<Chats>, ChatServiceError> {
        let stamp = self.stamp().await?;
        {
            let loaded = self.loaded.read().await;
            if loaded.is_of(&stamp) {
                return loaded.chats.clone();
            }
        }
        let mut loaded = self.loaded.write().await;
        // Another operation may have read it meanwhile, and it may have changed again.
        if !loaded.is_of(&self.stamp().await?) {
            let path = Arc::clone(&self.path);
            let mut now = tokio::task::spawn_blocking(move || load(&path))
                .await
                .map_err(|_| unreachable("reading it was stopped"))?
                .map_err(|error| unreachable(&error.to_string()))?;
            if now.stamp == loaded.stamp {
                now.stamp_first_seen = loaded.stamp_first_seen;
            }
            *loaded = now;
        }
        loaded.chats.clone()
    }

    async fn stamp(&self) -> Result<Stamp, ChatServiceError> {
        let metadata = tokio::fs::metadata(&self.path).await;
        metadata.map(|it| Stamp::of(&it)).map_err(|error| unreachable(&error.to_string()))
    }
}

/// Reads and parses the file. The outer error is about reading, the inner one about its content.
fn load(path: &Path) -> io::Result<Loaded> {
    for _ in 0..READ_ATTEMPTS {
        // Opening anything else, such as a pipe, could block.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let stamp_first_seen = Instant::now();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if Stamp::of(&file.metadata()?) == stamp {
            let chats = parse(bytes).map(Arc::new).map_err(ChatServiceError::BadAnswer);
            return Ok(Loaded { stamp, stamp_first_seen, read_began: stamp_first_seen, chats });
        }
    }
    Err(io::Error::other("it changes while it is read"))
}

fn parse(bytes: Vec<u8>) -> Result<Chats, String> {
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let listed: Vec<WireFileChat> = wire::parse(&text)?;
    let mut chats = Chats::with_capacity(listed.len());
    for (index, chat) in listed.into_iter().enumerate() {
        let mut transcript = Transcript::default();
        transcript.add(chat.messages);
        let stored = StoredChat {
            name: chat.name,
            owner: chat.owner,
            transcript,
            artifacts: chat.artifacts,
        };
        if chats.insert(chat.id, stored).is_some() {
            return Err(format!("chat number {} has the id of another", index + 1));
        }
    }
    Ok(chats)
}

/// Tells whether a file changed since it was read. It includes the inode's change time, which
/// unlike the modification time cannot be set back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    inode: (u64, i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = {
            use std::os::unix::fs::MetadataExt;
            (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
        };
        #[cfg(not(unix))]
        let inode = (0, 0, 0);
        Self { len: metadata.len(), modified: metadata.modified().ok(), inode }
    }
}

pub(super) fn unreachable(why: &str) -> ChatServiceError {
    ChatServiceError::Unreachable(format!("the chat file: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_read_while_its_stamp_is_new_is_not_cached() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("chats.json");
        std::fs::write(&path, "[]").unwrap();
        let mut loaded = load(&path).unwrap();
        let stamp = loaded.stamp.clone();
        // The file may have changed after that, within the same step of the file system's clock.
        assert!(!loaded.is_of(&stamp));
        loaded.read_began = loaded.stamp_first_seen + SETTLE;
        assert!(loaded.is_of(&stamp));
        std::fs::write(&path, "[ ]").unwrap();
        assert!(!loaded.is_of(&load(&path).unwrap().stamp));
    }
}
