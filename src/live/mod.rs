//! Live links: what their chats hold now, and the streams that follow it (docs/API.md 3, "Events").
//!
//! [`LiveChats`] asks the chat service, once for all callers. One [`feed`] for each watched chat
//! turns what it reads into frames and appends them to a [`log`]; a [`Subscription`] is one stream's
//! position in it. Whether the link may still be shown is read from the database once for all streams
//! of that link ([`access`]).
//!
//! To add an event: a constructor of [`Frame`], and its place in [`Transcript::changes_since`] if it
//! follows from what the chat holds.

mod access;
mod feed;
mod fetch;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod log;
mod subscription;
#[cfg(test)]
mod tests;
mod transcript;

pub use feed::Ended;
pub use fetch::{ChatState, ContentHash, LiveChats, Scope};
pub use frame::Frame;
pub use subscription::{Full, SubscribeError, Subscription, Subscriptions};
pub use transcript::Transcript;

use std::time::Duration;

/// How live links are served.
#[derive(Debug, Clone, Copy)]
pub struct LiveSettings {
    /// How long an answer of the chat service may be used again; 0 is not at all.
    pub max_age: Duration,
    /// How many requests may wait for such an answer at a time.
    pub max_waiting: usize,
    /// `LIVE_POLL_INTERVAL`: how often a watched chat is read when no notice comes.
    pub poll_interval: Duration,
    /// `MAX_STREAMS`: open streams of this instance.
    pub max_streams: usize,
    /// Open streams of one link on this instance.
    pub max_streams_per_link: usize,
}

impl Default for LiveSettings {
    /// The settings' own defaults.
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(1),
            max_waiting: 2000,
            poll_interval: Duration::from_secs(5),
            max_streams: 10_000,
            max_streams_per_link: 5_000,
        }
    }
}
