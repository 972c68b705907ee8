//! Reconciliation: the links of chats that are gone go, and no others.

use std::time::Duration;

use serde_json::json;
use shared_chats::{
    artifacts::{ArtifactStore, ArtifactStoreUrl},
    chat_service::{ChatService, ChatServiceSettings, ServiceCredential, Source},
    model::Actor,
    sharing::{ArtifactLimits, Artifacts, Reconciled, Refusal, Sharing, SharingSettings, Tally},
};

use crate::support::{
    App, Setup, Trouble, a_moment, apply, eventually, import, on_both_databases, rows, store,
};

const TOKEN: &str = crate::support::SERVICE_TOKEN;

pub fn sharing(app: &App, settings: ChatServiceSettings) -> Sharing {
    let chat_service = ChatService::new(settings).unwrap();
    let folder = ArtifactStoreUrl::Folder(app.setup.store_folder().to_owned());
    let limits =
        ArtifactLimits { file_bytes: 1000, link_bytes: 1000, grace: chrono::Duration::hours(1) };
    let artifacts = Artifacts { store: ArtifactStore::open(&folder).unwrap(), limits };
    let settings = SharingSettings::default();
    Sharing::new(store(app), chat_service, artifacts, app.clock.clone(), settings)
}

pub fn settings(app: &App) -> ChatServiceSettings {
    let source: Source = app.chats.url.parse().unwrap();
    let mut settings = ChatServiceSettings::new(source);
    settings.service_credential = Some(ServiceCredential::Token(TOKEN.to_owned()));
    settings.timeout = Duration::from_millis(500);
    settings
}

async fn reconcile(app: &App) -> Reconciled {
    sharing(app, settings(app)).reconcile(50, &Actor::CommandLine).await.unwrap()
}

/// Three chats of Alice's with a link each: `one`, `two`, `three`.
async fn three_shared(app: &App) -> [String; 3] {
    let mut ids = Vec::new();
    for chat in ["one", "two", "three"] {
        app.chats.put_named(chat, chat);
        ids.push(app.as_user("alice").share(chat).await.id);
    }
    ids.try_into().unwrap()
}

#[apply(on_both_databases)]
async fn the_links_of_a_gone_chat_go_and_no_others(app: App) {
    let [one, two, three] = three_shared(&app).await;
    let live = app.as_user("alice").share_live("two").await;
    app.chats.remove("two");
    let done = reconcile(&app).await;
    let chats = Tally { asked: 3, there: 2, gone: 1, unclear: 0 };
    let expected = Reconciled { chats, links_removed: 2, ..Reconciled::default() };
    assert_eq!(done, expected);
    for gone in [two, live.id] {
        app.anonymous().view(&gone).await.fails(404, "not_found");
    }
    for kept in [one, three] {
        app.anonymous().view(&kept).await.is(200);
    }
    let again = reconcile(&app).await;
    let chats = Tally { asked: 2, there: 2, ..Tally::default() };
    assert_eq!(again, Reconciled { chats, ..Reconciled::default() });
}

#[apply(on_both_databases)]
async fn a_gone_chat_leaves_a_tombstone(app: App) {
    three_shared(&app).await;
    app.chats.remove("two");
    reconcile(&app).await;
    app.chats.put_named("two", "two");
    let again = app.as_user("alice").create(&json!({"chat_session_id": "two"}));
    again.await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn legacy_links_go_with_their_chat_too(app: App) {
    three_shared(&app).await;
    let end = app.after(chrono::Duration::days(1));
    let line = json!({
        "token": "old-token", "chat_session_id": "old-chat", "created_at": "2025-01-01T00:00:00Z",
        "expires_at": end, "messages": [{"content": "x"}],
    });
    import(&app, line.to_string()).await;
    let done = reconcile(&app).await;
    assert_eq!((done.chats.asked, done.chats.gone, done.links_removed), (4, 1, 1));
    app.anonymous().view("old-token").await.is(404);
}

#[apply(on_both_databases)]
async fn only_the_chats_of_links_are_asked_about_once_each(app: App) {
    three_shared(&app).await;
    let alice = app.as_user("alice");
    alice.share("one").await;
    app.chats.put_named("ended", "ended");
    let soon = app.after(chrono::Duration::hours(1));
    alice.share_with("ended", json!({"expires_at": soon})).await;
    app.as_chat_service().chat_was_deleted("three").await.is(200);
    app.clock.advance(chrono::Duration::hours(2));
    let before = app.chats.asked().len();
    reconcile(&app).await;
    let mut asked = app.chats.asked().split_off(before);
    // This chat service does not answer for owners, as it was found out meanwhile.
    asked.retain(|asked| asked.owner.is_none());
    asked.sort_by(|a, b| a.path.cmp(&b.path));
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths, ["/api/v1/chats/one", "/api/v1/chats/two"]);
    assert!(asked.iter().all(|asked| asked.authorization == format!("Bearer {TOKEN}")));
}

#[apply(on_both_databases)]
async fn an_answer_that_is_not_clear_removes_nothing(app: App) {
    let ids = three_shared(&app).await;
    let elsewhere = format!("{}/nowhere", app.chats.url);
    for trouble in [
        Trouble::Status(400),
        Trouble::Status(401),
        Trouble::Status(403),
        Trouble::Status(410),
        Trouble::Status(429),
        Trouble::Status(500),
        Trouble::Status(503),
        Trouble::Body("{}".to_owned()),
        Trouble::Body("<html>Not found</html>".to_owned()),
        Trouble::Body(r#"{"id":"another"}"#.to_owned()),
        Trouble::Silence,
        Trouble::Drips,
        Trouble::Endless,
        Trouble::Redirect(elsewhere),
        Trouble::BreaksOff,
    ] {
        app.chats.recovers();
        app.chats.misbehaves("/two", trouble.clone());
        let done = reconcile(&app).await;
        assert!(done.last_error.is_some(), "{trouble:?}");
        let chats = Tally { asked: 3, there: 2, gone: 0, unclear: 1 };
        assert_eq!((done.chats, done.links_removed), (chats, 0), "{trouble:?}");
        app.anonymous().view(&ids[1]).await.is(200);
    }
}

#[apply(on_both_databases)]
async fn reconciling_removes_nothing_when_all_chats_are_gone(app: App) {
    let ids = three_shared(&app).await;
    app.chats.misbehaves("", Trouble::Status(404));
    let done = sharing(&app, settings(&app)).reconcile(100, &Actor::CommandLine).await.unwrap();
    assert_eq!(done.refused, Some(Refusal::KnowsNone));
    assert_eq!((done.chats.asked, done.chats.gone, done.links_removed), (3, 3, 0));
    app.chats.recovers();
    for id in ids {
        app.anonymous().view(&id).await.is(200);
    }
}

#[apply(on_both_databases)]
async fn reconciling_removes_nothing_when_most_chats_are_gone(app: App) {
    let ids = three_shared(&app).await;
    app.chats.remove("one");
    app.chats.remove("two");
    let done = reconcile(&app).await;
    assert_eq!(done.refused, Some(Refusal::TooManyGone { max_percent: 50 }));
    assert_eq!((done.chats.gone, done.links_removed), (2, 0));
    app.anonymous().view(&ids[0]).await.is(200);
    // The operator can allow it.
    let done = sharing(&app, settings(&app)).reconcile(70, &Actor::CommandLine).await.unwrap();
    assert_eq!((done.refused, done.links_removed), (None, 2));
    app.anonymous().view(&ids[0]).await.is(404);
}

#[apply(on_both_databases)]
async fn the_only_chat_is_removed_only_with_a_bound_of_100_percent(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    app.chats.remove("chat-1");
    assert_eq!(reconcile(&app).await.refused, Some(Refusal::KnowsNone));
    app.anonymous().view(&link.id).await.is(200);
    let done = sharing(&app, settings(&app)).reconcile(100, &Actor::CommandLine).await.unwrap();
    assert_eq!((done.refused, done.links_removed), (None, 1));
    app.anonymous().view(&link.id).await.is(404);
}

#[apply(on_both_databases)]
async fn a_chat_that_is_back_is_kept(app: App) {
    let ids = three_shared(&app).await;
    app.chats.misbehaves("/two", Trouble::Status(404));
    let held = app.chats.hold("/three");
    let reconciling = {
        let app = app.clone();
        tokio::spawn(async move {
            let mut patient = settings(&app);
            patient.timeout = Duration::from_secs(20);
            sharing(&app, patient).reconcile(50, &Actor::CommandLine).await.unwrap()
        })
    };
    held.arrived(1).await;
    // The answer about `two` comes soon after: nothing holds it back.
    eventually("`two` was asked about", async || {
        app.chats
            .asked()
            .iter()
            .any(|a| a.path.ends_with("/two") && a.authorization.ends_with(TOKEN))
    })
    .await;
    a_moment().await;
    app.chats.recovers();
    held.let_go();
    let done = reconciling.await.unwrap();
    let asked = app.chats.asked();
    let about_two = asked
        .iter()
        .filter(|asked| asked.path == "/api/v1/chats/two" && asked.authorization.ends_with(TOKEN));
    assert_eq!(about_two.count(), 2, "it was gone when it was first asked about");
    let chats = Tally { asked: 3, there: 3, ..Tally::default() };
    assert_eq!((done.chats, done.links_removed), (chats, 0));
    app.anonymous().view(&ids[1]).await.is(200);
}

#[apply(on_both_databases)]
async fn reconciling_ends_early_when_the_chat_service_is_down(app: App) {
    for number in 0..40 {
        let chat = format!("chat-no-{number}");
        app.chats.put_named(&chat, "x");
        app.as_user("alice").share(&chat).await;
    }
    app.chats.misbehaves("", Trouble::Status(503));
    // One of them seems gone all the same.
    app.chats.misbehaves("/chat-no-0", Trouble::Status(404));
    let done = reconcile(&app).await;
    assert_eq!(done.refused, Some(Refusal::NoClearAnswers));
    assert!(done.chats.asked < 30, "{done:?}");
    assert_eq!((done.links_removed, rows(&app, "shared_chats").await), (0, 40));
}

#[apply(on_both_databases)]
async fn without_a_credential_nothing_is_asked(app: App) {
    three_shared(&app).await;
    let before = app.chats.asked().len();
    let mut none = settings(&app);
    none.service_credential = None;
    let said =
        sharing(&app, none).reconcile(50, &Actor::CommandLine).await.unwrap_err().to_string();
    assert!(said.contains("CHAT_SERVICE_TOKEN"), "{said}");
    assert_eq!(app.chats.asked().len(), before);
}

#[apply(on_both_databases)]
async fn chats_of_a_file_are_reconciled_too(setup: Setup) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chats.json");
    let chat = |id: &str| {
        let messages = json!([{"id": "1", "content": "x", "created_at": "2026-01-01T00:00:00Z"}]);
        json!({"id": id, "owner": "alice", "messages": messages})
    };
    let write = |ids: &[&str]| {
        let chats: Vec<_> = ids.iter().map(|id| chat(id)).collect();
        std::fs::write(&path, json!(chats).to_string()).unwrap();
    };
    write(&["a", "b"]);
    let source = format!("file:{}", path.display());
    let app = setup.with("CHAT_SERVICE_URL", source.as_str()).start().await;
    let (a, b) = (app.as_user("alice").share("a").await, app.as_user("alice").share("b").await);
    let sharing = sharing(&app, ChatServiceSettings::new(source.parse().unwrap()));
    // A slip in the file is no reason to remove anything.
    std::fs::write(&path, "[").unwrap();
    let broken = sharing.reconcile(50, &Actor::CommandLine).await.unwrap();
    assert_eq!((broken.chats.unclear, broken.links_removed), (2, 0));
    std::fs::write(&path, "[]").unwrap();
    assert_eq!(
        sharing.reconcile(50, &Actor::CommandLine).await.unwrap().refused,
        Some(Refusal::KnowsNone)
    );
    write(&["b"]);
    assert_eq!(sharing.reconcile(50, &Actor::CommandLine).await.unwrap().links_removed, 1);
    app.anonymous().view(&a).await.is(404);
    app.anonymous().view(&b).await.is(200);
}

#[apply(on_both_databases)]
async fn reconciliation_runs_every_reconcile_interval(setup: Setup) {
    let app = setup.with("RECONCILE_INTERVAL", "100ms").start().await;
    let [one, two, _] = three_shared(&app).await;
    app.chats.remove("one");
    eventually("its link is gone", async || app.anonymous().view(&one).await.status == 404).await;
    app.anonymous().view(&two).await.is(200);
}
