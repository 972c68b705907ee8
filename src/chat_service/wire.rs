//! The JSON of docs/API.md 5, and what is kept of it.
//!
//! Every field is checked here, for the HTTP service and for the file alike. serde_json skips
//! unknown fields without recursion, so that no nesting can exhaust the stack.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use serde::{
    Deserialize,
    de::{self, DeserializeOwned, Deserializer, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use crate::model::{ChatFile, Message, MessageContent, Object, Role, decode_json_string};

/// The longest id of a message or file, in characters.
pub const MAX_ID_CHARS: usize = 256;
/// The longest name of a chat or file, in characters; a longer one is cut to this.
pub const MAX_NAME_CHARS: usize = 1_000;
/// The longest role, in characters.
pub const MAX_ROLE_CHARS: usize = 64;
/// The most files that one chat may list.
pub const MAX_FILES: usize = 10_000;

/// A date-time with nanoseconds and an offset has 35 characters.
const MAX_TIME_CHARS: usize = 64;

/// Parses an answer or the file.
///
/// # Errors
/// The reason and the place, with nothing of the content: serde's own message quotes a value of a
/// wrong type, which could be a message's text.
pub(super) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| {
        let text = error.to_string();
        if error.classify() == Category::Data && text.starts_with("invalid ") {
            let (line, column) = (error.line(), error.column());
            format!("a value of a wrong type at line {line} column {column}")
        } else {
            text
        }
    })
}

/// `GET …/chats/{id}`.
#[derive(Deserialize)]
#[serde(try_from = "Object<ChatFields>")]
pub(super) struct WireChat {
    pub id: String,
    pub name: Option<String>,
}

#[derive(Deserialize)]
struct ChatFields {
    id: String,
    name: Option<Box<RawValue>>,
}

impl TryFrom<Object<ChatFields>> for WireChat {
    type Error = &'static str;

    fn try_from(Object(fields): Object<ChatFields>) -> Result<Self, Self::Error> {
        Ok(Self { id: fields.id, name: fields.name.as_deref().map(name).transpose()? })
    }
}

/// One of `GET …/chats/{id}/messages`.
#[derive(Deserialize)]
#[serde(try_from = "Object<MessageFields>")]
pub(super) struct WireMessage(pub Message);

#[derive(Deserialize)]
struct MessageFields {
    id: String,
    content: MessageContent,
    created_at: String,
    reply_to: Option<String>,
    role: Option<String>,
}

impl TryFrom<Object<MessageFields>> for WireMessage {
    type Error = &'static str;

    fn try_from(Object(fields): Object<MessageFields>) -> Result<Self, Self::Error> {
        let reply_to = fields.reply_to.filter(|id| !id.is_empty());
        if !is_id(&fields.id) || !reply_to.as_deref().is_none_or(is_id) {
            return Err(BAD_ID);
        }
        if !fields.role.as_deref().is_none_or(is_role) {
            return Err("a role of other characters or length than allowed");
        }
        Ok(Self(Message {
            role: Role::of(fields.role, reply_to.as_deref()),
            id: fields.id,
            content: fields.content,
            created_at: zoned(fields.created_at).ok_or(BAD_TIME)?.0,
            reply_to,
        }))
    }
}

/// One of `GET …/chats/{id}/agent_server_files`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Object<FileFields>")]
pub(super) struct WireFile(pub ChatFile);

#[derive(Deserialize)]
pub(super) struct FileFields {
    pub id: String,
    pub filename: Box<RawValue>,
    pub bytes: u64,
    pub created_at: FileTime,
}

impl TryFrom<Object<FileFields>> for WireFile {
    type Error = &'static str;

    fn try_from(Object(fields): Object<FileFields>) -> Result<Self, Self::Error> {
        if !is_id(&fields.id) {
            return Err(BAD_ID);
        }
        if i64::try_from(fields.bytes).is_err() {
            return Err("a size that no file has");
        }
        Ok(Self(ChatFile {
            id: fields.id,
            filename: name(&fields.filename)?,
            bytes: fields.bytes,
            created_at: fields.created_at.0,
        }))
    }
}

const BAD_ID: &str = "an id that is empty, too long, or holds control characters";
const BAD_TIME: &str = "a created_at that is no date and time";

/// Whether this is a valid id of a message or file.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.chars().take(MAX_ID_CHARS + 1).count() <= MAX_ID_CHARS
        && !text.chars().any(char::is_control)
}

/// Whether this is a valid role.
pub(crate) fn is_role(text: &str) -> bool {
    (1..=MAX_ROLE_CHARS).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A name as it is stored: NUL and lone surrogates replaced, and cut to [`MAX_NAME_CHARS`].
pub(crate) fn name(raw: &RawValue) -> Result<String, &'static str> {
    let mut name = decode_json_string(raw).ok_or("a name that is no string")?;
    if let Some((end, _)) = name.char_indices().nth(MAX_NAME_CHARS) {
        name.truncate(end);
    }
    Ok(name)
}

/// The time as it was sent, but valid RFC 3339: h2oGPTe may leave out the zone, where it means UTC,
/// or write a space for the T. Both are corrected, nothing else is.
fn zoned(mut text: String) -> Option<(String, DateTime<Utc>)> {
    if text.len() > MAX_TIME_CHARS || !text.is_ascii() {
        return None;
    }
    if text.as_bytes().get(10) == Some(&b' ') {
        text.replace_range(10..11, "T");
    }
    if NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").is_ok() {
        text.push('Z');
    }
    let time = DateTime::parse_from_rfc3339(&text).ok()?.to_utc();
    Some((text, time))
}

/// When a file was made: Unix seconds, whole or not, or RFC 3339. Cut to microseconds, like every
/// stored time.
pub(super) struct FileTime(DateTime<Utc>);

impl FileTime {
    /// Within the years that RFC 3339 can write.
    fn new<E: de::Error>(time: Option<DateTime<Utc>>) -> Result<Self, E> {
        time.filter(|time| (0..=9999).contains(&time.year()))
            .and_then(|time| DateTime::from_timestamp_micros(time.timestamp_micros()))
            .map(Self)
            .ok_or_else(|| E::custom(BAD_TIME))
    }
}

impl<'de> Deserialize<'de> for FileTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecondsOrText;
        impl Visitor<'_> for SecondsOrText {
            type Value = FileTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds or a date and time")
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<FileTime, E> {
                self.visit_i64(i64::try_from(seconds).map_err(|_| E::custom(BAD_TIME))?)
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<FileTime, E> {
                FileTime::new(DateTime::from_timestamp(seconds, 0))
            }
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<FileTime, E> {
                // An f64 holds six digits closely enough if they are rounded, not cut.
                #[expect(clippy::cast_possible_truncation, reason = "it saturates out of range")]
                FileTime::new(DateTime::from_timestamp_micros((seconds * 1e6).round() as i64))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<FileTime, E> {
                FileTime::new(zoned(text.to_owned()).map(|(_, time)| time))
            }
        }
        deserializer.deserialize_any(SecondsOrText)
    }
}
