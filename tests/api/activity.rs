//! `GET /api/v1/shared_chats/{id}/activity`.

use std::time::Duration as StdDuration;

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::{
    App, Setup, a_moment, apply, behind_its_back, eventually, import, on_both_databases, rows,
};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
const BOT: &str = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)";

async fn activity(app: &App, link: impl AsRef<str>) -> Value {
    app.as_user("alice").activity(link).await.is(200).json()
}

async fn views(app: &App, link: impl AsRef<str>) -> [i64; 3] {
    let activity = activity(app, link).await;
    ["views", "bot_views", "downloads"].map(|count| activity[count].as_i64().unwrap())
}

/// Waits until it is so, since views are written every now and then.
async fn becomes(app: &App, link: impl AsRef<str>, expected: [i64; 3]) {
    let what = format!("it was viewed {expected:?} times");
    eventually(&what, async || views(app, link.as_ref()).await == expected).await;
}

#[apply(on_both_databases)]
async fn views_are_counted_and_known_bots_apart(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let nothing = activity(&app, &link).await;
    assert_eq!((&nothing["views"], &nothing["last_viewed_at"]), (&json!(0), &Value::Null));
    let anyone = app.anonymous();
    let view = || anyone.view(&link).header("user-agent", BROWSER);
    let tag = view().await.is(200).header("etag").to_owned();
    view().header("if-none-match", &tag).await.is(304);
    anyone.open(&link).header("user-agent", BROWSER).await.is(200);
    // A program.
    anyone.view(&link).header("user-agent", "curl/8.5.0").await.is(200);
    let viewed = activity(&app, &link).await["last_viewed_at"].clone();
    app.clock.advance(Duration::minutes(5));
    for _ in 0..2 {
        anyone.open(&link).header("user-agent", BOT).await.is(200);
    }
    assert_eq!(views(&app, &link).await, [4, 2, 0]);
    assert_eq!(activity(&app, &link).await["last_viewed_at"], viewed, "bots do not count");
    anyone.view(&link).await.is(200);
    let later: chrono::DateTime<chrono::Utc> =
        activity(&app, &link).await["last_viewed_at"].as_str().unwrap().parse().unwrap();
    assert!(app.now() - later < Duration::minutes(1), "{later}");
}

#[apply(on_both_databases)]
async fn what_shows_nothing_is_no_view(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    alice.request("HEAD", &link.path()).await.is(200);
    app.anonymous().view(&link).await.is(401);
    app.anonymous().open(&link).await.is(401);
    app.anonymous().qr_code(&link, "").await.is(200);
    alice.list("").await.is(200);
    app.as_chat_service().links_of_chat("chat-1").await.is(200);
    activity(&app, &link).await;
    assert_eq!(views(&app, &link).await, [0, 0, 0]);
    app.as_user("bob").view(&link).await.is(200);
    assert_eq!(views(&app, &link).await, [1, 0, 0]);
}

#[apply(on_both_databases)]
async fn a_prefetch_is_no_view_and_no_download(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let settings = json!({"includes_artifacts": true});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    let anyone = app.anonymous();
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("sec-purpose", "prefetch;anonymous-client-ip"),
        ("purpose", "prefetch"),
        ("x-moz", "Prefetch"),
    ] {
        anyone.open(&link).header(name, value).await.is(200);
        anyone.view(&link).header(name, value).header("user-agent", BOT).await.is(200);
        anyone.artifact(&link, "f1").header(name, value).await.is(200);
    }
    assert_eq!(views(&app, &link).await, [0, 0, 0]);
    anyone.open(&link).header("sec-purpose", "something-else").await.is(200);
    anyone.artifact(&link, "f1").await.is(200);
    assert_eq!(views(&app, &link).await, [1, 0, 1]);
}

#[apply(on_both_databases)]
async fn a_page_that_fetches_itself_again_is_seen_once(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let anyone = app.anonymous();
    anyone.open(&link).header("sec-fetch-dest", "document").await.is(200);
    anyone.open(&link).header("sec-fetch-dest", "empty").await.is(200);
    // A frontend of its own fetches what it shows.
    anyone.view(&link).header("sec-fetch-dest", "empty").await.is(200);
    assert_eq!(views(&app, &link).await, [2, 0, 0]);
}

#[apply(on_both_databases)]
async fn downloads_are_counted_apart(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"day,km\n");
    let settings = json!({"includes_artifacts": true});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    let anyone = app.anonymous();
    anyone.artifact(&link, "f1").await.is(200);
    anyone.artifact(&link, "f1").header("range", "bytes=0-2").await.is(206);
    // The rest of it.
    anyone.artifact(&link, "f1").header("range", "bytes=3-").await.is(206);
    anyone.request("HEAD", &format!("{}/artifacts/f1", link.path())).await.is(200);
    anyone.artifact(&link, "other").await.is(404);
    assert_eq!(views(&app, &link).await, [0, 0, 2]);
    assert_eq!(activity(&app, &link).await["last_viewed_at"], Value::Null);
}

#[apply(on_both_databases)]
async fn the_owner_learns_what_was_done_and_when(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_with("chat-1", json!({"label": "plans"})).await;
    app.clock.advance(Duration::minutes(5));
    let alice = app.as_user("alice");
    alice.change(&link, &json!({"is_private": true, "expires_at": null})).await.is(204);
    alice.change(&link, &json!({"label": null})).await.is(204);
    // What others are refused is not the owner's to read.
    app.as_user("bob").delete(&link).await.is(403);
    let answer = alice.activity(&link).await.is(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let activity = answer.json();
    assert_eq!(activity["created_at"], link.info["created_at"]);
    let changes = activity["changes"].as_array().unwrap();
    let told: Vec<_> =
        changes.iter().map(|c| (c["action"].as_str().unwrap(), &c["settings"])).collect();
    assert_eq!(
        told,
        [
            (
                "create",
                &json!({"is_private": false, "is_frozen": true, "includes_artifacts": false,
                               "expires_at": null, "label": "set"})
            ),
            ("change", &json!({"is_private": true, "expires_at": null})),
            ("change", &json!({"label": "cleared"})),
        ]
    );
    assert_eq!(changes[0]["at"], link.info["created_at"]);
    assert!(changes[1]["at"].as_str() > changes[0]["at"].as_str());
}

#[apply(on_both_databases)]
async fn activity_holds_no_names(app: App) {
    let asked = json!({"chat_session_id": "chat-1", "owner": {"id": "alice"}});
    let made = app.as_chat_service().create(&asked).await.is(201).json();
    let link = made["id"].as_str().unwrap();
    app.as_user("bob").view(link).await.is(200);
    let answer = app.as_user("alice").activity(link).await.is(200);
    let mut fields: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
    fields.sort();
    assert_eq!(
        fields,
        ["bot_views", "changes", "created_at", "downloads", "last_viewed_at", "views"]
    );
    let text = answer.text();
    for secret in ["bob", "chat-service", "127.0.0.1", link] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[apply(on_both_databases)]
async fn a_view_changes_neither_entity_tag_nor_updated_at(setup: Setup) {
    let app = setup.activity_interval(StdDuration::from_millis(50)).start().await;
    let link = app.as_user("alice").share("chat-1").await;
    let tag = app.anonymous().view(&link).await.is(200).header("etag").to_owned();
    written(&app, 1).await;
    assert_eq!(app.anonymous().view(&link).await.is(200).header("etag"), tag);
    assert_eq!(app.as_user("alice").list("").await.json(), json!([link.info]));
    let change = app.as_user("alice").change(&link, &json!({"label": "x"}));
    change.header("if-match", &tag).await.is(204);
}

/// Waits until this many links have views in the database.
async fn written(app: &App, links: i64) {
    let what = format!("views of {links} links are written");
    eventually(&what, async || rows(app, "link_activity").await == links).await;
}

#[apply(on_both_databases)]
async fn views_of_all_instances_add_up(setup: Setup) {
    let app = setup.activity_interval(StdDuration::from_millis(50)).start().await;
    let other = app.another_instance().await;
    let link = app.as_user("alice").share("chat-1").await;
    for round in 1..=3 {
        app.anonymous().view(&link).await.is(200);
        other.anonymous().view(&link).await.is(200);
        other.anonymous().view(&link).header("user-agent", BOT).await.is(200);
        becomes(&app, &link, [2 * round, round, 0]).await;
        becomes(&other, &link, [2 * round, round, 0]).await;
    }
    let last = activity(&app, &link).await["last_viewed_at"].clone();
    assert_eq!(activity(&other, &link).await["last_viewed_at"], last);
}

#[apply(on_both_databases)]
async fn views_are_kept_when_the_service_stops(setup: Setup) {
    let app = setup.activity_interval(StdDuration::from_secs(3600)).start().await;
    let link = app.as_user("alice").share("chat-1").await;
    app.anonymous().view(&link).await.is(200);
    app.anonymous().view(&link).await.is(200);
    assert_eq!(rows(&app, "link_activity").await, 0, "they are in memory");
    app.stop().await;
    let next = app.another_instance().await;
    assert_eq!(views(&next, &link).await, [2, 0, 0]);
}

#[apply(on_both_databases)]
async fn views_are_kept_while_the_database_fails(setup: Setup) {
    let app = setup.activity_interval(StdDuration::from_millis(50)).start().await;
    let link = app.as_user("alice").share("chat-1").await;
    behind_its_back(&app, "ALTER TABLE link_activity RENAME TO hidden").await;
    // Some attempts fall into each moment.
    for _ in 0..2 {
        app.anonymous().view(&link).await.is(200);
        a_moment().await;
    }
    behind_its_back(&app, "ALTER TABLE hidden RENAME TO link_activity").await;
    written(&app, 1).await;
    becomes(&app, &link, [2, 0, 0]).await;
}

#[apply(on_both_databases)]
async fn many_links_are_written_early(setup: Setup) {
    let app = setup
        .activity_interval(StdDuration::from_secs(3600))
        .config(|config| config.records.kept.links = 4)
        .start()
        .await;
    let mut links = Vec::new();
    for _ in 0..12 {
        let link = app.as_user("alice").share("chat-1").await;
        app.anonymous().view(&link).await.is(200);
        links.push(link);
        // Every second one is the half of the places.
        if links.len() % 2 == 0 {
            written(&app, links.len() as i64).await;
        }
    }
    for link in &links {
        assert_eq!(views(&app, link).await, [1, 0, 0]);
    }
}

#[apply(on_both_databases)]
async fn a_deleted_link_has_no_activity(setup: Setup) {
    let app = setup.activity_interval(StdDuration::from_millis(300)).start().await;
    let alice = app.as_user("alice");
    let (seen, unseen) = (alice.share("chat-1").await, alice.share("chat-1").await);
    let kept = alice.share("chat-1").await;
    app.anonymous().view(&seen).await.is(200);
    written(&app, 1).await;
    // Not in the database yet when it is deleted.
    app.anonymous().view(&unseen).await.is(200);
    app.anonymous().view(&seen).await.is(200);
    app.anonymous().view(&kept).await.is(200);
    alice.delete(&seen).await.is(204);
    alice.delete(&unseen).await.is(204);
    becomes(&app, &kept, [1, 0, 0]).await;
    written(&app, 1).await;
    // Nor with what is written next.
    app.anonymous().view(&kept).await.is(200);
    becomes(&app, &kept, [2, 0, 0]).await;
    assert_eq!(rows(&app, "link_activity").await, 1);
    alice.activity(&seen).await.fails(404, "not_found");
    app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    assert_eq!(rows(&app, "link_activity").await, 0);
}

#[apply(on_both_databases)]
async fn activity_is_for_the_owner_alone(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    app.anonymous().activity(&link).await.fails(401, "login_required");
    app.as_user("bob").activity(&link).await.fails(403, "forbidden");
    app.as_chat_service().activity(&link).await.fails(403, "forbidden");
    for id in ["no-such-link", "a%2Fb", "short"] {
        app.anonymous().activity(id).await.fails(401, "login_required");
        app.as_user("bob").activity(id).await.fails(404, "not_found");
    }
    let line = json!({"token": "old_token-1", "created_at": "2025-01-02T03:04:05Z",
                      "expires_at": app.after(Duration::days(1)), "messages": [{"content": "x"}]});
    import(&app, line.to_string()).await;
    let said = app.as_user("alice").activity("old_token-1").await.fails(403, "forbidden");
    assert_eq!(said, "This is not your link.");
}
