//! The JSON of docs/API.md 5, and what is kept of it.
//!
//! Every field is checked here, for the HTTP service and for the file alike. serde_json skips
//! unknown fields without recursion, so that no nesting can exhaust the stack.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDateTime, SecondsFormat, Utc};
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

/// Parses an answer or the file. A byte order mark, which some programs write before UTF-8 text, is
/// skipped.
///
/// # Errors
/// The place, such as `[3].content`, and the reason, with nothing of the content: serde's own
/// message quotes a value of a wrong type, which could be a message's text.
pub(super) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    serde_json::from_str(json).map_err(|error| {
        let text = error.to_string();
        let text = if error.classify() == Category::Data && text.starts_with("invalid ") {
            let (line, column) = (error.line(), error.column());
            format!("a value of a wrong type at line {line} column {column}")
        } else {
            text
        };
        match place::<T>(json) {
            Some(place) => format!("{place}: {text}"),
            None => text,
        }
    })
}

/// Where the value is that is wrong, if it is one and not the syntax. Parsed again, since following
/// the place costs time.
fn place<T: DeserializeOwned>(json: &str) -> Option<String> {
    let mut json = serde_json::Deserializer::from_str(json);
    let error = serde_path_to_error::deserialize::<_, T>(&mut json).err()?;
    let place = error.path().to_string();
    // Of a wrong value the path has indices and names of known fields alone.
    (error.inner().classify() == Category::Data && place != ".").then_some(place)
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
    #[serde(deserialize_with = "content")]
    content: MessageContent,
    created_at: Option<WireTime>,
    reply_to: Option<String>,
    role: Option<String>,
}

/// A text, or null. A message without the field is none that can be understood.
fn content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageContent, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    MessageContent::from_json_or_null(raw).map_err(de::Error::custom)
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
            created_at: fields.created_at.map_or_else(String::new, |time| time.text),
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

/// A time: Unix seconds, whole or not, or RFC 3339.
struct WireTime {
    /// RFC 3339.
    text: String,
    time: DateTime<Utc>,
}

impl WireTime {
    fn of_seconds<E: de::Error>(time: Option<DateTime<Utc>>) -> Result<Self, E> {
        let time = time.ok_or_else(|| E::custom(BAD_TIME))?;
        Self::new(time.to_rfc3339_opts(SecondsFormat::AutoSi, true), time)
    }

    /// Within the years that RFC 3339 can write.
    fn new<E: de::Error>(text: String, time: DateTime<Utc>) -> Result<Self, E> {
        let is_writable = (0..=9999).contains(&time.year());
        if is_writable { Ok(Self { text, time }) } else { Err(E::custom(BAD_TIME)) }
    }
}

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecondsOrText;
        impl Visitor<'_> for SecondsOrText {
            type Value = WireTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds or a date and time")
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<WireTime, E> {
                self.visit_i64(i64::try_from(seconds).map_err(|_| E::custom(BAD_TIME))?)
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<WireTime, E> {
                WireTime::of_seconds(DateTime::from_timestamp(seconds, 0))
            }
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<WireTime, E> {
                // An f64 holds six digits closely enough if they are rounded, not cut.
                #[expect(clippy::cast_possible_truncation, reason = "it saturates out of range")]
                WireTime::of_seconds(
                    DateTime::from_timestamp_micros((seconds * 1e6).round() as i64),
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<WireTime, E> {
                let (text, time) = zoned(text.to_owned()).ok_or_else(|| E::custom(BAD_TIME))?;
                WireTime::new(text, time)
            }
        }
        deserializer.deserialize_any(SecondsOrText)
    }
}

/// When a file was made, cut to microseconds, like every stored time.
#[derive(Deserialize)]
#[serde(try_from = "WireTime")]
pub(super) struct FileTime(DateTime<Utc>);

impl TryFrom<WireTime> for FileTime {
    type Error = &'static str;

    fn try_from(WireTime { time, .. }: WireTime) -> Result<Self, Self::Error> {
        DateTime::from_timestamp_micros(time.timestamp_micros()).map(Self).ok_or(BAD_TIME)
    }
}
