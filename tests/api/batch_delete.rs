//! `POST /api/v1/shared_chats/batch_delete`.

use serde_json::{Value, json};

use crate::support::{App, Client, apply, on_both_databases};

async fn share_many(app: &App, count: usize) -> Vec<String> {
    let alice = app.as_user("alice");
    let mut ids = Vec::new();
    while ids.len() < count {
        let batch = (count - ids.len()).min(50);
        let body = json!({"chat_session_id": "chat-1"});
        let made: Vec<_> = (0..batch).map(|_| alice.create(&body).spawn()).collect();
        for link in made {
            ids.push(link.await.unwrap().is(201).json()["id"].as_str().unwrap().to_owned());
        }
    }
    ids
}

fn raw(client: &Client, body: &Value) -> crate::support::Request {
    client.post("/api/v1/shared_chats/batch_delete", body)
}

#[apply(on_both_databases)]
async fn a_batch_is_deleted_at_once(app: App) {
    let other = app.another_instance().await;
    let ids = share_many(&app, 5).await;
    for id in &ids {
        other.anonymous().view(id).await.is(200);
    }
    assert!(app.as_user("alice").batch_delete(&ids[..4]).await.is(204).body.is_empty());
    for id in &ids[..4] {
        other.anonymous().view(id).await.fails(404, "not_found");
    }
    assert_eq!(app.as_user("alice").list("").await.ids(), ids[4..]);
}

#[apply(on_both_databases)]
async fn a_batch_with_a_link_of_another_user_is_403_and_deletes_none(app: App) {
    let bobs = app.as_user("bob").share("bobs-chat").await;
    let mut ids = share_many(&app, 60).await;
    let unknown = (60..999).map(|n| format!("00000000-0000-4000-8000-{n:012}"));
    ids.extend(unknown);
    ids.insert(500, bobs.id.clone());
    assert_eq!(ids.len(), 1000);
    let alice = app.as_user("alice");
    alice.batch_delete(&ids).await.fails(403, "forbidden");
    assert_eq!(alice.list("").await.ids().len(), 60);
    app.anonymous().view(&bobs).await.is(200);
    ids.retain(|id| *id != bobs.id);
    alice.batch_delete(&ids).await.is(204);
    assert_eq!(alice.list("").await.json(), json!([]));
    app.anonymous().view(&bobs).await.is(200);
}

#[apply(on_both_databases)]
async fn links_that_are_not_there_are_skipped(app: App) {
    let alice = app.as_user("alice");
    let (one, gone) = (alice.share("chat-1").await, alice.share("chat-1").await);
    alice.delete(&gone).await.is(204);
    let odd =
        ["", "..", "a/b", "a\0b", "6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11", &"x".repeat(10_000)];
    let ids: Vec<&str> = odd.into_iter().chain([one.id.as_str(), gone.id.as_str()]).collect();
    alice.batch_delete(&ids).await.is(204);
    alice.batch_delete(&ids).await.is(204);
    assert_eq!(alice.list("").await.json(), json!([]));
    // An expired one is not there either, whether or not it is the caller's.
    let hour = chrono::Duration::hours(1);
    let settings = json!({"expires_at": app.after(hour / 2)});
    let bobs = app.as_user("bob").share_with("bobs-chat", settings).await;
    app.clock.advance(hour / 2);
    alice.batch_delete(&[&bobs]).await.is(204);
}

#[apply(on_both_databases)]
async fn a_link_named_twice_is_deleted_once(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    alice.batch_delete(&[&link, &link]).await.is(204);
    app.anonymous().view(&link).await.is(404);
}

#[apply(on_both_databases)]
async fn a_batch_has_1_to_1000_ids(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let none: [&str; 0] = [];
    let message = alice.batch_delete(&none).await.fails(400, "bad_request");
    assert!(message.starts_with("shared_chat_ids"), "{message}");
    let too_many = vec![link.id.as_str(); 1001];
    alice.batch_delete(&too_many).await.fails(400, "bad_request");
    app.anonymous().view(&link).await.is(200);
    alice.batch_delete(&too_many[..1000]).await.is(204);
}

#[apply(on_both_databases)]
async fn a_malformed_batch_deletes_nothing(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let id = link.id.as_str();
    for body in [
        json!({}),
        json!([[id]]),
        json!([id]),
        json!({"shared_chat_ids": id}),
        json!({"shared_chat_ids": null}),
        json!({"shared_chat_ids": [id, 7]}),
        json!({"shared_chat_ids": [id, null]}),
        json!({"shared_chat_ids": [id], "ids": [id]}),
    ] {
        raw(&alice, &body).await.fails(400, "bad_request");
    }
    let message = raw(&alice, &json!({"shared_chat_ids": [id, 7]})).await.fails(400, "bad_request");
    assert!(message.starts_with("shared_chat_ids[1]"), "{message}");
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn a_batch_is_for_users_who_are_signed_in(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    app.anonymous().batch_delete(&[&link]).await.fails(401, "login_required");
    raw(&app.anonymous(), &json!({})).await.fails(401, "login_required");
    app.with_token("rubbish").batch_delete(&[&link]).await.fails(401, "invalid_token");
    raw(&app.as_chat_service(), &json!({})).await.fails(400, "bad_request");
    app.as_chat_service().batch_delete(&[&link]).await.fails(403, "forbidden");
    app.as_chat_service().batch_delete(&["unknown-link"]).await.fails(403, "forbidden");
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn batches_that_overlap_do_not_block_each_other(app: App) {
    let ids = share_many(&app, 40).await;
    let mut backwards = ids.clone();
    backwards.reverse();
    let alice = app.as_user("alice");
    let batches: Vec<_> = (0..8)
        .map(|n| alice.batch_delete(if n % 2 == 0 { &ids } else { &backwards }).spawn())
        .collect();
    for batch in batches {
        batch.await.unwrap().is(204);
    }
    assert_eq!(alice.list("").await.json(), json!([]));
}
