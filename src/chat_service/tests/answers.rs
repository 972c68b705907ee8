//! What of an answer is kept, mended or refused.

use std::{collections::HashSet, sync::Mutex};

use serde_json::json;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use super::*;

/// A chat service that pages through `messages` (or ignores `limit`), `repeat` of each page again.
async fn paging(all: Vec<serde_json::Value>, most: usize, repeat: usize) -> MockServer {
    let server = MockServer::start().await;
    let answer = move |request: &Request| {
        let number = |name: &str| -> usize {
            let mut pairs = request.url.query_pairs();
            pairs.find(|(key, _)| key == name).unwrap().1.parse().unwrap()
        };
        let from = number("offset").min(all.len());
        let to = (from + number("limit").min(most)).min(all.len());
        let from = if from < to { from.saturating_sub(repeat) } else { from };
        ResponseTemplate::new(200).set_body_json(&all[from..to])
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

async fn answering(body: impl Into<Vec<u8>>) -> MockServer {
    let server = MockServer::start().await;
    let template = ResponseTemplate::new(200).set_body_bytes(body);
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

async fn chat_of(body: &str) -> Result<Chat, ChatServiceError> {
    let server = answering(body).await;
    service(&server.uri()).read(Access::Caller(&caller()), &chat_id()).chat().await
}

/// The first page only: the server would repeat it for ever.
async fn message_of(message: serde_json::Value) -> Result<Message, ChatServiceError> {
    let server = paging(vec![message], 1, 0).await;
    let service = service(&server.uri());
    let messages = service.read(Access::Caller(&caller()), &chat_id()).messages().await?;
    Ok(messages.into_iter().next().unwrap())
}

async fn files_of(body: &str) -> Result<Vec<ChatFile>, ChatServiceError> {
    let server = answering(body).await;
    service(&server.uri()).read(Access::Caller(&caller()), &chat_id()).files().await
}

fn listed(count: usize) -> Vec<serde_json::Value> {
    serde_json::from_str(&messages_json(0, count)).unwrap()
}

#[tokio::test]
async fn messages_are_read_page_by_page_until_one_is_empty() {
    // Pages shorter than asked for, of which none but the empty one is the last.
    let server = paging(listed(23), 5, 0).await;
    let service = service(&server.uri());
    let messages = service.read(Access::Caller(&caller()), &chat_id()).messages().await.unwrap();
    let expected: Vec<_> = (0..23).map(|n| format!("m{n}")).collect();
    assert_eq!(ids(&messages), expected);
    let requests = server.received_requests().await.unwrap();
    let pages = requests.iter().filter(|r| !r.url.query().unwrap().ends_with("limit=1"));
    assert_eq!(pages.count(), 6);
}

/// A chat service by pages of three, in whose chat something happens after each answer, or before
/// the first: it is told how many there were.
async fn changing(
    change: impl Fn(usize, &mut Vec<serde_json::Value>) + Send + Sync + 'static,
) -> (MockServer, ChatService) {
    let server = MockServer::start().await;
    let state = Mutex::new((0, listed(10)));
    let answer = move |request: &Request| {
        let number = |name: &str| -> usize {
            let mut pairs = request.url.query_pairs();
            pairs.find(|(key, _)| key == name).unwrap().1.parse().unwrap()
        };
        let mut state = state.lock().unwrap();
        let (answers, all) = &mut *state;
        change(*answers, all);
        *answers += 1;
        let page: Vec<_> = all.iter().skip(number("offset")).take(number("limit")).collect();
        ResponseTemplate::new(200).set_body_json(page)
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let settings = ChatServiceSettings { page_size: 3, ..settings(&server.uri()) };
    (server, ChatService::new(settings).unwrap())
}

#[tokio::test]
async fn messages_deleted_between_pages_hide_no_other_message() {
    // After which answer, and which of them.
    for (after, deleted) in [(1, 0), (1, 2), (2, 0), (3, 4), (5, 0), (5, 8)] {
        let (_server, service) = changing(move |answers, all| {
            if answers == after {
                all.remove(deleted);
            }
        })
        .await;
        let read = service.read(Access::Service, &chat_id()).messages().await.unwrap();
        let whole = (0..10).map(|n| format!("m{n}")).filter(|id| id != &format!("m{deleted}"));
        let whole: Vec<_> = whole.collect();
        let without: Vec<_> =
            ids(&read).into_iter().filter(|id| *id != format!("m{deleted}")).collect();
        assert_eq!(without, whole, "{deleted} after {after}");
    }
}

#[tokio::test]
async fn messages_added_between_pages_are_read_too() {
    let (_server, service) = changing(|answers, all| {
        if (1..4).contains(&answers) {
            let added = json!({"id": format!("new{answers}"), "content": "x",
                "created_at": "2026-01-01T00:00:00Z"});
            all.push(added);
        }
    })
    .await;
    let read = service.read(Access::Service, &chat_id()).messages().await.unwrap();
    let read = ids(&read);
    assert_eq!(read.len(), 13);
    assert_eq!(read[9..], ["m9", "new1", "new2", "new3"]);
}

#[tokio::test]
async fn a_chat_that_keeps_shrinking_is_a_bad_answer() {
    let (server, service) = changing(|answers, all| {
        if answers == 0 {
            *all = listed(100);
        }
        all.remove(0);
    })
    .await;
    let read = service.read(Access::Service, &chat_id()).messages().await;
    assert!(matches!(read, Err(ChatServiceError::BadAnswer(_))), "{read:?}");
    assert_eq!(server.received_requests().await.unwrap().len(), 9);
}

#[tokio::test]
async fn the_configured_page_size_is_asked_for_and_more_is_taken_too() {
    let server = paging(listed(7), usize::MAX, 0).await;
    let settings = ChatServiceSettings { page_size: 3, ..settings(&server.uri()) };
    let service = ChatService::new(settings).unwrap();
    let messages = service.read(Access::Service, &chat_id()).messages().await.unwrap();
    assert_eq!(messages.len(), 7);
    let requests = server.received_requests().await.unwrap();
    let queries: Vec<_> = requests.iter().map(|r| r.url.query().unwrap()).collect();
    assert_eq!(
        queries,
        [
            "offset=0&limit=3",
            "offset=3&limit=3",
            "offset=2&limit=1",
            "offset=6&limit=3",
            "offset=5&limit=1",
            "offset=7&limit=3",
        ]
    );
}

#[tokio::test]
async fn a_repeated_message_is_kept_once_and_in_its_place() {
    let server = paging(listed(9), 3, 1).await;
    let service = service(&server.uri());
    let messages = service.read(Access::Caller(&caller()), &chat_id()).messages().await.unwrap();
    let expected: Vec<_> = (0..9).map(|n| format!("m{n}")).collect();
    assert_eq!(ids(&messages), expected);
}

#[tokio::test]
async fn an_ignored_offset_is_a_bad_answer() {
    let server = answering(messages_json(0, 3)).await;
    let service = service(&server.uri());
    let result = service.read(Access::Caller(&caller()), &chat_id()).messages().await;
    assert!(matches!(result, Err(ChatServiceError::BadAnswer(_))), "{result:?}");
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn twenty_thousand_messages_arrive_whole() {
    let server = paging(listed(20_000), 5_000, 0).await;
    let settings = ChatServiceSettings { page_size: 5_000, ..settings(&server.uri()) };
    let service = ChatService::new(settings).unwrap();
    let messages = service.read(Access::Service, &chat_id()).messages().await.unwrap();
    assert_eq!(messages.len(), 20_000);
    assert_eq!(ids(&messages).into_iter().collect::<HashSet<_>>().len(), 20_000);
    assert_eq!(messages[19_999].content.as_json(), r#""text 19999""#);
}

#[tokio::test]
async fn a_message_of_five_megabytes_arrives_whole() {
    let text = "é".repeat(2_500_000);
    let message =
        message_of(json!({"id": "m", "content": text, "created_at": "2026-01-01T00:00:00Z"}));
    assert_eq!(message.await.unwrap().content.text(), text);
}

#[tokio::test]
async fn reply_to_decides_the_role_unless_one_was_given() {
    let base = json!({"id": "m", "content": "x", "created_at": "2026-01-01T00:00:00Z"});
    for (fields, role, reply_to) in [
        (json!({}), "user", None),
        (json!({"reply_to": null, "role": null}), "user", None),
        (json!({"reply_to": ""}), "user", None),
        (json!({"reply_to": "m0"}), "assistant", Some("m0")),
        (json!({"reply_to": "m0", "role": "tool_call-2"}), "tool_call-2", Some("m0")),
    ] {
        let mut message = base.clone();
        message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let message = message_of(message).await.unwrap();
        assert_eq!((message.role.as_str(), message.reply_to.as_deref()), (role, reply_to));
    }
}

#[tokio::test]
async fn a_time_is_kept_as_sent_but_gets_a_zone_and_a_t() {
    for (sent, kept) in [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.123456789+05:30", "2026-01-02T03:04:05.123456789+05:30"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05.123456", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02 03:04:05-08:00", "2026-01-02T03:04:05-08:00"),
    ] {
        let message = message_of(json!({"id": "m", "content": "x", "created_at": sent}));
        assert_eq!(message.await.unwrap().created_at, kept);
    }
}

#[tokio::test]
async fn the_longest_allowed_values_are_allowed() {
    let id = "é".repeat(MAX_ID_CHARS);
    let role = "r".repeat(MAX_ROLE_CHARS);
    let message = message_of(json!({"id": id, "content": "", "role": role, "reply_to": id,
        "created_at": "2026-01-01T00:00:00Z"}));
    assert_eq!(message.await.unwrap().id, id);
}

#[tokio::test]
async fn another_chat_than_the_one_asked_for_is_a_bad_answer() {
    for body in [r#"{"id":"c-2"}"#, r#"{"id":"C-1"}"#, r#"{"name":"x"}"#, r#"{"id":1}"#, "[]"] {
        let result = chat_of(body).await;
        assert!(matches!(result, Err(ChatServiceError::BadAnswer(_))), "{body}: {result:?}");
    }
}

#[tokio::test]
async fn a_chats_name_is_made_storable_and_cut() {
    let named = |name: &str| format!(r#"{{"id":"c-1","name":{name},"more":{{"name":1}}}}"#);
    for (sent, kept) in [
        (r#""plain é""#.to_owned(), Some("plain é".to_owned())),
        (r#""a\u0000b\ud800c\ud83d\ude00""#.to_owned(), Some("a\u{fffd}b\u{fffd}c😀".to_owned())),
        ("null".to_owned(), None),
        (format!("\"{}\"", "é".repeat(1_000)), Some("é".repeat(1_000))),
        (format!("\"{}x\"", "é".repeat(1_000)), Some("é".repeat(1_000))),
    ] {
        assert_eq!(chat_of(&named(&sent)).await.unwrap().name, kept);
    }
    assert_eq!(chat_of(r#"{"id":"c-1"}"#).await.unwrap().name, None);
    for bad in ["1", "{}", "[\"x\"]", "true"] {
        let result = chat_of(&named(bad)).await;
        assert!(matches!(result, Err(ChatServiceError::BadAnswer(_))), "{bad}: {result:?}");
    }
}

#[tokio::test]
async fn files_may_tell_their_time_in_several_ways() {
    let body = r#"[{"id":"f1","filename":"a\u0000\ud800.txt","bytes":7,"created_at":1767225600},
        {"id":"f2","filename":"b","bytes":0,"created_at":1767225600.1234567,"new":[[]]},
        {"id":"f3","filename":"c","bytes":1,"created_at":"2026-01-01 00:00:00.1234567"},
        {"id":"f1","filename":"again","bytes":1,"created_at":0}]"#;
    let files = files_of(body).await.unwrap();
    let at = |micros: i64| DateTime::from_timestamp_micros(1_767_225_600_000_000 + micros).unwrap();
    let file = |id: &str, filename: &str, bytes, created_at| ChatFile {
        id: id.to_owned(),
        filename: filename.to_owned(),
        bytes,
        created_at,
    };
    assert_eq!(
        files,
        [
            file("f1", "a\u{fffd}\u{fffd}.txt", 7, at(0)),
            file("f2", "b", 0, at(123_457)),
            file("f3", "c", 1, at(123_456)),
        ]
    );
}

#[tokio::test]
async fn a_list_of_too_many_files_is_too_large() {
    let list = |count: usize| {
        let one = |n| format!(r#"{{"id":"f{n}","filename":"x","bytes":1,"created_at":0}}"#);
        format!("[{}]", (0..count).map(one).collect::<Vec<_>>().join(","))
    };
    assert_eq!(files_of(&list(MAX_FILES)).await.unwrap().len(), MAX_FILES);
    let result = files_of(&list(MAX_FILES + 1)).await;
    assert_eq!(result, Err(ChatServiceError::TooLarge { limit: 10_000 }));
}

#[tokio::test]
async fn deep_nesting_is_skipped_or_refused_but_never_followed() {
    let deep = "[".repeat(400_000);
    let closed = format!("{deep}{}", "]".repeat(400_000));
    let chat = chat_of(&format!(r#"{{"id":"c-1","new":{closed}}}"#)).await.unwrap();
    assert_eq!(chat.name, None);
    for body in
        [deep.clone(), format!(r#"{{"id":{deep}"#), format!(r#"{{"id":"c-1","name":{closed}}}"#)]
    {
        let result = chat_of(&body).await;
        assert!(matches!(result, Err(ChatServiceError::BadAnswer(_))), "{result:?}");
    }
}
