//! A link that is changed while it is viewed: a view shows the link as it was at one moment since
//! the request, and nothing that was taken away before the request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{Answer, App, Chat, Client, Link, Request, apply, message, on_both_databases};

/// How long each of these links is changed.
const A_WHILE: Duration = Duration::from_millis(1500);

#[apply(on_both_databases)]
async fn a_view_that_took_long_is_shown_though_the_link_was_changed(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let asked = |app: &App| {
        let asked = app.chats.asked();
        asked.iter().filter(|asked| asked.path.ends_with("/messages")).count()
    };
    let before = asked(&app);
    let held = app.chats.hold("/messages");
    let view = app.anonymous().view(&link).spawn();
    held.arrived(1).await;
    let end = app.after(chrono::Duration::days(1));
    for change in [
        json!({"label": "a label"}),
        json!({"expires_at": end}),
        json!({"is_private": true}),
        json!({"is_private": false, "includes_artifacts": true}),
    ] {
        alice.change(&link, &change).await.is(204);
    }
    held.let_go();
    let view = view.await.unwrap().is(200);
    // As it was when it was asked for, and known by that.
    assert_eq!(view.json()["expires_at"], Value::Null);
    assert!(view.header("etag").starts_with("\"2-1-"), "{}", view.header("etag"));
    let after = asked(&app);
    let again = app.anonymous().view(&link).await.is(200);
    assert!(again.header("etag").starts_with("\"2-5-"), "{}", again.header("etag"));
    assert_eq!(after - before, asked(&app) - after, "it was made once");
}

/// What the task of the owner tells the tasks of the viewers: which of the two states the link has
/// been in, as far as the owner's answers say.
///
/// ```text
/// owner    | PATCH gives, 204 | PATCH takes, 204 | 3 ms pause | PATCH gives, 204 | ...
/// phase    | 0: even, either state is right      | 1: odd     | 2: even ...
/// viewer A |                GET ---------------------- answer    phases 0 and 1: either is right
/// viewer B |                                     | GET answer |  phases 1 and 1: it was taken
/// ```
///
/// A viewer reads the phase before its request and after the answer. Where both are the same odd
/// number, the change that took something away had been acknowledged before the request, and the
/// next one had not begun when the answer came: an answer that still shows it is wrong.
#[derive(Default)]
struct Acknowledged {
    phase: AtomicU64,
    done: AtomicBool,
}

impl Acknowledged {
    /// Makes these changes in turns for [`A_WHILE`]: the first gives something, the second takes
    /// it.
    async fn change_for_a_while(&self, owner: &Client, link: &Link, changes: [Value; 2]) {
        let until = Instant::now() + A_WHILE;
        while Instant::now() < until {
            owner.change(link, &changes[0]).await.is(204);
            owner.change(link, &changes[1]).await.is(204);
            self.phase.fetch_add(1, Ordering::SeqCst);
            // So that whole requests fall into an odd phase.
            tokio::time::sleep(Duration::from_millis(3)).await;
            self.phase.fetch_add(1, Ordering::SeqCst);
        }
        self.done.store(true, Ordering::SeqCst);
    }
}

/// Sends requests, in different codings, until the owner is done. `check` gets each answer, and
/// `true` where it may not show what was taken away. Returns the number of requests.
fn keep_asking(
    acknowledged: &Arc<Acknowledged>,
    ask: impl Fn() -> Request + Send + 'static,
    check: impl Fn(Answer, bool) + Send + 'static,
) -> JoinHandle<usize> {
    let acknowledged = acknowledged.clone();
    tokio::spawn(async move {
        let mut asked = 0;
        while !acknowledged.done.load(Ordering::SeqCst) {
            let coding = ["br", "gzip", "zstd", "identity"][asked % 4];
            let before = acknowledged.phase.load(Ordering::SeqCst);
            let answer = ask().header("accept-encoding", coding).await;
            let after = acknowledged.phase.load(Ordering::SeqCst);
            check(answer, before == after && before % 2 == 1);
            asked += 1;
        }
        asked
    })
}

/// Large enough for its body to take longer to make than a change does.
fn put_large_chat(app: &App) {
    let text = |n: usize| (0..80).map(|m| format!("{} ", n * m * 2_654_435)).collect::<String>();
    let messages: Vec<String> = (0..20).map(|n| message(&format!("m{n}"), &text(n))).collect();
    app.chats.put("large", Chat::of("alice", "Large", &messages));
    app.chats.put_file("large", "f1", "chart.png", b"0123456789");
}

/// A view that is whole, with its file or without.
fn is_whole(answer: &Answer) -> bool {
    let view = answer.json();
    assert_eq!(view["messages"].as_array().unwrap().len(), 20);
    let listed = view["includes_artifacts"] == true;
    assert_eq!(listed, view.get("artifacts").is_some());
    if listed {
        assert_eq!(view["artifacts"][0]["available"], true);
    }
    listed
}

#[apply(on_both_databases)]
async fn a_view_of_a_link_that_changes_all_the_time_is_200(app: App) {
    let other = app.another_instance().await;
    put_large_chat(&app);
    let alice = app.as_user("alice");
    for settings in [
        json!({}),
        json!({"includes_artifacts": true}),
        json!({"is_frozen": false, "includes_artifacts": true}),
    ] {
        let link = alice.share_with("large", settings).await;
        let acknowledged = Arc::<Acknowledged>::default();
        let viewers = [app.anonymous(), other.anonymous()].map(|viewer| {
            let link = link.clone();
            let ask = move || viewer.view(&link);
            keep_asking(&acknowledged, ask, |answer, _| {
                is_whole(&answer.is(200));
            })
        });
        let reader = {
            let (viewer, link) = (app.anonymous(), link.clone());
            keep_asking(&acknowledged, move || viewer.open(&link), |answer, _| drop(answer.is(200)))
        };
        let downloader = {
            let (viewer, link) = (app.anonymous(), link.clone());
            let is_on = link.info["includes_artifacts"] == true;
            let ask = move || viewer.artifact(&link, "f1");
            let check = move |answer: Answer, _| drop(answer.is(if is_on { 200 } else { 404 }));
            keep_asking(&acknowledged, ask, check)
        };
        let changes = [
            json!({"label": "a label"}),
            json!({"expires_at": app.after(chrono::Duration::days(1))}),
        ];
        acknowledged.change_for_a_while(&alice, &link, changes).await;
        for asking in viewers.into_iter().chain([reader, downloader]) {
            assert!(asking.await.unwrap() > 0);
        }
    }
}

#[apply(on_both_databases)]
async fn files_that_are_switched_all_the_while_are_listed_whole_or_not_at_all(app: App) {
    let other = app.another_instance().await;
    put_large_chat(&app);
    let alice = app.as_user("alice");
    for is_frozen in [true, false] {
        let link = alice.share_with("large", json!({"is_frozen": is_frozen})).await;
        let acknowledged = Arc::<Acknowledged>::default();
        let viewers = [app.anonymous(), other.anonymous()].map(|viewer| {
            let link = link.clone();
            let ask = move || viewer.view(&link);
            keep_asking(&acknowledged, ask, |answer, is_off| {
                assert!(!(is_whole(&answer.is(200)) && is_off), "listed though switched off");
            })
        });
        let (viewer, viewed) = (app.anonymous(), link.clone());
        let ask = move || viewer.artifact(&viewed, "f1");
        let downloader = keep_asking(&acknowledged, ask, |answer, is_off| match answer.status {
            200 => assert!(!is_off, "sent though switched off"),
            _ => drop(answer.is(404)),
        });
        let changes = [json!({"includes_artifacts": true}), json!({"includes_artifacts": false})];
        acknowledged.change_for_a_while(&alice, &link, changes).await;
        for asking in viewers.into_iter().chain([downloader]) {
            assert!(asking.await.unwrap() > 0);
        }
    }
}

#[apply(on_both_databases)]
async fn a_link_that_opens_and_closes_all_the_while_is_shown_only_while_it_is_open(app: App) {
    let other = app.another_instance().await;
    put_large_chat(&app);
    let alice = app.as_user("alice");
    for is_frozen in [true, false] {
        let link = alice.share_with("large", json!({"is_frozen": is_frozen})).await;
        let acknowledged = Arc::<Acknowledged>::default();
        let (viewer, viewed) = (app.anonymous(), link.clone());
        let ask = move || viewer.view(&viewed);
        let anonymous = keep_asking(&acknowledged, ask, |answer, is_private| match answer.status {
            200 => assert!(!is_private, "shown to anyone though private"),
            _ => drop(answer.fails(401, "login_required")),
        });
        let (viewer, viewed) = (other.as_user("bob"), link.clone());
        let ask = move || viewer.view(&viewed);
        let signed_in = keep_asking(&acknowledged, ask, |answer, is_private| {
            let answer = answer.is(200);
            let says_private = answer.json()["is_private"] == true;
            let caching = answer.header("cache-control");
            assert!(caching == "private, no-cache" || !(says_private || is_private), "{caching}");
        });
        let changes = [json!({"is_private": false}), json!({"is_private": true})];
        acknowledged.change_for_a_while(&alice, &link, changes).await;
        assert!(anonymous.await.unwrap() > 0 && signed_in.await.unwrap() > 0);
    }
}
