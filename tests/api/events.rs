//! `GET /api/v1/shared_chats/{id}/events`: who may watch, what they are told, and when it ends.
//! Several instances are in `instances.rs`.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    App, Chat, Link, Setup, apply, claims, eventually, hs256, message, on_both_databases, reply,
};

#[apply(on_both_databases)]
async fn a_stream_is_no_ordinary_answer(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let stream = app.anonymous().watch(&link).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!(stream.header("cache-control"), "no-store, no-transform");
    assert_eq!(stream.header("x-accel-buffering"), "no");
    assert_eq!(stream.header("x-content-type-options"), "nosniff");
    assert_eq!(stream.header("x-robots-tag"), "noindex, nofollow");
    assert_eq!(stream.header("referrer-policy"), "no-referrer");
    assert_eq!(stream.header("content-encoding"), "");
    assert!(stream.header("vary").contains("Authorization"));
}

#[apply(on_both_databases)]
async fn a_frozen_link_has_no_events(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    app.anonymous().events(&link).await.fails(400, "bad_request");
    // First whether there is such a link, and whether one may see it.
    app.anonymous().events("00000000-0000-4000-8000-000000000000").await.fails(404, "not_found");
    let private = alice.share_private("chat-1").await;
    app.anonymous().events(&private).await.fails(401, "login_required");
}

#[apply(on_both_databases)]
async fn watching_takes_the_right_to_view(app: App) {
    let settings = json!({"is_frozen": false, "is_private": true});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    app.anonymous().events(&link).await.fails(401, "login_required");
    app.with_token("nonsense").events(&link).await.fails(401, "invalid_token");
    app.as_chat_service().events(&link).await.fails(403, "forbidden");
    app.as_user("bob").watch(&link).await;
    app.as_user("alice").delete(&link).await.is(204);
    app.as_user("bob").events(&link).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn a_link_that_turns_private_while_a_stream_begins_begins_none(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let held = app.chats.hold("/messages");
    let stream = app.anonymous().events(&link).spawn();
    held.arrived(1).await;
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    held.let_go();
    stream.await.unwrap().fails(401, "login_required");
}

#[apply(on_both_databases)]
async fn a_head_request_tells_that_there_are_events_and_ends(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let answer = app.anonymous().request("HEAD", &format!("{}/events", link.path())).await.is(200);
    assert_eq!(answer.header("content-type"), "text/event-stream");
}

#[apply(on_both_databases)]
async fn a_stream_tells_of_new_settings_but_not_of_a_label(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let mut stream = app.as_user("bob").watch(&link).await;
    alice.change(&link, &json!({"is_private": true, "label": "x"})).await.is(204);
    let told = stream.next().await.unwrap();
    assert_eq!(told.name, "settings");
    let settings = json!({"is_private": true, "includes_artifacts": false, "expires_at": null});
    assert_eq!(told.data, settings);
    // A label is for the owner's eyes only.
    alice.change(&link, &json!({"label": "y"})).await.is(204);
    stream.is_quiet_for(Duration::from_millis(300)).await;
    let at = app.after(chrono::Duration::days(1));
    alice.change(&link, &json!({"includes_artifacts": true, "expires_at": at})).await.is(204);
    let told = stream.next().await.unwrap();
    assert_eq!((told.name.as_str(), &told.data["includes_artifacts"]), ("settings", &json!(true)));
    assert_eq!(told.id, None);
    assert!(told.data["expires_at"].is_string());
}

#[apply(on_both_databases)]
async fn a_link_made_private_cuts_anonymous_viewers_and_keeps_those_with_a_token(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let mut anonymous = app.anonymous().watch(&link).await;
    let mut service = app.as_chat_service().watch(&link).await;
    let mut bob = app.as_user("bob").watch(&link).await;
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    app.chats.change("chat-1", |chat| chat.messages.push(message("m3", "only for some")));
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    for stream in [&mut anonymous, &mut service] {
        assert_eq!(stream.told().await, "revoked {}");
        assert_eq!(stream.told().await, "end");
    }
    assert!(bob.told().await.starts_with("settings"));
    assert_eq!(bob.told().await, "message m3 only for some");
}

#[apply(on_both_databases)]
async fn a_deleted_link_ends_its_streams(app: App) {
    let alice = app.as_user("alice");
    let (link, other) = (alice.share_live("chat-1").await, alice.share_live("chat-1").await);
    let mut stream = app.anonymous().watch(&link).await;
    let mut other = app.anonymous().watch(&other).await;
    alice.delete(&link).await.is(204);
    assert_eq!(stream.told().await, "revoked {}");
    assert_eq!(stream.told().await, "end");
    other.is_quiet_for(Duration::from_millis(300)).await;
}

#[apply(on_both_databases)]
async fn links_deleted_together_end_their_streams(app: App) {
    let alice = app.as_user("alice");
    let links = [alice.share_live("chat-1").await, alice.share_live("chat-1").await];
    let mut first = app.anonymous().watch(&links[0]).await;
    let mut second = app.anonymous().watch(&links[1]).await;
    alice.batch_delete(&links).await.is(204);
    assert_eq!(first.told().await, "revoked {}");
    assert_eq!(second.told().await, "revoked {}");
}

#[apply(on_both_databases)]
async fn a_deleted_chat_ends_its_streams(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut stream = app.anonymous().watch(&link).await;
    app.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    assert_eq!(stream.told().await, "revoked {}");
    assert_eq!(stream.told().await, "end");
}

#[apply(on_both_databases)]
async fn a_stream_ends_when_the_link_expires(app: App) {
    let at = app.after(chrono::Duration::hours(1));
    let settings = json!({"is_frozen": false, "expires_at": at});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    let mut stream = app.anonymous().watch(&link).await;
    stream.is_quiet_for(Duration::from_millis(100)).await;
    app.clock.advance(chrono::Duration::hours(1));
    assert_eq!(stream.told().await, "revoked {}");
    assert_eq!(stream.told().await, "end");
}

#[apply(on_both_databases)]
async fn a_stream_ends_when_an_expiry_that_was_set_later_comes(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let mut stream = app.anonymous().watch(&link).await;
    let at = app.after(chrono::Duration::minutes(5));
    alice.change(&link, &json!({"expires_at": at})).await.is(204);
    assert!(stream.told().await.starts_with("settings"));
    app.clock.advance(chrono::Duration::minutes(5));
    assert_eq!(stream.told().await, "revoked {}");
}

#[apply(on_both_databases)]
async fn a_stream_of_a_private_link_ends_when_the_token_does(app: App) {
    let settings = json!({"is_frozen": false, "is_private": true});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    let mut claims = claims(&app.clock, "bob");
    claims["exp"] = (app.now().timestamp() + 60).into();
    let mut stream = app.with_token(&hs256(&claims)).watch(&link).await;
    // Until then the right stands.
    app.clock.advance(chrono::Duration::seconds(58));
    app.chats.change("chat-1", |chat| chat.messages.push(message("m3", "in time")));
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    assert_eq!(stream.told().await, "message m3 in time");
    // At `exp` itself: the seconds that requests are granted are not for streams.
    app.clock.advance(chrono::Duration::seconds(2));
    assert_eq!(stream.told().await, "revoked {}");
    assert_eq!(stream.told().await, "end");
    let late = app.with_token(&hs256(&claims));
    late.view(&link).await.is(200);
    assert_eq!(late.events(&link).stream().await.told().await, "revoked {}");
}

#[apply(on_both_databases)]
async fn a_token_that_ends_does_not_end_a_public_stream(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let mut claims = claims(&app.clock, "bob");
    claims["exp"] = (app.now().timestamp() + 60).into();
    let mut stream = app.with_token(&hs256(&claims)).watch(&link).await;
    app.clock.advance(chrono::Duration::seconds(120));
    stream.is_quiet_for(Duration::from_millis(200)).await;
    app.chats.change("chat-1", |chat| chat.messages.push(message("m3", "on it goes")));
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    assert_eq!(stream.told().await, "message m3 on it goes");
    // But it does not help when the link turns private.
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    assert_eq!(stream.told().await, "revoked {}");
}

#[apply(on_both_databases)]
async fn a_public_stream_with_a_bad_token_begins_and_ends_when_the_link_turns_private(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let mut stream = app.with_token("nonsense").watch(&link).await;
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    assert_eq!(stream.told().await, "revoked {}");
}

#[apply(on_both_databases)]
async fn there_is_a_bound_on_streams_of_a_link(setup: Setup) {
    let app = setup.config(|config| config.live.max_streams_per_link = 2).start().await;
    let alice = app.as_user("alice");
    let (link, other) = (alice.share_live("chat-1").await, alice.share_live("chat-1").await);
    let first = app.anonymous().watch(&link).await;
    let _second = app.anonymous().watch(&link).await;
    app.anonymous().events(&link).await.fails(429, "too_many_requests");
    app.anonymous().watch(&other).await;
    // A stream that ends makes room.
    drop(first);
    has_room_soon(&app, &link).await;
}

async fn has_room_soon(app: &App, link: &Link) {
    let events = format!("{}/events", link.path());
    eventually("there is room", async || {
        app.anonymous().request("HEAD", &events).await.status == 200
    })
    .await;
}

#[apply(on_both_databases)]
async fn one_address_may_have_a_quarter_of_the_streams(setup: Setup) {
    let setup = setup.with("MAX_STREAMS", "8").with("TRUSTED_PROXIES", "127.0.0.0/8");
    let app = setup.start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let events = |address: &str| app.anonymous().events(&link).header("x-forwarded-for", address);
    // Of IPv6 it is a /64; on a public link a credential does not count.
    let first = events("2001:db8:0:1::1").stream().await.begun().await;
    let bob = app.as_user("bob").events(&link).header("x-forwarded-for", "2001:db8:0:1::2");
    let _second = bob.stream().await.begun().await;
    for address in ["2001:db8:0:1::1", "2001:db8:0:1:ffff::3"] {
        let answer = events(address).await;
        assert_eq!(answer.header("retry-after"), "5");
        answer.fails(429, "too_many_requests");
    }
    for address in ["2001:db8:0:2::1", "192.0.2.1"] {
        events(address).stream().await.begun().await;
    }
    drop(first);
    eventually("there is room", async || events("2001:db8:0:1::4").await.status == 200).await;
}

/// All clients behind the proxy would be one.
#[apply(on_both_databases)]
async fn behind_an_unknown_proxy_no_address_is_counted(setup: Setup) {
    let app = setup.with("MAX_STREAMS", "8").start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let events = app.anonymous().events(&link).header("x-forwarded-for", "192.0.2.1");
        open.push(events.stream().await.begun().await);
    }
}

#[apply(on_both_databases)]
async fn one_user_may_have_a_quarter_of_the_streams(setup: Setup) {
    let setup = setup.with("MAX_STREAMS", "8").with("TRUSTED_PROXIES", "127.0.0.0/8");
    let app = setup.start().await;
    let settings = json!({"is_frozen": false, "is_private": true});
    let alice = app.as_user("alice");
    let links = [
        alice.share_with("chat-1", settings.clone()).await,
        alice.share_with("chat-1", settings).await,
    ];
    let bob =
        |link: &Link, from: &str| app.as_user("bob").events(link).header("x-forwarded-for", from);
    let _first = bob(&links[0], "192.0.2.1").stream().await.begun().await;
    let second = bob(&links[1], "192.0.2.2").stream().await.begun().await;
    // From wherever, and with another token.
    bob(&links[0], "192.0.2.3").await.fails(429, "too_many_requests");
    let mut other = claims(&app.clock, "bob");
    other["jti"] = "another".into();
    app.with_token(&hs256(&other)).events(&links[0]).await.fails(429, "too_many_requests");
    let _alice = alice.watch(&links[0]).await;
    drop(second);
    eventually("there is room", async || bob(&links[0], "192.0.2.1").await.status == 200).await;
}

#[apply(on_both_databases)]
async fn there_is_a_bound_on_streams_in_all(setup: Setup) {
    let setup = setup.config(|config| config.live.max_streams_per_client = 9);
    let app = setup.with("MAX_STREAMS", "2").start().await;
    app.chats
        .put("chat-2", Chat::of("alice", "Two", &[message("m1", "?"), reply("m2", "m1", "!")]));
    let alice = app.as_user("alice");
    let (link, other) = (alice.share_live("chat-1").await, alice.share_live("chat-2").await);
    let first = app.anonymous().watch(&link).await;
    let _second = app.anonymous().watch(&other).await;
    let answer = app.anonymous().events(&link).await;
    assert!(!answer.header("retry-after").is_empty());
    answer.fails(503, "unavailable");
    drop(first);
    has_room_soon(&app, &link).await;
}
