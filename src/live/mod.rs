//! Live links: the current state of their chats, and event streams (docs/API.md 3, "Events").
//!
//! [`LiveChats`] reads the chat service, once for all callers. One [`feed`] for each watched chat
//! turns changes into frames and appends them to a [`log`]; a [`Subscription`] is one stream's
//! position in it. The link's settings are read from the database once for all of its streams
//! ([`access`]).
//!
//! To add an event: a constructor of [`Frame`], and its place in [`Transcript::changes_since`] if
//! it follows from the chat's content.

mod access;
mod feed;
mod fetch;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod log;
mod memory;
mod open;
mod subscription;
#[cfg(test)]
mod tests;
mod transcript;

pub use feed::Ended;
pub use fetch::{ChatState, ContentHash, LiveChats, Scope};
pub use frame::Frame;
pub use open::Full;
pub use subscription::{SubscribeError, Subscription, Subscriptions};
pub use transcript::Transcript;

use std::time::Duration;

/// How live links are served.
#[derive(Debug, Clone, Copy)]
pub struct LiveSettings {
    /// How long an answer of the chat service is cached; 0 is not at all.
    pub max_age: Duration,
    /// How many requests may wait for an answer at a time.
    pub max_waiting: usize,
    /// `LIVE_POLL_INTERVAL`: how often a small watched chat that changes is read when no notice
    /// comes.
    pub poll_interval: Duration,
    /// `MAX_STREAMS`: open streams of this instance.
    pub max_streams: usize,
    /// Open streams of one link on this instance.
    pub max_streams_per_link: usize,
    /// Open streams of one user, or of one network of clients without a credential.
    pub max_streams_per_client: usize,
    /// Bytes of all watched chats together: transcripts, and events that slow clients may need.
    pub max_watched_bytes: usize,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(1),
            max_waiting: 2000,
            poll_interval: Duration::from_secs(5),
            max_streams: 10_000,
            max_streams_per_link: 5_000,
            max_streams_per_client: 2_500,
            max_watched_bytes: 256 << 20,
        }
    }
}
