//! Links that end by themselves.

use std::time::Duration as StdDuration;

use chrono::Duration;
use serde_json::json;

use crate::support::{App, Link, apply, on_both_databases, rows};

/// A link that expires in an hour.
async fn expiring(app: &App, is_private: bool) -> Link {
    let at = app.after(Duration::hours(1));
    let settings = json!({"expires_at": at, "is_private": is_private});
    app.as_user("alice").share_with("chat-1", settings).await
}

#[apply(on_both_databases)]
async fn a_link_is_gone_at_its_moment_and_not_before(app: App) {
    let other = app.another_instance().await;
    let link = expiring(&app, false).await;
    let viewers = [app.anonymous(), other.anonymous()];
    app.clock.advance(Duration::minutes(59));
    let mut tags = Vec::new();
    for viewer in &viewers {
        let view = viewer.view(&link).await.is(200);
        tags.push(view.header("etag").to_owned());
        assert_eq!(view.json()["expires_at"], link.info["expires_at"]);
        viewer.open(&link).await.is(200);
        viewer.qr_code(&link, "").await.is(200);
    }
    app.clock.advance(Duration::minutes(1));
    for viewer in &viewers {
        viewer.view(&link).await.fails(404, "not_found");
        let known = viewer.view(&link).header("if-none-match", &tags[0]);
        known.await.fails(404, "not_found");
        viewer.open(&link).await.is(404);
        viewer.qr_code(&link, "").await.fails(404, "not_found");
    }
}

#[apply(on_both_databases)]
async fn an_expired_link_is_gone_for_its_owner_too(app: App) {
    let link = expiring(&app, false).await;
    app.clock.advance(Duration::hours(1));
    for client in [app.as_user("alice"), app.as_user("bob"), app.as_chat_service()] {
        client.view(&link).await.fails(404, "not_found");
        client.delete(&link).await.fails(404, "not_found");
        let revive = client.change(&link, &json!({"expires_at": null}));
        revive.await.fails(404, "not_found");
    }
    let never = "6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11";
    let unknown = app.as_user("alice").delete(never).await.fails(404, "not_found");
    assert_eq!(app.as_user("alice").delete(&link).await.fails(404, "not_found"), unknown);
    assert_eq!(app.as_chat_service().links_of_chat("chat-1").await.json(), json!([]));
}

#[apply(on_both_databases)]
async fn an_expired_private_link_is_not_found_before_anyone_signs_in(app: App) {
    let link = expiring(&app, true).await;
    app.anonymous().view(&link).await.fails(401, "login_required");
    app.clock.advance(Duration::hours(1));
    app.anonymous().view(&link).await.fails(404, "not_found");
    app.with_token("rubbish").view(&link).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn an_expiry_that_is_moved_counts_from_then_on(app: App) {
    let link = expiring(&app, false).await;
    let later = json!({"expires_at": app.after(Duration::hours(3))});
    app.as_user("alice").change(&link, &later).await.is(204);
    app.clock.advance(Duration::hours(2));
    app.anonymous().view(&link).await.is(200);
    let sooner = json!({"expires_at": app.after(Duration::seconds(1))});
    app.as_user("alice").change(&link, &sooner).await.is(204);
    app.clock.advance(Duration::seconds(1));
    app.anonymous().view(&link).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn the_content_of_an_expired_link_goes_with_the_next_sweep(app: App) {
    let link = expiring(&app, false).await;
    let stays = app.as_user("alice").share("chat-1").await;
    app.clock.advance(Duration::hours(1));
    // It sweeps when it starts.
    let other = app.another_instance().await;
    // The content goes, the row stays for 30 days.
    for _ in 0..400 {
        if rows(&app, "snapshots").await == 1 {
            break;
        }
        tokio::time::sleep(StdDuration::from_millis(50)).await;
    }
    assert_eq!((rows(&app, "snapshots").await, rows(&app, "shared_chats").await), (1, 2));
    // Were the clock set back, the row would be there again, but not what it showed.
    app.clock.advance(-Duration::hours(1));
    other.anonymous().view(&link).await.fails(404, "not_found");
    other.anonymous().view(&stays).await.is(200);
}
