//! The right to share a chat, and what is left of it once it is lost (docs/API.md 3 to 5).

use serde_json::json;
use shared_chats::{
    model::Actor,
    sharing::{Reconciled, Refusal, Tally},
};

use crate::{
    reconcile::{settings, sharing},
    support::{App, Client, Link, OwnerAnswers, apply, on_both_databases, rows},
};

/// `chat-1` passes from Alice to Bob.
fn passes_to_bob(app: &App) {
    app.chats.change("chat-1", |chat| chat.owner = "bob");
}

/// A private live link of Alice's that ends in an hour.
async fn narrow_live(app: &App, alice: &Client) -> Link {
    let end = app.after(chrono::Duration::hours(1));
    let settings = json!({"is_frozen": false, "is_private": true, "expires_at": end});
    alice.share_with("chat-1", settings).await
}

#[apply(on_both_databases)]
async fn a_live_link_is_not_widened_by_an_owner_who_lost_the_chat(app: App) {
    let alice = app.as_user("alice");
    let link = narrow_live(&app, &alice).await;
    passes_to_bob(&app);
    let later = app.after(chrono::Duration::hours(2));
    let before = alice.list("").await.is(200).json();
    for widening in [
        json!({"is_private": false}),
        json!({"includes_artifacts": true}),
        json!({"expires_at": later}),
        json!({"expires_at": null}),
        json!({"label": "x", "is_private": false}),
    ] {
        alice.change(&link, &widening).await.fails(403, "forbidden");
        assert_eq!(alice.list("").await.is(200).json(), before, "{widening}");
    }
}

#[apply(on_both_databases)]
async fn a_live_link_is_widened_by_an_owner_who_has_the_chat(app: App) {
    let alice = app.as_user("alice");
    let link = narrow_live(&app, &alice).await;
    for widening in [json!({"is_private": false}), json!({"expires_at": null})] {
        alice.change(&link, &widening).await.is(204);
    }
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn narrowing_asks_nothing(app: App) {
    let alice = app.as_user("alice");
    let live =
        alice.share_with("chat-1", json!({"is_frozen": false, "includes_artifacts": true})).await;
    let end = app.after(chrono::Duration::hours(2));
    let sooner = app.after(chrono::Duration::hours(1));
    passes_to_bob(&app);
    let asked = app.chats.asked().len();
    for narrowing in [
        json!({"is_private": true}),
        json!({"includes_artifacts": false}),
        json!({"expires_at": end}),
        json!({"expires_at": sooner}),
        json!({"label": "mine"}),
        // As they are.
        json!({"is_private": true, "includes_artifacts": false, "expires_at": sooner}),
    ] {
        alice.change(&live, &narrowing).await.is(204);
    }
    assert_eq!(app.chats.asked().len(), asked);
}

#[apply(on_both_databases)]
async fn a_change_of_a_frozen_link_asks_nothing(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    passes_to_bob(&app);
    let asked = app.chats.asked().len();
    alice.change(&link, &json!({"is_private": false, "expires_at": null})).await.is(204);
    assert_eq!(app.chats.asked().len(), asked);
}

/// The change that asks was for a public link, and by the time of its answer the link is private.
#[apply(on_both_databases)]
async fn a_link_that_is_narrowed_while_a_widening_asks_is_judged_anew(app: App) {
    let alice = app.as_user("alice");
    let end = app.after(chrono::Duration::hours(1));
    let link = alice.share_with("chat-1", json!({"is_frozen": false, "expires_at": end})).await;
    let held = app.chats.hold("/chats/chat-1");
    let prolonging = {
        let (alice, link) = (alice.clone(), link.id.clone());
        let later = app.after(chrono::Duration::hours(2));
        tokio::spawn(async move {
            alice.change(&link, &json!({"is_private": false, "expires_at": later})).await
        })
    };
    held.arrived(1).await;
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    passes_to_bob(&app);
    held.let_go();
    prolonging.await.unwrap().fails(403, "forbidden");
    app.anonymous().view(&link).await.fails(401, "login_required");
}

/// What the policy narrows for viewers is widened by a change that is none by what is stored.
#[apply(on_both_databases)]
async fn a_live_link_is_not_widened_beyond_what_the_policy_shows(app: App) {
    let alice = app.as_user("alice");
    let live = alice.share_live("chat-1").await;
    let named = json!({
        "widest_audience": "named", "max_lifetime_seconds": null, "allows_artifacts": true,
    });
    app.as_admin().set_policy(&named).await.is(200);
    passes_to_bob(&app);
    app.as_user("carol").view(&live).await.fails(403, "not_in_audience");
    let audience = json!({"audience": ["user:carol"]});
    alice.change(&live, &audience).await.fails(403, "forbidden");
    app.as_user("carol").view(&live).await.fails(403, "not_in_audience");
    // The owner may have it for themself, and close it.
    alice.change(&live, &json!({"audience": []})).await.is(204);
}

#[apply(on_both_databases)]
async fn a_live_link_that_the_policy_ended_is_renewed_by_asking_alone(app: App) {
    let live = app.as_user("alice").share_live("chat-1").await;
    let lifetime = json!({
        "widest_audience": "anyone", "max_lifetime_seconds": 3600, "allows_artifacts": true,
    });
    app.as_admin().set_policy(&lifetime).await.is(200);
    app.clock.advance(chrono::Duration::hours(2));
    let alice = app.as_user("alice");
    for change in [json!({"label": "x"}), json!({"is_private": true}), json!({"label": null})] {
        alice.change(&live, &change).await.is(204);
        app.as_user("bob").view(&live).await.fails(404, "not_found");
    }
    let soon = app.after(chrono::Duration::minutes(30));
    app.chats.change("chat-1", |chat| chat.owner = "bob");
    alice.change(&live, &json!({"expires_at": soon})).await.fails(403, "forbidden");
    alice.change(&live, &json!({"audience": null})).await.fails(403, "forbidden");
    app.as_user("bob").view(&live).await.fails(404, "not_found");
    app.chats.change("chat-1", |chat| chat.owner = "alice");
    alice.change(&live, &json!({"expires_at": soon})).await.is(204);
    app.as_user("bob").view(&live).await.is(200);
}

#[apply(on_both_databases)]
async fn the_chat_service_is_told_what_a_link_is_for(app: App) {
    let alice = app.as_user("alice");
    let told = |since: usize| {
        let mut told: Vec<_> =
            app.chats.asked().split_off(since).into_iter().map(|asked| asked.intent).collect();
        assert!(!told.is_empty());
        told.dedup();
        told
    };
    let intent = |text: &str| vec![Some(text.to_owned())];
    for (is_private, is_frozen, expected) in [
        (false, true, "public, frozen"),
        (true, true, "private, frozen"),
        (false, false, "public, live"),
        (true, false, "private, live"),
    ] {
        let since = app.chats.asked().len();
        let settings = json!({"is_private": is_private, "is_frozen": is_frozen});
        let link = alice.share_with("chat-1", settings).await;
        assert_eq!(told(since), intent(expected));
        if is_private && !is_frozen {
            let since = app.chats.asked().len();
            alice.change(&link, &json!({"is_private": false})).await.is(204);
            assert_eq!(told(since), intent("public, live"));
        }
        let since = app.chats.asked().len();
        app.as_user("alice").view(&link).await.is(200);
        if !is_frozen {
            assert_eq!(told(since), [None], "a view makes no link");
        }
    }
}

#[apply(on_both_databases)]
async fn the_chat_service_ends_the_links_of_one_owner_to_a_chat(app: App) {
    let (alice, bob) = (app.as_user("alice"), app.as_user("bob"));
    let (frozen, live) = (alice.share("chat-1").await, alice.share_live("chat-1").await);
    app.chats.put_named("other", "other");
    let other = alice.share("other").await;
    passes_to_bob(&app);
    let bobs = bob.share("chat-1").await;
    let service = app.as_chat_service();
    let path = "/api/v1/chats/chat-1/owners/alice/shared_chats";
    for caller in [&alice, &bob] {
        caller.request("DELETE", path).await.fails(403, "forbidden");
    }
    app.anonymous().request("DELETE", path).await.fails(401, "login_required");
    let answer = service.request("DELETE", path).await.is(200);
    assert_eq!(answer.json(), json!({"deleted": 2}));
    for ended in [&frozen, &live] {
        app.anonymous().view(ended).await.fails(404, "not_found");
    }
    for kept in [&other, &bobs] {
        app.anonymous().view(kept).await.is(200);
    }
    // It can be repeated, and there is no tombstone.
    assert_eq!(service.request("DELETE", path).await.is(200).json(), json!({"deleted": 0}));
    app.chats.change("chat-1", |chat| chat.owner = "alice");
    alice.share("chat-1").await;
}

#[apply(on_both_databases)]
async fn an_owner_in_a_path_is_percent_encoded(app: App) {
    for (user, segment) in [
        ("auth0|7", "auth0%7C7"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("a+b c", "a+b%20c"),
        ("Žofie", "%C5%BDofie"),
    ] {
        app.chats.put_named("theirs", "theirs");
        let owner: &'static str = user;
        app.chats.change("theirs", |chat| chat.owner = owner);
        let link = app.as_user(user).share("theirs").await;
        let path = format!("/api/v1/chats/theirs/owners/{segment}/shared_chats");
        let answer = app.as_chat_service().request("DELETE", &path).await.is(200);
        assert_eq!(answer.json(), json!({"deleted": 1}), "{user}");
        app.anonymous().view(&link).await.is(404);
    }
}

#[apply(on_both_databases)]
async fn an_owner_that_no_user_can_be_is_400(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let long = "x".repeat(256);
    for segment in ["", "%00", "%FF", "a%0Ab", &long] {
        let path = format!("/api/v1/chats/chat-1/owners/{segment}/shared_chats");
        app.as_chat_service().request("DELETE", &path).await.fails(400, "bad_request");
    }
    app.as_chat_service()
        .request("DELETE", "/api/v1/chats/chat-1/owners/alice/shared_chat")
        .await
        .fails(404, "not_found");
    app.anonymous().view(&link).await.is(200);
}

/// Three chats, two of which passed from Alice to Bob, one of them with a link of Bob's.
async fn two_pass_on(app: &App) -> [String; 4] {
    let alice = app.as_user("alice");
    let mut ids = Vec::new();
    for chat in ["one", "two", "three"] {
        app.chats.put_named(chat, chat);
        ids.push(alice.share(chat).await.id);
    }
    app.chats.change("two", |chat| chat.owner = "bob");
    ids.push(app.as_user("bob").share("two").await.id);
    ids.try_into().unwrap()
}

async fn reconcile(app: &App) -> Reconciled {
    sharing(app, settings(app)).reconcile(50, &Actor::CommandLine).await.unwrap()
}

#[apply(on_both_databases)]
async fn reconciling_ends_the_links_of_an_owner_who_lost_the_chat(app: App) {
    let [one, twos, three, bobs] = two_pass_on(&app).await;
    app.chats.answers_for_owners(OwnerAnswers::Echoed);
    let done = reconcile(&app).await;
    let chats = Tally { asked: 3, there: 3, ..Tally::default() };
    let owners = Tally { asked: 4, there: 3, gone: 1, unclear: 0 };
    let expected = Reconciled { chats, owners, links_removed: 1, ..Reconciled::default() };
    assert_eq!(done, expected);
    app.anonymous().view(&twos).await.fails(404, "not_found");
    for kept in [one, three, bobs] {
        app.anonymous().view(&kept).await.is(200);
    }
}

#[apply(on_both_databases)]
async fn a_chat_service_that_does_not_know_owners_is_asked_about_one(app: App) {
    two_pass_on(&app).await;
    let before = app.chats.asked().len();
    let done = reconcile(&app).await;
    assert_eq!((done.owners, done.links_removed), (Tally::default(), 0));
    let asked = app.chats.asked().split_off(before);
    // Those that were under way may have asked too.
    let of_owners = asked.iter().filter(|asked| asked.owner.is_some()).count();
    assert!((1..=3).contains(&of_owners), "{asked:?}");
}

#[apply(on_both_databases)]
async fn a_403_without_the_owner_in_it_removes_nothing(app: App) {
    two_pass_on(&app).await;
    app.chats.answers_for_owners(OwnerAnswers::Refused);
    let done = reconcile(&app).await;
    assert_eq!((done.owners.unclear, done.links_removed), (4, 0));
    assert_eq!(rows(&app, "shared_chats").await, 4);
}

#[apply(on_both_databases)]
async fn reconciling_removes_nothing_when_most_owners_lost_their_chats(app: App) {
    let ids = two_pass_on(&app).await;
    for chat in ["one", "three"] {
        app.chats.change(chat, |chat| chat.owner = "carol");
    }
    app.chats.answers_for_owners(OwnerAnswers::Echoed);
    let done = reconcile(&app).await;
    assert_eq!(done.refused, Some(Refusal::TooManyOwnersLost { max_percent: 50 }));
    app.chats.change("two", |chat| chat.owner = "carol");
    assert_eq!(reconcile(&app).await.refused, Some(Refusal::NoOwnerLeft));
    for id in ids {
        app.anonymous().view(&id).await.is(200);
    }
}

#[apply(on_both_databases)]
async fn owners_are_named_percent_encoded(app: App) {
    app.chats.put_named("theirs", "theirs");
    app.chats.change("theirs", |chat| chat.owner = "auth0|Žofie, x");
    app.as_user("auth0|Žofie, x").share("theirs").await;
    app.chats.answers_for_owners(OwnerAnswers::Echoed);
    assert_eq!(reconcile(&app).await.owners.there, 1);
    let asked = app.chats.asked();
    let owner = asked.iter().rev().find_map(|asked| asked.owner.as_deref());
    assert_eq!(owner, Some("auth0%7C%C5%BDofie%2C%20x"));
}
