//! Several instances on one PostgreSQL: what is done through one is known to the viewers of every
//! other within a second. On SQLite, which is for one instance, the same within it.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::json;
use tokio_postgres::NoTls;

use crate::support::{
    App, EventStream, Link, Setup, a_moment, apply, eventually, message, on_both_databases,
};

fn is_sqlite(setup: &Setup) -> bool {
    setup.database_url.starts_with("sqlite:")
}

/// An instance, and the one beside it: itself on SQLite.
async fn two(setup: Setup) -> (App, App) {
    // Neither the poll nor an answer that has grown old may do the notice's work.
    let setup = setup.with("LIVE_POLL_INTERVAL", "1h").live_max_age(Duration::from_secs(3600));
    if is_sqlite(&setup) {
        let app = setup.start().await;
        return (app.clone(), app);
    }
    let url = format!("{}&application_name={}", setup.database_url, name_of(&setup));
    let here = setup.with("DATABASE_URL", url).start().await;
    let there = here.another_instance().await;
    assert_ne!(here.address, there.address);
    both_listen(&here.setup).await;
    (here, there)
}

async fn tell(app: &App, id: &str) {
    app.chats.change("chat-1", |chat| chat.messages.push(message(id, "x")));
    app.as_chat_service().chat_changed("chat-1").await.is(202);
}

#[track_caller]
fn is_within_a_second(since: Instant) {
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

async fn is_revoked(stream: &mut EventStream, since: Instant) {
    assert_eq!(stream.told().await, "revoked {}");
    assert_eq!(stream.told().await, "end");
    is_within_a_second(since);
}

#[apply(on_both_databases)]
async fn a_change_of_the_chat_reaches_viewers_of_every_instance(setup: Setup) {
    let (here, there) = two(setup).await;
    let link = here.as_user("alice").share_live("chat-1").await;
    let mut stream = there.anonymous().watch(&link).await;
    there.anonymous().view(&link).await.is(200);
    for number in 3..6 {
        let since = Instant::now();
        tell(&here, &format!("m{number}")).await;
        assert_eq!(stream.told().await, format!("message m{number} x"));
        is_within_a_second(since);
        let view = there.anonymous().view(&link).await.json();
        assert_eq!(view["messages"].as_array().unwrap().len(), number);
    }
}

#[apply(on_both_databases)]
async fn a_narrowed_link_is_narrowed_on_every_instance(setup: Setup) {
    let (here, there) = two(setup).await;
    let link = here.as_user("alice").share_live("chat-1").await;
    let mut anonymous = there.anonymous().watch(&link).await;
    let mut bob = there.as_user("bob").watch(&link).await;
    let since = Instant::now();
    here.as_user("alice").change(&link, &json!({"is_private": true})).await.is(204);
    is_revoked(&mut anonymous, since).await;
    assert!(bob.told().await.starts_with("settings"));
    is_within_a_second(since);
}

#[apply(on_both_databases)]
async fn the_policy_ends_streams_on_every_instance(setup: Setup) {
    let (here, there) = two(setup).await;
    let link = here.as_user("alice").share_live("chat-1").await;
    let mut anonymous = there.anonymous().watch(&link).await;
    let mut bob = there.as_user("bob").watch(&link).await;
    let since = Instant::now();
    let signed_in = json!({
        "widest_audience": "signed_in", "max_lifetime_seconds": null, "allows_artifacts": true,
    });
    here.as_admin().set_policy(&signed_in).await.is(200);
    is_revoked(&mut anonymous, since).await;
    assert!(bob.told().await.starts_with("settings"));
    is_within_a_second(since);
    tell(&here, "m3").await;
    assert_eq!(bob.told().await, "message m3 x");
}

#[apply(on_both_databases)]
async fn a_removal_from_the_audience_ends_streams_on_every_instance(setup: Setup) {
    let (here, there) = two(setup).await;
    let live = json!({"is_frozen": false, "audience": ["user:bob", "user:carol"]});
    let link = here.as_user("alice").share_with("chat-1", live).await;
    let mut bob = there.as_user("bob").watch(&link).await;
    let mut carol = there.as_user("carol").watch(&link).await;
    let since = Instant::now();
    let audience = json!({"audience": ["user:carol"]});
    here.as_user("alice").change(&link, &audience).await.is(204);
    is_revoked(&mut bob, since).await;
    tell(&here, "m3").await;
    assert_eq!(carol.told().await, "message m3 x");
}

#[apply(on_both_databases)]
async fn a_take_down_and_the_end_of_a_user_end_streams_on_every_instance(setup: Setup) {
    let (here, there) = two(setup).await;
    for way in ["take down", "end", "erase"] {
        let link = here.as_user("alice").share_live("chat-1").await;
        let kept = here.as_user("alice").share_live("chat-1").await;
        let mut stream = there.anonymous().watch(&link).await;
        let mut of_kept = there.anonymous().watch(&kept).await;
        let since = Instant::now();
        let admin = here.as_admin();
        if way == "take down" {
            let body = json!({"shared_chat_ids": [link.id]});
            admin.post("/api/v1/admin/shared_chats/batch_delete", &body).await.is(204);
            is_revoked(&mut stream, since).await;
            of_kept.is_quiet_for(Duration::from_millis(100)).await;
            continue;
        }
        let path =
            if way == "end" { "/api/v1/users/alice/shared_chats" } else { "/api/v1/users/alice" };
        admin.request("DELETE", path).await.is(200);
        is_revoked(&mut stream, since).await;
        is_revoked(&mut of_kept, since).await;
        here.clock.advance(chrono::Duration::seconds(10));
    }
}

#[apply(on_both_databases)]
async fn settings_reach_viewers_of_every_instance(setup: Setup) {
    let (here, there) = two(setup).await;
    let alice = here.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let mut stream = there.anonymous().watch(&link).await;
    let at = here.after(chrono::Duration::days(1));
    let day: DateTime<Utc> = at.parse().unwrap();
    for (change, includes_artifacts, expires_at) in [
        (json!({"includes_artifacts": true}), true, None),
        (json!({"expires_at": at}), true, Some(day)),
        (json!({"includes_artifacts": false}), false, Some(day)),
        (json!({"expires_at": null}), false, None),
    ] {
        let since = Instant::now();
        alice.change(&link, &change).await.is(204);
        let told = stream.next().await.unwrap();
        is_within_a_second(since);
        assert_eq!((told.name.as_str(), &told.data["is_private"]), ("settings", &json!(false)));
        assert_eq!(told.data["includes_artifacts"], includes_artifacts);
        let told: Option<DateTime<Utc>> =
            serde_json::from_value(told.data["expires_at"].clone()).unwrap();
        assert_eq!(told, expires_at);
    }
}

#[apply(on_both_databases)]
async fn a_revocation_reaches_viewers_of_every_instance(setup: Setup) {
    let (here, there) = two(setup).await;
    let alice = here.as_user("alice");
    let links: Vec<Link> =
        [alice.share_live("chat-1").await, alice.share_live("chat-1").await].into();
    let mut first = there.anonymous().watch(&links[0]).await;
    let mut second = there.anonymous().watch(&links[1]).await;
    let since = Instant::now();
    alice.delete(&links[0]).await.is(204);
    is_revoked(&mut first, since).await;
    second.is_quiet_for(Duration::from_millis(200)).await;
    let since = Instant::now();
    here.as_chat_service().chat_was_deleted("chat-1").await.is(200);
    is_revoked(&mut second, since).await;
}

#[apply(on_both_databases)]
async fn a_lost_listener_comes_back_and_catches_up(setup: Setup) {
    if is_sqlite(&setup) {
        return;
    }
    let (here, there) = two(setup).await;
    let link = here.as_user("alice").share_live("chat-1").await;
    let other = here.as_user("bob").share_live("bobs-chat").await;
    let mut stream = there.anonymous().watch(&link).await;
    let mut revoked = there.anonymous().watch(&other).await;
    let since = Instant::now();
    assert_eq!(listeners(&here.setup, "pg_terminate_backend(pid)").await, 2);
    // While no instance listens.
    tell(&here, "m3").await;
    here.as_user("bob").delete(&other).await.is(204);
    assert_eq!(stream.told().await, "message m3 x");
    is_revoked(&mut revoked, since).await;
    both_listen(&here.setup).await;
    let since = Instant::now();
    tell(&here, "m4").await;
    assert_eq!(stream.told().await, "message m4 x");
    is_within_a_second(since);
}

/// The test's schema: a name that tells the connections of its instances from those of other tests.
fn name_of(setup: &Setup) -> &str {
    setup.database_url.split("%3D").nth(1).unwrap().split('%').next().unwrap()
}

/// Selects this of each connection that listens, and returns how many there are.
async fn listeners(setup: &Setup, what: &str) -> usize {
    let server = setup.database_url.split('?').next().unwrap();
    let (client, connection) = tokio_postgres::connect(server, NoTls).await.unwrap();
    tokio::spawn(connection);
    // The last thing that a listener asked is in which schema it is.
    let query = format!(
        "SELECT {what} FROM pg_stat_activity WHERE state = 'idle' AND application_name = $1
             AND query LIKE '%current_schema()::text%'"
    );
    client.query(&query, &[&name_of(setup)]).await.unwrap().len()
}

/// Listening begins beside everything else.
async fn both_listen(setup: &Setup) {
    eventually("both instances listen", async || listeners(setup, "1").await == 2).await;
}

#[apply(on_both_databases)]
async fn a_thousand_links_deleted_at_once_reach_every_instance(setup: Setup) {
    let (here, there) = two(setup).await;
    let alice = here.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let mut stream = there.anonymous().watch(&link).await;
    let mut ids: Vec<String> = (0..999).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    ids.push(link.id.clone());
    let since = Instant::now();
    alice.batch_delete(&ids).await.is(204);
    is_revoked(&mut stream, since).await;
}

#[apply(on_both_databases)]
async fn other_schemas_of_the_database_are_left_alone(setup: Setup) {
    let url = setup.database_url.clone();
    let (here, there) = two(setup).await;
    if is_sqlite(&here.setup) {
        return;
    }
    let link = here.as_user("alice").share_live("chat-1").await;
    let _stream = there.anonymous().watch(&link).await;
    let asked = here.chats.asked().len();
    let server = url.split('?').next().unwrap();
    let (client, connection) = tokio_postgres::connect(server, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.execute("SELECT pg_notify('shared_chats', 'another chat chat-1')", &[]).await.unwrap();
    a_moment().await;
    assert_eq!(here.chats.asked().len(), asked);
}
