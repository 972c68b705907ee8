//! How often links are seen: counted in memory, link by link, and added to the database every now and
//! then. What is counted is lost only with the process, or when it is too much.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Sharing, SharingError};
use crate::{
    model::{Activity, Caller, ShareId, ViewCounts, ViewKind},
    store::VIEW_COUNTS_AT_ONCE,
};

/// What is not in the database yet.
#[derive(Clone)]
pub(super) struct ViewCounter {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    most: usize,
    /// Rung when half of the places are taken.
    filling: Notify,
}

#[derive(Default)]
struct State {
    links: HashMap<ShareId, ViewCounts>,
    /// Urls that are being written: they hold their places until then.
    writing: usize,
    /// Views of links that found no place.
    lost: u64,
}

impl ViewCounter {
    pub(super) fn new(most: usize) -> Self {
        let inner = Inner { state: Mutex::default(), most, filling: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    fn count(&self, id: &ShareId, seen: ViewKind, now: DateTime<Utc>) {
        let mut state = self.inner.state.lock();
        if let Some(view_counts) = state.links.get_mut(id) {
            view_counts.add(seen, now);
            return;
        }
        let held = state.links.len() + state.writing;
        if held >= self.inner.most {
            state.lost += 1;
            return;
        }
        state.links.entry(id.clone()).or_default().add(seen, now);
        if held + 1 >= self.inner.most.div_ceil(2) {
            self.inner.filling.notify_one();
        }
    }

    fn of(&self, id: &ShareId) -> ViewCounts {
        self.inner.state.lock().links.get(id).copied().unwrap_or_default()
    }

    /// Everything, in the order of the ids. It goes on holding its places: see [`Self::written`].
    fn take(&self) -> Vec<(ShareId, ViewCounts)> {
        let (links, lost) = {
            let mut state = self.inner.state.lock();
            state.writing += state.links.len();
            (mem::take(&mut state.links), mem::take(&mut state.lost))
        };
        if lost > 0 {
            tracing::warn!(
                lost,
                "views were not counted: too many links are waiting to be written"
            );
        }
        let mut all: Vec<_> = links.into_iter().collect();
        all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        all
    }

    /// Gives the places of so many links free.
    fn written(&self, links: usize) {
        self.inner.state.lock().writing -= links;
    }

    /// Takes back what could not be written.
    fn give_back(&self, seen: Vec<(ShareId, ViewCounts)>) {
        let mut state = self.inner.state.lock();
        state.writing -= seen.len();
        for (id, view_counts) in seen {
            match state.links.entry(id) {
                Entry::Vacant(place) => {
                    place.insert(view_counts);
                }
                Entry::Occupied(mut seen_since) => seen_since.get_mut().merge(view_counts),
            }
        }
    }
}

impl Sharing {
    /// Counts that a link was seen. It waits for nothing.
    pub fn count(&self, id: &ShareId, seen: ViewKind) {
        self.seen.count(id, seen, self.clock.now());
    }

    /// How often the caller's own link was seen, on every instance up to the last time that it wrote
    /// its counts, and what was done to it.
    ///
    /// # Errors
    /// In this order: [`SharingError::NotFound`], `WrongCaller`, `NotTheOwner`, for a legacy link too:
    /// it is nobody's.
    pub async fn activity(&self, caller: &Caller, id: &ShareId) -> Result<Activity, SharingError> {
        let link = self.owned(caller, id).await.map_err(|error| match error {
            SharingError::Legacy => SharingError::NotTheOwner,
            other => other,
        })?;
        let mut view_counts = self.store.view_counts(id).await?;
        // After the database: what is written in between is rather missing than there twice.
        view_counts.merge(self.seen.of(id));
        let changes = self.store.changes_of(id).await?;
        Ok(Activity { link, view_counts, changes })
    }

    /// Adds what was counted to the database. What cannot be added is kept for the next time.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`] when the database is out of reach.
    pub async fn write_view_counts(&self) -> Result<(), SharingError> {
        let mut all = self.seen.take();
        while !all.is_empty() {
            let page = all.split_off(all.len().saturating_sub(VIEW_COUNTS_AT_ONCE));
            match self.store.add_view_counts(&page).await {
                Ok(()) => self.seen.written(page.len()),
                Err(error) => {
                    self.seen.give_back(page);
                    self.seen.give_back(all);
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Waits until so many links were seen that they had better be written.
    pub async fn wait_for_view_counts(&self) {
        self.seen.inner.filling.notified().await;
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
    fn there_are_never_more_links_than_places() {
        let seen = ViewCounter::new(100);
        for id in &links(150) {
            seen.count(id, ViewKind::View, now());
        }
        let taken = seen.take();
        assert_eq!(taken.len(), 100);
        // While they are written, they keep their places.
        seen.count(&ShareId::random(), ViewKind::View, now());
        assert!(seen.take().is_empty());
        seen.written(99);
        for id in &links(150) {
            seen.count(id, ViewKind::View, now());
        }
        assert_eq!(seen.take().len(), 99);
    }

    #[test]
    fn what_could_not_be_written_is_added_to_what_came_since() {
        let seen = ViewCounter::new(100);
        let ids = links(2);
        seen.count(&ids[0], ViewKind::View, now());
        seen.count(&ids[1], ViewKind::BotView, now());
        let taken = seen.take();
        seen.count(&ids[0], ViewKind::View, now());
        seen.count(&ids[0], ViewKind::Download, now());
        seen.give_back(taken);
        let both = ViewCounts { views: 2, downloads: 1, last_viewed_at: Some(now()), bot_views: 0 };
        assert_eq!(seen.of(&ids[0]), both);
        assert_eq!(seen.of(&ids[1]), ViewCounts { bot_views: 1, ..ViewCounts::default() });
        assert_eq!(
            {
                let state = seen.inner.state.lock();
                (state.links.len(), state.writing)
            },
            (2, 0)
        );
    }
}
