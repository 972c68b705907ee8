//! The files of links: `includes_artifacts`, and `GET /api/v1/shared_chats/{id}/artifacts/{id}`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::TimeDelta;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::support::{
    App, Client, Link, SERVICE_TOKEN, Setup, Trouble, a_moment, apply, eventually,
    on_both_databases, rows,
};

const INCLUDED: fn() -> Value = || json!({"includes_artifacts": true});

fn live() -> Value {
    json!({"includes_artifacts": true, "is_frozen": false})
}

async fn listed(viewer: &Client, link: &Link) -> Vec<(String, bool)> {
    let view = viewer.view(link).await.is(200).json();
    let artifacts = view["artifacts"].as_array().unwrap().iter();
    artifacts
        .map(|a| (a["id"].as_str().unwrap().to_owned(), a["available"].as_bool().unwrap()))
        .collect()
}

/// Waits until the store holds so many objects.
pub async fn settles_at(setup: &Setup, objects: usize) {
    let what = format!("the store holds {objects} objects");
    eventually(&what, async || setup.objects() == objects).await;
}

#[apply(on_both_databases)]
async fn a_frozen_links_files_are_kept_when_it_is_made(app: App) {
    let big: Vec<u8> = (0..7_000_000u32).map(|at| (at % 251) as u8).collect();
    app.chats.put_file("chat-1", "f1", "plan.csv", b"day,km\n1,12\n");
    app.chats.put_file("chat-1", "f2", "map.png", &big);
    app.chats.put_file("chat-1", "f3", "empty.txt", b"");
    let link = app.as_user("alice").share_with("chat-1", INCLUDED()).await;
    // Whatever happens to the chat's files later.
    app.chats.change("chat-1", |chat| chat.files = None);
    app.chats.misbehaves("content", Trouble::Status(500));
    let view = app.anonymous().view(&link).await.is(200).json();
    assert_eq!(
        view["artifacts"][0],
        json!({"id": "f1", "filename": "plan.csv", "bytes": 12, "media_type": "text/csv",
            "created_at": "2026-03-01T10:00:00Z", "available": true,
            "url": format!("{}/artifacts/f1", link.path())})
    );
    let url = view["artifacts"][0]["url"].as_str().unwrap();
    let file = app.anonymous().get(url).await.is(200);
    assert_eq!(file.body, &b"day,km\n1,12\n"[..]);
    for (header, value) in [
        ("content-type", "text/csv"),
        ("content-length", "12"),
        ("content-disposition", "attachment; filename=\"plan.csv\""),
        ("content-security-policy", "sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-cache, no-transform"),
        ("accept-ranges", "bytes"),
        ("x-robots-tag", "noindex, nofollow"),
        ("referrer-policy", "no-referrer"),
        ("vary", "Authorization"),
    ] {
        assert_eq!(file.header(header), value, "{header}");
    }
    assert!(file.header("etag").starts_with('"'));
    assert_eq!(app.anonymous().artifact(&link, "f2").await.is(200).body, big);
    assert_eq!(app.anonymous().artifact(&link, "f3").await.is(200).body.len(), 0);
    // The page links to it.
    let page = app.anonymous().open(&link).await.is(200).text();
    assert!(page.contains(url), "{page}");
}

#[apply(on_both_databases)]
async fn files_are_listed_and_served_only_while_the_switch_is_on(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let alice = app.as_user("alice");
    for settings in [json!({}), json!({"is_frozen": false})] {
        let link = alice.share_with("chat-1", settings).await;
        for on in [false, true, false, true] {
            alice.change(&link, &json!({"includes_artifacts": on})).await.is(204);
            let view = app.anonymous().view(&link).await.is(200).json();
            assert_eq!(view.get("artifacts").is_some(), on);
            let file = app.anonymous().artifact(&link, "f1").await;
            match on {
                true => assert_eq!(file.is(200).body, "plan"),
                false => assert_eq!(file.fails(404, "not_found"), "There is no such file."),
            }
            let head = format!("{}/artifacts/f1", link.path());
            app.anonymous().request("HEAD", &head).await.is(if on { 200 } else { 404 });
        }
    }
    settles_at(&app.setup, 1).await;
}

#[apply(on_both_databases)]
async fn switching_on_copies_with_the_owners_token(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    assert_eq!(app.setup.objects(), 0);
    alice.change(&link, &INCLUDED()).await.is(204);
    let asked = app.chats.asked().into_iter().find(|asked| asked.path == path).unwrap();
    assert_ne!(asked.authorization, format!("Bearer {SERVICE_TOKEN}"));
    assert_eq!(listed(&app.anonymous(), &link).await, [("f1".to_owned(), true)]);
    // It is on already: nothing is asked for again.
    let so_far = app.chats.asked().len();
    alice.change(&link, &INCLUDED()).await.is(204);
    assert_eq!(app.chats.asked().len(), so_far);
    assert_eq!(app.setup.objects(), 1);
    // Settings that are not as expected come before the copying.
    alice.change(&link, &json!({"includes_artifacts": false})).await.is(204);
    let so_far = app.chats.asked().len();
    alice.change(&link, &INCLUDED()).header("if-match", "\"2-1-0-json\"").await.is(412);
    app.as_user("bob").change(&link, &INCLUDED()).await.is(403);
    assert_eq!(app.chats.asked().len(), so_far);
}

/// With whose credentials the chat service was asked since.
fn asked_with(app: &App, so_far: usize) -> Vec<String> {
    app.chats.asked().into_iter().skip(so_far).map(|asked| asked.authorization).collect()
}

#[apply(on_both_databases)]
async fn switching_on_for_a_live_link_asks_with_the_owners_token(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let token = crate::support::hs256(&crate::support::claims(&app.clock, "alice"));
    let alice = app.with_token(&token);
    let link = alice.share_live("chat-1").await;
    let tag = app.anonymous().view(&link).await.is(200).header("etag").to_owned();
    alice.change(&link, &json!({"label": "x"})).await.is(204);
    // What is refused for another reason sends no request to the chat service.
    let so_far = app.chats.asked().len();
    alice.change(&link, &INCLUDED()).header("if-match", &tag).await.is(412);
    app.as_user("bob").change(&link, &INCLUDED()).await.is(403);
    assert_eq!(app.chats.asked().len(), so_far);
    alice.change(&link, &INCLUDED()).await.is(204);
    let asked = asked_with(&app, so_far);
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|with| with == &format!("Bearer {token}")), "{asked:?}");
    assert_eq!(listed(&app.anonymous(), &link).await, [("f1".to_owned(), true)]);
    // They are on already, or go off: no request to the chat service.
    let so_far = app.chats.asked().len();
    alice.change(&link, &INCLUDED()).await.is(204);
    alice.change(&link, &json!({"includes_artifacts": false, "label": "y"})).await.is(204);
    assert_eq!(app.chats.asked().len(), so_far);
}

#[apply(on_both_databases)]
async fn switching_files_on_without_access_to_them_is_refused(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TIMEOUT", "1s").start().await;
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let alice = app.as_user("alice");
    let link = alice.share_with("chat-1", json!({"is_frozen": false, "label": "x"})).await;
    let before = alice.list("").await.is(200).json();
    let refused = async |status, error_type| {
        let so_far = app.chats.asked().len();
        for change in [INCLUDED(), json!({"includes_artifacts": true, "label": "y"})] {
            alice.change(&link, &change).await.fails(status, error_type);
        }
        let asked = asked_with(&app, so_far);
        assert!(asked.iter().all(|with| !with.contains(SERVICE_TOKEN)), "{asked:?}");
        assert_eq!(alice.list("").await.is(200).json(), before);
        app.anonymous().artifact(&link, "f1").await.fails(404, "not_found");
    };
    // She has lost the chat, which those who see the link still may.
    app.chats.change("chat-1", |chat| chat.owner = "bob");
    refused(403, "forbidden").await;
    assert!(app.anonymous().view(&link).await.is(200).json().get("artifacts").is_none());
    app.chats.change("chat-1", |chat| chat.owner = "alice");
    for (path, trouble, status, error_type) in [
        ("chats/chat-1", Trouble::Status(404), 404, "not_found"),
        ("chats/chat-1", Trouble::Status(401), 401, "invalid_token"),
        ("agent_server_files", Trouble::Status(401), 401, "invalid_token"),
        ("agent_server_files", Trouble::Status(403), 403, "forbidden"),
        ("agent_server_files", Trouble::Status(500), 502, "chat_service_error"),
        ("agent_server_files", Trouble::Body("nonsense".to_owned()), 502, "chat_service_error"),
        ("agent_server_files", Trouble::Silence, 504, "chat_service_timeout"),
    ] {
        app.chats.misbehaves(path, trouble);
        refused(status, error_type).await;
        app.chats.recovers();
    }
    alice.change(&link, &INCLUDED()).await.is(204);
    app.anonymous().artifact(&link, "f1").await.is(200);
}

#[apply(on_both_databases)]
async fn sharing_files_live_without_access_to_them_is_403(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let alice = app.as_user("alice");
    let with_files =
        json!({"chat_session_id": "chat-1", "is_frozen": false, "includes_artifacts": true});
    app.chats.misbehaves("agent_server_files", Trouble::Status(403));
    let so_far = app.chats.asked().len();
    alice.create(&with_files).await.fails(403, "forbidden");
    let asked = asked_with(&app, so_far);
    assert!(asked.iter().all(|with| !with.contains(SERVICE_TOKEN)), "{asked:?}");
    assert_eq!(alice.list("").await.is(200).json(), json!([]));
    // Without them it is for her to share.
    let without = json!({"chat_session_id": "chat-1", "is_frozen": false});
    alice.create(&without).await.is(201);
    app.chats.recovers();
    alice.create(&with_files).await.is(201);
}

#[apply(on_both_databases)]
async fn what_is_gone_or_changed_by_then_is_listed_but_not_available(app: App) {
    let alice = app.as_user("alice");
    let names = ["same", "gone", "resized", "redated", "lost", "longer", "shorter"];
    let paths = names.map(|id| app.chats.put_file("chat-1", id, id, b"12345"));
    let link = alice.share("chat-1").await;
    app.chats.change("chat-1", |chat| {
        let files = chat.files.as_mut().unwrap();
        files[2]["bytes"] = 6.into();
        files[3]["created_at"] = 1_772_359_201.into();
        files.remove(1);
    });
    app.chats.replace_content(&paths[4], None);
    app.chats.replace_content(&paths[5], Some(b"123456"));
    app.chats.replace_content(&paths[6], Some(b"1234"));
    app.chats.put_file("chat-1", "new", "new", b"later");
    alice.change(&link, &INCLUDED()).await.is(204);
    let expected = names.map(|name| (name.to_owned(), name == "same"));
    assert_eq!(listed(&app.anonymous(), &link).await, expected);
    for name in names.into_iter().chain(["new"]) {
        let status = if name == "same" { 200 } else { 404 };
        app.anonymous().artifact(&link, name).await.is(status);
    }
    assert_eq!(app.setup.objects(), 1);
}

#[apply(on_both_databases)]
async fn a_link_made_by_the_chat_service_copies_with_the_service_credential(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let settings = json!({"includes_artifacts": true, "owner": {"id": "carol"}});
    let link = app.as_chat_service().share_with("chat-1", settings).await;
    let asked = app.chats.asked().into_iter().find(|asked| asked.path == path).unwrap();
    assert_eq!(asked.authorization, format!("Bearer {SERVICE_TOKEN}"));
    app.anonymous().artifact(&link, "f1").await.is(200);
}

#[apply(on_both_databases)]
async fn a_file_that_is_too_large_is_named_and_nothing_changes(setup: Setup) {
    let limits = setup
        .with("MAX_ARTIFACT_BYTES", "1000")
        .config(|config| config.artifact_limits.link_bytes = 2500);
    let app = limits.start().await;
    let alice = app.as_user("alice");
    for (chat, sizes, too_large) in
        [("one", vec![10, 1001], "file-1"), ("all", vec![1000, 1000, 501], "file-2")]
    {
        app.chats.put_named(chat, chat);
        for (number, size) in sizes.into_iter().enumerate() {
            let name = format!("file-{number}");
            app.chats.put_file(chat, &name, &name, &vec![7; size]);
        }
        let mut create = INCLUDED();
        create["chat_session_id"] = chat.into();
        let said = alice.create(&create).await.fails(422, "artifact_too_large");
        assert!(said.contains(too_large), "{said}");
        let link = alice.share(chat).await;
        let before = alice.view(&link).await.is(200).json();
        let said = alice.change(&link, &INCLUDED()).await.fails(422, "artifact_too_large");
        assert!(said.contains(too_large), "{said}");
        assert_eq!(alice.view(&link).await.is(200).json(), before);
    }
    assert_eq!(alice.list("").await.is(200).ids().len(), 2);
    assert_eq!(app.setup.objects(), 0);
    // At the limits it is well.
    app.chats.change("all", |chat| {
        chat.files.as_mut().unwrap().pop();
    });
    app.chats.put_file("all", "file-2", "file-2", &[7; 500]);
    alice.share_with("all", INCLUDED()).await;
    assert_eq!(app.setup.objects(), 3);
}

#[apply(on_both_databases)]
async fn when_the_chat_service_fails_nothing_changes(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TIMEOUT", "1s").start().await;
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    app.chats.put_file("chat-1", "f2", "map.png", &[7; 100]);
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    for (trouble, status, error_type) in [
        (Trouble::Status(500), 502, "chat_service_error"),
        (Trouble::Status(401), 401, "invalid_token"),
        (Trouble::Status(403), 403, "forbidden"),
        (Trouble::Redirect("/elsewhere".to_owned()), 502, "chat_service_error"),
        (Trouble::Silence, 504, "chat_service_timeout"),
        (Trouble::Stalls(Bytes::from_static(b"half"), 100), 504, "chat_service_timeout"),
        (Trouble::BreaksOff, 502, "chat_service_error"),
    ] {
        app.chats.misbehaves("f2/content", trouble.clone());
        alice.change(&link, &INCLUDED()).await.fails(status, error_type);
        let mut create = INCLUDED();
        create["chat_session_id"] = "chat-1".into();
        alice.create(&create).await.fails(status, error_type);
        let view = alice.view(&link).await.is(200).json();
        assert_eq!(view["includes_artifacts"], false, "{trouble:?}");
        assert_eq!(app.setup.objects(), 0, "{trouble:?}");
    }
    // A list that cannot be had is no empty list.
    app.chats.recovers();
    app.chats.misbehaves("agent_server_files", Trouble::Status(500));
    alice.change(&link, &INCLUDED()).await.fails(502, "chat_service_error");
    assert_eq!(alice.list("").await.is(200).ids(), [link.id]);
    // Endless bytes are not the file: it is left out, and soon.
    app.chats.recovers();
    app.chats.misbehaves("f2/content", Trouble::Endless);
    let link = alice.share_with("chat-1", INCLUDED()).await;
    let expected = [("f1".to_owned(), true), ("f2".to_owned(), false)];
    assert_eq!(listed(&app.anonymous(), &link).await, expected);
    assert_eq!(app.setup.objects(), 1);
}

#[apply(on_both_databases)]
async fn a_live_links_files_are_what_the_chat_has_now(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let link = app.as_user("alice").share_with("chat-1", live()).await;
    assert_eq!(listed(&app.anonymous(), &link).await, [("f1".to_owned(), true)]);
    let file = app.anonymous().artifact(&link, "f1").await.is(200);
    assert_eq!(file.body, "plan");
    assert!(file.header("etag").starts_with("W/\""), "only its size and time are known");
    let asked = app.chats.asked().into_iter().find(|asked| asked.path == path).unwrap();
    assert_eq!(asked.authorization, format!("Bearer {SERVICE_TOKEN}"));
    app.chats.put_file("chat-1", "f2", "later.txt", b"later");
    // As live views do, a download asks anew where the age of an answer is zero.
    assert_eq!(app.anonymous().artifact(&link, "f2").await.is(200).body, "later");
    app.chats.change("chat-1", |chat| chat.files = None);
    app.anonymous().artifact(&link, "f1").await.fails(404, "not_found");
    assert_eq!(app.setup.objects(), 0);
    app.chats.misbehaves("agent_server_files", Trouble::Status(403));
    app.anonymous().artifact(&link, "f1").await.fails(502, "chat_service_error");
}

#[apply(on_both_databases)]
async fn a_live_download_is_cut_when_it_is_not_what_was_listed(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TIMEOUT", "1s").start().await;
    let path = app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let link = app.as_user("alice").share_with("chat-1", live()).await;
    for other in [&b"plans"[..], b"pla"] {
        app.chats.replace_content(&path, Some(other));
        app.anonymous().artifact(&link, "f1").await.fails(502, "chat_service_error");
    }
    app.chats.replace_content(&path, None);
    app.anonymous().artifact(&link, "f1").await.fails(404, "not_found");
    for trouble in [Trouble::BreaksOff, Trouble::Endless] {
        app.chats.misbehaves("content", trouble);
        app.anonymous().artifact(&link, "f1").await.fails(502, "chat_service_error");
    }
    // One that falls silent half way is seen to be cut.
    app.chats.misbehaves("content", Trouble::Stalls(Bytes::from_static(b"pl"), 4));
    let response = app.anonymous().artifact(&link, "f1").begin(200).await;
    assert_eq!(response.content_length(), Some(4));
    assert!(response.bytes().await.is_err());
}

#[apply(on_both_databases)]
async fn chat_service_timeout_covers_the_list_and_the_first_bytes_of_a_live_download(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TIMEOUT", "2s").start().await;
    app.chats.put_named("chat-2", "Another");
    for (chat, trouble) in
        [("chat-1", Trouble::Silence), ("chat-2", Trouble::Stalls(Bytes::new(), 4))]
    {
        app.chats.put_file(chat, "f1", "plan.csv", b"plan");
        let link = app.as_user("alice").share_with(chat, live()).await;
        app.chats.misbehaves("content", trouble.clone());
        let held = app.chats.hold(&format!("{chat}/agent_server_files"));
        let began = Instant::now();
        let download = app.anonymous().artifact(&link, "f1").spawn();
        held.arrived(1).await;
        // A list that takes most of the time-out; `CHAT_SERVICE_TIMEOUT` is of the real clock.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        held.let_go();
        download.await.unwrap().fails(504, "chat_service_timeout");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(3), "{trouble:?}: {took:?}");
    }
}

#[apply(on_both_databases)]
async fn only_this_links_own_files_are_served_and_no_other_is_asked_for(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    app.chats.put_file("bobs-chat", "b1", "secret.txt", b"secret");
    let alice = app.as_user("alice");
    let frozen = alice.share_with("chat-1", INCLUDED()).await;
    let live = alice.share_with("chat-1", live()).await;
    app.as_user("bob").share_with("bobs-chat", INCLUDED()).await;
    let so_far = app.chats.asked().len();
    for id in ["b1", "nothing", "..%2Ff1", "f1%2F..%2Ff1", "%2e%2e", "F1", "f1%00", "%ff"] {
        app.anonymous().artifact(&frozen, id).await.fails(404, "not_found");
        app.anonymous().artifact(&live, id).await.fails(404, "not_found");
    }
    app.anonymous().artifact("3c1d2b6e-0000-4000-8000-000000000000", "f1").await.is(404);
    let asked: Vec<_> = app.chats.asked().into_iter().skip(so_far).map(|a| a.path).collect();
    assert!(asked.iter().all(|path| path.ends_with("chat-1/agent_server_files")), "{asked:?}");
}

#[apply(on_both_databases)]
async fn a_private_links_files_need_a_token(setup: Setup) {
    let app = setup.with("AUTH_COOKIE", "session").start().await;
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let settings = json!({"includes_artifacts": true, "is_private": true});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    app.anonymous().artifact(&link, "f1").await.fails(401, "login_required");
    app.anonymous().artifact(&link, "nothing").await.fails(401, "login_required");
    app.with_token("nonsense").artifact(&link, "f1").await.fails(401, "invalid_token");
    app.as_chat_service().artifact(&link, "f1").await.fails(403, "forbidden");
    let file = app.as_user("bob").artifact(&link, "f1").await.is(200);
    assert_eq!(file.header("cache-control"), "private, no-cache, no-transform");
    assert_eq!(file.header("vary"), "Authorization, Cookie");
    let token = crate::support::hs256(&crate::support::claims(&app.clock, "bob"));
    let cookie = format!("session={token}");
    app.anonymous().artifact(&link, "f1").header("cookie", &cookie).await.is(200);
    // On a public link a credential neither admits nor cuts.
    let public = app.as_user("alice").share_with("chat-1", INCLUDED()).await;
    app.with_token("nonsense").artifact(&public, "f1").await.is(200);
}

#[apply(on_both_databases)]
async fn bytes_go_with_the_switch_and_with_the_link(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    app.chats.put_file("chat-1", "f2", "map.png", b"map");
    let alice = app.as_user("alice");
    let mut links = Vec::new();
    for _ in 0..5 {
        links.push(alice.share_with("chat-1", INCLUDED()).await);
    }
    settles_at(&app.setup, 10).await;
    alice.change(&links[0], &json!({"includes_artifacts": false})).await.is(204);
    settles_at(&app.setup, 8).await;
    alice.delete(&links[1]).await.is(204);
    settles_at(&app.setup, 6).await;
    alice.batch_delete(&links[2..4]).await.is(204);
    settles_at(&app.setup, 2).await;
    // The others' are untouched.
    alice.artifact(&links[4], "f1").await.is(200);
    app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    settles_at(&app.setup, 0).await;
}

#[apply(on_both_databases)]
async fn bytes_of_an_expired_link_go(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let mut settings = INCLUDED();
    settings["expires_at"] = app.after(TimeDelta::minutes(5)).into();
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    app.anonymous().artifact(&link, "f1").await.is(200);
    app.clock.advance(TimeDelta::minutes(5));
    app.anonymous().artifact(&link, "f1").await.is(404);
    // Every start sweeps.
    app.another_instance().await;
    settles_at(&app.setup, 0).await;
}

#[apply(on_both_databases)]
async fn ranges_are_served(app: App) {
    app.chats.put_file("chat-1", "f1", "digits.txt", b"0123456789");
    app.chats.put_file("chat-1", "f2", "empty.txt", b"");
    let link = app.as_user("alice").share_with("chat-1", INCLUDED()).await;
    let viewer = app.anonymous();
    for (range, bytes, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-500", "56789", "bytes 5-9/10"),
    ] {
        let part = viewer.artifact(&link, "f1").header("range", range).await.is(206);
        assert_eq!(part.body, bytes, "{range}");
        assert_eq!(part.header("content-range"), content_range);
        assert_eq!(part.header("content-length"), bytes.len().to_string());
        assert_eq!(part.header("content-disposition"), "attachment; filename=\"digits.txt\"");
    }
    for range in ["bytes=0-1,4-5", "lines=1-2", "bytes=3-1"] {
        let whole = viewer.artifact(&link, "f1").header("range", range).await.is(200);
        assert_eq!(whole.body, "0123456789", "{range}");
    }
    for (id, range, content_range) in
        [("f1", "bytes=10-", "bytes */10"), ("f2", "bytes=0-", "bytes */0")]
    {
        let refused = viewer.artifact(&link, id).header("range", range).await;
        assert_eq!(refused.header("content-range"), content_range);
        refused.fails(416, "range_not_satisfiable");
    }
    let tag = viewer.artifact(&link, "f1").await.header("etag").to_owned();
    for (condition, status) in [(tag.as_str(), 206), ("\"other\"", 200), ("W/\"x\"", 200)] {
        let asked = viewer.artifact(&link, "f1").header("range", "bytes=0-3");
        asked.header("if-range", condition).await.is(status);
    }
    // Copied anew it is another object, which a part of the old one does not continue.
    for on in [false, true] {
        app.as_user("alice").change(&link, &json!({"includes_artifacts": on})).await.is(204);
    }
    let asked = viewer.artifact(&link, "f1").header("range", "bytes=0-3").header("if-range", &tag);
    asked.await.is(200);
}

#[apply(on_both_databases)]
async fn a_range_of_a_live_file_is_served(app: App) {
    app.chats.put_file("chat-1", "f1", "digits.txt", b"0123456789");
    let link = app.as_user("alice").share_with("chat-1", live()).await;
    let viewer = app.anonymous();
    let part = viewer.artifact(&link, "f1").header("range", "bytes=4-6").await.is(206);
    assert_eq!((part.body.as_ref(), part.header("content-range")), (&b"456"[..], "bytes 4-6/10"));
    let tag = part.header("etag").to_owned();
    let asked = viewer.artifact(&link, "f1").header("range", "bytes=4-6").header("if-range", &tag);
    assert_eq!(asked.await.is(200).body, "0123456789", "a weak tag never continues");
}

#[apply(on_both_databases)]
async fn conditions_and_head_are_answered(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "digits.txt", b"0123456789");
    let alice = app.as_user("alice");
    for settings in [INCLUDED(), live()] {
        let link = alice.share_with("chat-1", settings).await;
        let tag = alice.artifact(&link, "f1").await.is(200).header("etag").to_owned();
        let so_far = app.chats.asked().len();
        let same = alice.artifact(&link, "f1").header("if-none-match", &tag).await.is(304);
        assert_eq!((same.header("etag"), same.body.len()), (tag.as_str(), 0));
        let head = alice.request("HEAD", &format!("{}/artifacts/f1", link.path())).await.is(200);
        assert_eq!((head.header("content-length"), head.body.len()), ("10", 0));
        assert_eq!(head.header("etag"), tag);
        let asked = app.chats.asked();
        assert!(asked.iter().skip(so_far).all(|asked| asked.path != path), "bytes for nothing");
    }
}

#[apply(on_both_databases)]
async fn an_id_or_a_name_may_hold_anything(app: App) {
    let ids = ["a/b", "%2F", "é ü", "?x=1#y", "a+b", "{id}", "../../messages", "&;:@=$,'()*!"];
    for id in ids {
        app.chats.put_file("chat-1", id, "\u{202e}Pläne/\"x\".csv", id.as_bytes());
    }
    for id in [".", ".."] {
        app.chats.put_file("chat-1", id, id, b"no URL leads here");
    }
    for settings in [INCLUDED(), live()] {
        let link = app.as_user("alice").share_with("chat-1", settings).await;
        let view = app.anonymous().view(&link).await.is(200).json();
        let artifacts = view["artifacts"].as_array().unwrap();
        assert_eq!(artifacts.len(), ids.len() + 2);
        for (artifact, id) in artifacts.iter().zip(ids) {
            assert_eq!(artifact["available"], true);
            let file = app.anonymous().get(artifact["url"].as_str().unwrap()).await.is(200);
            assert_eq!(file.body, id);
            assert_eq!(
                file.header("content-disposition"),
                "attachment; filename=\"_Pl_ne__x_.csv\"; filename*=UTF-8''_Pl%C3%A4ne_%22x%22.csv"
            );
        }
        for artifact in &artifacts[ids.len()..] {
            assert_eq!(artifact["available"], false);
        }
    }
    let asked = app.chats.asked();
    assert!(asked.iter().all(|asked| !asked.path.contains("/./") && !asked.path.contains("/../")));
}

/// Begins a download that will not end by itself, and reads its first bytes.
/// nginx takes 4 KiB of headers in all, unless it is told otherwise.
#[apply(on_both_databases)]
async fn a_long_name_is_cut_in_the_header_alone(app: App) {
    let name = format!("{}.csv", "\u{1f600}".repeat(996));
    app.chats.put_file("chat-1", "f1", &name, b"1");
    let link = app.as_user("alice").share_with("chat-1", INCLUDED()).await;
    let view = app.anonymous().view(&link).await.is(200).json();
    assert_eq!(view["artifacts"][0]["filename"], name);
    let file = app.anonymous().artifact(&link, "f1").await.is(200);
    // Each header ends with a line break, as does the line before all of them.
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let bytes: usize = file.headers.iter().map(line).sum();
    assert!(bytes < 3900, "{bytes}");
    assert!(file.header("content-disposition").ends_with(".csv"));
}

async fn slow_download(app: &App, link: &Link, viewer: &Client) -> reqwest::Response {
    app.chats.misbehaves("content", Trouble::Stalls(Bytes::from_static(b"half"), 10));
    let mut response = viewer.artifact(link, "f1").begin(200).await;
    assert_eq!(response.chunk().await.unwrap().unwrap(), "half");
    response
}

#[apply(on_both_databases)]
async fn a_right_that_ends_while_the_file_is_fetched_gives_nothing(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "digits.txt", b"0123456789");
    let alice = app.as_user("alice");
    let link = alice.share_with("chat-1", live()).await;
    let held = app.chats.hold(&path);
    let download = app.anonymous().artifact(&link, "f1").spawn();
    held.arrived(1).await;
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    held.let_go();
    download.await.unwrap().fails(401, "login_required");
    // Nor is anything told of a file that was only looked up by then.
    let held = app.chats.hold("agent_server_files");
    let head = format!("{}/artifacts/f1", link.path());
    let head = app.as_user("bob").request("HEAD", &head).spawn();
    held.arrived(1).await;
    alice.change(&link, &json!({"includes_artifacts": false})).await.is(204);
    held.let_go();
    head.await.unwrap().is(404);
}

#[apply(on_both_databases)]
async fn a_file_of_a_link_that_turns_private_meanwhile_is_not_for_shared_caches(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "digits.txt", b"0123456789");
    let (alice, bob) = (app.as_user("alice"), app.as_user("bob"));
    let link = alice.share_with("chat-1", live()).await;
    let public = bob.artifact(&link, "f1").await.is(200);
    assert_eq!(public.header("cache-control"), "no-cache, no-transform");
    let held = app.chats.hold(&path);
    let whole = bob.artifact(&link, "f1").spawn();
    let part = bob.artifact(&link, "f1").header("range", "bytes=2-4").spawn();
    held.arrived(2).await;
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    held.let_go();
    for (download, status, bytes) in [(whole, 200, "0123456789"), (part, 206, "234")] {
        let private = download.await.unwrap().is(status);
        assert_eq!(private.header("cache-control"), "private, no-cache, no-transform");
        assert_eq!(private.header("etag"), public.header("etag"));
        assert_eq!(private.body, bytes);
    }
}

#[apply(on_both_databases)]
async fn a_download_ends_when_the_right_to_it_does(app: App) {
    app.chats.put_file("chat-1", "f1", "digits.txt", b"0123456789");
    let alice = app.as_user("alice");
    type End = for<'a> fn(&'a App, &'a Client, &'a Link) -> futures_util::future::BoxFuture<'a, ()>;
    let ends: [(&str, End); 5] = [
        ("deleted", |_, alice, link| {
            Box::pin(async move {
                alice.delete(link).await.is(204);
            })
        }),
        ("private", |_, alice, link| {
            Box::pin(async move {
                alice.change(link, &json!({"is_private": true})).await.is(204);
            })
        }),
        ("off", |_, alice, link| {
            Box::pin(async move {
                alice.change(link, &json!({"includes_artifacts": false})).await.is(204);
            })
        }),
        ("cascade", |app, _, _| {
            Box::pin(async move {
                app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
            })
        }),
        ("expired", |app, _, _| {
            Box::pin(async move {
                app.clock.advance(TimeDelta::minutes(5));
            })
        }),
    ];
    for (how, end) in ends {
        app.chats.recovers();
        let chat = if how == "expired" { "chat-2" } else { "chat-1" };
        if how == "expired" {
            // The other one has a tombstone by now.
            app.chats.put_named(chat, "Another");
            app.chats.put_file(chat, "f1", "digits.txt", b"0123456789");
        }
        let mut settings = live();
        settings["expires_at"] = app.after(TimeDelta::minutes(5)).into();
        let link = alice.share_with(chat, settings).await;
        let mut download = slow_download(&app, &link, &app.anonymous()).await;
        end(&app, &alice, &link).await;
        let ended = tokio::time::timeout(Duration::from_secs(1), download.chunk()).await;
        assert!(ended.unwrap().is_err(), "{how}: it must be seen that bytes are missing");
    }
}

#[apply(on_both_databases)]
async fn a_download_goes_on_with_the_token_that_it_began_with(app: App) {
    app.chats.put_file("chat-1", "f1", "digits.txt", b"0123456789");
    let alice = app.as_user("alice");
    let link = alice.share_with("chat-1", live()).await;
    let mut download = slow_download(&app, &link, &app.as_user("bob")).await;
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    let more = tokio::time::timeout(Duration::from_millis(1500), download.chunk()).await;
    assert!(more.is_err(), "it is still waiting for the chat service");
    // Until that token expires.
    app.clock.advance(TimeDelta::days(1));
    let ended = tokio::time::timeout(Duration::from_secs(1), download.chunk()).await;
    assert!(ended.unwrap().is_err());
}

#[apply(on_both_databases)]
async fn a_copy_goes_on_when_its_client_disconnects(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let held = app.chats.hold(&path);
    alice.change(&link, &INCLUDED()).abandon_after(Duration::from_millis(300)).await;
    held.arrived(1).await;
    held.let_go();
    settles_at(&app.setup, 1).await;
    eventually("the copy belongs to the link", async || {
        app.anonymous().artifact(&link, "f1").await.status == 200
    })
    .await;
}

#[apply(on_both_databases)]
async fn two_at_once_leave_one_copy(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let held = app.chats.hold(&path);
    let both = [(); 2].map(|()| alice.change(&link, &INCLUDED()).spawn());
    held.arrived(2).await;
    held.let_go();
    for one in both {
        one.await.unwrap().is(204);
    }
    assert_eq!(listed(&app.anonymous(), &link).await, [("f1".to_owned(), true)]);
    settles_at(&app.setup, 1).await;
    // A link that is deleted while its files are copied stays deleted, and they go.
    let other = alice.share("chat-1").await;
    let held = app.chats.hold("agent_server_files");
    let change = alice.change(&other, &INCLUDED()).spawn();
    held.arrived(1).await;
    alice.delete(&other).await.is(204);
    held.let_go();
    change.await.unwrap().is(404);
    settles_at(&app.setup, 1).await;
}

#[apply(on_both_databases)]
async fn a_copy_that_was_swept_meanwhile_does_not_become_the_links(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    app.chats.put_named("chat-2", "Another");
    app.chats.put_file("chat-2", "f2", "other.csv", b"other");
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let other = alice.share_with("chat-2", INCLUDED()).await;
    let held = app.chats.hold(&path);
    let change = alice.change(&link, &INCLUDED()).spawn();
    held.arrived(1).await;
    // So long that the lease of the copy ends, and then something has the sweeper look.
    app.clock.advance(TimeDelta::minutes(61));
    let alice = app.as_user("alice");
    alice.delete(&other).await.is(204);
    settles_at(&app.setup, 0).await;
    eventually("the copy is forgotten", async || rows(&app, "artifacts").await == 0).await;
    held.let_go();
    change.await.unwrap().fails(503, "unavailable");
    assert_eq!(alice.view(&link).await.is(200).json()["includes_artifacts"], false);
    settles_at(&app.setup, 0).await;
}

#[apply(on_both_databases)]
async fn an_idempotent_repetition_copies_nothing(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let alice = app.as_user("alice");
    let body = json!({"chat_session_id": "chat-1", "includes_artifacts": true});
    let held = app.chats.hold(&path);
    let both = [(); 2].map(|()| alice.create(&body).header("idempotency-key", "k").spawn());
    held.arrived(2).await;
    held.let_go();
    let [one, other] = both;
    let id = one.await.unwrap().is(201).json()["id"].clone();
    assert_eq!(other.await.unwrap().is(201).json()["id"], id);
    alice.create(&body).header("idempotency-key", "k").await.is(201);
    settles_at(&app.setup, 1).await;
    alice.artifact(id.as_str().unwrap(), "f1").await.is(200);
}

#[apply(on_both_databases)]
async fn objects_without_a_row_are_swept_after_the_grace(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"plan");
    let link = app.as_user("alice").share_with("chat-1", INCLUDED()).await;
    let folder = app.setup.store_folder().to_owned();
    let unknown = "0b4f6a4e-0c5d-4f6e-9a51-4f2f4a1c7d11";
    std::fs::write(folder.join(unknown), "left over").unwrap();
    std::fs::write(folder.join(format!("{unknown}#1")), "half").unwrap();
    std::fs::write(folder.join("notes.txt"), "another program's").unwrap();
    app.another_instance().await;
    a_moment().await;
    assert_eq!(app.setup.objects(), 4, "within the grace nothing is touched");
    app.clock.advance(TimeDelta::minutes(61));
    app.another_instance().await;
    settles_at(&app.setup, 2).await;
    assert!(folder.join("notes.txt").exists());
    app.anonymous().artifact(&link, "f1").await.is(200);
}
