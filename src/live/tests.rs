use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json, value::RawValue};
use tokio::time::{Instant, advance};

use super::{feed::ChatFeed, open::Open, *};
use crate::model::{ChatSessionId, Client, Message, MessageContent, Role, ShareId};

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

fn state(asked_at: Instant, texts: &[&str]) -> Arc<ChatState> {
    ChatState::new(asked_at, Some("n".to_owned()), &messages(texts), vec![]).unwrap().into()
}

#[test]
fn earlier_state_is_ignored() {
    let feed = ChatFeed::new(Arc::default());
    let earlier = Instant::now();
    let later = earlier + Duration::from_millis(1);
    for (asked_at, ids) in [(later, &["a", "b"][..]), (earlier, &["a"]), (later, &[])] {
        feed.ingest(state(asked_at, ids));
    }
    let mut position = feed.start(None).unwrap();
    let cursor = feed.read(&mut position).unwrap();
    assert_eq!(cursor, Frame::cursor(Some("b")).into_bytes());
    assert!(!feed.has_more(&position), "no stream was sent a removal");
}

#[test]
fn what_a_feed_and_its_streams_hold_is_counted() {
    let held = Arc::new(AtomicUsize::new(0));
    let feed = ChatFeed::new(held.clone());
    let text = format!("b:{}", "x".repeat(100_000));
    let now = Instant::now();
    feed.ingest(state(now, &["a", &text]));
    let one = held.load(Ordering::Relaxed);
    assert!((100_000..101_000).contains(&one), "{one}");
    // Slow streams share what did not change, and still have to be sent what is not current any
    // more.
    let mut slow = feed.start(Some("a")).unwrap();
    feed.ingest(state(now + Duration::from_millis(1), &["a", &text]));
    assert_eq!(held.load(Ordering::Relaxed), one);
    feed.ingest(state(now + Duration::from_millis(2), &["a"]));
    assert!(held.load(Ordering::Relaxed) > one);
    feed.end();
    assert_eq!(held.load(Ordering::Relaxed), one, "the stream's alone");
    assert_eq!(feed.read(&mut slow).unwrap(), Frame::reset(Some("a")).into_bytes());
    assert_eq!(held.load(Ordering::Relaxed), 0);
    assert_eq!(feed.read(&mut slow), Err(Ended::NoRoom));
    feed.ingest(state(now + Duration::from_millis(3), &["a"]));
    assert_eq!(held.load(Ordering::Relaxed), 0, "it takes nothing any more");
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_is_large_or_quiet_is_polled_less() {
    let feed = ChatFeed::new(Arc::default());
    let second = Duration::from_secs(1);
    let pause = |poll| feed.pause(poll).as_secs();
    feed.ingest(state(Instant::now(), &["a"]));
    assert_eq!((pause(5 * second), pause(3600 * second)), (5, 3600));
    advance(100 * second).await;
    assert_eq!(pause(5 * second), 5);
    advance(100 * second).await;
    assert_eq!(pause(5 * second), 10);
    advance(10_000 * second).await;
    assert_eq!((pause(5 * second), pause(3600 * second)), (30, 3600));
    let text = format!("b:{}", "x".repeat(15_000_000));
    feed.ingest(state(Instant::now(), &["a", &text]));
    assert_eq!(pause(5 * second), 20);
    feed.ingest(state(Instant::now() + second, &["a"]));
    assert_eq!(pause(5 * second), 5, "it changed");
}

fn watched(open: &mut Open, chat: &str, bytes: usize) -> Arc<ChatFeed> {
    let feed = Arc::new(ChatFeed::new(Arc::default()));
    let (link, client) = (ShareId::random(), Client::at([192, 0, 2, 1].into()));
    let new = || (feed.clone(), tokio::spawn(std::future::pending::<()>()).abort_handle());
    let chat = ChatSessionId::parse(chat).unwrap();
    open.add(&LiveSettings::default(), &link, Some(&client), &chat, new).unwrap();
    feed.ingest(state(Instant::now(), &[&format!("a:{}", "x".repeat(bytes))]));
    feed
}

#[tokio::test(start_paused = true)]
async fn an_idle_chat_makes_room_before_a_larger_one_that_changes() {
    let mut open = Open::default();
    let idle = watched(&mut open, "idle", 100_000);
    advance(Duration::from_secs(60)).await;
    let active = watched(&mut open, "active", 150_000);
    let small = watched(&mut open, "small", 50_000);
    open.make_room(250_000, &small);
    assert_eq!([&idle, &active, &small].map(|feed| feed.has_ended()), [true, false, false]);
    // No other one is larger than this.
    let large = watched(&mut open, "large", 200_000);
    open.make_room(350_000, &large);
    assert_eq!([&active, &small, &large].map(|feed| feed.has_ended()), [false, false, true]);
}
