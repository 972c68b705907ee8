//! One line of a file of links from the old system (docs/API.md 6), checked field by field.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};
use uuid::Uuid;

use crate::{
    chat_service::{decode_name, is_id, is_role},
    model::{
        ChatSessionId, Message, MessageContent, Mode, Role, ShareId, SharedChat, Visibility,
        decode_json_string, parse_rfc3339,
    },
    sharing::create::shown_name,
};

/// Names of routes beside or below `/api/v1/shared_chats/{id}`, which a token must not have: it
/// would shadow the route, or be shadowed by it. A test compares them with `openapi.yaml`.
pub(super) const ROUTE_NAMES: [&str; 5] =
    ["batch_delete", "qr_code", "artifacts", "events", "activity"];

#[derive(Debug)]
pub(super) struct LegacyLink {
    pub chat: SharedChat,
    /// The messages as a JSON array.
    pub messages: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkFields<'a> {
    token: String,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    chat_session_id: Option<String>,
    #[serde(borrow)]
    shared_by: Option<&'a RawValue>,
    #[serde(default)]
    is_private: bool,
    created_at: String,
    expires_at: String,
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFields {
    id: Option<String>,
    role: Option<String>,
    reply_to: Option<String>,
    content: MessageContent,
    created_at: Option<String>,
}

const BAD_TIME: &str = "must be a date and time with a zone by RFC 3339";

/// Parses a line. `max_bytes` bounds its messages as JSON, in the form that viewers get.
///
/// # Errors
/// Why it is not a valid link, with the field's name. The reason quotes nothing from the line:
/// tokens and messages are secret.
pub(super) fn parse(line: &[u8], max_bytes: u64) -> Result<LegacyLink, String> {
    let line = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
    let fields: LinkFields = object(line.trim(), "")?;
    let id = token(&fields.token)?;
    let chat_session_id = fields
        .chat_session_id
        .map(|id| ChatSessionId::parse(&id))
        .transpose()
        .map_err(|why| format!("chat_session_id: {why}"))?;
    let name = fields.name.map(decode_name).transpose().map_err(|_| not_text("name"))?;
    let shared_by = match fields.shared_by {
        Some(raw) => shown_name(&decode_json_string(raw).ok_or_else(|| not_text("shared_by"))?),
        None => None,
    };
    let moment =
        |field: &str, text: &str| parse_rfc3339(text).ok_or_else(|| format!("{field}: {BAD_TIME}"));
    let created_at = moment("created_at", &fields.created_at)?;
    let expires_at = moment("expires_at", &fields.expires_at)?;
    if expires_at <= created_at {
        return Err("expires_at: must be after created_at".to_owned());
    }
    let messages = messages(&fields.messages, &fields.created_at, max_bytes)?;
    let chat = SharedChat {
        id,
        chat_session_id,
        owner_id: None,
        name,
        shared_by,
        label: None,
        visibility: Visibility::of(fields.is_private),
        audience: None,
        mode: Mode::Frozen,
        includes_artifacts: false,
        is_legacy: true,
        created_at,
        updated_at: created_at,
        expires_at: Some(expires_at),
        revision: random_revision(),
        policy: 0,
    };
    Ok(LegacyLink { chat, messages })
}

/// A token can be imported again with other content once its link is gone. Cached bodies, here and
/// in browsers, are identified by id and revision, so the new link must not have the revision of
/// the old one: 62 random bits, which leaves room to count changes.
fn random_revision() -> i64 {
    let (_, bits) = Uuid::new_v4().as_u64_pair();
    (bits & (u64::MAX >> 2)).cast_signed()
}

fn token(text: &str) -> Result<ShareId, String> {
    let problem = |why: &str| Err(format!("token: {why}"));
    let Some(id) = ShareId::parse(text) else {
        return problem("must be 8 to 128 characters of A-Z a-z 0-9 _ -");
    };
    if id.has_uuid_form() {
        return problem("must not be a UUID, as the ids of this service are");
    }
    if ROUTE_NAMES.contains(&text) {
        return problem("is the name of a route");
    }
    Ok(id)
}

fn not_text(field: &str) -> String {
    format!("{field}: must be text")
}

/// The messages as a JSON array, each with an id, a role and a time.
fn messages(listed: &[&RawValue], shared_at: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
    if listed.is_empty() {
        return Err("messages: must hold at least one".to_owned());
    }
    let mut taken: HashSet<String> = HashSet::new();
    let mut read = Vec::with_capacity(listed.len());
    for (index, raw) in listed.iter().enumerate() {
        let fields: MessageFields = object(raw.get(), &format!("messages[{index}]"))?;
        check(&fields, &mut taken).map_err(|why| format!("messages[{index}].{why}"))?;
        read.push(fields);
    }
    let mut free_ids = (1u64..).map(|n| format!("m{n}")).filter(|id| !taken.contains(id));
    let mut json = Vec::new();
    for fields in read {
        let message = Message {
            role: Role::of(fields.role, fields.reply_to.as_deref()),
            id: fields.id.or_else(|| free_ids.next()).unwrap_or_default(),
            content: fields.content,
            created_at: fields.created_at.unwrap_or_else(|| shared_at.to_owned()),
            reply_to: fields.reply_to,
        };
        json.push(if json.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut json, &message).map_err(|error| error.to_string())?;
        if json.len() as u64 > max_bytes {
            return Err(format!("messages: more than MAX_SNAPSHOT_BYTES ({max_bytes})"));
        }
    }
    json.push(b']');
    Ok(json)
}

fn check(fields: &MessageFields, taken: &mut HashSet<String>) -> Result<(), String> {
    const BAD_ID: &str = "must be 1 to 256 characters without control characters";
    if let Some(id) = &fields.id {
        if !is_id(id) {
            return Err(format!("id: {BAD_ID}"));
        }
        if !taken.insert(id.clone()) {
            return Err("id: another message has it".to_owned());
        }
    }
    if !fields.reply_to.as_deref().is_none_or(is_id) {
        return Err(format!("reply_to: {BAD_ID}"));
    }
    if !fields.role.as_deref().is_none_or(is_role) {
        return Err("role: must be 1 to 64 characters of A-Z a-z 0-9 _ -".to_owned());
    }
    if fields.created_at.as_deref().is_some_and(|at| parse_rfc3339(at).is_none()) {
        return Err(format!("created_at: {BAD_TIME}"));
    }
    Ok(())
}

/// Parses a JSON object, and no array: what serde derives would take an array of the fields' values
/// as well. `place` is the object's path in the line.
fn object<'a, T: Deserialize<'a>>(json: &'a str, place: &str) -> Result<T, String> {
    let at = |field: &str, why: &str| match (place, field) {
        ("", "") => why.to_owned(),
        ("", path) | (path, "") => format!("{path}: {why}"),
        (place, field) => format!("{place}.{field}: {why}"),
    };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    if !json.starts_with('{') {
        let value: Result<&RawValue, _> = serde_json::from_str(json);
        return Err(at("", if value.is_ok() { "must be an object" } else { "is not JSON" }));
    }
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        let text = error.to_string();
        let (why, _) = text.split_once(" at line ").unwrap_or((&text, ""));
        match error.classify() {
            // An unknown field's name may be secret.
            Category::Data if why.starts_with("unknown field") => {
                let column = error.column();
                at("", &format!("a field that is not known, at column {column}"))
            }
            // These quote the name of a known field.
            Category::Data if why.starts_with("missing") || why.starts_with("duplicate") => {
                at("", why)
            }
            Category::Data => at(&path, "is of a wrong type"),
            Category::Syntax | Category::Eof | Category::Io => {
                at("", &format!("is not JSON: {why} at column {}", error.column()))
            }
        }
    })?;
    deserializer.end().map_err(|_| at("", "something stands behind the object"))?;
    Ok(value)
}
