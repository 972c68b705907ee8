//! The wire format of event streams (WHATWG HTML, "Server-sent events").
//!
//! A cursor is the id of the last message that the client was sent. A `message` event has it as
//! `id:`. Where the cursor moves otherwise (a stream begins, the last message is removed, a
//! `reset`), a block without an event has it, which browsers store without an event. So a client
//! that reconnects misses no message, and gets none twice.

use bytes::Bytes;
use serde::Serialize;

/// One or more encoded blocks of an event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// A new message.
    pub(super) fn message(id: &str, json: &[u8]) -> Self {
        // An id holds no control characters, so no line break; raw JSON has none either.
        Self::of(&[b"event: message\nid: ", id.as_bytes(), b"\ndata: ", json, b"\n\n"])
    }

    /// An edited message.
    pub(super) fn changed(json: &[u8]) -> Self {
        Self::of(&[b"event: changed\ndata: ", json, b"\n\n"])
    }

    /// A deleted message.
    pub(super) fn removed(id: &str) -> Self {
        Self::event("removed", &serde_json::json!({ "id": id }))
    }

    /// The chat has another name, or none, which is empty as in the view.
    pub(super) fn renamed(name: Option<&str>) -> Self {
        Self::event("renamed", &serde_json::json!({ "name": name.unwrap_or_default() }))
    }

    /// The client has to fetch the view again. `last_id` is the last message of the chat.
    pub(super) fn reset(last_id: Option<&str>) -> Self {
        Self::of(&[b"event: reset\ndata: {}\n\n", &Self::cursor(last_id).0])
    }

    /// The cursor of a client that has all messages.
    pub(super) fn cursor(last_id: Option<&str>) -> Self {
        match last_id {
            Some(id) => Self::of(&[b": live\nid: ", id.as_bytes(), b"\n\n"]),
            None => Self::begun(),
        }
    }

    /// The stream has begun; the client has a cursor.
    pub(super) fn begun() -> Self {
        Self(Bytes::from_static(b": live\n\n"))
    }

    /// An event with a JSON object.
    pub fn event(name: &str, data: &impl Serialize) -> Self {
        // Only own types are passed, which always encode.
        let data = serde_json::to_vec(data).unwrap_or_default();
        Self::of(&[b"event: ", name.as_bytes(), b"\ndata: ", &data, b"\n\n"])
    }

    /// The viewer may not see the link any more. It is the last event.
    pub fn revoked() -> Self {
        Self(Bytes::from_static(b"event: revoked\ndata: {}\n\n"))
    }

    /// Sent when nothing else is, so that proxies and clients keep the connection open.
    pub fn heartbeat() -> Self {
        Self(Bytes::from_static(b": heartbeat\n\n"))
    }

    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.0
    }

    fn of(parts: &[&[u8]]) -> Self {
        Self(parts.concat().into())
    }
}
