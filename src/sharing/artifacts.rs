//! The files of links: copied for frozen ones, passed through for live ones.
//!
//! # Why no object is left over and no link points at nothing
//!
//! An object in the artifact store has a row in the table `artifacts` from before it is written
//! until after it was deleted. What a row says:
//!
//! | `shared_chat_id` | `leased_until` | the object |
//! | --- | --- | --- |
//! | a link | null | is there, whole, and the link's |
//! | null | a moment | may be there: a copy under way, or one that died |
//! | null | null | orphans: to be deleted, and then the row |
//!
//! 1. A copy begins by committing rows of the second kind. Then the bytes are written.
//! 2. The transaction that makes the link show its files (a create, a PATCH) turns those rows into
//!    the first kind, so a link never has a row whose object was not finished before.
//! 3. Whatever ends the right to them turns rows of the first kind into the third *in the same
//!    transaction*: PATCH off and the sweep of expired links by an update, every deletion of a link,
//!    whoever does it, by the foreign key's `ON DELETE SET NULL`.
//! 4. Copies that did not become a link's are taken back: rows of the second kind, and only those,
//!    turn into the third kind. A commit that broke off may have happened all the same, and its copies
//!    are the link's then, whatever whoever asked for it was told.
//! 5. Only then, and only by rows of the third kind, objects are deleted, and after them the rows.
//!
//! A process that dies during 1 leaves rows whose lease ends; the sweep turns them into orphans before
//! it touches their objects, and step 2 refuses rows that are orphans, so a copy that is merely slow
//! cannot be adopted and deleted at once, whatever the clocks of two instances say. One that dies
//! during 5 leaves orphans, which the next sweep deletes once more. The one way to an object without
//! a row is a copy so slow that its lease ended, whose last bytes arrive after the sweep deleted it,
//! in a process that dies before it notices: therefore the sweep also lists the store, and deletes
//! what is older than the lease and has no row. Since a row comes first, no live copy is among that.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt};

use super::{Sharing, SharingError};
use crate::{
    artifacts::{ArtifactStore, Copied, WriteError},
    chat_service::{ChatReader, ChatServiceError, Pace},
    model::{ChatFile, KeptFile, ObjectKey},
    telemetry::{self, ByteFlow, Sweep, Swept},
};

/// Objects that are deleted, or looked up, at once.
const BATCH: usize = 500;

/// Bounds on kept files.
#[derive(Debug, Clone)]
pub struct ArtifactLimits {
    /// `MAX_ARTIFACT_BYTES`: bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files of one link.
    pub link_bytes: u64,
    /// How long an unfinished copy is left alone.
    pub grace: chrono::Duration,
}

/// Where files are kept, and how much of them.
#[derive(Debug, Clone)]
pub struct Artifacts {
    pub store: ArtifactStore,
    pub limits: ArtifactLimits,
}

/// Which of a link's files can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Available {
    /// Those of a live link: the chat service has them.
    All,
    /// Those that are kept, by their ids.
    Only(HashSet<String>),
}

impl Available {
    pub fn has(&self, id: &str) -> bool {
        match self {
            // No URL leads to these.
            _ if matches!(id, "." | "..") => false,
            Self::All => true,
            Self::Only(ids) => ids.contains(id),
        }
    }
}

impl Sharing {
    /// Copies those of the remembered files that the chat service still has as they were. The copies
    /// become a link's by the transaction that gets their keys; whoever fails to get so far calls
    /// [`Sharing::discard`].
    ///
    /// `listed` is what the chat service lists now.
    ///
    /// # Errors
    /// [`SharingError::ArtifactTooLarge`] before anything is copied; [`SharingError::ChatService`],
    /// `ArtifactStore` and `Store`. No copy is left then.
    pub(super) async fn copy_files(
        &self,
        reader: &ChatReader<'_>,
        remembered: &[ChatFile],
        listed: &[ChatFile],
    ) -> Result<Vec<ObjectKey>, SharingError> {
        let unchanged: HashSet<_> =
            listed.iter().map(|file| (&file.id, file.bytes, file.created_at)).collect();
        let files: Vec<&ChatFile> = remembered
            .iter()
            .filter(|file| unchanged.contains(&(&file.id, file.bytes, file.created_at)))
            .filter(|file| !matches!(file.id.as_str(), "." | ".."))
            .collect();
        self.check_sizes(&files)?;
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let copies: Vec<KeptFile> = files
            .into_iter()
            .map(|file| KeptFile {
                id: file.id.clone(),
                filename: file.filename.clone(),
                bytes: file.bytes,
                key: ObjectKey::random(),
            })
            .collect();
        let now = self.clock.now();
        let leased_until = now + self.artifacts.limits.grace;
        self.store.begin_copies(copies.clone(), now, leased_until).await?;
        let (mut whole, mut others) = (Vec::new(), Vec::new());
        for copy in &copies {
            match self.copy(reader, copy).await {
                Ok(Copied::Whole) => whole.push(copy.key.clone()),
                Ok(Copied::Differs) => others.push(copy.key.clone()),
                Err(error) => {
                    self.discard(copies.into_iter().map(|copy| copy.key).collect()).await;
                    return Err(error);
                }
            }
        }
        self.discard(others).await;
        Ok(whole)
    }

    fn check_sizes(&self, files: &[&ChatFile]) -> Result<(), SharingError> {
        let limits = &self.artifacts.limits;
        let mut total = 0u64;
        for file in files {
            total = total.saturating_add(file.bytes);
            let limit = match file.bytes > limits.file_bytes {
                true => limits.file_bytes,
                false if total > limits.link_bytes => limits.link_bytes,
                false => continue,
            };
            let filename = file.filename.clone();
            let of_all = file.bytes <= limits.file_bytes;
            return Err(SharingError::ArtifactTooLarge { filename, limit, of_all });
        }
        Ok(())
    }

    async fn copy(&self, reader: &ChatReader<'_>, file: &KeptFile) -> Result<Copied, SharingError> {
        let content = match reader.file(&file.id, Pace::ByDeadline).await {
            Ok(content) => content,
            Err(ChatServiceError::NotFound) => return Ok(Copied::Differs),
            Err(error) => return Err(error.into()),
        };
        if content.announced.is_some_and(|bytes| bytes != file.bytes) {
            return Ok(Copied::Differs);
        }
        match self.artifacts.store.put(&file.key, file.bytes, content.bytes).await {
            Ok(copied) => {
                if copied == Copied::Whole {
                    telemetry::artifact_bytes(ByteFlow::Stored, file.bytes);
                }
                Ok(copied)
            }
            Err(WriteError::Source(error)) => Err(SharingError::ChatService(error)),
            Err(WriteError::Store(error)) => Err(SharingError::ArtifactStore(error)),
        }
    }

    /// Takes copies back that did not become a link's; those that did stay, so this is right whatever is
    /// known of how that ended. What cannot be taken back now is left to the sweep, as after a crash.
    pub(super) async fn discard(&self, copies: Vec<ObjectKey>) {
        for batch in copies.chunks(BATCH) {
            if let Err(error) = self.reclaim(batch).await {
                tracing::warn!(%error, "unfinished copies stay until the sweep");
            }
        }
    }

    async fn reclaim(&self, copies: &[ObjectKey]) -> Result<(), SharingError> {
        let nobodys = self.store.reclaim(copies).await?;
        self.delete_objects(&nobodys).await.map(drop)
    }

    async fn delete_objects(&self, keys: &[ObjectKey]) -> Result<usize, SharingError> {
        let mut gone = Vec::with_capacity(keys.len());
        let mut failed = None;
        for key in keys {
            match self.artifacts.store.delete(key).await {
                Ok(()) => gone.push(key.clone()),
                Err(error) => failed = Some(error),
            }
        }
        self.store.forget_objects(&gone).await?;
        match failed {
            None => Ok(gone.len()),
            Some(error) => Err(error.into()),
        }
    }

    /// Deletes the objects that belong to no link any more. Returns how many.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`] or `ArtifactStore`; the next sweep goes on.
    pub async fn sweep_orphans(&self) -> Result<usize, SharingError> {
        let deleted = self.delete_waste().await;
        telemetry::swept(Swept::Files, *deleted.as_ref().unwrap_or(&0));
        self.sweep_ended(Sweep::Files, deleted.is_ok());
        deleted
    }

    async fn delete_waste(&self) -> Result<usize, SharingError> {
        let mut deleted = 0;
        loop {
            let orphans = self.store.orphans(self.clock.now(), BATCH as i64).await?;
            if orphans.is_empty() {
                return Ok(deleted);
            }
            deleted += self.delete_objects(&orphans).await?;
        }
    }

    /// Deletes the objects that no row knows (see the module). Returns how many.
    ///
    /// # Errors
    /// As [`Sharing::sweep_orphans`].
    pub async fn sweep_unknown(&self) -> Result<usize, SharingError> {
        let deleted = self.delete_unknown().await;
        telemetry::swept(Swept::UnknownFiles, *deleted.as_ref().unwrap_or(&0));
        self.sweep_ended(Sweep::UnknownFiles, deleted.is_ok());
        deleted
    }

    async fn delete_unknown(&self) -> Result<usize, SharingError> {
        let before = self.clock.now() - self.artifacts.limits.grace;
        let mut listed = self.artifacts.store.list(before).try_chunks(BATCH);
        let mut deleted = 0;
        while let Some(batch) = listed.next().await {
            let batch = batch.map_err(|error| SharingError::ArtifactStore(error.1))?;
            let known = self.store.known_objects(&batch).await?;
            let unknown: Vec<_> = batch.into_iter().filter(|key| !known.contains(key)).collect();
            deleted += self.delete_objects(&unknown).await?;
        }
        Ok(deleted)
    }

    /// Has the sweeper delete orphans soon. Nothing is lost if it does not: the next sweep does.
    pub(super) fn orphans_created(&self) {
        self.orphans.notify_one();
    }

    /// Waits until there may be orphans.
    pub async fn wait_for_orphans(&self) {
        self.orphans.notified().await;
    }
}

/// The remembered list of a snapshot.
pub(super) fn remembered(files: &str) -> Result<Vec<ChatFile>, SharingError> {
    serde_json::from_str(files).map_err(SharingError::defect)
}
