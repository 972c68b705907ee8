//! What the framework rejects by itself has the shape of every other error (docs/API.md 2). That
//! each answer has it is checked in `support::rules`.

use std::time::Duration;

use serde_json::json;

use crate::support::{App, Setup, apply, on_both_databases};

#[apply(on_both_databases)]
async fn an_unknown_address_is_not_found(app: App) {
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/shared_chats",
        "/api/v1/shared_chats/",
        "/api/v1/shared_chats/a/b/c",
        "/API/V1/shared_chats",
        "/robots.txt",
        "/metrics",
        "/.env",
        "/api/v1/chats",
        "/api/v1/chats//shared_chats",
        "//api/v1/shared_chats",
        "/shared",
        "/shared/",
        "/docs/../../etc/passwd",
        "/docs/%2e%2e%2fetc%2fpasswd",
    ] {
        for method in ["GET", "POST", "DELETE", "PATCH", "PUT", "OPTIONS", "HEAD"] {
            let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let answer = app.send_raw(head.as_bytes()).await;
            if path.starts_with("/docs/") {
                assert!(matches!(answer.status, 404 | 405), "{method} {path}");
            } else {
                assert_eq!(answer.status, 404, "{method} {path}");
            }
        }
    }
}

#[apply(on_both_databases)]
async fn a_method_that_an_address_does_not_have_is_named_with_those_it_has(app: App) {
    let id = "6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11";
    for (path, allowed) in [
        ("/api/v1/shared_chats".to_owned(), "GET, HEAD, POST"),
        ("/api/v1/shared_chats/batch_delete".to_owned(), "POST"),
        (format!("/api/v1/shared_chats/{id}"), "DELETE, GET, HEAD, PATCH"),
        (format!("/api/v1/shared_chats/{id}/qr_code"), "GET, HEAD"),
        ("/api/v1/chats/chat-1/shared_chats".to_owned(), "DELETE, GET, HEAD"),
        (format!("/shared/{id}"), "GET, HEAD"),
        ("/health/live".to_owned(), "GET, HEAD"),
        ("/health/ready".to_owned(), "GET, HEAD"),
        ("/openapi.json".to_owned(), "GET, HEAD"),
        ("/openapi.yaml".to_owned(), "GET, HEAD"),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
        {
            if allowed.split(", ").any(|has| has == method) {
                continue;
            }
            let answer = app.as_user("alice").request(method, &path).await;
            assert_eq!(answer.header("allow"), allowed, "{method} {path}");
            if method == "HEAD" {
                answer.is(405);
            } else {
                answer.fails(405, "method_not_allowed");
            }
        }
    }
}

#[apply(on_both_databases)]
async fn a_body_that_is_not_declared_as_json_is_refused(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let body = r#"{"chat_session_id":"chat-1"}"#;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", ""]
    {
        for (method, path) in [
            ("POST", "/api/v1/shared_chats"),
            ("POST", "/api/v1/shared_chats/batch_delete"),
            ("PATCH", &link.path()),
        ] {
            let request = alice.request(method, path).body(kind, body);
            request.await.fails(415, "unsupported_media_type");
        }
    }
    let without = alice.request("POST", "/api/v1/shared_chats");
    without.await.fails(415, "unsupported_media_type");
}

#[apply(on_both_databases)]
async fn json_by_any_of_its_names_is_taken(app: App) {
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json"] {
        let body = r#"{"chat_session_id":"chat-1"}"#;
        app.as_user("alice").request("POST", "/api/v1/shared_chats").body(kind, body).await.is(201);
    }
}

fn head(app: &App, more: &str) -> String {
    let token = crate::support::hs256(&crate::support::claims(&app.clock, "alice"));
    format!(
        "POST /api/v1/shared_chats HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\n{more}\r\n\r\n"
    )
}

#[apply(on_both_databases)]
async fn a_body_of_a_hundred_megabytes_is_refused_without_being_read(app: App) {
    let head = head(&app, "content-length: 104857600");
    let piece = vec![b'x'; 1 << 20];
    for times in [0, 100] {
        let message = app.send_much(&head, &piece, times).await.fails(413, "payload_too_large");
        assert!(message.contains("1048576"), "{message}");
    }
    app.as_user("alice").share("chat-1").await;
}

#[apply(on_both_databases)]
async fn a_body_without_a_length_is_cut_at_the_bound(app: App) {
    let head = head(&app, "transfer-encoding: chunked");
    let mut piece = b"100000\r\n".to_vec();
    piece.extend(vec![b' '; 1 << 20]);
    piece.extend(b"\r\n");
    app.send_much(&head, &piece, 100).await.fails(413, "payload_too_large");
    app.as_user("alice").share("chat-1").await;
}

#[apply(on_both_databases)]
async fn the_bound_of_a_body_is_exact(setup: Setup) {
    let app = setup.config(|config| config.http.max_body_bytes = 1000).start().await;
    let body = r#"{"chat_session_id":"chat-1"}"#;
    for (length, status) in [(1000, 201), (1001, 413)] {
        let padded = format!("{body}{}", " ".repeat(length - body.len()));
        let request = app.as_user("alice").request("POST", "/api/v1/shared_chats");
        request.body("application/json", padded).await.is(status);
    }
}

#[apply(on_both_databases)]
async fn broken_utf8_and_json_are_malformed(app: App) {
    for body in [
        &b"{\"chat_session_id\":\"chat-\xff1\"}"[..],
        b"{\"label\":\"\xed\xa0\x80\",\"chat_session_id\":\"chat-1\"}",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{\"chat_session_id\":\"chat-1\"}",
        b"{\"chat_session_id\":\"chat-1\",}",
        b"{\"chat_session_id\":\"\\ud800\"}",
        b"{\"label\":\"\\ud800\",\"chat_session_id\":\"chat-1\"}",
        b"{'chat_session_id':'chat-1'}",
        b"{\"chat_session_id\":\"chat-1\" /* really */}",
        b"{\"chat_session_id\":NaN}",
    ] {
        let request = app.as_user("alice").request("POST", "/api/v1/shared_chats");
        request.body("application/json", body.to_vec()).await.fails(400, "bad_request");
    }
    assert_eq!(app.as_user("alice").list("").await.json(), json!([]));
}

#[apply(on_both_databases)]
async fn json_that_nests_without_end_is_malformed(app: App) {
    for open in ["[", "{\"a\":", "{\"chat_session_id\":[", "{\"owner\":{\"id\":["] {
        let request = app.as_user("alice").request("POST", "/api/v1/shared_chats");
        let deep = open.to_owned() + &"[".repeat(500_000);
        request.body("application/json", deep).await.fails(400, "bad_request");
    }
}

#[apply(on_both_databases)]
async fn a_body_that_breaks_off_is_malformed(app: App) {
    for (more, body) in [("transfer-encoding: chunked", "zz\r\n{}"), ("content-length: 3", "{\"a")]
    {
        let head = head(&app, more) + body;
        app.send_raw(head.as_bytes()).await.fails(400, "bad_request");
    }
}

#[apply(on_both_databases)]
async fn a_body_that_never_arrives_is_given_up(setup: Setup) {
    let app = setup.with("REQUEST_TIMEOUT", "300ms").start().await;
    let began = std::time::Instant::now();
    let head = head(&app, "content-length: 100") + "{";
    app.send_raw(head.as_bytes()).await.fails(400, "bad_request");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[apply(on_both_databases)]
async fn an_anonymous_create_is_401_before_its_body_is_read(app: App) {
    let head = "POST /api/v1/shared_chats HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n\
                content-length: 104857600\r\n\r\n";
    let piece = vec![b'x'; 1 << 20];
    app.send_much(head, &piece, 100).await.fails(401, "login_required");
}

#[apply(on_both_databases)]
async fn the_request_id_is_the_callers_where_it_is_sane(app: App) {
    for id in ["0192f0c1-6b7a-4f0e-9a51-4f2f4a1c7d11", "a", "A.b_c-9", &"x".repeat(64)] {
        let answer = app.anonymous().list("").header("x-request-id", id).await.is(401);
        assert_eq!(answer.header("x-request-id"), id);
        assert_eq!(answer.json()["request_id"], id);
        let answer = app.anonymous().get("/health/live").header("x-request-id", id).await.is(200);
        assert_eq!(answer.header("x-request-id"), id);
    }
    let mut seen = std::collections::HashSet::new();
    for id in ["", " ", "a b", "<script>", "é", &"x".repeat(65), "\"", "a;b"] {
        let answer = app.anonymous().list("").header("x-request-id", id).await.is(401);
        let own = answer.header("x-request-id").to_owned();
        assert!(uuid::Uuid::parse_str(&own).is_ok() && seen.insert(own.clone()), "{id}: {own}");
    }
}

#[apply(on_both_databases)]
async fn what_is_no_http_is_refused_and_cut_off(app: App) {
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(200_000));
    for (bytes, status) in [
        (&b"nonsense\r\n\r\n"[..], "400"),
        (b"GET /api/v1/shared_chats/\xc3\xa9 HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        (b"G\xc3\x89T / HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", "400"),
        (b"GET / HTTP/9.9\r\n\r\n", "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello \r\n\r\n", "400"),
        (large.as_bytes(), "431"),
    ] {
        let received = app.send_until_closed(bytes, b"").await;
        assert!(received.starts_with(&format!("HTTP/1.1 {status} ")), "{received}");
    }
    app.anonymous().get("/health/live").await.is(200);
}

#[apply(on_both_databases)]
async fn other_origins_are_let_in_only_where_they_are_listed(setup: Setup) {
    let app = setup.clone().with("CORS_ALLOWED_ORIGINS", "https://chat.example").start().await;
    let link = app.as_user("alice").share("chat-1").await;
    let from = |origin: &'static str| app.anonymous().view(&link).header("origin", origin);
    let view = from("https://chat.example").await.is(200);
    assert_eq!(view.header("access-control-allow-origin"), "https://chat.example");
    assert!(
        view.header("vary").contains("Origin") || {
            let all = view.headers.get_all("vary").iter();
            all.into_iter().any(|vary| vary.to_str().unwrap().contains("Origin"))
        }
    );
    let exposed = view.header("access-control-expose-headers").to_ascii_lowercase();
    for name in ["etag", "link", "location", "x-total-count", "retry-after"].into_iter().chain([
        "content-disposition",
        "content-range",
        "accept-ranges",
    ]) {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{name} in {exposed}");
    }
    for (method, path) in [("POST", "/api/v1/shared_chats"), ("PATCH", &link.path())] {
        let preflight = app
            .anonymous()
            .request("OPTIONS", path)
            .header("origin", "https://chat.example")
            .header("access-control-request-method", method)
            .header(
                "access-control-request-headers",
                "authorization,baggage,content-type,if-match,if-none-match,if-range,last-event-id,\
                 range,sentry-trace,traceparent,tracestate,x-request-id,x-requested-with",
            )
            .await
            .is(200);
        assert_eq!(preflight.header("access-control-allow-origin"), "https://chat.example");
    }
    let stranger = from("https://evil.example").await;
    assert_eq!(stranger.header("access-control-allow-origin"), "");
    // An error can be read by whom the answer could.
    let error = app.anonymous().view("no-such-link").header("origin", "https://chat.example").await;
    assert_eq!(error.header("access-control-allow-origin"), "https://chat.example");
    // None by default.
    let app = setup.start().await;
    let view = app.anonymous().view(&link).header("origin", "https://chat.example").await.is(200);
    assert_eq!(view.header("access-control-allow-origin"), "");
}

#[apply(on_both_databases)]
async fn messages_repeat_no_secret(app: App) {
    let link = app.as_user("alice").share_private("chat-1").await;
    for message in [
        app.anonymous().view(&link).await.fails(401, "login_required"),
        app.as_user("bob").delete(&link).await.fails(403, "forbidden"),
        app.with_token("geheim.geheim.geheim").delete(&link).await.fails(401, "invalid_token"),
    ] {
        for secret in [link.id.as_str(), "alice", "geheim", "chat-1"] {
            assert!(!message.contains(secret), "{message}");
        }
    }
}
