//! More is asked than can be served: what is too much is told so soon, what was taken on is done,
//! and what needs nothing of what is short goes on.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    Answer, App, Chat, Request, Setup, Trouble, WriteLock, a_moment, apply, message,
    on_both_databases,
};

/// It was refused soon, without waiting in a queue.
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
async fn a_request_beyond_max_concurrent_requests_is_503(setup: Setup) {
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
async fn a_cancelled_request_is_in_flight_no_more(setup: Setup) {
    let app = setup.with("MAX_CONCURRENT_REQUESTS", "1").start().await;
    let held = app.chats.hold("/chats/chat-1");
    create(&app).abandon_after(Duration::from_millis(300)).await;
    held.arrived(1).await;
    let until = Instant::now() + Duration::from_secs(5);
    while app.as_user("alice").list("").await.status != 200 {
        assert!(Instant::now() < until, "the request is still counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    held.let_go();
}

#[apply(on_both_databases)]
async fn streams_and_downloads_are_not_in_flight_once_they_began(setup: Setup) {
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
async fn a_call_beyond_chat_service_max_calls_is_503_after_the_queue_timeout(setup: Setup) {
    let setup = setup.with("CHAT_SERVICE_MAX_CALLS", "2").queue_timeout(Duration::from_millis(300));
    let app = setup.start().await;
    let link = app.as_user("alice").share("chat-1").await;
    app.chats.put("carols-chat", Chat::of("carol", "Carol's", &[message("m1", "Hello")]));
    let by_carol = || app.as_user("carol").create(&json!({"chat_session_id": "carols-chat"}));
    let held = app.chats.hold("/messages");
    let by_bob = app.as_user("bob").create(&json!({"chat_session_id": "bobs-chat"}));
    let under_way = [create(&app).spawn(), by_bob.spawn()];
    held.arrived(2).await;
    let asked = app.chats.asked().len();
    refused(by_carol()).await;
    assert_eq!(app.chats.asked().len(), asked, "it was asked all the same");
    app.anonymous().view(&link).await.is(200);
    app.as_user("alice").list("").await.is(200);
    // A request that comes just before a permit is free gets it.
    let next = by_carol().spawn();
    tokio::time::sleep(Duration::from_millis(50)).await;
    held.let_go();
    next.await.unwrap().is(201);
    for answer in under_way {
        answer.await.unwrap().is(201);
    }
}

/// Of four calls one user, or one live chat, may have one, and all live chats two.
fn four_calls(setup: Setup) -> Setup {
    setup.with("CHAT_SERVICE_MAX_CALLS", "4").queue_timeout(Duration::from_millis(300))
}

#[apply(on_both_databases)]
async fn slow_files_of_one_user_leave_the_chat_service_to_others(setup: Setup) {
    let app = four_calls(setup).start().await;
    let path = app.chats.put_file("chat-1", "f1", "slow.csv", b"slow");
    let held = app.chats.hold(&path);
    let with_files = json!({"chat_session_id": "chat-1", "includes_artifacts": true});
    let slow: Vec<_> = (0..6).map(|_| app.as_user("alice").create(&with_files).spawn()).collect();
    held.arrived(1).await;
    a_moment().await;
    app.as_user("bob").share("bobs-chat").await;
    // The one who is slow waits for as long as it takes, longer than the queue time-out.
    a_moment().await;
    assert!(slow.iter().all(|create| !create.is_finished()));
    held.let_go();
    for create in slow {
        create.await.unwrap().is(201);
    }
}

#[apply(on_both_databases)]
async fn a_create_by_the_chat_service_counts_for_its_owner(setup: Setup) {
    let app = four_calls(setup).start().await;
    let held = app.chats.hold("/chats/chat-1");
    let for_owner = |chat: &str, owner: &str| {
        let body = json!({"chat_session_id": chat, "owner": {"id": owner}});
        app.as_chat_service().create(&body)
    };
    let slow: Vec<_> = (0..6).map(|_| for_owner("chat-1", "alice").spawn()).collect();
    held.arrived(1).await;
    a_moment().await;
    for_owner("bobs-chat", "bob").await.is(201);
    held.let_go();
    for create in slow {
        create.await.unwrap().is(201);
    }
}

#[apply(on_both_databases)]
async fn a_slow_live_chat_leaves_the_chat_service_to_other_live_chats(setup: Setup) {
    let app = four_calls(setup).start().await;
    let path = app.chats.put_file("chat-1", "f1", "slow.csv", b"slow");
    let live = json!({"is_frozen": false, "includes_artifacts": true});
    let slow = app.as_user("alice").share_with("chat-1", live).await;
    let other = app.as_user("bob").share_live("bobs-chat").await;
    let held = app.chats.hold(&path);
    let downloads: Vec<_> = (0..6).map(|_| app.anonymous().artifact(&slow, "f1").spawn()).collect();
    held.arrived(1).await;
    a_moment().await;
    app.anonymous().view(&other).await.is(200);
    held.let_go();
    for download in downloads {
        let status = download.await.unwrap().status;
        assert!(matches!(status, 200 | 503), "{status}");
    }
}

#[apply(on_both_databases)]
async fn slow_live_chats_leave_the_chat_service_to_users(setup: Setup) {
    let app = four_calls(setup).start().await;
    let mut views = Vec::new();
    for number in 0..6 {
        let chat = format!("{number}-slow");
        app.chats.put_named(&chat, "Slow");
        views.push(app.as_user("alice").share_live(&chat).await);
    }
    let held = app.chats.hold("-slow");
    let views: Vec<_> = views.iter().map(|link| app.anonymous().view(link).spawn()).collect();
    held.arrived(2).await;
    a_moment().await;
    app.as_user("bob").share("bobs-chat").await;
    held.let_go();
    for view in views {
        let status = view.await.unwrap().status;
        assert!(matches!(status, 200 | 503), "{status}");
    }
}

#[apply(on_both_databases)]
async fn live_views_that_wait_leave_room_for_frozen_ones(setup: Setup) {
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
async fn queue_timeout_is_503(setup: Setup) {
    let setup = setup.with("DATABASE_POOL_SIZE", "1").queue_timeout(Duration::from_millis(300));
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
