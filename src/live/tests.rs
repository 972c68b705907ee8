use serde_json::{Value, json, value::RawValue};
use tokio::time::Instant;

use super::{feed::ChatFeed, *};
use crate::model::{Message, MessageContent, Role};

/// Messages such as `a`, or `b:with text`.
fn messages(texts: &[&str]) -> Vec<Message> {
    texts
        .iter()
        .map(|text| {
            let (id, content) = text.split_once(':').unwrap_or((text, "text"));
            let content = RawValue::from_string(json!(content).to_string()).unwrap();
            Message {
                id: id.to_owned(),
                role: Role::USER,
                content: MessageContent::from_json(content).unwrap(),
                created_at: "2026-01-01T00:00:00Z".to_owned(),
                reply_to: None,
            }
        })
        .collect()
}

fn chat(name: &str, texts: &[&str]) -> Transcript {
    Transcript::new(Some(name.to_owned()), &messages(texts)).unwrap()
}

/// Each frame in short: `message a`, `removed a`, `id a` for a cursor.
fn in_short(frames: &[Frame]) -> Vec<String> {
    frames
        .iter()
        .flat_map(|frame| {
            let text = String::from_utf8(frame.bytes().to_vec()).unwrap();
            let blocks: Vec<String> = text.split_terminator("\n\n").map(short).collect();
            blocks
        })
        .collect()
}

fn short(block: &str) -> String {
    let field =
        |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let Some(event) = field("event") else {
        return format!("id {}", field("id").unwrap_or("-"));
    };
    let data: Value = serde_json::from_str(field("data").unwrap()).unwrap();
    assert_eq!(field("id"), (event == "message").then(|| data["id"].as_str().unwrap()));
    let about = data["id"].as_str().or(data["name"].as_str()).unwrap_or("");
    format!("{event} {about}").trim_end().to_owned()
}

fn since(before: &[&str], after: &[&str]) -> Vec<String> {
    in_short(&chat("n", after).changes_since(&chat("n", before)))
}

#[test]
fn changes_are_sent_in_order() {
    assert!(since(&["a", "b"], &["a", "b"]).is_empty());
    assert_eq!(since(&["a"], &["a", "b", "c"]), ["message b", "message c"]);
    assert_eq!(since(&[], &["a"]), ["message a"]);
    assert_eq!(since(&["a", "b"], &["a:new", "b", "c"]), ["changed a", "message c"]);
    assert_eq!(since(&["a", "b", "c"], &["a", "c"]), ["removed b"]);
    assert_eq!(in_short(&chat("new", &["a"]).changes_since(&chat("old", &["a"]))), ["renamed new"]);
}

#[test]
fn removed_last_message_moves_the_cursor() {
    assert_eq!(since(&["a", "b", "c"], &["a"]), ["removed b", "removed c", "id a"]);
    assert_eq!(since(&["a", "b"], &["a", "c"]), ["removed b", "id a", "message c"]);
    // There is no message for a cursor; an unknown cursor is a reset.
    assert_eq!(since(&["a"], &[]), ["removed a"]);
}

#[test]
fn insertion_or_reordering_is_a_reset() {
    assert_eq!(since(&["a", "b"], &["a", "x", "b"]), ["reset", "id b"]);
    assert_eq!(since(&["a", "b"], &["b", "a"]), ["reset", "id a"]);
    assert_eq!(since(&["b"], &["a", "b"]), ["reset", "id b"]);
}

#[test]
fn any_message_is_a_cursor() {
    let now = chat("n", &["a", "b", "c"]);
    let from =
        |cursor| in_short(&now.frames_from(now.index_after(cursor).unwrap()).collect::<Vec<_>>());
    assert_eq!(from("a"), ["message b", "message c"]);
    assert!(from("c").is_empty());
    assert!(now.index_after("x").is_none() && now.index_after("").is_none());
}

#[test]
fn json_is_the_array_of_a_view() {
    let now = chat("n", &["a", "b:\n\u{2028}\""]);
    let messages: Vec<Message> = serde_json::from_slice(now.json()).unwrap();
    assert_eq!(messages[1].content.text(), "\n\u{2028}\"");
    assert_eq!(&chat("n", &[]).json()[..], b"[]");
    let frames: Vec<Frame> = now.frames_from(1).collect();
    let text = String::from_utf8(frames[0].bytes().to_vec()).unwrap();
    assert_eq!(text.matches('\n').count(), 4, "{text}");
    assert!(text.starts_with("event: message\nid: b\ndata: {\"id\":\"b\",\"role\":\"user\","));
}

#[test]
fn earlier_state_is_ignored() {
    let feed = ChatFeed::default();
    let earlier = Instant::now();
    let later = earlier + Duration::from_millis(1);
    for (asked_at, ids) in [(later, &["a", "b"][..]), (earlier, &["a"]), (later, &[])] {
        let state = ChatState::new(asked_at, Some("n".to_owned()), &messages(ids), vec![]).unwrap();
        feed.ingest(state.into());
    }
    let mut position = feed.start(None).unwrap();
    let cursor = feed.read(&mut position).unwrap();
    assert_eq!(cursor, Frame::cursor(Some("b")).into_bytes());
    assert!(!feed.has_more(&position), "no stream was sent a removal");
}
