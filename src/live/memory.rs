//! How many bytes watched chats hold: each, and all together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The bytes of one chat, which count for all too.
#[derive(Debug, Default)]
pub(super) struct Usage {
    of_chat: AtomicUsize,
    of_all: Arc<AtomicUsize>,
}

impl Usage {
    pub(super) fn new(of_all: Arc<AtomicUsize>) -> Self {
        Self { of_chat: AtomicUsize::new(0), of_all }
    }

    /// Of this chat.
    pub(super) fn bytes(&self) -> usize {
        self.of_chat.load(Ordering::Relaxed)
    }
}

/// Some of these bytes, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    usage: Arc<Usage>,
    bytes: usize,
}

impl Held {
    pub(super) fn new(usage: &Arc<Usage>, bytes: usize) -> Self {
        let mut held = Self { usage: usage.clone(), bytes: 0 };
        held.set(bytes);
        held
    }

    pub(super) fn set(&mut self, bytes: usize) {
        for total in [&self.usage.of_chat, &*self.usage.of_all] {
            // The new ones first, so that it never falls below zero.
            total.fetch_add(bytes, Ordering::Relaxed);
            total.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}
