//! For the fuzz target: what holds for every parsed line, and for every reason not to import one.

use std::collections::HashSet;

use super::{
    line::{self, ROUTE_NAMES},
    lines::{Line, Lines},
};
use crate::{
    chat_service::{is_id, is_role},
    model::{Message, parse_rfc3339},
};

/// Small, so that inputs reach the bound.
const MAX_BYTES: u64 = 2_000;
const MAX_LINE_BYTES: usize = 4_000;

pub fn legacy(data: &[u8]) {
    let mut lines = Lines::new(data, MAX_LINE_BYTES);
    let mut last = 0;
    while let Ok(Some((number, line))) = lines.next() {
        assert!(number > last, "line {number} after {last}");
        last = number;
        let Line::Bytes(bytes) = line else { continue };
        assert!(bytes.len() <= MAX_LINE_BYTES && !bytes.contains(&b'\n'));
        match line::parse(bytes, MAX_BYTES) {
            Ok(link) => holds(&link),
            // The seeds have it in tokens, names and messages.
            Err(why) => assert!(!why.contains("SECRET"), "{why}"),
        }
    }
}

/// docs/API.md 6.
fn holds(link: &line::LegacyLink) {
    let line::LegacyLink { chat, messages } = link;
    let token = chat.id.as_str();
    assert!((8..=128).contains(&token.len()), "{token}");
    assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{token}");
    assert!(!ROUTE_NAMES.contains(&token) && !chat.id.has_uuid_form(), "{token}");
    assert!(chat.is_legacy && chat.is_frozen() && chat.owner_id.is_none());
    assert!(chat.expires_at.is_some_and(|end| end > chat.created_at));
    for text in [&chat.name, &chat.shared_by].into_iter().flatten() {
        assert!(!text.contains('\0') && text.chars().count() <= 1_000, "{text:?}");
    }
    assert!(chat.shared_by.as_ref().is_none_or(|name| !name.contains('@')));
    assert!(messages.len() as u64 <= MAX_BYTES + 1);
    let Ok(messages) = serde_json::from_slice::<Vec<Message>>(messages) else {
        panic!("the stored messages are not an array")
    };
    assert!(!messages.is_empty());
    let mut ids = HashSet::new();
    for message in &messages {
        assert!(is_id(&message.id) && ids.insert(&message.id), "{:?}", message.id);
        assert!(is_role(message.role.as_str()), "{:?}", message.role);
        assert!(message.reply_to.as_deref().is_none_or(is_id));
        assert!(parse_rfc3339(&message.created_at).is_some(), "{}", message.created_at);
    }
}
