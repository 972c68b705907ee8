//! The files of links: copied for frozen ones, passed through for live ones.
//!
//! # Why no object is orphaned for good and no link points at a missing one
//!
//! An object in the artifact store has a row in the table `artifacts` from before it is written
//! until after it is deleted. What a row means:
//!
//! | `shared_chat_id` | `leased_until` | the object |
//! | --- | --- | --- |
//! | a link | null | complete, and the link's |
//! | null | a time | may exist: a copy in progress, or one that was aborted |
//! | null | null | an orphan: to be deleted, and then the row |
//!
//! 1. A copy begins by committing rows of the second kind. Then the bytes are written.
//! 2. The transaction that makes the link show its files (a create, a PATCH) turns those rows into
//!    the first kind, so a link never has a row whose object is incomplete.
//! 3. What ends the right to the files turns rows of the first kind into the third *in the same
//!    transaction*: PATCH off and the sweep of expired links by an update, every deletion of a link
//!    by the foreign key's `ON DELETE SET NULL`.
//! 4. Copies that were not attached to a link are discarded: rows of the second kind, and only
//!    those, turn into the third kind. A commit whose connection broke may have succeeded; its
//!    copies are the link's then, even though the caller got an error.
//! 5. Only then, and only by rows of the third kind, objects are deleted, and after them the rows.
//!
//! A process that dies during 1 leaves rows whose lease ends. The sweep turns them into orphans
//! before it deletes their objects, and step 2 refuses orphans, so a slow copy cannot be attached
//! and deleted at once, whatever the clocks of two instances say. A process that dies during 5
//! leaves orphans, which the next sweep deletes again. An object without a row comes about in one
//! way: a copy outlasts its lease, its last bytes arrive after the sweep deleted it, and its
//! process dies before it notices. Therefore the sweep also lists the store, and deletes what is
//! older than the lease and has no row. Since the row is written first, no copy in progress is
//! among that.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt};

use super::{Sharing, SharingError, quotas::Growth};
use crate::{
    artifacts::{ArtifactStore, Copied, WriteError},
    chat_service::{ChatReader, ChatServiceError, Pace},
    model::{ChatFile, KeptFile, ObjectKey},
    store::Usage,
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
    /// How long the lease of a copy lasts.
    pub grace: chrono::Duration,
}

/// Where files are kept, and how much of them.
#[derive(Debug, Clone)]
pub struct Artifacts {
    pub store: ArtifactStore,
    pub limits: ArtifactLimits,
}

/// Which of a link's files can be downloaded.
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
            _ if !has_path(id) => false,
            Self::All => true,
            Self::Only(ids) => ids.contains(id),
        }
    }
}

/// A client resolves `.` and `..` in a URL, so it cannot ask for files with these ids.
fn has_path(id: &str) -> bool {
    !matches!(id, "." | "..")
}

impl Sharing {
    /// Copies those of the remembered files that the chat service still lists unchanged. The
    /// transaction that gets their keys attaches the copies to a link; if it fails, the caller has
    /// to [`Sharing::discard`] them. `listed` is what the chat service lists now.
    ///
    /// # Errors
    /// [`SharingError::ArtifactTooLarge`] and `QuotaExceeded` before anything is copied;
    /// [`SharingError::ChatService`], `ArtifactStore` and those of the database. No copy is left
    /// then.
    pub(super) async fn copy_files(
        &self,
        reader: &ChatReader<'_>,
        remembered: &[ChatFile],
        listed: &[ChatFile],
        growth: &mut Growth,
    ) -> Result<Vec<ObjectKey>, SharingError> {
        let unchanged: HashSet<_> =
            listed.iter().map(|file| (&file.id, file.bytes, file.created_at)).collect();
        let copies: Vec<KeptFile> = remembered
            .iter()
            .filter(|file| unchanged.contains(&(&file.id, file.bytes, file.created_at)))
            .filter(|file| has_path(&file.id))
            .map(|file| KeptFile {
                id: file.id.clone(),
                filename: file.filename.clone(),
                bytes: file.bytes,
                key: ObjectKey::random(),
            })
            .collect();
        let bytes = self.check_sizes(&copies)?;
        growth.add(Usage { bytes, files: copies.len() as u64, ..Usage::default() })?;
        if copies.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let leased_until = now + self.artifacts.limits.grace;
        self.store.begin_copies(copies.clone(), now, leased_until).await?;
        let (mut complete, mut changed) = (Vec::new(), Vec::new());
        for copy in &copies {
            match self.copy(reader, copy).await {
                Ok(Copied::Whole) => complete.push(copy.key.clone()),
                Ok(Copied::Differs) => changed.push(copy.key.clone()),
                Err(error) => {
                    self.discard(copies.into_iter().map(|copy| copy.key).collect()).await;
                    return Err(error);
                }
            }
        }
        self.discard(changed).await;
        Ok(complete)
    }

    /// The size of all files together.
    fn check_sizes(&self, files: &[KeptFile]) -> Result<u64, SharingError> {
        let ArtifactLimits { file_bytes, link_bytes, .. } = self.artifacts.limits;
        let mut total = 0u64;
        for file in files {
            total = total.saturating_add(file.bytes);
            let of_all = file.bytes <= file_bytes;
            if !of_all || total > link_bytes {
                let limit = if of_all { link_bytes } else { file_bytes };
                let filename = file.filename.clone();
                return Err(SharingError::ArtifactTooLarge { filename, limit, of_all });
            }
        }
        Ok(total)
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
        let copied = self.artifacts.store.put(&file.key, file.bytes, content.bytes).await;
        if let Ok(Copied::Whole) = copied {
            telemetry::artifact_bytes(ByteFlow::Stored, file.bytes);
        }
        copied.map_err(|error| match error {
            WriteError::Source(error) => SharingError::ChatService(error),
            WriteError::Store(error) => SharingError::ArtifactStore(error),
        })
    }

    /// Deletes copies that were not attached to a link. Those that were stay, so it can be called
    /// whatever is known of the outcome. What fails is left to the sweep, as after a crash.
    pub(super) async fn discard(&self, copies: Vec<ObjectKey>) {
        for batch in copies.chunks(BATCH) {
            let discarded = async {
                let orphans = self.store.reclaim(batch).await?;
                self.delete_objects(&orphans).await
            };
            if let Err(error) = discarded.await {
                tracing::warn!(%error, "unfinished copies are left to the sweep");
            }
        }
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

    /// Deletes the objects of orphaned rows. Returns how many; after an error the next sweep goes
    /// on.
    pub async fn sweep_orphans(&self) -> Result<usize, SharingError> {
        let deleted = self.delete_orphans().await;
        telemetry::swept(Swept::Files, *deleted.as_ref().unwrap_or(&0));
        self.sweep_ended(Sweep::Files, deleted.is_ok());
        deleted
    }

    async fn delete_orphans(&self) -> Result<usize, SharingError> {
        let mut deleted = 0;
        loop {
            let orphans = self.store.orphans(self.clock.now(), BATCH as i64).await?;
            if orphans.is_empty() {
                return Ok(deleted);
            }
            deleted += self.delete_objects(&orphans).await?;
        }
    }

    /// Deletes the objects that have no row (see the module). Returns how many.
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

    /// Wakes the sweeper. If that is lost, the next sweep deletes the orphans.
    pub(super) fn orphans_created(&self) {
        self.orphans.notify_one();
    }

    /// Waits for [`Sharing::orphans_created`].
    pub async fn wait_for_orphans(&self) {
        self.orphans.notified().await;
    }
}
