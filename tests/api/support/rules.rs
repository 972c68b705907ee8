//! What holds for every answer there is (docs/API.md 2), and that the document knows it.

use std::sync::LazyLock;

use serde_json::Value;

use super::Answer;

/// Panics where an answer breaks a rule that holds for all of them.
#[track_caller]
pub fn check(answer: &Answer) {
    let what = format!("{} {} → {}", answer.method, answer.path, answer.status);
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
    if answer.status != 304 {
        assert!(!answer.header("content-security-policy").is_empty(), "{what}");
        let is_embeddable = answer.status < 300
            && ["/qr_code", "/artifacts/", "/ui/"].iter().any(|part| answer.path.contains(part));
        let policy = match is_embeddable {
            true if answer.header("cache-control").contains("private") => "same-site",
            true => "cross-origin",
            false => "same-origin",
        };
        assert_eq!(answer.header("cross-origin-resource-policy"), policy, "{what}");
    }
    let is_page = answer.header("content-type").starts_with("text/html");
    let opener = if is_page { "same-origin" } else { "" };
    assert_eq!(answer.header("cross-origin-opener-policy"), opener, "{what}");
    let request_id = answer.header("x-request-id");
    assert!(!request_id.is_empty(), "{what}: no X-Request-Id");
    if answer.status >= 400 {
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
        if answer.header("content-type").starts_with("text/html") {
            assert!(!answer.path.starts_with("/api/"), "{what}: a page");
        } else {
            assert_eq!(answer.header("content-type"), "application/json", "{what}");
            check_error_body(answer, request_id, &what);
        }
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.starts_with("Bearer"), answer.status == 401, "{what}: {challenge}");
        let retry_after = answer.header("retry-after");
        let passes = matches!(answer.status, 429 | 503);
        assert_eq!(retry_after.parse::<u32>().is_ok(), passes, "{what}: {retry_after}");
    }
    if answer.method == "HEAD" || matches!(answer.status, 204 | 304) {
        assert!(answer.body.is_empty(), "{what}: a body");
    }
    check_documented(answer);
}

#[track_caller]
fn check_error_body(answer: &Answer, request_id: &str, what: &str) {
    if answer.method == "HEAD" {
        return;
    }
    let body = answer.json();
    let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["code", "error_type", "message", "request_id"], "{what}");
    assert_eq!(body["code"], answer.status, "{what}");
    assert_eq!(body["request_id"], request_id, "{what}");
    let message = body["message"].as_str().unwrap();
    assert!(!message.is_empty(), "{what}");
    for internal in ["SELECT", "INSERT", "sqlite", "postgres", "diesel", "panicked", "127.0.0.1"] {
        assert!(!message.contains(internal), "{what}: {message}");
    }
    let error_type = body["error_type"].as_str().unwrap();
    assert!(error_type.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{what}");
}

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| yaml_serde::from_str(shared_chats::http::openapi_yaml()).unwrap());

#[track_caller]
fn check_documented(answer: &Answer) {
    // A preflight is answered by CORS (Fetch, 3.2.2), for every address alike.
    if answer.method == "OPTIONS" && !answer.header("access-control-allow-methods").is_empty() {
        return;
    }
    // Outside the API there is nothing to document: unknown addresses, pages, the document itself.
    let Some(documented) = operation_statuses(&answer.method, &answer.path) else { return };
    let seen = (&answer.method, &answer.path, answer.status);
    assert!(
        documented.contains(&answer.status.to_string()),
        "openapi.yaml does not know {seen:?}: its call does not declare it"
    );
}

/// The statuses that the document names for this method of this path; `None` where it knows no such
/// path. A method that it does not have is answered 405, and `HEAD` is `GET` without a body.
fn operation_statuses(method: &str, path: &str) -> Option<Vec<String>> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // A path without places for values goes before one with them.
    let fits = |pattern: &&String| {
        let (pattern, path) = (pattern.split('/'), path.split('/'));
        pattern.clone().count() == path.clone().count()
            && pattern.zip(path).all(|(p, s)| p == s || (p.starts_with('{') && !s.is_empty()))
    };
    let pattern = paths.keys().filter(fits).min_by_key(|pattern| pattern.matches('{').count())?;
    let method = if method == "HEAD" { "GET" } else { method };
    Some(match &paths[pattern][method.to_ascii_lowercase()] {
        Value::Null => vec!["405".to_owned()],
        operation => operation["responses"]
            .as_object()
            .map(|responses| responses.keys().cloned().collect())
            .unwrap_or_default(),
    })
}
