//! A link that is narrowed while it is viewed, in every representation. A view whose request came
//! after the change was acknowledged shows nothing that the change took away, whatever was read,
//! waited for or cached before.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use crate::support::{
    Answer, App, Chat, Link, Request, apply, behind_its_back, message, on_both_databases,
};

/// The accepted media type (of a page or of JSON) and coding.
const REPRESENTATIONS: [(&str, &str); 8] = [
    ("application/json", "identity"),
    ("application/json", "gzip"),
    ("application/json", "br"),
    ("application/json", "zstd"),
    ("text/html", "identity"),
    ("text/html", "gzip"),
    ("text/html", "br"),
    ("text/html", "zstd"),
];

/// Chats whose views are made in different ways: read together with the link and made at once; read
/// on their own and made on a blocking thread.
const CHATS: [(&str, usize); 2] = [("small", 2), ("large", 400)];

fn put_chats(app: &App) {
    for (id, messages) in CHATS {
        let text =
            |n: usize| (0..40).map(|m| format!("{} ", n * m * 2_654_435)).collect::<String>();
        let messages: Vec<String> =
            (0..messages).map(|n| message(&format!("m{n}"), &text(n))).collect();
        app.chats.put(id, Chat::of("alice", "The secret plan", &messages));
        app.chats.put_file(id, "f1", "chart.png", b"0123456789");
    }
}

/// Views the link in all representations on both instances, over and over, while `narrow` is
/// carried out. `is_right` judges the answers to requests that came after it.
async fn narrowed(
    app: &App,
    other: &App,
    link: &Link,
    narrow: impl Future<Output = ()>,
    is_right: fn(&Answer) -> bool,
) {
    let is_narrowed = Arc::<AtomicBool>::default();
    let mut viewers = Vec::new();
    for (accept, coding) in REPRESENTATIONS {
        for viewer in [app.anonymous(), other.anonymous()] {
            let (link, is_narrowed) = (link.clone(), is_narrowed.clone());
            viewers.push(tokio::spawn(async move {
                let view = || -> Request {
                    match accept {
                        "text/html" => viewer.open(&link),
                        _ => viewer.view(&link),
                    }
                };
                let mut asked = 0;
                // Twice afterwards: what the first request makes could be cached.
                for _ in 0..2 {
                    loop {
                        let is_late = is_narrowed.load(Ordering::SeqCst);
                        let answer = view().header("accept-encoding", coding).await;
                        asked += 1;
                        if is_late {
                            assert!(is_right(&answer), "{accept}, {coding}: {}", answer.text());
                            break;
                        }
                    }
                }
                asked
            }));
        }
    }
    // So that there are cached bodies, and views in progress.
    app.anonymous().view(link).await.is(200);
    narrow.await;
    is_narrowed.store(true, Ordering::SeqCst);
    for viewer in viewers {
        assert!(viewer.await.unwrap() >= 2);
    }
}

/// Each chat's link, frozen and live, without files and with them.
fn settings() -> impl Iterator<Item = (&'static str, Value)> {
    let all = [(true, false), (true, true), (false, true)];
    CHATS.into_iter().flat_map(move |(chat, _)| {
        all.map(|(is_frozen, files)| {
            (chat, json!({"is_frozen": is_frozen, "includes_artifacts": files}))
        })
    })
}

#[apply(on_both_databases)]
async fn a_link_that_turns_private_during_a_view_is_401(app: App) {
    let other = app.another_instance().await;
    put_chats(&app);
    let alice = app.as_user("alice");
    for (chat, settings) in settings() {
        let link = alice.share_with(chat, settings).await;
        let narrow = async {
            alice.change(&link, &json!({"is_private": true})).await.is(204);
        };
        narrowed(&app, &other, &link, narrow, |answer| answer.status == 401).await;
    }
}

#[apply(on_both_databases)]
async fn a_link_that_is_deleted_during_a_view_is_404(app: App) {
    let other = app.another_instance().await;
    put_chats(&app);
    let alice = app.as_user("alice");
    for (chat, settings) in settings() {
        let link = alice.share_with(chat, settings).await;
        let narrow = async {
            alice.delete(&link).await.is(204);
        };
        narrowed(&app, &other, &link, narrow, |answer| answer.status == 404).await;
    }
}

#[apply(on_both_databases)]
async fn a_link_that_expires_during_a_view_is_404(app: App) {
    let other = app.another_instance().await;
    put_chats(&app);
    let alice = app.as_user("alice");
    for (chat, settings) in settings() {
        let link = alice.share_with(chat, settings).await;
        let end = json!({"expires_at": app.after(chrono::Duration::minutes(2))});
        alice.change(&link, &end).await.is(204);
        let narrow = async {
            app.clock.advance(chrono::Duration::minutes(2));
        };
        narrowed(&app, &other, &link, narrow, |answer| answer.status == 404).await;
    }
}

#[apply(on_both_databases)]
async fn a_link_that_loses_its_files_during_a_view_does_not_list_them(app: App) {
    let other = app.another_instance().await;
    put_chats(&app);
    let alice = app.as_user("alice");
    for (chat, settings) in settings().filter(|(_, of)| of["includes_artifacts"] == true) {
        let link = alice.share_with(chat, settings).await;
        let narrow = async {
            alice.change(&link, &json!({"includes_artifacts": false})).await.is(204);
        };
        let is_right =
            |answer: &Answer| answer.status == 200 && !answer.text().contains("chart.png");
        narrowed(&app, &other, &link, narrow, is_right).await;
    }
}

fn policy(widest: &str, allows_artifacts: bool) -> Value {
    json!({
        "widest_audience": widest, "max_lifetime_seconds": null,
        "allows_artifacts": allows_artifacts,
    })
}

#[apply(on_both_databases)]
async fn a_policy_that_is_set_during_a_view_holds_for_those_that_came_afterwards(app: App) {
    let other = app.another_instance().await;
    put_chats(&app);
    let alice = app.as_user("alice");
    for (chat, settings) in settings() {
        let link = alice.share_with(chat, settings.clone()).await;
        let narrow = async {
            app.as_admin().set_policy(&policy("signed_in", true)).await.is(200);
        };
        narrowed(&app, &other, &link, narrow, |answer| answer.status == 401).await;
        app.as_admin().set_policy(&policy("anyone", true)).await.is(200);
        if settings["includes_artifacts"] == false {
            continue;
        }
        let narrow = async {
            app.as_admin().set_policy(&policy("anyone", false)).await.is(200);
        };
        let is_right =
            |answer: &Answer| answer.status == 200 && !answer.text().contains("chart.png");
        narrowed(&app, &other, &link, narrow, is_right).await;
        app.as_admin().set_policy(&policy("anyone", true)).await.is(200);
    }
}

/// A change admits a viewer and takes the files away. A view whose first read refused them, and
/// whose second look for the owner finds them admitted, must not show what was read first.
#[apply(on_both_databases)]
async fn whom_a_change_admits_sees_nothing_that_it_took_away(app: App) {
    app.chats.put_file("chat-1", "f1", "chart.png", b"0123456789");
    let alice = app.as_user("alice");
    let closed = json!({"audience": [], "includes_artifacts": true, "is_frozen": false});
    let link = alice.share_with("chat-1", closed).await;
    let is_over = Arc::<AtomicBool>::default();
    let viewers: Vec<_> = (0..6)
        .map(|_| {
            let (carol, link, is_over) = (app.as_user("carol"), link.clone(), is_over.clone());
            tokio::spawn(async move {
                let mut admitted = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let answer = carol.view(&link).await;
                    assert!(matches!(answer.status, 200 | 403), "{}", answer.text());
                    assert!(!answer.text().contains("chart.png"), "{}", answer.text());
                    admitted += usize::from(answer.status == 200);
                }
                admitted
            })
        })
        .collect();
    for _ in 0..40 {
        for change in [
            json!({"audience": ["user:carol"], "includes_artifacts": false}),
            json!({"audience": [], "includes_artifacts": true}),
        ] {
            alice.change(&link, &change).await.is(204);
        }
    }
    alice.change(&link, &json!({"audience": ["user:carol"], "includes_artifacts": false})).await;
    app.as_user("carol").view(&link).await.is(200);
    is_over.store(true, Ordering::SeqCst);
    let mut admitted = 0;
    for viewer in viewers {
        admitted += viewer.await.unwrap();
    }
    assert!(admitted > 0);
}

/// The owner is looked up in a second read. The one that it names is admitted, whoever it was before.
#[apply(on_both_databases)]
async fn a_link_whose_owner_changes_admits_the_owner_alone(app: App) {
    let link = app.as_user("alice").share_with("chat-1", json!({"audience": []})).await;
    for owner in ["bob", "alice"] {
        let statement = format!("UPDATE shared_chats SET owner_id = '{owner}'");
        behind_its_back(&app, &statement).await;
        for viewer in ["alice", "bob", "carol"] {
            let status = if viewer == owner { 200 } else { 403 };
            app.as_user(viewer).view(&link).await.is(status);
        }
    }
}

/// A view that waits for the chat service while the link is narrowed is answered as one that came
/// afterwards.
#[apply(on_both_databases)]
async fn a_view_that_waits_while_its_link_is_narrowed_shows_nothing_that_was_taken(app: App) {
    let alice = app.as_user("alice");
    let settings = json!({"is_frozen": false, "includes_artifacts": true});
    for narrowing in [
        "private",
        "deleted",
        "expired",
        "without-files",
        "policy-signed-in",
        "policy-without-files",
        "policy-lifetime",
    ] {
        // Each has a chat of its own, as an answer of the chat service is used again for a second.
        app.chats.put(narrowing, Chat::of("alice", "Plan", &[message("m1", "Hello.")]));
        app.chats.put_file(narrowing, "f1", "chart.png", b"0123456789");
        let link = alice.share_with(narrowing, settings.clone()).await;
        let end = json!({"expires_at": app.after(chrono::Duration::minutes(2))});
        alice.change(&link, &end).await.is(204);
        let held = app.chats.hold(&format!("/{narrowing}/messages"));
        let view = app.anonymous().view(&link).spawn();
        held.arrived(1).await;
        match narrowing {
            "private" => drop(alice.change(&link, &json!({"is_private": true})).await.is(204)),
            "deleted" => drop(alice.delete(&link).await.is(204)),
            "expired" => app.clock.advance(chrono::Duration::minutes(2)),
            "policy-signed-in" => {
                drop(app.as_admin().set_policy(&policy("signed_in", true)).await.is(200));
            }
            "policy-without-files" => {
                drop(app.as_admin().set_policy(&policy("anyone", false)).await.is(200));
            }
            "policy-lifetime" => {
                let mut lifetime = policy("anyone", true);
                lifetime["max_lifetime_seconds"] = 60.into();
                app.as_admin().set_policy(&lifetime).await.is(200);
                app.clock.advance(chrono::Duration::seconds(90));
            }
            _ => drop(alice.change(&link, &json!({"includes_artifacts": false})).await.is(204)),
        }
        held.let_go();
        let answer = view.await.unwrap();
        match narrowing {
            "private" | "policy-signed-in" => assert_eq!(answer.status, 401),
            "without-files" | "policy-without-files" => {
                assert!(!answer.is(200).text().contains("chart.png"));
            }
            _ => assert_eq!(answer.status, 404, "{narrowing}"),
        }
        app.as_admin().set_policy(&policy("anyone", true)).await.is(200);
    }
}
