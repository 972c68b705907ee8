//! View counts: kept in memory for each link, and added to the database at intervals. Counts are
//! lost only if the process dies, or if too many links are viewed between two intervals.

use std::{collections::HashMap, mem, sync::Arc};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Sharing, SharingError};
use crate::{
    model::{Activity, Caller, ShareId, ViewCounts, ViewKind},
    store::VIEW_COUNTS_AT_ONCE,
};

/// The counts that are not in the database yet.
#[derive(Clone)]
pub(super) struct ViewCounter {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Links that are counted at most, those being written included.
    capacity: usize,
    /// Notified when it is half full.
    half_full: Notify,
}

#[derive(Default)]
struct State {
    links: HashMap<ShareId, ViewCounts>,
    /// Links that are being written.
    writing: usize,
    /// Views that exceeded the capacity.
    lost: u64,
}

impl ViewCounter {
    pub(super) fn new(capacity: usize) -> Self {
        let inner = Inner { state: Mutex::default(), capacity, half_full: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    fn count(&self, id: &ShareId, kind: ViewKind, now: DateTime<Utc>) {
        let mut state = self.inner.state.lock();
        if let Some(view_counts) = state.links.get_mut(id) {
            view_counts.add(kind, now);
            return;
        }
        let held = state.links.len() + state.writing;
        if held >= self.inner.capacity {
            state.lost += 1;
            return;
        }
        state.links.entry(id.clone()).or_default().add(kind, now);
        if held + 1 >= self.inner.capacity.div_ceil(2) {
            self.inner.half_full.notify_one();
        }
    }

    fn of(&self, id: &ShareId) -> ViewCounts {
        self.inner.state.lock().links.get(id).copied().unwrap_or_default()
    }

    /// All counts, sorted by id. They use capacity until [`Self::written`] or [`Self::give_back`].
    fn take(&self) -> Vec<(ShareId, ViewCounts)> {
        let (links, lost) = {
            let mut state = self.inner.state.lock();
            state.writing += state.links.len();
            (mem::take(&mut state.links), mem::take(&mut state.lost))
        };
        if lost > 0 {
            tracing::warn!(lost, "views were not counted: too many links wait to be written");
        }
        let mut counts: Vec<_> = links.into_iter().collect();
        counts.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        counts
    }

    fn written(&self, links: usize) {
        self.inner.state.lock().writing -= links;
    }

    /// Adds counts again that could not be written.
    fn give_back(&self, counts: Vec<(ShareId, ViewCounts)>) {
        let mut state = self.inner.state.lock();
        state.writing -= counts.len();
        for (id, view_counts) in counts {
            state.links.entry(id).or_default().merge(view_counts);
        }
    }
}

impl Sharing {
    /// Counts a view in memory.
    pub fn count(&self, id: &ShareId, kind: ViewKind) {
        self.view_counter.count(id, kind, self.clock.now());
    }

    /// The view counts of the caller's own link, and its changes. Views on other instances are
    /// included once those have written them.
    ///
    /// # Errors
    /// In this order: [`SharingError::NotFound`], `WrongCaller`, `NotTheOwner`, for a legacy link
    /// too, which has no owner.
    pub async fn activity(&self, caller: &Caller, id: &ShareId) -> Result<Activity, SharingError> {
        let link = self.owned(caller, id).await.map_err(|error| match error {
            SharingError::Legacy => SharingError::NotTheOwner,
            other => other,
        })?;
        let mut view_counts = self.store.view_counts(id).await?;
        // After the database: counts written in between are missing rather than doubled.
        view_counts.merge(self.view_counter.of(id));
        let changes = self.store.changes_of(id).await?;
        Ok(Activity { link, view_counts, changes })
    }

    /// Adds the counts to the database. After an error they are kept for the next time.
    pub async fn write_view_counts(&self) -> Result<(), SharingError> {
        let mut counts = self.view_counter.take();
        while !counts.is_empty() {
            let page = counts.split_off(counts.len().saturating_sub(VIEW_COUNTS_AT_ONCE));
            if let Err(error) = self.store.add_view_counts(&page).await {
                self.view_counter.give_back(page);
                self.view_counter.give_back(counts);
                return Err(error.into());
            }
            self.view_counter.written(page.len());
        }
        Ok(())
    }

    /// Waits until half of the capacity is used.
    pub async fn wait_for_view_counts(&self) {
        self.view_counter.inner.half_full.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn links(number: usize) -> Vec<ShareId> {
        (0..number).map(|_| ShareId::random()).collect()
    }

    #[test]
    fn links_over_the_capacity_are_not_counted() {
        let counter = ViewCounter::new(100);
        for id in &links(150) {
            counter.count(id, ViewKind::View, now());
        }
        let taken = counter.take();
        assert_eq!(taken.len(), 100);
        // Links that are being written use capacity.
        counter.count(&ShareId::random(), ViewKind::View, now());
        assert!(counter.take().is_empty());
        counter.written(99);
        for id in &links(150) {
            counter.count(id, ViewKind::View, now());
        }
        assert_eq!(counter.take().len(), 99);
    }

    #[test]
    fn counts_that_were_not_written_are_merged_with_later_ones() {
        let counter = ViewCounter::new(100);
        let ids = links(2);
        counter.count(&ids[0], ViewKind::View, now());
        counter.count(&ids[1], ViewKind::BotView, now());
        let taken = counter.take();
        counter.count(&ids[0], ViewKind::View, now());
        counter.count(&ids[0], ViewKind::Download, now());
        counter.give_back(taken);
        let both = ViewCounts { views: 2, downloads: 1, last_viewed_at: Some(now()), bot_views: 0 };
        assert_eq!(counter.of(&ids[0]), both);
        assert_eq!(counter.of(&ids[1]), ViewCounts { bot_views: 1, ..ViewCounts::default() });
        let state = counter.inner.state.lock();
        assert_eq!((state.links.len(), state.writing), (2, 0));
    }
}
