//! A message, and its content as raw JSON.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use super::text::decode_json_string;

/// The fields of a message that viewers see (docs/API.md 3); all others are dropped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    pub id: String,
    pub role: Role,
    pub content: MessageContent,
    /// RFC 3339, as the chat service sent it; empty if it sent none.
    pub created_at: String,
    pub reply_to: Option<String>,
}

/// The author's role: the one that the chat service gives, else `user` for a message that replies
/// to none and `assistant` for one that does (docs/API.md 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(Cow<'static, str>);

impl Role {
    pub const USER: Role = Role(Cow::Borrowed("user"));
    pub const ASSISTANT: Role = Role(Cow::Borrowed("assistant"));

    pub fn of(given: Option<String>, reply_to: Option<&str>) -> Self {
        match (given, reply_to) {
            (Some(role), _) => Role(role.into()),
            (None, None) => Role::USER,
            (None, Some(_)) => Role::ASSISTANT,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of a message as the raw JSON string that the chat service sent. It is never decoded on
/// its way to a viewer's JSON, so escapes of NUL and lone surrogates, which neither a Rust string
/// nor PostgreSQL's text can hold, are preserved.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct MessageContent(Box<RawValue>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the content of a message must be a string")]
pub struct NotAString;

impl MessageContent {
    /// Takes a JSON string; null is an empty one, since some chat services send it for an answer
    /// that has no text.
    pub fn from_json_or_null(raw: Box<RawValue>) -> Result<Self, NotAString> {
        match raw.get() {
            "null" => RawValue::from_string(r#""""#.to_owned()).map(Self).map_err(|_| NotAString),
            _ => Self::from_json(raw),
        }
    }

    pub fn from_json(raw: Box<RawValue>) -> Result<Self, NotAString> {
        if raw.get().starts_with('"') { Ok(Self(raw)) } else { Err(NotAString) }
    }

    /// The decoded content for a page, with NUL and lone surrogates as U+FFFD.
    pub fn text(&self) -> String {
        // `from_json` checked that it is a JSON string.
        decode_json_string(&self.0).unwrap_or_default()
    }

    /// The JSON string literal, quotes included.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl<'de> Deserialize<'de> for MessageContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(raw).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_preserved_byte_for_byte() {
        let json = r#"{"id":"m","role":"user","content":"a\u0000b \ud800 \ud83d\ude00 é","created_at":"2026-01-01T00:00:00Z","reply_to":null}"#;
        let message: Message = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&message).unwrap(), json);
        assert_eq!(message.content.text(), "a\u{fffd}b \u{fffd} 😀 é");
    }

    #[test]
    fn content_that_is_no_string_is_refused() {
        for value in ["null", "1", "{}", "[]", "true"] {
            assert!(serde_json::from_str::<MessageContent>(value).is_err(), "{value}");
        }
    }

    #[test]
    fn the_role_follows_reply_to_unless_it_was_given() {
        assert_eq!(Role::of(None, None).as_str(), "user");
        assert_eq!(Role::of(None, Some("m1")).as_str(), "assistant");
        assert_eq!(Role::of(Some("tool".into()), Some("m1")).as_str(), "tool");
    }
}
