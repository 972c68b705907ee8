//! How much one owner may have (docs/API.md 3, "Quotas").

use serde_json::json;

use crate::support::{
    App, Chat, Setup, apply, message, on_both_databases, random_name, rows, store,
};

fn exceeded(message: &str, quota: &str) {
    assert!(message.contains(&format!("more {quota} than")), "{message}");
}

#[apply(on_both_databases)]
async fn an_owner_with_as_many_links_as_one_may_have_makes_no_more(setup: Setup) {
    let app = setup.with("QUOTA_LINKS", "2").start().await;
    let alice = app.as_user("alice");
    let first = alice.share("chat-1").await;
    let soon = app.after(chrono::Duration::hours(1));
    alice.share_with("chat-1", json!({"expires_at": soon})).await;
    let asked = app.chats.asked().len();
    let body = json!({"chat_session_id": "chat-1"});
    exceeded(&alice.create(&body).await.fails(409, "quota_exceeded"), "links");
    assert_eq!(app.chats.asked().len(), asked, "the chat is not fetched for it");
    // Others have quotas of their own, also where the chat service makes their links.
    app.as_user("bob").share("bobs-chat").await;
    let for_alice = json!({"chat_session_id": "chat-1", "owner": {"id": "alice"}});
    app.as_chat_service().create(&for_alice).await.fails(409, "quota_exceeded");
    // Deleted and expired links do not count.
    app.clock.advance(chrono::Duration::hours(2));
    let alice = app.as_user("alice");
    alice.share("chat-1").await;
    alice.delete(&first).await.is(204);
    alice.share("chat-1").await;
}

#[apply(on_both_databases)]
async fn a_repeated_create_is_answered_at_the_quota_too(setup: Setup) {
    let app = setup.with("QUOTA_LINKS", "1").start().await;
    let alice = app.as_user("alice");
    let body = json!({"chat_session_id": "chat-1"});
    let first = alice.create(&body).header("idempotency-key", "k").await.is(201).json();
    let again = alice.create(&body).header("idempotency-key", "k").await.is(201).json();
    assert_eq!(first["id"], again["id"]);
}

#[apply(on_both_databases)]
async fn stored_bytes_are_bounded(setup: Setup) {
    let app = setup.with("QUOTA_BYTES", "1000").start().await;
    let alice = app.as_user("alice");
    app.chats.put_file("chat-1", "f1", "a.bin", &[7; 700]);
    alice.share_with("chat-1", json!({"includes_artifacts": true})).await;
    let body = json!({"chat_session_id": "chat-1", "includes_artifacts": true});
    exceeded(&alice.create(&body).await.fails(409, "quota_exceeded"), "bytes");
    assert_eq!(rows(&app, "artifacts").await, 1, "no copy was begun");
    // Without files there is room.
    let link = alice.share("chat-1").await;
    let change = alice.change(&link, &json!({"includes_artifacts": true})).await;
    exceeded(&change.fails(409, "quota_exceeded"), "bytes");
    let rows = alice.list("").await.is(200).json();
    assert_eq!(rows[0]["includes_artifacts"], false);
}

#[apply(on_both_databases)]
async fn a_snapshot_beyond_the_bytes_is_not_stored(setup: Setup) {
    let app = setup.with("QUOTA_BYTES", "10").start().await;
    let body = json!({"chat_session_id": "chat-1"});
    let refused = app.as_user("alice").create(&body).await.fails(409, "quota_exceeded");
    exceeded(&refused, "bytes");
    assert_eq!(rows(&app, "shared_chats").await, 0);
    // A live link stores nothing.
    app.as_user("alice").share_live("chat-1").await;
}

/// Few links cannot reach the quota, and are not summed up; more are.
#[apply(on_both_databases)]
async fn snapshots_add_up_to_the_quota_of_bytes(setup: Setup) {
    let setup = setup.with("MAX_SNAPSHOT_BYTES", "2000").with("QUOTA_BYTES", "10000");
    let app = setup.start().await;
    app.chats.put("chat-1", Chat::of("alice", "Plan", &[message("m1", &random_name(600))]));
    let body = json!({"chat_session_id": "chat-1"});
    let mut links = 0;
    let refused = loop {
        let answer = app.as_user("alice").create(&body).await;
        if answer.status != 201 || links == 20 {
            break answer;
        }
        links += 1;
    };
    exceeded(&refused.fails(409, "quota_exceeded"), "bytes");
    let bytes = |compared: &str| {
        let stored = "(SELECT SUM(LENGTH(messages)) AS bytes FROM snapshots) stored";
        format!("{stored} WHERE bytes {compared}")
    };
    assert_eq!(rows(&app, &bytes("<= 10000")).await, 1);
    let next = format!("> 10000 - 10000 / {links}");
    assert_eq!(rows(&app, &bytes(&next)).await, 1, "one more did not fit");
}

/// Otherwise links of a minute would fill the database between two sweeps.
#[apply(on_both_databases)]
async fn what_an_expired_link_stored_counts_until_it_is_swept(setup: Setup) {
    let app = setup.with("QUOTA_FILES", "1").start().await;
    app.chats.put_file("chat-1", "f1", "a.txt", b"abc");
    let soon = app.after(chrono::Duration::minutes(1));
    let body = json!({"includes_artifacts": true, "expires_at": soon});
    app.as_user("alice").share_with("chat-1", body).await;
    app.clock.advance(chrono::Duration::minutes(2));
    let again = json!({"chat_session_id": "chat-1", "includes_artifacts": true});
    let refused = app.as_user("alice").create(&again).await.fails(409, "quota_exceeded");
    exceeded(&refused, "files");
    store(&app).sweep(chrono::Duration::days(30), app.now()).await.unwrap();
    app.as_user("alice").create(&again).await.is(201);
}

#[apply(on_both_databases)]
async fn kept_files_are_bounded(setup: Setup) {
    let app = setup.with("QUOTA_FILES", "3").start().await;
    let alice = app.as_user("alice");
    for id in ["f1", "f2"] {
        app.chats.put_file("chat-1", id, "a.txt", b"abc");
    }
    let with_files = json!({"chat_session_id": "chat-1", "includes_artifacts": true});
    let first = alice.create(&with_files).await.is(201).json();
    let refused = alice.create(&with_files).await.fails(409, "quota_exceeded");
    exceeded(&refused, "files");
    let first = first["id"].as_str().unwrap();
    alice.change(first, &json!({"includes_artifacts": false})).await.is(204);
    alice.create(&with_files).await.is(201);
}

#[apply(on_both_databases)]
async fn by_default_a_person_is_not_limited(app: App) {
    let alice = app.as_user("alice");
    for _ in 0..50 {
        alice.share("chat-1").await;
    }
}
