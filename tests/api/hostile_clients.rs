//! Clients whose requests could be read in two ways, so that a proxy in front and this service take
//! another one out of them (RFC 9112, 11.2), and clients that take their time. They are refused or
//! cut, the connection ends, and nothing that came after is a request of its own.

use std::time::{Duration, Instant};

use crate::support::{App, Setup, apply, claims, hs256, on_both_databases};

/// Would be answered with its own id.
const SMUGGLED: &str =
    "GET /api/v1/shared_chats HTTP/1.1\r\nhost: x\r\nx-request-id: smuggled\r\n\r\n";

fn post(app: &App, more: &str) -> String {
    let token = hs256(&claims(&app.clock, "alice"));
    format!(
        "POST /api/v1/shared_chats HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\n{more}\r\n\r\n"
    )
}

fn statuses(received: &str) -> Vec<&str> {
    let after =
        received.match_indices("HTTP/1.1 ").map(|(at, found)| &received[at + found.len()..]);
    after.map(|rest| &rest[..3]).collect()
}

#[apply(on_both_databases)]
async fn a_body_of_two_lengths_is_refused(app: App) {
    for framing in [
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "content-length: 5\r\ntransfer-encoding: chunked",
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5\r\ncontent-length: 5",
        "content-length: 5, 6",
        "content-length: +5",
        "content-length: 0x5",
        "content-length: 5 5",
        "content-length: ",
        "content-length : 5",
        "transfer-encoding : chunked",
        " transfer-encoding: chunked",
        "transfer-encoding:\r\n chunked",
        "x: a\r\n transfer-encoding: chunked",
        "x: a\rtransfer-encoding: chunked",
        "x: \0a",
        "transfer-encoding: xchunked",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: identity",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "host: y",
    ] {
        let sent = post(&app, framing) + "0\r\n\r\n" + SMUGGLED;
        let received = app.send_until_closed(sent.as_bytes(), b"").await;
        assert_eq!(statuses(&received), ["400"], "{framing:?}");
        assert!(!received.contains("smuggled"), "{framing:?}: {received}");
    }
    let without_host = format!("GET / HTTP/1.1\r\n\r\n{SMUGGLED}");
    let received = app.send_until_closed(without_host.as_bytes(), b"").await;
    assert_eq!(statuses(&received), ["400"]);
    let old = post(&app, "transfer-encoding: chunked").replace("HTTP/1.1", "HTTP/1.0");
    let received = app.send_until_closed((old + "0\r\n\r\n" + SMUGGLED).as_bytes(), b"").await;
    assert_eq!(statuses(&received), ["400"]);
}

#[apply(on_both_databases)]
async fn a_chunk_that_is_none_ends_the_connection(app: App) {
    for chunks in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "10000000000000000\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\nhello\n0\n\n",
        "0\n\n",
        "0;a=\"\n\"\r\n\r\n",
        "0\rX\n\r\n",
        "\r\n0\r\n\r\n",
    ] {
        let sent = post(&app, "transfer-encoding: chunked") + chunks + SMUGGLED;
        let received = app.send_until_closed(sent.as_bytes(), b"").await;
        assert!(statuses(&received).iter().all(|s| *s == "400"), "{chunks:?}: {received}");
        assert!(!received.contains("smuggled"), "{chunks:?}: {received}");
    }
}

#[apply(on_both_databases)]
async fn what_follows_an_unread_body_is_no_request(app: App) {
    let length = SMUGGLED.len();
    for head in [
        format!("GET /openapi.json HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"),
        format!("DELETE /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", length + 1),
        "GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            .to_owned(),
        "CONNECT chat.example:443 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
    ] {
        let received = app.send_until_closed((head.clone() + SMUGGLED).as_bytes(), b"").await;
        assert_eq!(statuses(&received).len(), 1, "{head}: {received}");
        assert!(!received.contains("smuggled"), "{head}: {received}");
    }
}

#[apply(on_both_databases)]
async fn what_an_unread_chunked_body_holds_is_no_request(app: App) {
    let length = SMUGGLED.len();
    let head = "GET /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    let sent = format!("{head}{body}nonsense\r\n\r\n{SMUGGLED}");
    let received = app.send_until_closed(sent.as_bytes(), b"").await;
    assert_eq!(statuses(&received), ["404", "400"], "{received}");
    assert!(!received.contains("smuggled"), "{received}");
}

#[apply(on_both_databases)]
async fn a_head_that_comes_slowly_is_given_up(setup: Setup) {
    let app = setup.with("REQUEST_TIMEOUT", "500ms").start().await;
    for head in ["", "GET /health/live HTTP/1.1\r\nx: "] {
        let began = Instant::now();
        let received = app.send_until_closed(head.as_bytes(), b"x").await;
        assert_eq!(statuses(&received), ["408"], "{received}");
        assert!(began.elapsed() < Duration::from_secs(5), "{head:?}");
    }
}

#[apply(on_both_databases)]
async fn a_body_that_comes_slowly_is_given_up(setup: Setup) {
    let app =
        setup.config(|config| config.http.body_timeout = Duration::from_millis(500)).start().await;
    for drip in [&b" "[..], b""] {
        let began = Instant::now();
        let sent = post(&app, "content-length: 1000");
        let received = app.send_until_closed(sent.as_bytes(), drip).await;
        assert_eq!(statuses(&received), ["400"], "{received}");
        assert!(received.contains("The body did not arrive in time."), "{received}");
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    // The framework then waits for the rest of a chunked body: that is the proxy's to bound.
    let answer = app.send_raw(post(&app, "transfer-encoding: chunked").as_bytes()).await;
    assert_eq!(answer.fails(400, "bad_request"), "The body did not arrive in time.");
}

#[apply(on_both_databases)]
async fn an_early_answer_ends_the_connection_unless_the_whole_body_comes(app: App) {
    let head = "POST /api/v1/shared_chats HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    for drip in [&b""[..], b" "] {
        let received = app.send_until_closed(head.as_bytes(), drip).await;
        assert_eq!(statuses(&received), ["401"], "{received}");
    }
    let body = r#"{"chat_session_id":"chat-1"}"#;
    let whole = post(&app, "transfer-encoding: chunked")
        + &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let last = "GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let received = app.send_until_closed((whole.clone() + &whole + last).as_bytes(), b"").await;
    assert_eq!(statuses(&received), ["201", "201", "200"], "{received}");
}

#[apply(on_both_databases)]
async fn a_head_beyond_the_bound_is_refused(app: App) {
    let large = format!("GET /nowhere HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET /nowhere HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(200));
    for head in [large, many] {
        let received = app.send_until_closed((head + SMUGGLED).as_bytes(), b"").await;
        assert_eq!(statuses(&received), ["431"], "{received}");
    }
    app.anonymous().get("/health/live").await.is(200);
}

#[apply(on_both_databases)]
async fn an_address_beyond_the_bound_is_refused(setup: Setup) {
    let app = setup.config(|config| config.http.max_uri_bytes = 1000).start().await;
    let link = app.as_user("alice").share("chat-1").await;
    let path = link.path() + "?x=";
    let fits = path.clone() + &"y".repeat(1000 - path.len());
    app.anonymous().get(&fits).await.is(200);
    app.anonymous().get(&(fits + "y")).await.fails(414, "uri_too_long");
    let long = "x".repeat(1000);
    app.as_user("alice").list(&format!("name_filter={long}")).await.fails(414, "uri_too_long");
    app.anonymous().get(&format!("/{long}")).await.fails(414, "uri_too_long");
}
