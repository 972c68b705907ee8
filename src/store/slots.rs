//! Something for each worker thread, without thread-locals that would outlive their owner.

use std::sync::atomic::{AtomicUsize, Ordering};

/// More slots than an instance has workers; two threads in one slot only share it.
const SLOTS: usize = 64;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// One `T` for each thread that asks.
pub(super) struct Slots<T>(Vec<T>);

impl<T: Default> Default for Slots<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T> Slots<T> {
    /// With one of these in each.
    pub(super) fn new(mut make: impl FnMut() -> T) -> Self {
        Self((0..SLOTS).map(|_| make()).collect())
    }

    /// The calling thread's own.
    pub(super) fn mine(&self) -> &T {
        &self.0[THREAD.with(|thread| thread % SLOTS)]
    }
}
