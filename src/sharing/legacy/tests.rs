use std::collections::HashSet;

use serde_json::{Value, json};

use super::line::{LegacyLink, ROUTE_NAMES, parse};

const TOKEN: &str = "oldtoken-1";
const LIMIT: u64 = 10_000;

fn good() -> Value {
    json!({
        "token": TOKEN,
        "created_at": "2025-01-01T00:00:00Z",
        "expires_at": "2030-01-01T00:00:00Z",
        "messages": [{"content": "Hello"}],
    })
}

/// The good line with another value for this field.
fn with(field: &str, value: Value) -> String {
    let mut line = good();
    line[field] = value;
    line.to_string()
}

fn without(field: &str) -> String {
    let mut line = good();
    line.as_object_mut().unwrap().remove(field);
    line.to_string()
}

fn with_message(message: &Value) -> String {
    with("messages", json!([{"content": "Hello"}, message]))
}

fn read(line: &str) -> LegacyLink {
    parse(line.as_bytes(), LIMIT).unwrap_or_else(|why| panic!("{why}: {line}"))
}

fn messages(line: &str) -> Vec<Value> {
    serde_json::from_slice(&read(line).messages).unwrap()
}

#[test]
fn missing_fields_have_defaults() {
    let LegacyLink { chat, messages } = read(&good().to_string());
    assert_eq!(chat.id.as_str(), TOKEN);
    assert!(chat.is_legacy && chat.is_frozen() && !chat.is_private() && !chat.includes_artifacts);
    assert_eq!(chat.owner_id, None);
    assert_eq!((chat.name, chat.shared_by, chat.chat_session_id), (None, None, None));
    assert_eq!(chat.updated_at, chat.created_at);
    let messages: Value = serde_json::from_slice(&messages).unwrap();
    let at = "2025-01-01T00:00:00Z";
    let only =
        json!({"id": "m1", "role": "user", "content": "Hello", "created_at": at, "reply_to": null});
    assert_eq!(messages, json!([only]));
}

#[test]
fn first_revisions_are_random() {
    let revisions: HashSet<i64> =
        (0..100).map(|_| read(&good().to_string()).chat.revision).collect();
    assert_eq!(revisions.len(), 100);
    assert!(revisions.iter().all(|revision| (0..i64::MAX / 2).contains(revision)));
}

#[test]
fn given_fields_are_kept() {
    let line = json!({
        "token": "A_b-9876", "name": "Trip", "chat_session_id": "c.1~x", "shared_by": " Ann ",
        "is_private": true, "created_at": "2025-01-01T01:00:00+01:00",
        "expires_at": "2030-01-01T00:00:00.25Z",
        "messages": [{
            "id": "x", "role": "tool_2", "reply_to": "w", "content": "",
            "created_at": "2024-12-31T10:00:00-02:00",
        }],
    });
    let LegacyLink { chat, messages } = read(&line.to_string());
    assert!(chat.is_private());
    assert_eq!(chat.name.as_deref(), Some("Trip"));
    assert_eq!(chat.shared_by.as_deref(), Some("Ann"));
    assert_eq!(chat.chat_session_id.unwrap().as_str(), "c.1~x");
    assert_eq!(chat.created_at.to_rfc3339(), "2025-01-01T00:00:00+00:00");
    assert_eq!(chat.expires_at.unwrap().to_rfc3339(), "2030-01-01T00:00:00.250+00:00");
    assert_eq!(serde_json::from_slice::<Value>(&messages).unwrap(), line["messages"]);
}

#[test]
fn generated_message_ids_avoid_given_ones() {
    let listed = json!([
        {"content": "a"}, {"content": "b", "id": "m2"}, {"content": "c", "id": null},
        {"content": "d", "reply_to": "m2"},
    ]);
    let read = messages(&with("messages", listed));
    let ids: Vec<&str> = read.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["m1", "m2", "m3", "m4"]);
    let roles: Vec<&str> = read.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "user", "user", "assistant"]);
}

#[test]
fn content_is_kept_raw_and_names_are_made_storable() {
    let raw = r#""a\u0000 \ud800 \u00e9""#;
    let line = good().to_string().replace("\"Hello\"", raw);
    let line = line.replacen('{', r#"{"name":"x\u0000\udc00","shared_by":"B\u0000b","#, 1);
    let LegacyLink { chat, messages } = read(&line);
    assert!(String::from_utf8(messages).unwrap().contains(&format!("\"content\":{raw}")));
    assert_eq!(chat.name.as_deref(), Some("x\u{fffd}\u{fffd}"));
    assert_eq!(chat.shared_by.as_deref(), Some("B\u{fffd}b"));
}

#[test]
fn sharer_name_that_is_an_address_is_left_out() {
    for (given, shown) in [
        (json!("ann@example.com"), None),
        (json!("Ann <ann@example.com>"), None),
        (json!("  "), None),
        (json!(null), None),
        (json!("Ann"), Some("Ann")),
    ] {
        assert_eq!(read(&with("shared_by", given)).chat.shared_by.as_deref(), shown);
    }
}

#[test]
fn valid_tokens_are_accepted() {
    for token in ["12345678", "ABCDEFGH", "--------", "Batch_Delete", "qr_codes", &"a".repeat(128)]
    {
        assert_eq!(read(&with("token", token.into())).chat.id.as_str(), token);
    }
    // 31 and 33 hexadecimal digits, and hyphens elsewhere, are no UUID.
    for token in ["0".repeat(31), "0".repeat(33), format!("0-{}", "0".repeat(34))] {
        read(&with("token", token.into()));
    }
}

#[test]
fn route_names_are_those_of_openapi_yaml() {
    for path in include_str!("../../../openapi.yaml").lines() {
        let Some(below) = path.trim().strip_prefix("/api/v1/shared_chats/") else { continue };
        let name = below.trim_end_matches(':').split('/').next().unwrap_or_default();
        assert!(name.starts_with('{') || ROUTE_NAMES.contains(&name), "{name}");
    }
}

#[test]
fn bad_line_has_a_reason_that_quotes_nothing_from_it() {
    let token = "token: must be 8 to 128 characters";
    let time = "must be a date and time with a zone by RFC 3339";
    let long = "x".repeat(257);
    let table: Vec<(String, &str)> = vec![
        // Not JSON, or not an object.
        ("hello".into(), "is not JSON"),
        ("{".into(), "is not JSON: EOF"),
        (good().to_string().replace('}', ""), "is not JSON"),
        (r#"{"token":"#.into(), "is not JSON"),
        (format!("{} x", good()), "something stands behind the object"),
        (format!("{}{}", good(), good()), "something stands behind the object"),
        ("[]".into(), "must be an object"),
        (json!([TOKEN, null, null, null, false, "", "", []]).to_string(), "must be an object"),
        ("null".into(), "must be an object"),
        ("\"text\"".into(), "must be an object"),
        // Fields.
        (with("is_privat", true.into()), "a field that is not known"),
        (with("isPrivate", true.into()), "a field that is not known"),
        (
            good().to_string().replacen('{', "{\"token\":\"abcdefgh\",", 1),
            "duplicate field `token`",
        ),
        (without("token"), "missing field `token`"),
        (without("created_at"), "missing field `created_at`"),
        (without("expires_at"), "missing field `expires_at`"),
        (without("messages"), "missing field `messages`"),
        // The token.
        (with("token", json!(null)), "token: is of a wrong type"),
        (with("token", json!(12_345_678)), "token: is of a wrong type"),
        (with("token", "".into()), token),
        (with("token", "1234567".into()), token),
        (with("token", "a".repeat(129).into()), token),
        (with("token", "a/b/c/d/e".into()), token),
        (with("token", "..%2f..%2f".into()), token),
        (with("token", "tökentöken".into()), token),
        (with("token", "token\u{0}token".into()), token),
        (with("token", "8e2190ba-18a7-4abf-9a39-f6318ad7c929".into()), "token: must not be a UUID"),
        (with("token", "8E2190BA-18A7-4ABF-9A39-F6318AD7C929".into()), "token: must not be a UUID"),
        (with("token", "8e2190ba18a74abf9a39f6318ad7c929".into()), "token: must not be a UUID"),
        (with("token", "0".repeat(32).into()), "token: must not be a UUID"),
        (with("token", "batch_delete".into()), "token: is the name of a route"),
        (with("token", "artifacts".into()), "token: is the name of a route"),
        (with("token", "activity".into()), "token: is the name of a route"),
        // What else the link has.
        (with("is_private", json!(null)), "is_private: is of a wrong type"),
        (with("is_private", "true".into()), "is_private: is of a wrong type"),
        (with("is_private", 1.into()), "is_private: is of a wrong type"),
        (with("name", 5.into()), "name: must be text"),
        (with("shared_by", json!({"name": "Ann"})), "shared_by: must be text"),
        (with("chat_session_id", "a/b".into()), "chat_session_id: must be 1 to 128"),
        (with("chat_session_id", "..".into()), "chat_session_id: must be 1 to 128"),
        (with("chat_session_id", "".into()), "chat_session_id: must be 1 to 128"),
        (with("chat_session_id", 7.into()), "chat_session_id: is of a wrong type"),
        (with("created_at", "2025-01-01".into()), time),
        (with("created_at", "2025-01-01T00:00:00".into()), time),
        (with("created_at", "2025-01-01 00:00:00Z".into()), time),
        (with("created_at", 1_735_689_600.into()), "created_at: is of a wrong type"),
        (with("expires_at", "2030-02-30T00:00:00Z".into()), time),
        (with("expires_at", json!(null)), "expires_at: is of a wrong type"),
        (with("expires_at", "2025-01-01T00:00:00Z".into()), "must be after created_at"),
        (with("expires_at", "2024-01-01T00:00:00Z".into()), "must be after created_at"),
        // Messages.
        (with("messages", json!([])), "messages: must hold at least one"),
        (with("messages", json!({})), "messages: is of a wrong type"),
        (with("messages", json!(["Hello"])), "messages[0]: must be an object"),
        (with_message(&json!(["m", null, null, "x", null])), "messages[1]: must be an object"),
        (with_message(&json!({})), "messages[1]: missing field `content`"),
        (with_message(&json!({"content": null})), "messages[1].content: is of a wrong type"),
        (with_message(&json!({"content": 5})), "messages[1].content: is of a wrong type"),
        (with_message(&json!({"content": "x", "text": "y"})), "messages[1]: a field that is not"),
        (with_message(&json!({"content": "x", "id": ""})), "messages[1].id: must be 1 to 256"),
        (with_message(&json!({"content": "x", "id": long})), "messages[1].id: must be 1 to 256"),
        (with_message(&json!({"content": "x", "id": "a\nb"})), "messages[1].id: must be 1 to 256"),
        (with_message(&json!({"content": "x", "id": 2})), "messages[1].id: is of a wrong type"),
        (with_message(&json!({"content": "x", "reply_to": ""})), "messages[1].reply_to: must be"),
        (with_message(&json!({"content": "x", "role": ""})), "messages[1].role: must be 1 to 64"),
        (
            with_message(&json!({"content": "x", "role": "a b"})),
            "messages[1].role: must be 1 to 64",
        ),
        (
            with_message(&json!({"content": "x", "created_at": "now"})),
            "messages[1].created_at: must",
        ),
        (
            with("messages", json!([{"content": "x", "id": "a"}, {"content": "y", "id": "a"}])),
            "messages[1].id: another message has it",
        ),
        (with_message(&json!({"content": "x".repeat(10_000)})), "messages: more than"),
    ];
    for (line, reason) in table {
        let why = parse(line.as_bytes(), LIMIT).expect_err(&line);
        assert!(why.contains(reason), "{line}: {why}, not {reason}");
        assert!(!why.contains(TOKEN) && !why.contains("Hello"), "{why}");
    }
    let mut broken = good().to_string().into_bytes();
    let at = broken.iter().position(|b| *b == b'H').unwrap();
    broken[at] = 0xff;
    assert_eq!(parse(&broken, LIMIT).unwrap_err(), "not UTF-8");
}

#[test]
fn messages_are_bounded_as_they_are_stored() {
    // Short as written: an id, a role and a time are added to each.
    let many = vec![json!({"content": ""}); 150];
    let line = with("messages", many.into());
    assert!((line.len() as u64) < LIMIT);
    assert!(parse(line.as_bytes(), LIMIT).unwrap_err().contains("messages: more than"));
}
