//! Whether this instance is about to stop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    stopping: Arc<AtomicBool>,
}

impl Lifecycle {
    /// From now on it is not ready, and closes each connection with the answer on it.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
