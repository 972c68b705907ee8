//! For the fuzz target: a client that follows the events of a chat has its current state.

use serde_json::{Value, value::RawValue};

use super::{Frame, Transcript};
use crate::model::{Message, MessageContent, Role};

/// A message as a client stores it: id and content.
type Known = (String, Value);

/// Two states of a chat: of each message a byte for its id and one for its text, and 255 between
/// the states, also in place of the name.
pub fn events(data: &[u8]) {
    let mut states = data.splitn(2, |byte| *byte == 255).map(state);
    let (Some(Some(before)), Some(Some(after))) = (states.next(), states.next()) else { return };
    let mut known = Client::reads(&before);
    for frame in after.changes_since(&before) {
        known.is_told(&frame);
    }
    // A `reset` sends the client to the view.
    let known = if known.was_reset { Client::reads(&after) } else { known };
    let now = Client::reads(&after);
    assert_eq!(known.messages, now.messages, "{before:?} became {after:?}");
    assert_eq!(known.name, now.name);
    // A client that reconnects with a cursor gets each later message once.
    for (index, (id, _)) in now.messages.iter().enumerate() {
        let Some(from) = after.index_after(id) else { panic!("{id:?} is no cursor") };
        assert_eq!(from, index + 1);
        assert_eq!(after.frames_from(from).count(), now.messages.len() - from);
    }
    // A chat without messages has no cursor: an old one leads to a `reset`.
    let is_known = |cursor: String| after.index_after(&cursor).is_some();
    assert!(
        now.messages.is_empty() || known.cursor.is_none_or(is_known),
        "a cursor without a message"
    );
}

fn state(bytes: &[u8]) -> Option<Transcript> {
    let (name, rest) = bytes.split_first()?;
    let mut ids = std::collections::HashSet::new();
    let messages: Option<Vec<Message>> = rest
        .chunks_exact(2)
        .filter(|pair| ids.insert(pair[0]))
        .map(|pair| {
            let text = RawValue::from_string(format!("\"{}\"", pair[1])).ok()?;
            Some(Message {
                id: format!("m{}", pair[0]),
                role: Role::USER,
                content: MessageContent::from_json(text).ok()?,
                created_at: "2026-01-01T00:00:00Z".to_owned(),
                reply_to: None,
            })
        })
        .collect();
    Transcript::new(Some(name.to_string()), &messages?).ok()
}

/// Follows events as a client should.
struct Client {
    name: Option<String>,
    messages: Vec<Known>,
    cursor: Option<String>,
    was_reset: bool,
}

impl Client {
    /// Reads the view.
    fn reads(chat: &Transcript) -> Self {
        let Ok(messages) = serde_json::from_slice::<Vec<Value>>(chat.json()) else {
            panic!("no array")
        };
        Self {
            name: chat.name().map(str::to_owned),
            messages: messages.iter().map(known).collect(),
            cursor: chat.last_id().map(str::to_owned),
            was_reset: false,
        }
    }

    fn is_told(&mut self, frame: &Frame) {
        let Ok(text) = std::str::from_utf8(frame.bytes()) else { panic!("not UTF-8") };
        assert!(text.ends_with("\n\n"), "{text:?}");
        for block in text.split_terminator("\n\n") {
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            if let Some(id) = field("id") {
                self.cursor = Some(id.to_owned());
            }
            let Some(event) = field("event") else { continue };
            let Some(Ok(data)) = field("data").map(serde_json::from_str::<Value>) else {
                panic!("{block:?}")
            };
            let id = data["id"].as_str().unwrap_or_default();
            let place = self.messages.iter().position(|(known, _)| known == id);
            match (event, place) {
                ("message", None) => self.messages.push(known(&data)),
                ("changed", Some(place)) => self.messages[place] = known(&data),
                ("removed", Some(place)) => drop(self.messages.remove(place)),
                ("renamed", _) => self.name = data["name"].as_str().map(str::to_owned),
                ("reset", _) => self.was_reset = true,
                other => panic!("{other:?} in {block:?}"),
            }
        }
    }
}

fn known(message: &Value) -> Known {
    (message["id"].as_str().unwrap_or_default().to_owned(), message["content"].clone())
}
