//! From a chat service's answer to a viewer's response (docs/API.md 3 and 5).

use std::collections::HashSet;

use chrono::DateTime;
use serde_json::{Value, value::RawValue};

use crate::{
    chat_service::{fuzzing, is_id, is_role},
    http::fuzzing::viewed,
    model::{ChatFile, Message},
};

/// The first byte selects the kind of answer.
pub fn chat_service(data: &[u8]) {
    let Some((kind, json)) = data.split_first() else { return };
    let Ok(json) = std::str::from_utf8(json) else { return };
    let refused = match kind {
        b'c' => fuzzing::chat(json).map(|name| shown(name, &[], Vec::new())),
        b'f' => fuzzing::listed_files(json).map(|files| shown(None, &[], files)),
        b'j' => fuzzing::file(json).map(|chats| {
            for messages in chats {
                messages.iter().for_each(holds);
            }
        }),
        _ => fuzzing::messages(json).map(|messages| {
            are_those_of(&messages, json);
            shown(None, &messages, Vec::new());
        }),
    };
    if let Err(why) = refused {
        // The seeds have it in names and texts.
        assert!(!why.contains("SECRET"), "{why}");
    }
}

/// Ids are unique, and the content is as it was sent.
fn are_those_of(messages: &[Message], json: &str) {
    messages.iter().for_each(holds);
    let ids: HashSet<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids.len(), messages.len());
    for message in messages {
        let content = message.content.as_json();
        // Null is an empty text.
        assert!(content == "\"\"" || json.contains(content), "content that was not sent");
    }
}

fn holds(message: &Message) {
    assert!(is_id(&message.id), "{:?}", message.id);
    assert!(is_role(message.role.as_str()), "{:?}", message.role);
    assert!(message.reply_to.as_deref().is_none_or(is_id));
    let time = DateTime::parse_from_rfc3339(&message.created_at);
    assert!(time.is_ok() || message.created_at.is_empty(), "{:?}", message.created_at);
}

/// Checks the JSON view and the page.
fn shown(name: Option<String>, messages: &[Message], files: Vec<ChatFile>) {
    let (sent, kept) = (messages.len(), files.len());
    let (json, page) = viewed(name, messages, files);
    let Ok(document) = serde_json::from_slice::<serde_json::Map<String, Value>>(&json)
        .or_else(|_| raw_document(&json))
    else {
        panic!("a view that is not a JSON object: {}", String::from_utf8_lossy(&json))
    };
    let count = |field: &str| document.get(field).and_then(Value::as_array).map(Vec::len);
    assert_eq!(count("artifacts"), Some(kept));
    if let Some(messages) = document.get("messages").and_then(Value::as_array) {
        assert_eq!(messages.len(), sent);
        let mut expected = ["id", "role", "content", "created_at", "reply_to"];
        expected.sort_unstable();
        for message in messages {
            let Some(message) = message.as_object() else { panic!("{message}") };
            let mut fields: Vec<&str> = message.keys().map(String::as_str).collect();
            fields.sort_unstable();
            assert_eq!(fields, expected);
        }
    }
    // The page's own.
    assert_eq!(page.to_ascii_lowercase().matches("<script").count(), 1, "{page}");
    assert!(!page.contains('\0'));
}

/// With lone surrogates in a message, which [`Value`] cannot hold, the messages are left out.
fn raw_document(json: &[u8]) -> serde_json::Result<serde_json::Map<String, Value>> {
    let members: std::collections::HashMap<String, &RawValue> = serde_json::from_slice(json)?;
    Ok(members
        .into_iter()
        .filter_map(|(name, raw)| Some((name, serde_json::from_str(raw.get()).ok()?)))
        .collect())
}
