//! What the chat service asks about its chats: `/api/v1/chats/{chat_session_id}/shared_chats`.

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::{App, apply, claims, hs256, on_both_databases};

#[apply(on_both_databases)]
async fn the_chat_service_sees_every_link_of_a_chat_with_its_owner(app: App) {
    let first = app.as_user("alice").share_private("chat-1").await;
    app.clock.advance(Duration::seconds(1));
    let for_bob = json!({"owner": {"id": "bob"}, "is_frozen": false});
    let second = app.as_chat_service().share_with("chat-1", for_bob).await;
    app.as_user("bob").share("bobs-chat").await;
    let mut expected = [second.info, first.info];
    expected[0]["owner_id"] = "bob".into();
    expected[1]["owner_id"] = "alice".into();
    let links = app.as_chat_service().links_of_chat("chat-1").await.is(200);
    assert_eq!(links.json(), json!(expected));
    assert_eq!(links.header("cache-control"), "no-store");
    assert_eq!(app.as_chat_service().links_of_chat("unknown").await.is(200).json(), json!([]));
}

#[apply(on_both_databases)]
async fn the_chat_service_sees_no_label(app: App) {
    let alice = app.as_user("alice");
    let labelled = alice.share_with("chat-1", json!({"label": "my salary"})).await;
    let service = app.as_chat_service();
    let for_alice = json!({"owner": {"id": "alice"}, "label": "from the service"});
    let made = service.share_with("chat-1", for_alice).await;
    assert_eq!(made.info["label"], "from the service");
    alice.change(&made, &json!({"label": "my salary, too"})).await.is(204);
    // The field is there, as in every row.
    let links = service.links_of_chat("chat-1").await.is(200);
    let labels: Vec<_> =
        links.json().as_array().unwrap().iter().map(|row| row.get("label").cloned()).collect();
    assert_eq!(labels, [Some(Value::Null), Some(Value::Null)]);
    assert!(!links.text().contains("salary") && !links.text().contains("from the service"));
    let own = alice.list("").await.json();
    let mut own: Vec<_> =
        own.as_array().unwrap().iter().map(|row| (&row["id"], &row["label"])).collect();
    own.sort_by_key(|(_, label)| label.as_str().map(str::len));
    let (first, second) = (json!(labelled.id), json!(made.id));
    assert_eq!(own, [(&first, &json!("my salary")), (&second, &json!("my salary, too"))]);
}

#[apply(on_both_databases)]
async fn a_deleted_chat_takes_all_its_links_along(app: App) {
    let other = app.another_instance().await;
    let alice = app.as_user("alice");
    let links = [
        alice.share("chat-1").await,
        alice.share_private("chat-1").await,
        alice.share_live("chat-1").await,
        app.as_chat_service().share_with("chat-1", json!({"owner": {"id": "bob"}})).await,
    ];
    // ViewKind before, so that every instance has them in memory.
    for link in &links {
        other.as_user("bob").view(link).await.is(200);
        other.anonymous().qr_code(link, "").await.is(200);
    }
    let answer = app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    assert_eq!(answer.json(), json!({"deleted": 4}));
    for link in &links {
        other.as_user("bob").view(link).await.fails(404, "not_found");
        other.anonymous().open(link).await.is(404);
        other.anonymous().qr_code(link, "").await.fails(404, "not_found");
    }
    assert_eq!(alice.list("").await.json(), json!([]));
    assert_eq!(app.as_chat_service().links_of_chat("chat-1").await.json(), json!([]));
    // It can be repeated.
    let again = app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    assert_eq!(again.json(), json!({"deleted": 0}));
}

#[apply(on_both_databases)]
async fn a_deleted_chat_leaves_other_chats_alone(app: App) {
    app.chats.put_named("CHAT-1", "Another one");
    app.chats.put_named("chat-10", "Another one");
    let mut stay = Vec::new();
    for chat in ["CHAT-1", "chat-10"] {
        stay.push(app.as_user("alice").share(chat).await);
    }
    app.as_user("alice").share("chat-1").await;
    let answer = app.as_chat_service().chat_was_deleted("chat-1").await;
    assert_eq!(answer.json(), json!({"deleted": 1}));
    for link in stay {
        app.anonymous().view(&link).await.is(200);
    }
    app.as_user("alice").share("CHAT-1").await;
}

#[apply(on_both_databases)]
async fn a_create_that_is_under_way_while_the_chat_is_deleted_leaves_no_link(app: App) {
    let other = app.another_instance().await;
    let held = app.chats.hold("/messages");
    let creates = [
        app.as_user("alice").create(&json!({"chat_session_id": "chat-1"})).spawn(),
        app.as_user("alice")
            .create(&json!({"chat_session_id": "chat-1", "is_frozen": false}))
            .spawn(),
        app.as_chat_service()
            .create(&json!({"chat_session_id": "chat-1", "owner": {"id": "bob"}}))
            .spawn(),
    ];
    held.arrived(3).await;
    // The chat service has answered already; only the answer is still on its way.
    let deleted = other.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    assert_eq!(deleted.json(), json!({"deleted": 0}));
    held.let_go();
    for create in creates {
        create.await.unwrap().fails(404, "not_found");
    }
    assert_eq!(app.as_chat_service().links_of_chat("chat-1").await.json(), json!([]));
    assert_eq!(app.as_user("alice").list("").await.json(), json!([]));
}

#[apply(on_both_databases)]
async fn creates_at_the_same_moment_as_the_deletion_leave_no_link(app: App) {
    for round in 0..5 {
        let chat = format!("race-{round}");
        app.chats.put_named(&chat, "Race");
        let body = json!({"chat_session_id": chat});
        let before: Vec<_> = (0..5).map(|_| app.as_user("alice").create(&body).spawn()).collect();
        let service = app.as_chat_service();
        let deletion = service.chat_was_deleted(&chat).spawn();
        let after: Vec<_> = (0..5).map(|_| app.as_user("alice").create(&body).spawn()).collect();
        deletion.await.unwrap().is(200);
        for create in before.into_iter().chain(after) {
            let answer = create.await.unwrap();
            assert!(matches!(answer.status, 201 | 404), "{}", answer.text());
        }
        assert_eq!(service.links_of_chat(&chat).await.json(), json!([]));
    }
}

#[apply(on_both_databases)]
async fn a_deleted_chat_cannot_be_shared_again_for_30_days(app: App) {
    app.as_user("alice").share("chat-1").await;
    app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    // The chat service still knows the chat, or knows it again.
    let body = json!({"chat_session_id": "chat-1"});
    app.as_user("alice").create(&body).await.fails(404, "not_found");
    app.clock.advance(Duration::days(30) - Duration::minutes(1));
    app.as_user("alice").create(&body).await.fails(404, "not_found");
    app.clock.advance(Duration::minutes(1));
    let link = app.as_user("alice").share("chat-1").await;
    app.anonymous().view(&link).await.is(200);
    // The old tombstone is gone for good.
    app.as_user("alice").share("chat-1").await;
}

#[apply(on_both_databases)]
async fn a_tombstone_stands_for_a_chat_that_was_never_shared(app: App) {
    let answer = app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    assert_eq!(answer.json(), json!({"deleted": 0}));
    let body = json!({"chat_session_id": "chat-1"});
    app.as_user("alice").create(&body).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn a_deletion_repeated_lengthens_the_tombstone(app: App) {
    app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    app.clock.advance(Duration::days(20));
    app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    app.clock.advance(Duration::days(20));
    let body = json!({"chat_session_id": "chat-1"});
    app.as_user("alice").create(&body).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn an_idempotency_key_does_not_bring_a_deleted_chat_back(app: App) {
    let create = || {
        let body = json!({"chat_session_id": "chat-1"});
        app.as_user("alice").create(&body).header("idempotency-key", "key")
    };
    create().await.is(201);
    app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    create().await.fails(409, "idempotency_conflict");
}

#[apply(on_both_databases)]
async fn only_the_chat_service_asks(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    for chat in ["chat-1", "unknown", "a%2Fb"] {
        app.anonymous().links_of_chat(chat).await.fails(401, "login_required");
        app.anonymous().chat_was_deleted(chat).await.fails(401, "login_required");
        app.with_token("rubbish").chat_was_deleted(chat).await.fails(401, "invalid_token");
    }
    for chat in ["chat-1", "unknown"] {
        app.as_user("alice").links_of_chat(chat).await.fails(403, "forbidden");
        app.as_user("alice").chat_was_deleted(chat).await.fails(403, "forbidden");
    }
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn the_scope_counts_as_a_whole_word_alone(app: App) {
    for (claim, value, is_service) in [
        ("scope", json!("shared_chats:service"), true),
        ("scope", json!("openid shared_chats:service profile"), true),
        ("scp", json!(["openid", "shared_chats:service"]), true),
        ("scp", json!("openid shared_chats:service"), true),
        ("scope", json!(["openid", "shared_chats:service"]), true),
        ("scope", json!("shared_chats:services"), false),
        ("scope", json!("xshared_chats:service"), false),
        ("scope", json!("shared_chats:service:read"), false),
        ("scope", json!("SHARED_CHATS:SERVICE"), false),
        ("scope", json!("openid,shared_chats:service"), false),
        ("scp", json!(["openid shared_chats:service"]), false),
        ("scp", json!(17), false),
        ("scopes", json!("shared_chats:service"), false),
        ("role", json!("shared_chats:service"), false),
    ] {
        let mut claims: Value = claims(&app.clock, "a-user");
        claims[claim] = value.clone();
        let answer = app.with_token(&hs256(&claims)).links_of_chat("chat-1").await;
        assert_eq!(answer.status, if is_service { 200 } else { 403 }, "{claim}: {value}");
    }
}

#[apply(on_both_databases)]
async fn an_id_that_no_chat_has_is_not_found(app: App) {
    for chat in ["%2e%2e%2f", "a%2Fb", "a%00b", "%C3%A9", &"x".repeat(129), "a%20b"] {
        app.as_chat_service().links_of_chat(chat).await.fails(404, "not_found");
        app.as_chat_service().chat_was_deleted(chat).await.fails(404, "not_found");
    }
}

#[apply(on_both_databases)]
async fn expired_links_are_not_counted_but_go(app: App) {
    let hour = Duration::hours(1);
    let settings = json!({"expires_at": app.after(hour / 2)});
    app.as_user("alice").share_with("chat-1", settings).await;
    app.as_user("alice").share("chat-1").await;
    app.clock.advance(hour / 2);
    assert_eq!(app.as_chat_service().links_of_chat("chat-1").await.ids().len(), 1);
    let answer = app.as_chat_service().chat_was_deleted("chat-1").await;
    assert_eq!(answer.json(), json!({"deleted": 1}));
    // Were the clock set back, nothing would come to light again.
    app.clock.advance(-hour / 2);
    assert_eq!(app.as_chat_service().links_of_chat("chat-1").await.json(), json!([]));
}
