//! What administrators do (docs/API.md 4, "Administration").

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    App, Client, Setup, apply, audit_records, behind_its_back, eventually, import,
    on_both_databases, rows, store,
};

async fn inventory(client: &Client, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("/api/v1/admin/shared_chats?{query}")).await.is(200);
    answer.json().as_array().unwrap().clone()
}

fn ids(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn legacy(app: &App) -> String {
    let line = json!({
        "token": "old-token", "created_at": "2025-01-02T03:04:05Z",
        "expires_at": app.after(chrono::Duration::days(10)), "messages": [{"content": "Hello"}],
    });
    import(app, line.to_string()).await;
    "old-token".to_owned()
}

#[apply(on_both_databases)]
async fn the_inventory_has_the_links_of_every_owner(setup: Setup) {
    let app = setup.activity_interval(Duration::from_millis(50)).start().await;
    let alice = app.as_user("alice");
    let public = alice.share_with("chat-1", json!({"label": "mine"})).await;
    let private = alice.share_private("chat-1").await;
    let live = alice.share_live("chat-1").await;
    let bobs = app.as_user("bob").share("bobs-chat").await;
    let old = legacy(&app).await;
    app.anonymous().view(&public).await.is(200);
    let soon = app.after(chrono::Duration::minutes(1));
    alice.share_with("chat-1", json!({"expires_at": soon})).await;
    app.clock.advance(chrono::Duration::minutes(2));
    let admin = app.as_admin();
    for (query, expected) in [
        ("", vec![&public.id, &private.id, &live.id, &bobs.id, &old]),
        ("owner_id=alice", vec![&public.id, &private.id, &live.id]),
        ("owner_id=dora", vec![]),
        ("chat_session_id=bobs-chat", vec![&bobs.id]),
        ("filter_type=private", vec![&private.id]),
        ("filter_type=active", vec![&live.id]),
        ("filter_type=legacy", vec![&old]),
        ("filter_type=frozen&owner_id=bob", vec![&bobs.id]),
    ] {
        let expected: BTreeSet<String> = expected.into_iter().cloned().collect();
        assert_eq!(ids(&inventory(&admin, query).await), expected, "{query}");
    }
    let row = async || {
        let rows = inventory(&admin, "owner_id=alice").await;
        rows.into_iter().find(|row| row["id"] == *public.id).unwrap()
    };
    eventually("its view is counted", async || {
        let row = row().await;
        row["views"] == 1 && row["last_viewed_at"].is_string()
    })
    .await;
    let row = row().await;
    assert_eq!(row["owner_id"], "alice");
    assert_eq!(row["label"], Value::Null, "a label is the owner's");
    assert_eq!(row["is_legacy"], false);
    let text = row.to_string();
    assert!(!text.contains("How did we do?"), "messages are never shown");
    // Who looked is recorded.
    let looked = audit_records(&app).await;
    assert!(looked.iter().any(|it| it["action"] == "admin_list" && it["actor_id"] == "admin"));
}

#[apply(on_both_databases)]
async fn the_inventory_sees_each_link_that_stays_exactly_once(app: App) {
    let (alice, bob) = (app.as_user("alice"), app.as_user("bob"));
    let mut stay = BTreeSet::new();
    let mut go = Vec::new();
    for _ in 0..12 {
        stay.insert(alice.share("chat-1").await.id);
        go.push(bob.share("bobs-chat").await);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/admin/shared_chats?limit=3".to_owned();
    loop {
        let page = app.as_admin().get(&path).await.is(200);
        seen.extend(page.ids());
        if let Some(link) = go.pop() {
            bob.delete(&link).await.is(204);
            bob.share("bobs-chat").await;
        }
        let Some(next) = page.header("link").strip_prefix('<') else { break };
        path = next.split('>').next().unwrap().to_owned();
    }
    for link in &stay {
        assert_eq!(seen.iter().filter(|id| *id == link).count(), 1, "{link}");
    }
}

#[apply(on_both_databases)]
async fn a_bad_inventory_query_is_400(app: App) {
    let long = format!("owner_id={}", "x".repeat(256));
    for query in [
        "owner_id=",
        &long,
        "limit=0",
        "limit=1001",
        "filter_type=x",
        "after=..",
        "chat_session_id=..",
    ] {
        let path = format!("/api/v1/admin/shared_chats?{query}");
        app.as_admin().get(&path).await.fails(400, "bad_request");
    }
}

#[apply(on_both_databases)]
async fn an_administrator_takes_links_of_any_owner_down(app: App) {
    let alices = app.as_user("alice").share("chat-1").await;
    let bobs = app.as_user("bob").share("bobs-chat").await;
    let kept = app.as_user("bob").share("bobs-chat").await;
    let old = legacy(&app).await;
    let path = "/api/v1/admin/shared_chats/batch_delete";
    let body = json!({"shared_chat_ids": [alices.id, bobs.id, old, "no-such-link", "?"]});
    for other in [app.as_user("alice"), app.as_chat_service()] {
        other.post(path, &body).await.fails(403, "forbidden");
    }
    app.as_admin().post(path, &body).await.is(204);
    for gone in [&alices.id, &bobs.id, &old] {
        app.anonymous().view(gone).await.fails(404, "not_found");
    }
    app.anonymous().view(&kept).await.is(200);
    // Again, and none of a thousand exists.
    app.as_admin().post(path, &body).await.is(204);
    let many: Vec<String> = (0..1000).map(|number| format!("no-such-link-{number}")).collect();
    app.as_admin().post(path, &json!({"shared_chat_ids": many})).await.is(204);
    app.as_admin().post(path, &json!({"shared_chat_ids": []})).await.fails(400, "bad_request");
    let records = audit_records(&app).await;
    let record = records.iter().find(|record| record["action"] == "admin_delete").unwrap();
    assert_eq!(record["detail"]["deleted"], 3);
}

#[apply(on_both_databases)]
async fn the_end_of_a_user_ends_all_their_links(app: App) {
    let (alice, bob) = (app.as_user("alice"), app.as_user("bob"));
    let live = alice.share_live("chat-1").await;
    let mut links = vec![alice.share("chat-1").await, live.clone()];
    for _ in 0..3 {
        links.push(alice.share("chat-1").await);
    }
    let bobs = bob.share("bobs-chat").await;
    let mut stream = app.anonymous().watch(&live).await;
    let path = "/api/v1/users/alice/shared_chats";
    for other in [&alice, &bob] {
        other.request("DELETE", path).await.fails(403, "forbidden");
    }
    let answer = app.as_chat_service().request("DELETE", path).await.is(200);
    assert_eq!(answer.json(), json!({"deleted": 5}));
    for link in &links {
        app.anonymous().view(link).await.fails(404, "not_found");
    }
    assert_eq!(stream.next().await.unwrap().name, "revoked");
    app.anonymous().view(&bobs).await.is(200);
    let again = app.as_admin().request("DELETE", path).await.is(200);
    assert_eq!(again.json(), json!({"deleted": 0}));
    // Who begins later may share again.
    app.clock.advance(chrono::Duration::seconds(10));
    app.as_user("alice").share("chat-1").await;
}

#[apply(on_both_databases)]
async fn a_create_under_way_while_its_owner_ends_leaves_no_link(app: App) {
    let other = app.another_instance().await;
    app.chats.put_named("slow", "slow");
    let held = app.chats.hold("/chats/slow/messages");
    let creating: Vec<_> = (0..8)
        .map(|_| app.as_user("alice").create(&json!({"chat_session_id": "slow"})).spawn())
        .collect();
    held.arrived(8).await;
    let path = "/api/v1/users/alice/shared_chats";
    other.as_admin().request("DELETE", path).await.is(200);
    held.let_go();
    for create in creating {
        create.await.unwrap().fails(403, "forbidden");
    }
    assert_eq!(rows(&app, "shared_chats").await, 0);
}

#[apply(on_both_databases)]
async fn creates_that_race_the_end_of_their_owner_leave_no_link(app: App) {
    let other = app.another_instance().await;
    let create = |app: &App| app.as_user("alice").create(&json!({"chat_session_id": "chat-1"}));
    let creating: Vec<_> =
        (0..40).map(|n| create(if n % 2 == 0 { &app } else { &other }).spawn()).collect();
    other.as_admin().request("DELETE", "/api/v1/users/alice/shared_chats").await.is(200);
    for create in creating {
        let answer = create.await.unwrap();
        assert!(matches!(answer.status, 201 | 403), "{}", answer.text());
    }
    // A create that was answered before the end was deleted by it.
    assert_eq!(rows(&app, "shared_chats").await, 0);
}

#[apply(on_both_databases)]
async fn an_erased_person_is_in_no_table(app: App) {
    let (alice, bob) = (app.as_user("alice"), app.as_user("bob"));
    let body = json!({"chat_session_id": "chat-1", "label": "x"});
    alice.create(&body).header("idempotency-key", "k").await.is(201);
    let both = json!({"audience": ["user:alice", "user:carol", "group:alice"]});
    let both = bob.share_with("bobs-chat", both).await;
    let last = bob.share_with("bobs-chat", json!({"audience": ["user:alice"]})).await;
    let mut claims = crate::support::claims(&app.clock, "alice");
    claims["scope"] = "shared_chats:admin".into();
    let alice_admin = app.with_token(&crate::support::hs256(&claims));
    let policy = json!({
        "widest_audience": "anyone", "max_lifetime_seconds": null, "allows_artifacts": true,
    });
    alice_admin.set_policy(&policy).await.is(200);
    for other in [&alice, &app.as_chat_service()] {
        other.request("DELETE", "/api/v1/users/alice").await.fails(403, "forbidden");
    }
    let answer = app.as_admin().request("DELETE", "/api/v1/users/alice").await.is(200);
    assert_eq!(answer.json(), json!({"deleted": 1}));

    let audience = async |link: &str| {
        let rows = bob.list("").await.is(200).json();
        let row = rows.as_array().unwrap().iter().find(|row| row["id"] == *link).unwrap().clone();
        row["audience"].clone()
    };
    assert_eq!(audience(&both.id).await, json!(["group:alice", "user:carol"]));
    // It stays closed: null would admit every user.
    assert_eq!(audience(&last.id).await, json!([]));
    alice.view(&last).await.fails(403, "not_in_audience");
    app.as_user("carol").view(&last).await.fails(403, "not_in_audience");
    for record in audit_records(&app).await {
        assert_ne!(record["actor_id"], "alice", "{record}");
        let detail = record["detail"].to_string();
        assert!(!detail.contains("user:alice\""), "{record}");
    }
    assert_eq!(rows(&app, "idempotency_keys").await, 0);
    assert_eq!(rows(&app, "policy WHERE changed_by = 'alice'").await, 0);
    assert_eq!(rows(&app, "ended_users").await, 1);
    app.clock.advance(chrono::Duration::hours(25));
    store(&app).sweep(chrono::Duration::days(30), app.now()).await.unwrap();
    assert_eq!(rows(&app, "ended_users").await, 0);
}

#[apply(on_both_databases)]
async fn an_erasure_finds_names_with_special_characters(app: App) {
    let (bob, odd) = (app.as_user("bob"), r#"auth0|"100%_\'"#);
    let link = bob.share_with("bobs-chat", json!({"audience": [format!("user:{odd}")]})).await;
    let near = json!({"audience": [r#"user:auth0|"100x_\'"#]});
    let near = bob.share_with("bobs-chat", near).await;
    // Its JSON holds that of the person, and is another principal.
    let inside = json!({"audience": [r#"group:a"user:auth0|"100%_\'"#]});
    let inside = bob.share_with("bobs-chat", inside).await;
    let tag = bob.view(&inside).await.is(200).header("etag").to_owned();
    // SQLite's LIKE would take it for the same.
    let case = json!({"audience": [r#"user:AUTH0|"100%_\'"#]});
    let case = bob.share_with("bobs-chat", case).await;
    let path = "/api/v1/users/auth0%7C%22100%25_%5C'";
    app.as_admin().request("DELETE", path).await.is(200);
    let rows = bob.list("sort=created_at").await.is(200).json();
    assert_eq!((&rows[0]["id"], &rows[0]["audience"]), (&json!(link.id), &json!([])));
    assert_eq!(bob.view(&inside).await.is(200).header("etag"), tag, "it is not changed");
    for (row, link) in [(&rows[1], &near), (&rows[3], &case)] {
        assert_eq!((&row["id"], row["audience"][0].is_string()), (&json!(link.id), true));
    }
    let details = audit_records(&app).await;
    let kept = details.iter().filter(|record| {
        let audience = &record["detail"]["audience"][0];
        audience.as_str().is_some_and(|one| one.starts_with("user:"))
    });
    assert_eq!(kept.count(), 2);
}

/// A live link's change waits for the chat service, a create too: neither may name the person when
/// the erasure is done.
#[apply(on_both_databases)]
async fn what_is_under_way_to_name_a_person_who_is_erased_is_refused(app: App) {
    let other = app.another_instance().await;
    let bob = app.as_user("bob");
    let live = json!({"audience": ["user:carol"], "is_frozen": false});
    let link = bob.share_with("bobs-chat", live).await;
    let before = bob.list("").await.is(200).json();
    let named = json!(["user:alice", "user:carol"]);
    let held = app.chats.hold("/chats/bobs-chat");
    let (changing, creating) = (bob.clone(), bob.clone());
    let (id, audience) = (link.id.clone(), named.clone());
    let changing =
        tokio::spawn(async move { changing.change(&id, &json!({"audience": audience})).await });
    let body = json!({"chat_session_id": "bobs-chat", "audience": named});
    let creating = creating.create(&body).spawn();
    held.arrived(2).await;
    other.as_admin().request("DELETE", "/api/v1/users/alice").await.is(200);
    held.let_go();
    let said = changing.await.unwrap().fails(403, "forbidden");
    assert!(said.starts_with("audience"), "{said}");
    creating.await.unwrap().fails(403, "forbidden");
    assert_eq!(bob.list("").await.is(200).json(), before);
    assert_eq!(rows(&app, "audit_records WHERE detail LIKE '%user:alice%'").await, 0);
    // Others can be named meanwhile, and who begins later may name a person of that name.
    bob.change(&link, &json!({"audience": ["user:dave", "group:alice"]})).await.is(204);
    app.clock.advance(chrono::Duration::seconds(10));
    app.as_user("bob").change(&link, &json!({"audience": named})).await.is(204);
}

/// The lifetime of the policy counts from what their owners changed.
#[apply(on_both_databases)]
async fn an_erasure_renews_no_link(app: App) {
    let audience = json!({"audience": ["user:alice", "user:carol"]});
    let link = app.as_user("bob").share_with("bobs-chat", audience).await;
    let policy = json!({
        "widest_audience": "anyone", "max_lifetime_seconds": 3600, "allows_artifacts": true,
    });
    app.as_admin().set_policy(&policy).await.is(200);
    app.clock.advance(chrono::Duration::hours(2));
    app.as_user("carol").view(&link).await.fails(404, "not_found");
    app.as_admin().request("DELETE", "/api/v1/users/alice").await.is(200);
    app.as_user("carol").view(&link).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn an_administrator_who_erases_themself_is_not_named_by_it(app: App) {
    app.as_admin().get("/api/v1/admin/shared_chats").await.is(200);
    app.as_admin().request("DELETE", "/api/v1/users/admin").await.is(200);
    for record in audit_records(&app).await {
        assert_ne!(record["actor_id"], "admin", "{record}");
    }
}

#[apply(on_both_databases)]
async fn a_take_down_ends_streams(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let mut stream = app.anonymous().watch(&link).await;
    let body = json!({"shared_chat_ids": [link.id]});
    app.as_admin().post("/api/v1/admin/shared_chats/batch_delete", &body).await.is(204);
    assert_eq!(stream.next().await.unwrap().name, "revoked");
}

#[apply(on_both_databases)]
async fn a_user_that_no_user_can_be_is_400(app: App) {
    let long = "x".repeat(256);
    for segment in ["", "%00", "%FF", &long] {
        for path in
            [format!("/api/v1/users/{segment}/shared_chats"), format!("/api/v1/users/{segment}")]
        {
            app.as_admin().request("DELETE", &path).await.fails(400, "bad_request");
        }
    }
    let mut claims = crate::support::claims(&app.clock, "admin");
    claims["scope"] = "shared_chats:admin".into();
    let token = crate::support::hs256(&claims);
    // Most clients would resolve them, and name another path.
    for segment in [".", "..", "%2e%2e", "%2E."] {
        let request = format!(
            "DELETE /api/v1/users/{segment} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        app.send_raw(request.as_bytes()).await.fails(400, "bad_request");
    }
    app.chats.put_named("theirs", "theirs");
    app.chats.change("theirs", |chat| chat.owner = "a/b+c");
    app.as_user("a/b+c").share("theirs").await;
    let answer = app.as_admin().request("DELETE", "/api/v1/users/a%2fb+c/shared_chats").await;
    assert_eq!(answer.is(200).json(), json!({"deleted": 1}));
}

#[apply(on_both_databases)]
async fn an_administrator_views_private_links_as_any_user(app: App) {
    let link = app.as_user("alice").share_private("chat-1").await;
    let named = app.as_user("alice").share_with("chat-1", json!({"audience": ["user:bob"]})).await;
    app.as_admin().view(&link).await.is(200);
    app.as_admin().view(&named).await.fails(403, "not_in_audience");
    app.as_admin().change(&link, &json!({"is_private": false})).await.fails(403, "forbidden");
    behind_its_back(&app, "UPDATE shared_chats SET audience = '[]'").await;
    app.as_admin().view(&link).await.fails(403, "not_in_audience");
}
