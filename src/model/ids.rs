//! Identifiers. Each is checked once, when it is received, and has a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::text::hex;

/// The secret id of a link (docs/API.md 3 and 6): a lower-case, hyphenated UUIDv4, or the token of
/// a link from the old system. Ids are compared byte for byte.
///
/// An id gives access to the chat and must not get into a log: `Display` is not implemented, and
/// `Debug` shows [`ShareId::short`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShareId(String);

impl ShareId {
    /// A new unguessable id: 122 bits from the operating system's generator.
    pub fn random() -> Self {
        Self(Uuid::new_v4().hyphenated().to_string())
    }

    /// Parses an id from a URL or a row: 8–128 characters of `A–Z a–z 0–9 _ -` (docs/API.md 6),
    /// which a UUID satisfies as well. `None` means that no link can have this id.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        ((8..=128).contains(&text.len()) && text.bytes().all(allowed))
            .then(|| Self(text.to_owned()))
    }

    /// Whether this is a UUID, hyphenated or not, in any case. Tokens of the old system must not be
    /// UUIDs, since this service generates them (docs/API.md 6).
    pub fn has_uuid_form(&self) -> bool {
        Uuid::parse_str(&self.0).is_ok()
    }

    /// The whole id: a secret, not for logs, metrics or error messages.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one-way short form for logs and audit records.
    pub fn short(&self) -> ShortId {
        ShortId::of("link", &self.0)
    }
}

/// A text with one `{id}`, which stands for the id of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdTemplate(String);

impl IdTemplate {
    /// `None` unless the text has exactly one `{id}`.
    pub fn parse(text: &str) -> Option<Self> {
        (text.matches("{id}").count() == 1).then(|| Self(text.to_owned()))
    }

    pub fn with(&self, id: &str) -> String {
        self.0.replace("{id}", id)
    }
}

/// A one-way short form of an id: the first 64 bits of SHA-256 over `link:`, `chat:` or `user:` and
/// the id, as hex. It can be reversed by trying all possible ids. That is infeasible for a UUID
/// with 122 random bits. An imported token has at most 6 bits a character: one of 8 is found within
/// a day, one of 14 random ones is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShortId(String);

impl ShortId {
    fn of(kind: &str, id: &str) -> Self {
        let digest = Sha256::new().chain_update(kind).chain_update(":").chain_update(id).finalize();
        Self(hex(&digest[..8]))
    }

    /// Parses 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 16 && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// 16 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShareId(#{})", self.short().as_str())
    }
}

/// The id of a chat at the chat service: 1–128 characters of `A–Z a–z 0–9 . _ ~ -` (the unreserved
/// characters of RFC 3986), never `.` or `..`, so that it is a path segment without encoding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatSessionId(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ - and neither '.' nor '..'")]
pub struct InvalidChatSessionId;

impl ChatSessionId {
    pub fn parse(text: &str) -> Result<Self, InvalidChatSessionId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(allowed);
        let valid = fits && text != "." && text != "..";
        valid.then(|| Self(text.to_owned())).ok_or(InvalidChatSessionId)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one-way short form for audit records. A chat's id is no secret.
    pub fn short(&self) -> ShortId {
        ShortId::of("chat", &self.0)
    }
}

impl fmt::Display for ChatSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user's id at the identity provider: the token's `sub`, 1–255 characters (OpenID Connect Core
/// 2) without control characters, which PostgreSQL cannot store and a log should not repeat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 characters without control characters")]
pub struct InvalidUserId;

impl UserId {
    pub fn parse(text: &str) -> Result<Self, InvalidUserId> {
        let fits = (1..=255).contains(&text.chars().count());
        let valid = fits && !text.chars().any(char::is_control);
        valid.then(|| Self(text.to_owned())).ok_or(InvalidUserId)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one-way short form, which stands for a person who was erased.
    pub fn short(&self) -> ShortId {
        ShortId::of("user", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_share_id_is_a_lower_case_hyphenated_uuid_v4() {
        let id = ShareId::random();
        let uuid = Uuid::parse_str(id.as_str()).unwrap();
        assert_eq!(uuid.get_version_num(), 4);
        assert_eq!(uuid.hyphenated().to_string(), id.as_str());
        assert!(ShareId::parse(id.as_str()).is_some());
    }

    #[test]
    fn invalid_share_ids_are_rejected() {
        for text in ["", "short", "..", "a/b/c/d/e/f", "abcdefg\0", "%2e%2e%2e%2e", "ä2345678"] {
            assert!(ShareId::parse(text).is_none(), "{text:?}");
        }
        assert!(ShareId::parse(&"a".repeat(129)).is_none());
        assert!(ShareId::parse(&"a".repeat(128)).is_some());
    }

    #[test]
    fn share_id_is_not_in_debug_output() {
        let id = ShareId::random();
        assert!(!format!("{id:?}").contains(&id.as_str()[..8]));
    }

    #[test]
    fn short_form_equals_the_documented_shell_command() {
        // printf 'link:%s' 6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11 | sha256sum | cut -c1-16
        let id = ShareId::parse("6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11").unwrap();
        assert_eq!(id.short().as_str(), "3ecd76100b1264b1");
        let chat = ChatSessionId::parse(id.as_str()).unwrap();
        assert_ne!(chat.short(), id.short());
    }

    #[test]
    fn chat_session_ids_are_safe_path_segments() {
        for good in ["a", "A-z.0_9~", "...", &"x".repeat(128)] {
            assert!(ChatSessionId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "%2e", "a\0", "é", &"x".repeat(129)] {
            assert!(ChatSessionId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn user_ids_hold_no_control_characters() {
        assert!(UserId::parse("auth0|5f7c8ec7c33c6c004bbafe82").is_ok());
        for bad in ["", "a\0b", "a\nb", &"x".repeat(256)] {
            assert!(UserId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
