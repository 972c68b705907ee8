//! More is asked than can be served: what is too much is told so soon, what was taken on is done, and
//! what needs nothing of what is short goes on.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    Answer, App, Request, Setup, Trouble, WriteLock, apply, claims, hs256, on_both_databases,
};

/// It was refused, and soon: nobody stood in a queue.
async fn refused(request: Request) -> Answer {
    let began = Instant::now();
    let answer = request.await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(answer.header("retry-after"), "5");
    let message = answer.clone().fails(503, "unavailable");
    assert!(message.ends_with("Try again."), "{message}");
    answer
}

fn create(app: &App) -> Request {
    app.as_user("alice").create(&json!({"chat_session_id": "chat-1"}))
}

#[apply(on_both_databases)]
async fn whoever_finds_all_places_taken_is_told_so_at_once(setup: Setup) {
    let setup = setup.with("CORS_ALLOWED_ORIGINS", "https://chat.example");
    let app = setup.with("MAX_CONCURRENT_REQUESTS", "2").start().await;
    let link = app.as_user("alice").share("chat-1").await;
    let held = app.chats.hold("/chats/chat-1");
    let under_way = [create(&app).spawn(), create(&app).spawn()];
    held.arrived(2).await;
    let from_a_page = app.anonymous().view(&link).header("origin", "https://chat.example");
    let answer = refused(from_a_page).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://chat.example");
    refused(app.as_user("alice").list("")).await;
    refused(app.anonymous().get("/nowhere")).await;
    app.anonymous().get("/health/live").await.is(200);
    app.anonymous().get("/health/ready").await.is(200);
    held.let_go();
    for answer in under_way {
        answer.await.unwrap().is(201);
    }
    app.anonymous().view(&link).await.is(200);
    create(&app).await.is(201);
}

#[apply(on_both_databases)]
async fn a_worker_that_is_behind_refuses_what_it_comes_to_late(setup: Setup) {
    let app = setup.with("WORKERS", "1").with("MAX_WORKER_LAG", "1ms").start().await;
    let link = app.as_user("alice").share("chat-1").await;
    // They are there faster than anybody can be answered; nothing of this waits for a database.
    let one = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let last = one("/health/live", "Connection: close\r\n");
    let sixteen = one("/nowhere", "").repeat(15) + &last;
    let clients = (0..40).map(|_| app.send_until_closed(sixteen.as_bytes(), b""));
    let answers = futures_util::future::join_all(clients).await.concat();
    let count = |words: &str| answers.matches(words).count();
    let (served, refused) = (count("HTTP/1.1 404"), count("HTTP/1.1 503"));
    assert_eq!(served + refused, 40 * 15, "{served} were served and {refused} refused");
    assert!(served >= 64 && refused > 0, "{served} were served and {refused} refused");
    assert_eq!(count("retry-after: 5"), refused);
    assert_eq!(count("HTTP/1.1 200"), 40, "a probe was refused");
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn whoever_keeps_a_connection_keeps_it_while_a_worker_is_behind(setup: Setup) {
    let app = setup.with("WORKERS", "1").with("MAX_WORKER_LAG", "1ms").start().await;
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let authorization = format!("Authorization: Bearer {}", hs256(&claims(&app.clock, "alice")));
    let body = r#"{"label":"again"}"#;
    let requests = [
        format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", link.path()),
        format!(
            "PATCH {} HTTP/1.1\r\nHost: x\r\n{authorization}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            link.path(),
            body.len()
        ),
        "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
    ];
    let clients = (0..200).map(|_| async {
        let mut connection = app.connect().await;
        let mut statuses = Vec::new();
        for request in requests.iter().cycle().take(12) {
            let answer = connection.ask(request).await;
            if answer.status == 503 {
                assert_eq!(answer.header("retry-after"), "5");
                assert!(!request.contains("/health/"), "a probe was refused");
            }
            statuses.push(answer.status);
        }
        statuses
    });
    let statuses = futures_util::future::join_all(clients).await.concat();
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    // What is changed says 204.
    let (served, refused) = (count(200) + count(204), count(503));
    assert_eq!(served + refused, 200 * 12, "{statuses:?}");
    assert!(served > 200 * 4 && refused > 0, "{served} were served and {refused} refused");
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn a_small_body_of_a_refused_request_does_not_cost_the_connection(setup: Setup) {
    let app = setup.with("MAX_CONCURRENT_REQUESTS", "1").start().await;
    let held = app.chats.hold("/chats/chat-1");
    let under_way = create(&app).spawn();
    held.arrived(1).await;
    let post = |length: usize| {
        format!("POST /api/v1/shared_chats HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
    };
    let mut connection = app.connect().await;
    for _ in 0..3 {
        let answer = connection.ask(&(post(1000) + &"x".repeat(1000))).await;
        assert_eq!((answer.status, answer.headers.get("connection")), (503, None));
        let live = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(connection.ask(live).await.status, 200);
    }
    // What is large, or not there yet, is not waited for.
    for body in ["x".repeat(100_000), String::new(), "x".to_owned()] {
        let began = Instant::now();
        let answer = app.send_raw((post(10_000_000) + &body).as_bytes()).await;
        assert_eq!((answer.status, answer.header("connection")), (503, "close"));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    held.let_go();
    under_way.await.unwrap().is(201);
}

#[apply(on_both_databases)]
async fn a_client_that_goes_away_leaves_its_place(setup: Setup) {
    let app = setup.with("MAX_CONCURRENT_REQUESTS", "1").start().await;
    let held = app.chats.hold("/chats/chat-1");
    create(&app).abandon_after(Duration::from_millis(300)).await;
    held.arrived(1).await;
    let until = Instant::now() + Duration::from_secs(5);
    while app.as_user("alice").list("").await.status != 200 {
        assert!(Instant::now() < until, "the place is not free again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    held.let_go();
}

#[apply(on_both_databases)]
async fn streams_and_downloads_take_no_place_while_they_flow(setup: Setup) {
    let app = setup.with("MAX_CONCURRENT_REQUESTS", "1").start().await;
    let path = app.chats.put_file("chat-1", "f1", "data.bin", &[b'x'; 100_000]);
    let settings = json!({"is_frozen": false, "includes_artifacts": true});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    app.chats.misbehaves(&path, Trouble::Stalls(bytes::Bytes::from_static(b"xxxx"), 100_000));
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(app.anonymous().watch(&link).await);
    }
    let download = app.anonymous().artifact(&link, "f1").begin(200).await;
    app.anonymous().view(&link).await.is(200);
    drop((streams, download));
}

#[apply(on_both_databases)]
async fn a_chat_service_that_has_enough_to_do_is_asked_no_more(setup: Setup) {
    let setup = setup.with("CHAT_SERVICE_MAX_CALLS", "2").with("QUEUE_TIMEOUT", "300ms");
    let app = setup.start().await;
    let link = app.as_user("alice").share("chat-1").await;
    let held = app.chats.hold("/chats/chat-1/messages");
    let under_way = [create(&app).spawn(), create(&app).spawn()];
    held.arrived(2).await;
    let asked = app.chats.asked().len();
    refused(create(&app)).await;
    assert_eq!(app.chats.asked().len(), asked, "it was asked all the same");
    app.anonymous().view(&link).await.is(200);
    app.as_user("alice").list("").await.is(200);
    // Whoever comes just before a place is free gets it.
    let next = create(&app).spawn();
    tokio::time::sleep(Duration::from_millis(50)).await;
    held.let_go();
    next.await.unwrap().is(201);
    for answer in under_way {
        answer.await.unwrap().is(201);
    }
    assert_eq!(app.as_user("alice").list("").await.ids().len(), 4);
}

#[apply(on_both_databases)]
async fn live_viewers_leave_places_to_others(setup: Setup) {
    let app = setup.with("MAX_CONCURRENT_REQUESTS", "4").start().await;
    let frozen = app.as_user("alice").share("chat-1").await;
    let live = app.as_user("alice").share_live("chat-1").await;
    let held = app.chats.hold("/chats/chat-1");
    let waiting = [app.anonymous().view(&live).spawn(), app.anonymous().view(&live).spawn()];
    held.arrived(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    refused(app.anonymous().view(&live)).await;
    app.anonymous().view(&frozen).await.is(200);
    held.let_go();
    for answer in waiting {
        answer.await.unwrap().is(200);
    }
    app.anonymous().view(&live).await.is(200);
}

#[apply(on_both_databases)]
async fn whoever_waits_too_long_for_the_database_is_told_so(setup: Setup) {
    let setup = setup.with("DATABASE_POOL_SIZE", "1").with("QUEUE_TIMEOUT", "300ms");
    let app = setup.start().await;
    let (alice, bob) = (app.as_user("alice"), app.as_user("bob"));
    let [first, second] = [alice.share("chat-1").await, alice.share("chat-1").await];
    let theirs = bob.share("bobs-chat").await;
    // What is not at hand is read through the connection that is taken.
    for link in [&second, &theirs] {
        app.anonymous().view(link).await.is(200);
    }
    let lock = WriteLock::take(&app).await;
    let under_way = alice.delete(&first).spawn();
    tokio::time::sleep(Duration::from_millis(200)).await;
    for request in [alice.delete(&second), bob.change(&theirs, &json!({"is_private": true}))] {
        let began = Instant::now();
        let answer = request.await;
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!(answer.header("retry-after"), "5");
        answer.fails(503, "unavailable");
    }
    app.anonymous().view(&second).await.is(200);
    app.anonymous().get("/health/ready").await.is(200);
    drop(lock);
    // PostgreSQL had begun with it; SQLite has one writer, which cannot begin.
    let is_begun = !app.setup.database_url.starts_with("sqlite:");
    under_way.await.unwrap().is(if is_begun { 204 } else { 503 });
    app.anonymous().view(&first).await.is(if is_begun { 404 } else { 200 });
    // What was refused does not happen later.
    alice.share("chat-1").await;
    app.anonymous().view(&second).await.is(200);
    assert_eq!(app.anonymous().view(&theirs).await.is(200).json()["is_private"], false);
    alice.delete(&second).await.is(204);
}
