//! What becomes of a connection: who may keep it, for how long, and what is answered on it. Those
//! who mean harm are in `hostile_clients.rs`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{App, Setup, apply, claims, hs256, message, on_both_databases};

const LIVE: &str = "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";

/// Every bound of a connection that nothing is under way on is short.
fn hasty(setup: Setup) -> Setup {
    setup.with("REQUEST_TIMEOUT", "1s").config(|config| config.keep_alive = Duration::from_secs(1))
}

const LONG: Duration = Duration::from_millis(1500);

fn statuses(received: &str) -> Vec<&str> {
    received.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

#[apply(on_both_databases)]
async fn an_idle_connection_is_kept_for_as_long_as_the_setting_says(setup: Setup) {
    let app = setup
        .with("REQUEST_TIMEOUT", "200ms")
        .config(|config| config.keep_alive = Duration::from_secs(1))
        .start()
        .await;
    let began = Instant::now();
    let received = app.send_until_closed(LIVE.as_bytes(), b"").await;
    assert_eq!(statuses(&received), ["200"], "{received}");
    let kept = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&kept), "{kept:?}");
}

#[apply(on_both_databases)]
async fn heads_within_request_timeout_keep_the_connection(setup: Setup) {
    let app = setup.with("REQUEST_TIMEOUT", "1s").start().await;
    // Each head comes in pieces, the next begins with the last piece of the one before.
    let pieces = ["GET /health/l", "ive HTTP/1.1\r\nhost: x\r\n", "\r\nGET /health/live HTT"];
    let mut sent: Vec<&str> = pieces.into_iter().chain(["P/1.1\r\nhost: x\r\n"]).collect();
    for _ in 0..5 {
        sent.extend(["\r\nGET /heal", "th/live HTTP/1.1\r\nhost: x\r\n"]);
    }
    sent.push("connection: close\r\n\r\n");
    let received = app.send_in_pieces(&sent, Duration::from_millis(250)).await;
    assert_eq!(statuses(&received), ["200"; 7], "{received}");
}

#[apply(on_both_databases)]
async fn a_stream_outlives_the_bounds_of_idle_connections(setup: Setup) {
    let app = hasty(setup).start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut stream = app.anonymous().watch(&link).await.begun().await;
    stream.is_quiet_for(LONG).await;
    app.chats.change("chat-1", |chat| chat.messages.push(message("m9", "Late.")));
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    assert_eq!(stream.told().await, "message m9 Late.");
}

#[apply(on_both_databases)]
async fn an_answer_that_takes_long_is_waited_for(setup: Setup) {
    let app = hasty(setup).start().await;
    let held = app.chats.hold("/messages");
    let alice = app.as_user("alice");
    let asking =
        tokio::spawn(async move { alice.create(&json!({"chat_session_id": "chat-1"})).await });
    held.arrived(1).await;
    tokio::time::sleep(LONG).await;
    held.let_go();
    asking.await.unwrap().is(201);
}

#[apply(on_both_databases)]
async fn a_body_that_comes_slowly_is_waited_for(setup: Setup) {
    let keep_alive = Duration::from_secs(1);
    let app = setup.config(move |config| config.keep_alive = keep_alive).start().await;
    let token = hs256(&claims(&app.clock, "alice"));
    let body = r#"{"chat_session_id":"chat-1"}"#;
    let head = format!(
        "POST /api/v1/shared_chats HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let pieces: Vec<&str> = std::iter::once(&*head).chain(body.split_inclusive('"')).collect();
    let received = app.send_in_pieces(&pieces, LONG / 4).await;
    assert_eq!(statuses(&received), ["201"], "{received}");
}

#[apply(on_both_databases)]
async fn an_answer_that_is_taken_slowly_comes_whole(setup: Setup) {
    let app = hasty(setup).start().await;
    let text = "long ".repeat(2_400_000);
    app.chats.change("chat-1", |chat| chat.messages.push(message("m9", &text)));
    let link = app.as_user("alice").share("chat-1").await;
    let path = link.path();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let began = Instant::now();
    let received = app.take_slowly(request.as_bytes()).await;
    assert!(began.elapsed() > LONG);
    assert!(received.contains(&text), "{} bytes", received.len());
    assert!(received.ends_with('}'));
}

#[apply(on_both_databases)]
async fn requests_that_come_together_are_answered_in_their_order(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let path = link.path();
    let mut sent = String::new();
    for _ in 0..5 {
        sent += LIVE;
        sent += &format!("HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        sent += "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n";
        sent += "POST /nowhere HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n";
    }
    sent += "GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let received = app.send_until_closed(sent.as_bytes(), b"").await;
    let expected: Vec<&str> =
        ["200", "200", "404", "100", "404"].repeat(5).into_iter().chain(["200"]).collect();
    assert_eq!(statuses(&received), expected, "{received}");
}

#[apply(on_both_databases)]
async fn what_is_no_http_is_refused_behind_the_answers_to_what_is(app: App) {
    let sent = LIVE.repeat(3) + "nonsense\r\n\r\n" + LIVE;
    for pieces in
        [vec![&*sent], LIVE.split_inclusive('v').chain([LIVE, LIVE, "nonsense\r\n\r\n"]).collect()]
    {
        let received = app.send_in_pieces(&pieces, Duration::from_millis(20)).await;
        assert_eq!(statuses(&received), ["200", "200", "200", "400"], "{received}");
    }
}

#[apply(on_both_databases)]
async fn the_management_address_has_such_bounds_too(setup: Setup) {
    let app = setup.with("MANAGEMENT_ADDRESS", "127.0.0.1:0").start().await;
    let received = app.send_to_management(b"GET /health/live HTTP/1.1\r\nx: ", b"x").await;
    assert_eq!(statuses(&received), ["408"], "{received}");
    let received = app.send_to_management(b"nonsense\r\n\r\n", b"").await;
    assert_eq!(statuses(&received), ["400"], "{received}");
}
