//! `DELETE /api/v1/shared_chats/{id}`.

use serde_json::json;

use crate::support::{App, apply, on_both_databases};

#[apply(on_both_databases)]
async fn a_deleted_link_is_gone_everywhere_at_once(app: App) {
    let other = app.another_instance().await;
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let mut tags = Vec::new();
    // ViewKind before, so that every instance has it in memory.
    for viewer in [app.anonymous(), other.anonymous()] {
        tags.push(viewer.view(&link).await.is(200).header("etag").to_owned());
        viewer.open(&link).await.is(200);
        viewer.qr_code(&link, "").await.is(200);
    }
    assert!(alice.delete(&link).await.is(204).body.is_empty());
    for viewer in [app.anonymous(), other.anonymous(), other.as_user("alice")] {
        viewer.view(&link).await.fails(404, "not_found");
        let known = viewer.view(&link).header("if-none-match", &tags[0]);
        known.await.fails(404, "not_found");
        viewer.open(&link).await.is(404);
        viewer.qr_code(&link, "").await.fails(404, "not_found");
    }
    assert_eq!(other.as_user("alice").list("").await.json(), json!([]));
    assert_eq!(other.as_chat_service().links_of_chat("chat-1").await.json(), json!([]));
}

#[apply(on_both_databases)]
async fn a_deleted_link_cannot_be_told_from_one_that_never_was(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    alice.delete(&link).await.is(204);
    let never = "6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11";
    for client in [app.as_user("alice"), app.as_user("bob")] {
        let gone = client.delete(&link).await.fails(404, "not_found");
        assert_eq!(gone, client.delete(never).await.fails(404, "not_found"));
        let gone = client.change(&link, &json!({"label": "x"})).await.fails(404, "not_found");
        let change = client.change(never, &json!({"label": "x"})).await;
        assert_eq!(gone, change.fails(404, "not_found"));
    }
}

#[apply(on_both_databases)]
async fn deleting_one_link_leaves_the_others(app: App) {
    let alice = app.as_user("alice");
    let (one, other) = (alice.share("chat-1").await, alice.share("chat-1").await);
    alice.delete(&one).await.is(204);
    app.anonymous().view(&other).await.is(200);
    assert_eq!(alice.list("").await.ids(), [other.id]);
}

#[apply(on_both_databases)]
async fn only_the_owner_deletes_a_link(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    app.anonymous().delete(&link).await.fails(401, "login_required");
    app.with_token("rubbish").delete(&link).await.fails(401, "invalid_token");
    app.as_user("bob").delete(&link).await.fails(403, "forbidden");
    app.as_user("Alice").delete(&link).await.fails(403, "forbidden");
    app.as_chat_service().delete(&link).await.fails(403, "forbidden");
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn refusals_come_in_their_order(app: App) {
    for id in ["no-such-link", "a%2Fb", "short", "a%00b"] {
        app.anonymous().delete(id).await.fails(401, "login_required");
        app.as_user("bob").delete(id).await.fails(404, "not_found");
        app.as_chat_service().delete(id).await.fails(404, "not_found");
    }
}
