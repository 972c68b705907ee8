//! Expiry, and what the sweep takes away.

use chrono::Duration;
use serde_json::{Value, json};
use shared_chats::sharing::Swept;

use crate::support::{App, Setup, apply, eventually, import, on_both_databases, rows, store};

const RETENTION: Duration = Duration::days(30);

fn in_an_hour(app: &App) -> Value {
    json!({"expires_at": app.after(Duration::hours(1))})
}

async fn sweep(app: &App) -> Swept {
    store(app).sweep(RETENTION, app.now()).await.unwrap()
}

#[apply(on_both_databases)]
async fn an_expired_link_answers_as_one_that_never_was(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_with("chat-1", in_an_hour(&app)).await;
    let tag = app.anonymous().view(&link).await.is(200).header("etag").to_owned();
    app.clock.advance(Duration::hours(1));
    let alice = app.as_user("alice");
    let never = "00000000-0000-4000-8000-000000000000";
    // The same words, before the sweep and after it.
    for swept in [false, true] {
        if swept {
            sweep(&app).await;
        }
        for id in [link.id.as_str(), never] {
            let anyone = app.anonymous();
            let said = anyone.view(id).await.fails(404, "not_found");
            assert_eq!(said, "There is no such link.");
            let tagged = anyone.view(id).header("if-none-match", &tag).await;
            assert_eq!(tagged.fails(404, "not_found"), said);
            assert_eq!(anyone.qr_code(id, "").await.fails(404, "not_found"), said);
            assert_eq!(alice.view(id).await.fails(404, "not_found"), said);
            let change = json!({"is_private": true});
            assert_eq!(alice.change(id, &change).await.fails(404, "not_found"), said);
            assert_eq!(alice.delete(id).await.fails(404, "not_found"), said);
            alice.batch_delete(&[id]).await.is(204);
            anyone.open(id).await.is(404);
        }
        assert!(alice.list("").await.is(200).ids().is_empty());
        assert!(app.as_chat_service().links_of_chat("chat-1").await.is(200).ids().is_empty());
    }
    let deleted = app.as_chat_service().chat_was_deleted("chat-1").await.is(200).json();
    assert_eq!(deleted, json!({"deleted": 0}));
}

#[apply(on_both_databases)]
async fn an_end_date_is_renewed_before_its_moment_and_not_after(app: App) {
    let link = app.as_user("alice").share_with("chat-1", in_an_hour(&app)).await;
    app.clock.advance(Duration::minutes(59));
    app.as_user("alice").change(&link, &in_an_hour(&app)).await.is(204);
    app.clock.advance(Duration::minutes(59));
    sweep(&app).await;
    app.anonymous().view(&link).await.is(200);
    app.clock.advance(Duration::minutes(1));
    let alice = app.as_user("alice");
    alice.change(&link, &in_an_hour(&app)).await.fails(404, "not_found");
    alice.change(&link, &json!({"expires_at": null})).await.fails(404, "not_found");
    app.anonymous().view(&link).await.is(404);
}

#[apply(on_both_databases)]
async fn content_goes_with_the_first_sweep_and_the_row_after_its_retention(app: App) {
    app.as_user("alice").share_with("chat-1", in_an_hour(&app)).await;
    assert_eq!(sweep(&app).await, Swept::default());
    app.clock.advance(Duration::hours(1));
    assert_eq!(sweep(&app).await, Swept { snapshots: 1, ..Swept::default() });
    assert_eq!((rows(&app, "snapshots").await, rows(&app, "shared_chats").await), (0, 1));
    app.clock.advance(RETENTION - Duration::minutes(1));
    assert_eq!(sweep(&app).await, Swept::default());
    app.clock.advance(Duration::minutes(1));
    assert_eq!(sweep(&app).await, Swept { links: 1, ..Swept::default() });
    assert_eq!(rows(&app, "shared_chats").await, 0);
}

#[apply(on_both_databases)]
async fn keys_and_tombstones_go_when_their_time_is_over(app: App) {
    let create = app.as_user("alice").create(&json!({"chat_session_id": "chat-1"}));
    create.header("idempotency-key", "once").await.is(201);
    app.as_chat_service().chat_was_deleted("bobs-chat").await.is(200);
    app.clock.advance(Duration::hours(23));
    assert_eq!(sweep(&app).await, Swept::default());
    app.clock.advance(Duration::hours(1));
    assert_eq!(sweep(&app).await, Swept { idempotency_keys: 1, ..Swept::default() });
    app.clock.advance(Duration::days(28));
    assert_eq!(sweep(&app).await, Swept::default());
    app.as_user("bob").create(&json!({"chat_session_id": "bobs-chat"})).await.is(404);
    app.clock.advance(Duration::days(1));
    assert_eq!(sweep(&app).await, Swept { tombstones: 1, ..Swept::default() });
    app.as_user("bob").share("bobs-chat").await;
}

/// Links that end in an hour, all at the same moment.
async fn import_many(app: &App, count: usize, content: &str) {
    let end = app.after(Duration::hours(1));
    let line = |number| {
        let messages = json!([{"content": content}]);
        json!({"token": format!("old-token-{number}"), "created_at": "2025-01-01T00:00:00Z",
               "expires_at": end, "messages": messages})
    };
    let file: String = (0..count).map(|number| format!("{}\n", line(number))).collect();
    assert_eq!(import(app, file).await.0.imported, count as u64);
}

#[apply(on_both_databases)]
async fn more_than_one_statement_takes_is_swept(app: App) {
    import_many(&app, 1_750, "x").await;
    let kept = app.as_user("alice").share_with("chat-1", json!({})).await;
    app.clock.advance(Duration::hours(1));
    assert_eq!(sweep(&app).await, Swept { snapshots: 1_750, ..Swept::default() });
    // Bare rows are passed by.
    assert_eq!(sweep(&app).await, Swept::default());
    app.clock.advance(RETENTION);
    assert_eq!(sweep(&app).await, Swept { links: 1_750, ..Swept::default() });
    assert_eq!((rows(&app, "snapshots").await, rows(&app, "shared_chats").await), (1, 1));
    app.anonymous().view(&kept).await.is(200);
}

#[apply(on_both_databases)]
async fn large_contents_are_swept_a_few_at_a_time(setup: Setup) {
    let app = setup.with("MAX_SNAPSHOT_BYTES", "64MiB").start().await;
    // Hard to compress.
    let noise: String = (0..180_000).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
    app.chats.change("chat-1", |chat| {
        chat.messages = vec![crate::support::message("m1", &noise)];
    });
    for _ in 0..5 {
        app.as_user("alice").share_with("chat-1", in_an_hour(&app)).await;
    }
    app.clock.advance(RETENTION + Duration::hours(1));
    // The links are deleted with their content, however much it is.
    assert_eq!(sweep(&app).await, Swept { links: 5, ..Swept::default() });
    assert_eq!(rows(&app, "snapshots").await, 0);
}

#[apply(on_both_databases)]
async fn a_link_that_lives_is_not_swept(app: App) {
    let alice = app.as_user("alice");
    let forever = alice.share("chat-1").await;
    let long = alice.share_with("chat-1", json!({"expires_at": app.after(RETENTION * 3)})).await;
    app.clock.advance(RETENTION * 2);
    assert_eq!(sweep(&app).await, Swept::default());
    app.anonymous().view(&forever).await.is(200);
    app.anonymous().view(&long).await.is(200);
}

#[apply(on_both_databases)]
async fn the_service_sweeps_by_itself(app: App) {
    app.as_user("alice").share_with("chat-1", in_an_hour(&app)).await;
    app.clock.advance(Duration::hours(2));
    // Each instance sweeps when it starts, and every ten minutes from then on.
    app.another_instance().await;
    eventually("it is swept", async || rows(&app, "snapshots").await == 0).await;
    assert_eq!(rows(&app, "shared_chats").await, 1);
}
