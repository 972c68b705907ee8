//! Messages of words that look like people's, the same at every run.

use serde_json::{Value, json};
use shared_chats::model::Message;

const WORDS: &str = "the report of last quarter is slow because an index is missing on orders and every row is \
    read although only one region was asked for so we measured both ways with explain and found \
    that a range over dates lets the planner use it while functions on columns do not";

/// Text of about so many bytes.
fn text(seed: usize, bytes: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = u32::try_from(seed).unwrap() * 2 + 1;
    let mut text = String::new();
    while text.len() < bytes {
        // Numerical Recipes' generator; its high bits are good enough for prose.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(words[(state >> 16) as usize % words.len()]);
        text.push_str(if state >> 28 == 0 { ". " } else { " " });
    }
    text
}

/// A chat of so many messages, of about so many bytes in all.
pub fn messages(count: usize, bytes: usize) -> Vec<Message> {
    let message = |number: usize| -> Message {
        let reply_to: Value =
            if number % 2 == 1 { format!("m{}", number - 1).into() } else { Value::Null };
        serde_json::from_value(json!({
            "id": format!("m{number}"),
            "role": if number % 2 == 1 { "assistant" } else { "user" },
            "content": text(number, (bytes / count).saturating_sub(120)),
            "created_at": "2026-11-20T08:00:00Z",
            "reply_to": reply_to,
        }))
        .unwrap()
    };
    (0..count).map(message).collect()
}

/// Chats of these sizes are measured: messages and bytes.
pub const SIZES: [(usize, usize); 2] = [(20, 8_000), (2_000, 4_000_000)];
