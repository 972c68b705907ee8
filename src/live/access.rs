//! The settings of a watched link: read once for all of its streams.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use crate::{
    clock::Clock,
    model::{ShareId, SharedChat},
    store::{Store, StoreError},
};

/// How long a row is cached when no notice comes. All streams of a link read it before they send a
/// message, so that one query serves them all.
const MAX_AGE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct LinkAccess {
    /// Wakes the streams.
    pub(super) changed: watch::Sender<()>,
    notices: AtomicU64,
    cached: Mutex<Option<Cached>>,
}

struct Cached {
    read_at: Instant,
    /// The number of notices before it was read.
    notices: u64,
    link: Option<Arc<SharedChat>>,
}

impl LinkAccess {
    /// The link's settings may have changed, or it may be deleted.
    pub(super) fn notify(&self) {
        self.notices.fetch_add(1, Ordering::SeqCst);
        self.changed.send_replace(());
    }

    /// The link as it is now; `None` when it is deleted or expired. `chat_notices` counts the
    /// notices about its chat, with which links go as well.
    pub(super) async fn current(
        &self,
        id: &ShareId,
        chat_notices: &AtomicU64,
        store: &Store,
        clock: &Clock,
    ) -> Result<Option<Arc<SharedChat>>, StoreError> {
        let mut cached = self.cached.lock().await;
        // Both only grow, so their sum changes with every notice.
        let notices = self.notices.load(Ordering::SeqCst) + chat_notices.load(Ordering::SeqCst);
        let link = match &*cached {
            Some(row) if row.notices == notices && row.read_at.elapsed() < MAX_AGE => {
                row.link.clone()
            }
            _ => {
                let read_at = Instant::now();
                // Boxed: this future takes kilobytes, which every idle stream would hold.
                let link = Box::pin(store.viewed_link(id, clock.now())).await?.map(Arc::new);
                *cached = Some(Cached { read_at, notices, link: link.clone() });
                link
            }
        };
        // It may have expired since it was read.
        Ok(link.filter(|link| !link.is_expired(clock.now())))
    }
}
