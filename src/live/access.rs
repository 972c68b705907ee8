//! A link through which somebody watches: whether it still stands, asked once for all of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use crate::model::SharedChat;

/// How long an answer of the database counts when no notice comes. A thousand streams that are sent
/// the same message ask at the same moment; they need one answer, not a thousand.
const COUNTS_FOR: Duration = Duration::from_millis(100);

pub(super) struct WatchedLink {
    /// Streams, under the lock of `Open`.
    pub(super) streams: AtomicUsize,
    /// Wakes the streams.
    pub(super) wake: watch::Sender<u64>,
    notices: AtomicU64,
    known: Mutex<Option<Known>>,
}

struct Known {
    asked: Instant,
    /// As many notices had come then.
    notices: u64,
    link: Option<Arc<SharedChat>>,
}

impl WatchedLink {
    pub(super) fn new() -> Self {
        Self {
            streams: AtomicUsize::new(0),
            wake: watch::Sender::new(0),
            notices: AtomicU64::new(0),
            known: Mutex::new(None),
        }
    }

    /// Its settings may have changed, or it may be gone.
    pub(super) fn may_have_changed(&self) {
        self.notices.fetch_add(1, Ordering::SeqCst);
        self.wake.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The link as it is, by `ask` or by what somebody else was answered just now. `rechecks` counts
    /// the notices about its chat. Asking is on the heap: it takes kilobytes, which would be part of
    /// every idle stream.
    pub(super) async fn standing<'a, E>(
        &self,
        rechecks: &AtomicU64,
        ask: impl FnOnce() -> BoxFuture<'a, Result<Option<SharedChat>, E>>,
    ) -> Result<Option<Arc<SharedChat>>, E> {
        let mut known = self.known.lock().await;
        // Both only grow, so their sum tells whether any notice came.
        let notices = self.notices.load(Ordering::SeqCst) + rechecks.load(Ordering::SeqCst);
        if let Some(known) = &*known
            && known.notices == notices
            && known.asked.elapsed() < COUNTS_FOR
        {
            return Ok(known.link.clone());
        }
        let asked = Instant::now();
        let link = ask().await?.map(Arc::new);
        *known = Some(Known { asked, notices, link: link.clone() });
        Ok(link)
    }
}
