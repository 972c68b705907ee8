//! What a field may hold, whether it comes from the service or from the file.

use serde_json::json;

use super::*;

#[test]
fn content_comes_byte_for_byte_and_a_message_holds_nothing_else() {
    let content = r#""a\u0000b \ud800 \ud83d\ude00 \/ é""#;
    let page = format!(
        r#"[{{"id":"m1","content":{content},"created_at":"2026-01-01T00:00:00.5+02:00",
            "reply_to":"m0","username":"joe@example.com","type_list":[{{"x":"\ud800"}}]}}]"#
    );
    let messages: Vec<wire::WireMessage> = wire::parse(&page).unwrap();
    assert_eq!(
        serde_json::to_string(&messages[0].0).unwrap(),
        format!(
            r#"{{"id":"m1","role":"assistant","content":{content},"created_at":"2026-01-01T00:00:00.5+02:00","reply_to":"m0"}}"#
        )
    );
}

#[test]
fn a_field_that_holds_something_else_makes_the_answer_a_bad_one() {
    let good = json!({"id": "m", "content": "x", "created_at": "2026-01-01T00:00:00Z"});
    let accepts = |value: &serde_json::Value| {
        wire::parse::<Vec<wire::WireMessage>>(&format!("[{value}]")).map(drop)
    };
    accepts(&good).unwrap();
    for (field, values) in [
        ("id", vec![json!(1), json!(null), json!(""), json!("a\u{0}b"), json!("é".repeat(257))]),
        ("content", vec![json!(7), json!(true), json!({"text": "x"}), json!(["x"])]),
        ("created_at", {
            let text = ["", "yesterday", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00Z"];
            let odd =
                ["2026-01-01T00:00:00+0000", "2026-01-01T00:00:00−01:00", "12026-01-01T00:00:00Z"];
            let long = format!("2026-01-01T00:00:00.{}Z", "0".repeat(99));
            let text = text.into_iter().chain(odd).map(Into::into).chain([long]);
            text.map(|text: String| json!(text))
                .chain([json!(true), json!({}), json!(1e300), json!(1_767_225_600_000_i64)])
                .collect()
        }),
        ("reply_to", vec![json!(1), json!("a\nb"), json!("x".repeat(257))]),
        ("role", vec![json!(""), json!("a b"), json!("<b>"), json!("x".repeat(65)), json!(1)]),
    ] {
        for value in values {
            let mut message = good.clone();
            message[field] = value;
            assert!(accepts(&message).is_err(), "{message}");
        }
    }
    for field in ["id", "content"] {
        let mut message = good.clone();
        message.as_object_mut().unwrap().remove(field);
        assert!(accepts(&message).unwrap_err().contains(field), "{message}");
    }
    accepts(&json!(["m", "x", "2026-01-01T00:00:00Z", null, null])).unwrap_err();
}

#[test]
fn content_may_be_null_and_a_time_in_seconds_or_missing() {
    let read = |message: &serde_json::Value| {
        let messages: Vec<wire::WireMessage> = wire::parse(&format!("[{message}]")).unwrap();
        let wire::WireMessage(message) = &messages[0];
        (message.content.as_json().to_owned(), message.created_at.clone())
    };
    let (content, _) = read(&json!({"id": "m", "content": null, "created_at": 0}));
    assert_eq!(content, r#""""#);
    for (given, kept) in [
        (json!(1_767_225_600), "2026-01-01T00:00:00Z"),
        (json!(1_767_225_600.25), "2026-01-01T00:00:00.250Z"),
        (json!(-1), "1969-12-31T23:59:59Z"),
        (json!(null), ""),
        (json!("2026-01-01 00:00:00"), "2026-01-01T00:00:00Z"),
    ] {
        let (_, created_at) = read(&json!({"id": "m", "content": "x", "created_at": given}));
        assert_eq!(created_at, kept, "{given}");
    }
    assert_eq!(read(&json!({"id": "m", "content": "x"})), (r#""x""#.to_owned(), String::new()));
}

#[test]
fn a_reason_for_the_log_names_the_message_and_the_field() {
    let good = json!({"id": "m", "content": "x"});
    for (odd, named) in [
        (json!({"id": "m", "content": ["x"]}), "[1].content: the content of a message must be"),
        (json!({"id": "m", "content": "x", "created_at": "x"}), "[1].created_at: a created_at"),
        (json!({"id": "m"}), "[1]: missing field `content`"),
        (json!({"id": "m", "content": "x", "role": "a b"}), "[1]: a role of other characters"),
        (json!(7), "[1]: a value of a wrong type"),
    ] {
        let page = json!([good, odd]).to_string();
        let why = wire::parse::<Vec<wire::WireMessage>>(&page).map(drop).unwrap_err();
        assert!(why.starts_with(named), "{why}");
    }
}

#[test]
fn a_file_that_cannot_be_one_is_refused() {
    let good = json!({"id": "f", "filename": "a", "bytes": 1, "created_at": 0});
    let accepts =
        |value: &serde_json::Value| wire::parse::<wire::WireFile>(&value.to_string()).map(drop);
    accepts(&good).unwrap();
    for (field, values) in [
        ("id", vec![json!(""), json!("a\u{7f}"), json!("x".repeat(257)), json!(3)]),
        ("filename", vec![json!(null), json!(3)]),
        ("bytes", vec![json!(-1), json!("1"), json!(u64::MAX), json!(null)]),
        ("created_at", vec![json!(null), json!(1e300), json!(1_767_225_600_000_i64), json!("x")]),
        ("created_at", vec![json!(-1_000_000_000_000_i64), json!(u64::MAX), json!({})]),
    ] {
        for value in values {
            let mut file = good.clone();
            file[field] = value;
            assert!(accepts(&file).is_err(), "{file}");
        }
    }
}

#[test]
fn a_file_may_be_from_any_year_that_can_be_written() {
    for created_at in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"] {
        let file = json!({"id": "f", "filename": "a", "bytes": 1, "created_at": created_at});
        let wire::WireFile(file) = wire::parse(&file.to_string()).unwrap();
        assert_eq!(serde_json::to_value(file.created_at).unwrap(), created_at);
    }
}

#[test]
fn a_reason_for_the_log_quotes_nothing_of_an_answer() {
    for page in [
        r#"[{"id":"m","content":"x","created_at":"SECRET"}]"#,
        r#"[{"id":"m","content":"x","created_at":{"SECRET":1}}]"#,
        r#"[{"id":["SECRET"],"content":"x"}]"#,
        r#"["SECRET"]"#,
        r#""SECRET""#,
        r#"{"SECRET":1}"#,
        r#"[{"id":"SECRET","id":"SECRET"}]"#,
        r#"[{"id":"m","content":SECRET}]"#,
        r#"[{"role":"SECRET!","id":"m","content":"x","created_at":"2026-01-01T00:00:00Z"}]"#,
    ] {
        let why = wire::parse::<Vec<wire::WireMessage>>(page).map(drop).unwrap_err();
        assert!(!why.contains("SECRET"), "{why}");
        assert!(why.contains("line 1 column "), "{why}");
    }
}
