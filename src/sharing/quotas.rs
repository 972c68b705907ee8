//! How much one owner may have (docs/API.md 3, "Quotas").
//!
//! What an owner has is counted before a chat is fetched and nothing is locked meanwhile: requests
//! of one owner at the same moment can exceed a quota together, by at most what they bring
//! themselves.

use std::fmt;

use super::{Sharing, SharingError};
use crate::{model::UserId, store::Usage};

/// The most that one owner may have.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// Links that have not expired.
    pub links: u64,
    /// Of compressed messages and of kept files.
    pub bytes: u64,
    /// Kept files of frozen links.
    pub files: u64,
    /// The most bytes of one chat's messages as JSON (`MAX_SNAPSHOT_BYTES`).
    pub snapshot_bytes: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { links: 10_000, bytes: 10 << 30, files: 10_000, snapshot_bytes: 16 << 20 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    Links,
    Bytes,
    Files,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Links => "links",
            Self::Bytes => "bytes",
            Self::Files => "files",
        })
    }
}

impl Quotas {
    /// With up to this many links without files, one more stays within the byte quota. Compressed,
    /// messages can be a little larger than their JSON. It does not hold for snapshots that were
    /// stored under a larger `MAX_SNAPSHOT_BYTES`.
    fn links_within_bytes(&self) -> u64 {
        let largest = self.snapshot_bytes.saturating_mul(2).max(1);
        (self.bytes / largest).saturating_sub(1)
    }

    /// # Errors
    /// [`SharingError::QuotaExceeded`] names the first quota that is exceeded.
    fn check(&self, usage: Usage) -> Result<(), SharingError> {
        let exceeded = [
            (Quota::Links, usage.links, self.links),
            (Quota::Bytes, usage.bytes, self.bytes),
            (Quota::Files, usage.files, self.files),
        ];
        match exceeded.into_iter().find(|(_, used, limit)| used > limit) {
            Some((quota, _, limit)) => Err(SharingError::QuotaExceeded { quota, limit }),
            None => Ok(()),
        }
    }
}

/// What an owner will have once a request is carried out. It grows while the request finds out what
/// it stores, before that is stored.
pub(super) struct Growth {
    usage: Usage,
    quotas: Quotas,
}

impl Growth {
    /// # Errors
    /// [`SharingError::QuotaExceeded`]
    pub(super) fn add(&mut self, more: Usage) -> Result<(), SharingError> {
        let Usage { links, bytes, files } = self.usage;
        self.usage = Usage {
            links: links.saturating_add(more.links),
            bytes: bytes.saturating_add(more.bytes),
            files: files.saturating_add(more.files),
        };
        self.quotas.check(self.usage)
    }
}

impl Sharing {
    /// Begins with what the owner has now.
    pub(super) async fn growth_of(
        &self,
        owner: &UserId,
        brings_files: bool,
    ) -> Result<Growth, SharingError> {
        let uncounted_links = if brings_files { 0 } else { self.quotas.links_within_bytes() };
        let usage = self.store.usage(owner, self.clock.now(), uncounted_links).await?;
        Ok(Growth { usage, quotas: self.quotas })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_links_cannot_exceed_the_quota_of_bytes() {
        assert_eq!(Quotas::default().links_within_bytes(), 319);
        for (bytes, snapshot_bytes, few) in [(10, 1, 4), (4, 1, 1), (3, 1, 0), (0, 1, 0), (9, 0, 8)]
        {
            let quotas = Quotas { bytes, snapshot_bytes, ..Quotas::default() };
            assert_eq!(quotas.links_within_bytes(), few, "{bytes}, {snapshot_bytes}");
        }
        let all = Quotas { snapshot_bytes: u64::MAX, ..Quotas::default() };
        assert_eq!(all.links_within_bytes(), 0);
    }
}
