//! Live views share what the chat service is asked, within bounds.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    App, Link, Setup, Trouble, a_moment, apply, eventually, message, on_both_databases,
};

fn fetches(app: &App) -> usize {
    app.chats.asked().iter().filter(|asked| asked.path == "/api/v1/chats/chat-1").count()
}

fn say(app: &App, id: &str) {
    app.chats.change("chat-1", |chat| chat.messages.push(message(id, "x")));
}

async fn last(app: &App, link: &Link) -> String {
    let view = app.anonymous().view(link).await.is(200).json();
    view["messages"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
}

#[apply(on_both_databases)]
async fn viewers_at_the_same_moment_share_one_fetch(setup: Setup) {
    let app = setup.live_max_age(Duration::from_secs(1)).start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let before = fetches(&app);
    let held = app.chats.hold("/messages");
    let views: Vec<_> = (0..20).map(|_| app.anonymous().view(&link).spawn()).collect();
    held.arrived(1).await;
    a_moment().await;
    held.let_go();
    for view in views {
        view.await.unwrap().is(200);
    }
    assert_eq!(fetches(&app) - before, 1);
}

#[apply(on_both_databases)]
async fn an_answer_is_used_again_for_live_max_age_and_no_longer(setup: Setup) {
    let soon = setup.clone().live_max_age(Duration::from_secs(1)).start().await;
    let late = setup.live_max_age(Duration::from_secs(3600)).start().await;
    let link = soon.as_user("alice").share_live("chat-1").await;
    for app in [&soon, &late] {
        assert_eq!(last(app, &link).await, "m2");
    }
    say(&soon, "m3");
    eventually("the answer is too old", async || last(&soon, &link).await == "m3").await;
    let before = fetches(&late);
    assert_eq!(last(&late, &link).await, "m2");
    assert_eq!(fetches(&late), before);
}

#[apply(on_both_databases)]
async fn with_an_age_of_zero_no_answer_is_used_again(setup: Setup) {
    let app = setup.live_max_age(Duration::ZERO).start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    for number in 3..10 {
        say(&app, &format!("m{number}"));
        assert_eq!(last(&app, &link).await, format!("m{number}"));
    }
    // Not even one that is under way; but those who wait for the next one share that.
    let before = fetches(&app);
    let held = app.chats.hold("/messages");
    let first = app.anonymous().view(&link).spawn();
    held.arrived(1).await;
    say(&app, "m10");
    let later: Vec<_> = (0..5).map(|_| app.anonymous().view(&link).spawn()).collect();
    a_moment().await;
    held.let_go();
    first.await.unwrap().is(200);
    for view in later {
        assert_eq!(view.await.unwrap().json()["messages"].as_array().unwrap().len(), 10);
    }
    assert_eq!(fetches(&app) - before, 2);
}

#[apply(on_both_databases)]
async fn no_fetch_from_before_a_notice_is_shown_after_it(setup: Setup) {
    let app = setup.live_max_age(Duration::from_secs(3600)).start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    assert_eq!(last(&app, &link).await, "m2");
    say(&app, "m3");
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    assert_eq!(last(&app, &link).await, "m3");
    // Nor what was under way.
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    let held = app.chats.hold("/messages");
    let asked = fetches(&app);
    let before = app.anonymous().view(&link).spawn();
    held.arrived(1).await;
    say(&app, "m4");
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    let after = app.anonymous().view(&link).spawn();
    a_moment().await;
    held.let_go();
    assert_eq!(after.await.unwrap().json()["messages"][3]["id"], "m4");
    before.await.unwrap().is(200);
    assert_eq!(fetches(&app) - asked, 2, "what was under way did not do");
    assert_eq!(last(&app, &link).await, "m4");
}

#[apply(on_both_databases)]
async fn a_shared_fetch_goes_on_when_its_first_viewer_disconnects(setup: Setup) {
    let app = setup.live_max_age(Duration::from_secs(1)).start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let before = fetches(&app);
    let held = app.chats.hold("/messages");
    let gone = app.anonymous().view(&link);
    let gone = tokio::spawn(gone.abandon_after(Duration::from_millis(200)));
    held.arrived(1).await;
    let stays = app.anonymous().view(&link).spawn();
    gone.await.unwrap();
    a_moment().await;
    held.let_go();
    stays.await.unwrap().is(200);
    assert_eq!(fetches(&app) - before, 1);
}

#[apply(on_both_databases)]
async fn a_hanging_chat_service_is_504_for_live_views_and_delays_no_frozen_view(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TIMEOUT", "500ms").start().await;
    let alice = app.as_user("alice");
    let (live, frozen) = (alice.share_live("chat-1").await, alice.share("chat-1").await);
    for trouble in [Trouble::Silence, Trouble::Drips] {
        app.chats.misbehaves("/messages", trouble);
        let began = std::time::Instant::now();
        let views: Vec<_> = (0..10).map(|_| app.anonymous().view(&live).spawn()).collect();
        app.anonymous().view(&frozen).await.is(200);
        assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
        for view in views {
            view.await.unwrap().fails(504, "chat_service_timeout");
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[apply(on_both_databases)]
async fn a_failure_is_not_kept(setup: Setup) {
    let app = setup.live_max_age(Duration::from_secs(3600)).start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    app.chats.misbehaves("/messages", Trouble::Status(500));
    app.anonymous().view(&link).await.fails(502, "chat_service_error");
    app.chats.recovers();
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn only_the_chat_service_may_tell_of_changes(app: App) {
    app.anonymous().chat_changed("chat-1").await.fails(401, "login_required");
    app.as_user("alice").chat_changed("chat-1").await.fails(403, "forbidden");
    let answer = app.as_chat_service().chat_changed("never-shared").await.is(202);
    assert!(answer.body.is_empty());
    app.as_chat_service().chat_changed("a%20b").await.fails(404, "not_found");
    app.as_chat_service().get("/api/v1/chats/chat-1/changes").await.is(405);
}

#[apply(on_both_databases)]
async fn links_with_files_and_without_do_not_mix(setup: Setup) {
    let app = setup.live_max_age(Duration::from_secs(3600)).start().await;
    let file = json!({"id": "f1", "filename": "a.csv", "bytes": 3, "created_at": 1_767_225_600});
    app.chats.change("chat-1", |chat| chat.files = Some(vec![file]));
    let alice = app.as_user("alice");
    let without = alice.share_live("chat-1").await;
    let settings = json!({"is_frozen": false, "includes_artifacts": true});
    let with = alice.share_with("chat-1", settings).await;
    for _ in 0..2 {
        assert!(app.anonymous().view(&without).await.json().get("artifacts").is_none());
        let files = app.anonymous().view(&with).await.json()["artifacts"].clone();
        assert_eq!(files[0]["filename"], "a.csv");
    }
}

async fn share_files(app: &App) -> Link {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let settings = json!({"is_frozen": false, "includes_artifacts": true});
    app.as_user("alice").share_with("chat-1", settings).await
}

/// The paths that were asked for since.
fn asked(app: &App, so_far: usize) -> Vec<String> {
    app.chats.asked().into_iter().skip(so_far).map(|asked| asked.path).collect()
}

#[apply(on_both_databases)]
async fn downloads_at_the_same_moment_share_one_list(setup: Setup) {
    let app = setup.live_max_age(Duration::from_secs(3600)).start().await;
    let link = share_files(&app).await;
    let so_far = app.chats.asked().len();
    let held = app.chats.hold("agent_server_files");
    let unknown = |n: usize| app.anonymous().artifact(&link, &format!("unknown-{n}"));
    let downloads: Vec<_> = (0..50).map(|n| unknown(n).spawn()).collect();
    held.arrived(1).await;
    a_moment().await;
    held.let_go();
    for download in downloads {
        download.await.unwrap().fails(404, "not_found");
    }
    for n in 50..70 {
        unknown(n).await.fails(404, "not_found");
    }
    assert_eq!(asked(&app, so_far), ["/api/v1/chats/chat-1/agent_server_files"]);
}

#[apply(on_both_databases)]
async fn a_download_uses_the_file_list_of_a_view(setup: Setup) {
    let app = setup.live_max_age(Duration::from_secs(3600)).start().await;
    let link = share_files(&app).await;
    app.anonymous().view(&link).await.is(200);
    let so_far = app.chats.asked().len();
    assert_eq!(app.anonymous().artifact(&link, "f1").await.is(200).body, "plan");
    assert_eq!(asked(&app, so_far), ["/api/v1/chats/chat-1/agent_server_files/f1/content"]);
}

#[apply(on_both_databases)]
async fn a_download_uses_the_newer_file_list_of_a_view(setup: Setup) {
    let app = setup.live_max_age(Duration::from_secs(3600)).start().await;
    let link = share_files(&app).await;
    app.anonymous().artifact(&link, "f1").await.is(200);
    app.chats.put_file("chat-1", "f2", "later.csv", b"later");
    let view = app.anonymous().view(&link).await.is(200).json();
    assert_eq!(view["artifacts"][1]["id"], "f2");
    assert_eq!(app.anonymous().artifact(&link, "f2").await.is(200).body, "later");
}

#[apply(on_both_databases)]
async fn a_file_that_is_gone_is_not_served_after_live_max_age_or_a_notice(setup: Setup) {
    let soon = setup.clone().live_max_age(Duration::from_secs(1)).start().await;
    let late = setup.live_max_age(Duration::from_secs(3600)).start().await;
    let link = share_files(&soon).await;
    for app in [&soon, &late] {
        app.anonymous().artifact(&link, "f1").await.is(200);
    }
    // Its bytes are still there.
    soon.chats.change("chat-1", |chat| chat.files = Some(Vec::new()));
    eventually("the list is too old", async || {
        soon.anonymous().artifact(&link, "f1").await.status == 404
    })
    .await;
    late.as_chat_service().chat_changed("chat-1").await.is(202);
    late.anonymous().artifact(&link, "f1").await.fails(404, "not_found");
}
