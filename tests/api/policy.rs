//! The policy of the instance (docs/API.md 4, "Policy").

use serde_json::{Value, json};

use crate::support::{
    App, Client, Link, Setup, Trouble, apply, audit_records, behind_its_back, claims, eventually,
    hs256, on_both_databases,
};

fn policy(widest: &str) -> Value {
    json!({"widest_audience": widest, "max_lifetime_seconds": null, "allows_artifacts": true})
}

async fn set(app: &App, policy: &Value) {
    app.as_admin().set_policy(policy).await.is(200);
}

async fn row(owner: &Client, link: &Link) -> Value {
    let rows = owner.list("limit=1000").await.is(200).json();
    rows.as_array().unwrap().iter().find(|row| row["id"] == *link.id).unwrap().clone()
}

#[apply(on_both_databases)]
async fn one_call_switches_every_public_link_to_signing_in_and_one_back(app: App) {
    let other = app.another_instance().await;
    let alice = app.as_user("alice");
    let old = alice.share("chat-1").await;
    let live = alice.share_live("chat-1").await;
    for app in [&app, &other] {
        // In their caches.
        app.anonymous().view(&old).await.is(200);
        app.anonymous().open(&old).await.is(200);
    }
    set(&app, &policy("signed_in")).await;
    for app in [&app, &other] {
        for link in [&old, &live] {
            app.anonymous().view(link).await.fails(401, "login_required");
            app.anonymous().open(link).await.is(401);
            let view = app.as_user("bob").view(link).await.is(200);
            assert_eq!(view.json()["is_private"], true);
            assert_eq!(view.header("cache-control"), "private, no-cache");
        }
    }
    let limited = row(&alice, &old).await;
    assert_eq!(
        (&limited["is_private"], &limited["limited_by_policy"]),
        (&json!(false), &json!(["is_private"]))
    );
    set(&app, &policy("anyone")).await;
    for app in [&app, &other] {
        let view = app.anonymous().view(&old).await.is(200);
        assert_eq!(view.json()["is_private"], false);
    }
    assert_eq!(row(&alice, &old).await["limited_by_policy"], json!([]));
}

#[apply(on_both_databases)]
async fn an_entity_tag_of_before_a_policy_is_no_304(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let bob = app.as_user("bob");
    let tag = bob.view(&link).await.is(200).header("etag").to_owned();
    set(&app, &policy("signed_in")).await;
    let view = bob.view(&link).header("if-none-match", &tag).await.is(200);
    assert_eq!(view.json()["is_private"], true);
    let tag = view.header("etag").to_owned();
    bob.view(&link).header("if-none-match", &tag).await.is(304);
    // The owner's precondition is about the link's settings alone.
    let alice = app.as_user("alice");
    let change = alice.change(&link, &json!({"label": "x"})).header("if-match", &tag);
    change.await.is(204);
}

#[apply(on_both_databases)]
async fn under_named_and_owner_links_narrow_to_their_owner(app: App) {
    let alice = app.as_user("alice");
    let public = alice.share("chat-1").await;
    let private = alice.share_private("chat-1").await;
    let named = alice.share_with("chat-1", json!({"audience": ["user:bob"]})).await;
    set(&app, &policy("named")).await;
    for link in [&public, &private] {
        app.anonymous().view(link).await.fails(401, "login_required");
        app.as_user("bob").view(link).await.fails(403, "not_in_audience");
        alice.view(link).await.is(200);
    }
    app.as_user("bob").view(&named).await.is(200);
    set(&app, &policy("owner")).await;
    app.as_user("bob").view(&named).await.fails(403, "not_in_audience");
    alice.view(&named).await.is(200);
    assert_eq!(row(&alice, &named).await["limited_by_policy"], json!(["audience"]));
    assert_eq!(row(&alice, &public).await["limited_by_policy"], json!(["is_private", "audience"]));
}

#[apply(on_both_databases)]
async fn a_lifetime_ends_links_of_the_past_and_a_change_renews_them(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    app.clock.advance(chrono::Duration::hours(2));
    let lifetime = json!({
        "widest_audience": "anyone", "max_lifetime_seconds": 3600, "allows_artifacts": true,
    });
    set(&app, &lifetime).await;
    let alice = app.as_user("alice");
    for viewer in [app.anonymous(), alice.clone()] {
        viewer.view(&link).await.fails(404, "not_found");
        viewer.qr_code(&link, "").await.fails(404, "not_found");
    }
    assert_eq!(row(&alice, &link).await["limited_by_policy"], json!(["expires_at"]));
    alice.change(&link, &json!({"label": "renewed"})).await.is(204);
    let view = app.anonymous().view(&link).await.is(200).json();
    let changed_at = row(&alice, &link).await["updated_at"].clone();
    let [end, changed_at] = [&view["expires_at"], &changed_at]
        .map(|time| time.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    assert_eq!(end - changed_at, chrono::Duration::hours(1));
    app.clock.advance(chrono::Duration::hours(1));
    app.anonymous().view(&link).await.fails(404, "not_found");
    set(&app, &policy("anyone")).await;
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn files_are_neither_listed_nor_served(app: App) {
    app.chats.put_file("chat-1", "f1", "a.txt", b"abc");
    let alice = app.as_user("alice");
    let link = alice.share_with("chat-1", json!({"includes_artifacts": true})).await;
    app.anonymous().artifact(&link, "f1").await.is(200);
    let no_files = json!({
        "widest_audience": "anyone", "max_lifetime_seconds": null, "allows_artifacts": false,
    });
    set(&app, &no_files).await;
    let view = app.anonymous().view(&link).await.is(200).json();
    assert_eq!((&view["includes_artifacts"], view.get("artifacts")), (&json!(false), None));
    app.anonymous().artifact(&link, "f1").await.fails(404, "not_found");
    set(&app, &policy("anyone")).await;
    app.anonymous().artifact(&link, "f1").await.is(200);
}

#[apply(on_both_databases)]
async fn what_asks_for_more_than_the_policy_is_403_and_changes_nothing(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    let strict = json!({
        "widest_audience": "signed_in", "max_lifetime_seconds": 3600, "allows_artifacts": false,
    });
    set(&app, &strict).await;
    let asked = app.chats.asked().len();
    let late = app.after(chrono::Duration::hours(2));
    for (change, field) in [
        (json!({"is_private": false}), "is_private"),
        (json!({"includes_artifacts": true}), "includes_artifacts"),
        (json!({"expires_at": late}), "expires_at"),
        (json!({"expires_at": null}), "expires_at"),
    ] {
        let said = alice.change(&link, &change).await.fails(403, "policy_forbids");
        assert!(said.starts_with(field), "{said}");
        if !change["expires_at"].is_null() || field != "expires_at" {
            let mut create = change.clone();
            create["chat_session_id"] = "chat-1".into();
            create["is_private"] = change.get("is_private").cloned().unwrap_or(true.into());
            let said = alice.create(&create).await.fails(403, "policy_forbids");
            assert!(said.starts_with(field), "{said}");
        }
    }
    assert_eq!(app.chats.asked().len(), asked);
    // The default of a client that knows no policy.
    let body = json!({"chat_session_id": "chat-1"});
    alice.create(&body).await.fails(403, "policy_forbids");
    // What is not asked for is not judged.
    alice.change(&link, &json!({"label": "x", "is_private": true})).await.is(204);
    alice.share_private("chat-1").await;
    set(&app, &policy("named")).await;
    let audience = alice.change(&link, &json!({"audience": null}));
    audience.await.fails(403, "policy_forbids");
    alice.change(&link, &json!({"audience": ["user:bob"]})).await.is(204);
    app.as_user("bob").change(&link, &json!({"is_private": false})).await.fails(403, "forbidden");
    alice.change("no-such-link", &json!({"is_private": false})).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn a_repeated_create_returns_its_link_under_a_newer_policy(app: App) {
    let alice = app.as_user("alice");
    let body = json!({"chat_session_id": "chat-1"});
    let first = alice.create(&body).header("idempotency-key", "k").await.is(201).json();
    set(&app, &policy("signed_in")).await;
    let again = alice.create(&body).header("idempotency-key", "k").await.is(201).json();
    assert_eq!(first["id"], again["id"]);
    assert_eq!(again["limited_by_policy"], json!(["is_private"]));
}

#[apply(on_both_databases)]
async fn streams_of_who_is_not_admitted_any_more_end(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let mut anonymous = app.anonymous().watch(&link).await;
    let mut bobs = app.as_user("bob").watch(&link).await;
    set(&app, &policy("signed_in")).await;
    assert_eq!(anonymous.next().await.unwrap().name, "revoked");
    assert_eq!(bobs.next().await.unwrap().name, "settings");
    app.chats.change("chat-1", |chat| chat.messages.push(crate::support::message("m3", "more")));
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    assert_eq!(bobs.next().await.unwrap().name, "message");
}

#[apply(on_both_databases)]
async fn a_download_ends_when_the_policy_allows_no_files(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "a.bin", &[7; 4]);
    let live = json!({"is_frozen": false, "includes_artifacts": true});
    let link = app.as_user("alice").share_with("chat-1", live).await;
    app.chats.misbehaves(&path, Trouble::Stalls(bytes::Bytes::from_static(&[7; 2]), 4));
    let mut download = app.anonymous().artifact(&link, "f1").begin(200).await;
    assert!(download.chunk().await.unwrap().is_some());
    let no_files = json!({
        "widest_audience": "anyone", "max_lifetime_seconds": null, "allows_artifacts": false,
    });
    set(&app, &no_files).await;
    let rest = tokio::time::timeout(std::time::Duration::from_secs(5), download.chunk()).await;
    assert!(rest.unwrap().is_err(), "it breaks off");
}

#[apply(on_both_databases)]
async fn a_policy_that_flips_is_never_outlived(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    for _ in 0..10 {
        set(&app, &policy("signed_in")).await;
        let views: Vec<_> = (0..8).map(|_| app.anonymous().view(&link).spawn()).collect();
        for view in views {
            view.await.unwrap().fails(401, "login_required");
        }
        set(&app, &policy("anyone")).await;
        let view = app.anonymous().view(&link).await.is(200);
        assert_eq!(view.json()["is_private"], false);
    }
}

#[apply(on_both_databases)]
async fn only_an_administrator_sets_the_policy(setup: Setup) {
    let app = setup.with("AUTH_ADMIN_GROUP", "admins").start().await;
    let strict = policy("owner");
    app.anonymous().set_policy(&strict).await.fails(401, "login_required");
    let with = |scope: Value, groups: Value| {
        let mut claims = claims(&app.clock, "eve");
        claims["scope"] = scope;
        claims["groups"] = groups;
        app.with_token(&hs256(&claims))
    };
    for other in [
        app.as_user("alice"),
        app.as_chat_service(),
        with(json!("shared_chats:admins"), json!([])),
        with(json!("xshared_chats:admin"), json!([])),
        with(json!("shared_chats:admin:x"), json!(["admin", "shared_chats:admin"])),
    ] {
        other.set_policy(&strict).await.fails(403, "forbidden");
    }
    assert_eq!(app.as_user("bob").get("/api/v1/policy").await.is(200).json(), policy("anyone"));
    with(json!("openid"), json!(["admins"])).set_policy(&strict).await.is(200);
    app.as_admin().set_policy(&policy("named")).await.is(200);
    assert_eq!(app.as_user("bob").get("/api/v1/policy").await.is(200).json(), policy("named"));
    app.anonymous().get("/api/v1/policy").await.fails(401, "login_required");
}

#[apply(on_both_databases)]
async fn a_bad_policy_is_400(app: App) {
    let good = policy("signed_in");
    for (field, value) in [
        ("widest_audience", json!("everyone")),
        ("widest_audience", Value::Null),
        ("widest_audience", json!({"anyone": null})),
        ("max_lifetime_seconds", json!(0)),
        ("max_lifetime_seconds", json!(59)),
        ("max_lifetime_seconds", json!(1_000_000_000_000_000_000_u64)),
        ("max_lifetime_seconds", json!(1e18)),
        ("max_lifetime_seconds", json!(-60)),
        ("max_lifetime_seconds", json!(60.5)),
        ("max_lifetime_seconds", json!("60")),
        ("allows_artifacts", Value::Null),
        ("allows_artifact", json!(true)),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let said = app.as_admin().set_policy(&bad).await.fails(400, "bad_request");
        assert!(said.contains(field), "{bad}: {said}");
    }
    for field in ["widest_audience", "max_lifetime_seconds", "allows_artifacts"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(field);
        let said = app.as_admin().set_policy(&bad).await.fails(400, "bad_request");
        assert!(said.contains(field), "{bad}: {said}");
    }
    assert_eq!(app.as_user("bob").get("/api/v1/policy").await.is(200).json(), policy("anyone"));
}

#[apply(on_both_databases)]
async fn a_policy_of_another_revision_is_not_replaced(app: App) {
    let first = app.as_user("bob").get("/api/v1/policy").await.is(200);
    let tag = first.header("etag").to_owned();
    let put =
        |tag: &str, widest| app.as_admin().set_policy(&policy(widest)).header("if-match", tag);
    let second = put(&tag, "signed_in").await.is(200).header("etag").to_owned();
    assert_ne!(tag, second);
    put(&tag, "owner").await.fails(412, "precondition_failed");
    put(&second, "named").await.is(200);
    put("*", "anyone").await.is(200);
    let again = app.as_user("bob").get("/api/v1/policy").await.is(200);
    let again = again.header("etag").to_owned();
    app.as_user("bob").get("/api/v1/policy").header("if-none-match", &again).await.is(304);
}

#[apply(on_both_databases)]
async fn a_damaged_policy_opens_nothing(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    set(&app, &policy("signed_in")).await;
    behind_its_back(&app, "UPDATE policy SET document = '{}', revision = revision + 1").await;
    app.anonymous().view(&link).await.fails(503, "unavailable");
    app.as_user("bob").view(&link).await.fails(503, "unavailable");
    // It can be replaced.
    set(&app, &policy("anyone")).await;
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn a_change_of_the_policy_is_audited(app: App) {
    set(&app, &policy("signed_in")).await;
    let records = audit_records(&app).await;
    let record = records.iter().find(|record| record["action"] == "policy").unwrap();
    assert_eq!(record["actor_id"], "admin");
    assert_eq!(record["detail"]["before"], policy("anyone"));
    assert_eq!(record["detail"]["after"], policy("signed_in"));
}

#[apply(on_both_databases)]
async fn a_policy_outlives_a_restart(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    set(&app, &policy("signed_in")).await;
    let again = app.another_instance().await;
    again.anonymous().view(&link).await.fails(401, "login_required");
    eventually("the first one agrees", async || app.anonymous().view(&link).await.status == 401)
        .await;
}
