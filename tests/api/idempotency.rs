//! `Idempotency-Key` on `POST /api/v1/shared_chats`.

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::{App, Client, Request, Setup, Trouble, apply, on_both_databases};

fn create(client: &Client, key: &str, settings: &Value) -> Request {
    let mut body = settings.clone();
    if body["chat_session_id"].is_null() {
        body["chat_session_id"] = "chat-1".into();
    }
    client.create(&body).header("idempotency-key", key)
}

async fn id(request: Request) -> String {
    let answer = request.await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[apply(on_both_databases)]
async fn the_same_request_gives_the_first_link_again(app: App) {
    let alice = app.as_user("alice");
    let settings =
        json!({"is_private": true, "label": "x", "expires_at": app.after(Duration::days(9))});
    let first = create(&alice, "key", &settings).await.is(201);
    let asked = app.chats.asked().len();
    let other = app.another_instance().await;
    for client in [app.as_user("alice"), other.as_user("alice")] {
        let again = create(&client, "key", &settings).await;
        assert!(matches!(again.status, 200 | 201));
        let mut info = again.json();
        // Each instance tells its own address while PUBLIC_URL is unset.
        info["url"] = first.json()["url"].clone();
        assert_eq!(info, first.json());
        assert_eq!(again.header("location"), first.header("location"));
    }
    assert_eq!(app.chats.asked().len(), asked);
    assert_eq!(alice.list("").await.ids().len(), 1);
}

#[apply(on_both_databases)]
async fn twenty_creates_with_one_key_at_the_same_moment_make_one_link(setup: Setup) {
    // Of which one user may have a quarter.
    let app = setup.with("CHAT_SERVICE_MAX_CALLS", "64").start().await;
    let other = app.another_instance().await;
    let held = app.chats.hold("/messages");
    let creates: Vec<_> = (0..20)
        .map(|n| {
            let alice = if n % 2 == 0 { app.as_user("alice") } else { other.as_user("alice") };
            create(&alice, "key", &json!({})).spawn()
        })
        .collect();
    // All of them have looked for the key and not found it.
    held.arrived(20).await;
    held.let_go();
    let mut ids = Vec::new();
    for create in creates {
        let answer = create.await.unwrap();
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids, app.as_user("alice").list("").await.ids());
}

#[apply(on_both_databases)]
async fn different_requests_with_one_key_at_the_same_moment_make_one_link(app: App) {
    let held = app.chats.hold("/messages");
    let creates: Vec<_> = (0..6)
        .map(|n| create(&app.as_user("alice"), "key", &json!({"label": n.to_string()})).spawn())
        .collect();
    held.arrived(6).await;
    held.let_go();
    let mut made = 0;
    for create in creates {
        match create.await.unwrap() {
            answer if answer.status == 201 => made += 1,
            refused => drop(refused.fails(409, "idempotency_conflict")),
        }
    }
    assert_eq!((made, app.as_user("alice").list("").await.ids().len()), (1, 1));
}

#[apply(on_both_databases)]
async fn another_request_with_the_key_is_refused(app: App) {
    let alice = app.as_user("alice");
    app.chats.put_named("chat-2", "Another");
    create(&alice, "key", &json!({})).await.is(201);
    for other in [
        json!({"is_private": true}),
        json!({"is_frozen": false}),
        json!({"includes_artifacts": true}),
        json!({"label": ""}),
        json!({"expires_at": "2999-01-01T00:00:00Z"}),
        json!({"chat_session_id": "chat-2"}),
    ] {
        create(&alice, "key", &other).await.fails(409, "idempotency_conflict");
    }
    assert_eq!(alice.list("").await.ids().len(), 1);
}

#[apply(on_both_databases)]
async fn two_spellings_of_a_request_are_the_same(app: App) {
    let alice = app.as_user("alice");
    let first = json!({"is_private": false, "label": null, "expires_at": "2999-01-01T00:00:00Z"});
    let again = json!({"expires_at": "2999-01-01T01:00:00.000+01:00", "is_frozen": true});
    assert_eq!(id(create(&alice, "key", &first)).await, id(create(&alice, "key", &again)).await);
}

#[apply(on_both_databases)]
async fn the_key_of_a_deleted_link_is_not_used_again(app: App) {
    let alice = app.as_user("alice");
    let made = id(create(&alice, "key", &json!({}))).await;
    alice.delete(&made).await.is(204);
    create(&alice, "key", &json!({})).await.fails(409, "idempotency_conflict");
    create(&alice, "key", &json!({"label": "x"})).await.fails(409, "idempotency_conflict");
    assert_eq!(alice.list("").await.json(), json!([]));
}

#[apply(on_both_databases)]
async fn the_key_of_an_expired_link_is_not_used_again(app: App) {
    let settings = json!({"expires_at": app.after(Duration::hours(2))});
    let made = id(create(&app.as_user("alice"), "key", &settings)).await;
    let alice = app.as_user("alice");
    alice.change(&made, &json!({"expires_at": app.after(Duration::minutes(1))})).await.is(204);
    app.clock.advance(Duration::minutes(1));
    create(&alice, "key", &settings).await.fails(409, "idempotency_conflict");
}

#[apply(on_both_databases)]
async fn a_key_is_free_again_after_24_hours(app: App) {
    let made = id(create(&app.as_user("alice"), "key", &json!({}))).await;
    app.clock.advance(Duration::hours(24) - Duration::minutes(1));
    assert_eq!(id(create(&app.as_user("alice"), "key", &json!({}))).await, made);
    app.clock.advance(Duration::minutes(1));
    let other = id(create(&app.as_user("alice"), "key", &json!({"label": "another"}))).await;
    assert_ne!(other, made);
    // Both stand, and the key is the second one's.
    assert_eq!(app.as_user("alice").list("").await.ids(), [other.clone(), made]);
    assert_eq!(id(create(&app.as_user("alice"), "key", &json!({"label": "another"}))).await, other);
}

#[apply(on_both_databases)]
async fn a_failed_attempt_keeps_nothing(app: App) {
    let alice = app.as_user("alice");
    app.chats.misbehaves("/messages", Trouble::Status(500));
    create(&alice, "key", &json!({})).await.fails(502, "chat_service_error");
    app.chats.recovers();
    create(&alice, "key", &json!({"is_privat": true})).await.fails(400, "bad_request");
    create(&alice, "key", &json!({"chat_session_id": "bobs-chat"})).await.fails(403, "forbidden");
    create(&alice, "key", &json!({"label": "now it works"})).await.is(201);
}

#[apply(on_both_databases)]
async fn keys_are_told_apart_per_caller(app: App) {
    let alices = id(create(&app.as_user("alice"), "key", &json!({}))).await;
    let bobs = create(&app.as_user("bob"), "key", &json!({"chat_session_id": "bobs-chat"}));
    let bobs = id(bobs).await;
    assert_ne!(alices, bobs);
    // Bob learns nothing about Alice's key by asking for the same.
    create(&app.as_user("bob"), "key-2", &json!({})).await.fails(403, "forbidden");
}

#[apply(on_both_databases)]
async fn keys_are_told_apart_per_owner(app: App) {
    let service = app.as_chat_service();
    let for_alice = json!({"owner": {"id": "alice"}});
    let for_bob = json!({"owner": {"id": "bob"}});
    let alices = id(create(&service, "key", &for_alice)).await;
    assert_ne!(id(create(&service, "key", &for_bob)).await, alices);
    assert_eq!(id(create(&service, "key", &for_alice)).await, alices);
    // What the chat service does for Alice is not what Alice does.
    assert_ne!(id(create(&app.as_user("alice"), "key", &json!({}))).await, alices);
    let renamed = json!({"owner": {"id": "alice", "name": "Another"}});
    create(&service, "key", &renamed).await.fails(409, "idempotency_conflict");
}

#[apply(on_both_databases)]
async fn without_a_key_each_request_makes_a_link(app: App) {
    let alice = app.as_user("alice");
    let one = id(create(&alice, "one", &json!({}))).await;
    assert_ne!(id(create(&alice, "ONE", &json!({}))).await, one);
    assert_ne!(alice.share("chat-1").await.id, alice.share("chat-1").await.id);
}

#[apply(on_both_databases)]
async fn a_key_has_1_to_255_visible_characters(app: App) {
    let alice = app.as_user("alice");
    for key in ["", " ", "a b", "é", "a\tb", &"x".repeat(256)] {
        let message = create(&alice, key, &json!({})).await.fails(400, "bad_request");
        assert!(message.starts_with("Idempotency-Key"), "{key:?}: {message}");
    }
    let two = create(&alice, "one", &json!({})).header("idempotency-key", "two");
    two.await.fails(400, "bad_request");
    for key in ["x", "!~\"'", &"x".repeat(255)] {
        create(&alice, key, &json!({})).await.is(201);
    }
}

#[apply(on_both_databases)]
async fn a_link_that_was_changed_since_comes_back_as_it_is_now(app: App) {
    let alice = app.as_user("alice");
    let made = id(create(&alice, "key", &json!({}))).await;
    alice.change(&made, &json!({"is_private": true})).await.is(204);
    let again = create(&alice, "key", &json!({})).await;
    assert_eq!(again.json()["id"], made);
    assert_eq!(again.json()["is_private"], true);
}

#[apply(on_both_databases)]
async fn a_repetition_tells_the_chat_service_no_label_but_its_own(app: App) {
    let (alice, service) = (app.as_user("alice"), app.as_chat_service());
    for (key, label) in [("with", json!("from the service")), ("without", Value::Null)] {
        let settings = json!({"owner": {"id": "alice"}, "label": label});
        let first = create(&service, key, &settings).await.json();
        assert_eq!(first["label"], label);
        let id = first["id"].as_str().unwrap();
        for change in [json!({"label": "my salary"}), json!({"label": null})] {
            alice.change(id, &change).await.is(204);
            let again = create(&service, key, &settings).await.json();
            assert_eq!((&again["id"], &again["label"]), (&first["id"], &label), "{change}");
        }
    }
    // The repetition gives the owner the label too.
    let settings = json!({"label": "before"});
    let made = id(create(&alice, "own", &settings)).await;
    alice.change(&made, &json!({"label": "after"})).await.is(204);
    assert_eq!(create(&alice, "own", &settings).await.json()["label"], "after");
}
