//! What goes over the wire of an event stream (WHATWG HTML, "Server-sent events").
//!
//! A cursor is the id of the last message that the client was told of. A `message` carries its own
//! as `id:`. Where the cursor moves otherwise (a stream begins, the last message is removed, the
//! client is told to read the view again) a comment carries it, which browsers take note of without
//! giving an event. So a client that reconnects misses no message, and is told of none twice.

use bytes::Bytes;
use serde::Serialize;

use super::Transcript;

/// Something that happened in a chat, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// A message that the chat has now.
    pub(super) fn message(id: &str, json: &[u8]) -> Self {
        // An id holds no control characters, so no line break; raw JSON has none either.
        Self::of(&[b"event: message\nid: ", id.as_bytes(), b"\ndata: ", json, b"\n\n"])
    }

    /// A message that was edited.
    pub(super) fn changed(json: &[u8]) -> Self {
        Self::of(&[b"event: changed\ndata: ", json, b"\n\n"])
    }

    /// A message that the chat has no more.
    pub(super) fn removed(id: &str) -> Self {
        #[derive(Serialize)]
        struct Removed<'a> {
            id: &'a str,
        }
        Self::event("removed", &Removed { id })
    }

    pub(super) fn renamed(name: Option<&str>) -> Self {
        #[derive(Serialize)]
        struct Renamed<'a> {
            name: Option<&'a str>,
        }
        Self::event("renamed", &Renamed { name })
    }

    /// What happened cannot be told in events: the view is to be fetched again. From there on the
    /// stream goes on.
    pub(super) fn reset(now: &Transcript) -> Self {
        Self::of(&[b"event: reset\ndata: {}\n\n", &Self::cursor(now).0])
    }

    /// The cursor of somebody who knows all of this.
    pub(super) fn cursor(now: &Transcript) -> Self {
        match now.last_id() {
            Some(id) => Self::cursor_at(id),
            None => Self::begun(),
        }
    }

    /// The stream has begun, for a client that has its cursor.
    pub(super) fn begun() -> Self {
        Self(Bytes::from_static(b": live\n\n"))
    }

    pub(super) fn cursor_at(id: &str) -> Self {
        Self::of(&[b": live\nid: ", id.as_bytes(), b"\n\n"])
    }

    /// An event with a JSON object.
    #[must_use]
    pub fn event(name: &str, data: &impl Serialize) -> Self {
        // These are our own small types, which always encode.
        let data = serde_json::to_vec(data).unwrap_or_default();
        Self::of(&[b"event: ", name.as_bytes(), b"\ndata: ", &data, b"\n\n"])
    }

    /// The link is not the viewer's to see any more. Nothing comes after it.
    #[must_use]
    pub fn revoked() -> Self {
        Self(Bytes::from_static(b"event: revoked\ndata: {}\n\n"))
    }

    /// So that proxies and clients see that the line stands.
    #[must_use]
    pub fn heartbeat() -> Self {
        Self(Bytes::from_static(b": heartbeat\n\n"))
    }

    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    fn of(parts: &[&[u8]]) -> Self {
        Self(parts.concat().into())
    }
}
