//! How much HTML a page may have beside plain text (docs/API.md 3, "The link itself").

/// The HTML of a page's messages and files, in bytes. Plain text comes on top: it is not bounded,
/// as nothing of a chat is left out, but it is at most six times as long as its source.
pub(super) const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// What is left of it.
pub(in crate::http) struct Budget(usize);

impl Budget {
    pub(in crate::http) fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(super) fn left(&self) -> usize {
        self.0
    }

    /// Takes so many bytes. `false` if fewer are left: then none are.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.0 == 0
    }
}
