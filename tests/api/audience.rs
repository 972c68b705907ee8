//! Links for named people and groups (docs/API.md 3, "Audience").

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    App, Client, Link, Setup, apply, audit_records, behind_its_back, claims, eventually, hs256,
    on_both_databases,
};

/// A user whose token has these groups.
fn in_groups(app: &App, user: &str, groups: &Value) -> Client {
    let mut claims = claims(&app.clock, user);
    claims["groups"] = groups.clone();
    app.with_token(&hs256(&claims))
}

async fn named(app: &App, audience: Value) -> Link {
    app.as_user("alice").share_with("chat-1", json!({"audience": audience})).await
}

async fn row(app: &App) -> Value {
    app.as_user("alice").list("").await.is(200).json()[0].clone()
}

#[apply(on_both_databases)]
async fn a_named_link_opens_for_its_owner_and_whom_it_names(app: App) {
    for settings in [json!({}), json!({"is_frozen": false})] {
        let mut settings = settings;
        settings["audience"] = json!(["user:bob", "group:finance"]);
        settings["includes_artifacts"] = true.into();
        app.chats.put_file("chat-1", "f1", "a.txt", b"abc");
        let link = app.as_user("alice").share_with("chat-1", settings.clone()).await;
        let is_live = settings["is_frozen"] == false;
        let finance = json!(["sales", "finance"]);
        for admitted in
            [app.as_user("alice"), app.as_user("bob"), in_groups(&app, "carol", &finance)]
        {
            let view = admitted.view(&link).await.is(200);
            assert_eq!(view.json()["is_private"], true);
            assert!(!view.text().contains("finance"), "viewers do not see the audience");
            admitted.open(&link).await.is(200);
            admitted.artifact(&link, "f1").await.is(200);
            if is_live {
                admitted.watch(&link).await;
            }
        }
        for other in [app.as_user("carol"), in_groups(&app, "carol", &json!("sales"))] {
            other.view(&link).await.fails(403, "not_in_audience");
            other.open(&link).await.is(403);
            other.artifact(&link, "f1").await.fails(403, "not_in_audience");
            other.events(&link).await.fails(403, "not_in_audience");
        }
        app.anonymous().view(&link).await.fails(401, "login_required");
        app.with_token("rubbish").view(&link).await.fails(401, "invalid_token");
        app.as_chat_service().view(&link).await.fails(403, "forbidden");
    }
}

#[apply(on_both_databases)]
async fn an_entity_tag_admits_no_one(app: App) {
    let link = named(&app, json!(["user:bob"])).await;
    let tag = app.as_user("bob").view(&link).await.is(200).header("etag").to_owned();
    let again = app.as_user("bob").view(&link).header("if-none-match", &tag);
    again.await.is(304);
    let other = app.as_user("carol").view(&link).header("if-none-match", &tag);
    other.await.fails(403, "not_in_audience");
}

#[apply(on_both_databases)]
async fn an_empty_audience_is_the_owner_alone(app: App) {
    let link = named(&app, json!([])).await;
    app.as_user("alice").view(&link).await.is(200);
    for other in [app.as_user("bob"), in_groups(&app, "carol", &json!([""]))] {
        other.view(&link).await.fails(403, "not_in_audience");
    }
    assert_eq!(row(&app).await["audience"], json!([]));
}

#[apply(on_both_databases)]
async fn who_is_removed_gets_nothing_after_the_answer(app: App) {
    let other = app.another_instance().await;
    let alice = app.as_user("alice");
    let live = json!({"audience": ["user:bob", "user:carol"], "is_frozen": false});
    let link = alice.share_with("chat-1", live).await;
    let mut bobs = app.as_user("bob").watch(&link).await;
    let mut carols = app.as_user("carol").watch(&link).await;
    for user in ["bob", "carol"] {
        other.as_user(user).view(&link).await.is(200);
    }
    alice.change(&link, &json!({"audience": ["user:carol"]})).await.is(204);
    for app in [&app, &other] {
        app.as_user("bob").view(&link).await.fails(403, "not_in_audience");
        app.as_user("carol").view(&link).await.is(200);
    }
    assert_eq!(bobs.next().await.unwrap().name, "revoked");
    app.chats.change("chat-1", |chat| chat.messages.push(crate::support::message("m3", "more")));
    app.as_chat_service().chat_changed("chat-1").await.is(202);
    assert_eq!(carols.next().await.unwrap().name, "message");
}

#[apply(on_both_databases)]
async fn no_call_of_an_older_client_widens_a_named_link(app: App) {
    let alice = app.as_user("alice");
    let link = named(&app, json!(["user:bob"])).await;
    let carol = app.as_user("carol");
    carol.view(&link).await.fails(403, "not_in_audience");
    // Public, since that was asked for, and the list is kept.
    alice.change(&link, &json!({"is_private": false})).await.is(204);
    carol.view(&link).await.is(200);
    assert_eq!(row(&app).await["audience"], json!(["user:bob"]));
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    carol.view(&link).await.fails(403, "not_in_audience");
    for change in [json!({"includes_artifacts": true}), json!({"label": "x"})] {
        alice.change(&link, &change).await.is(204);
        carol.view(&link).await.fails(403, "not_in_audience");
    }
    app.as_user("bob").view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn an_audience_makes_a_link_private(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    alice.change(&link, &json!({"audience": ["user:bob"]})).await.is(204);
    let row = row(&app).await;
    assert_eq!((&row["is_private"], &row["audience"]), (&json!(true), &json!(["user:bob"])));
    app.anonymous().view(&link).await.is(401);
    app.as_user("carol").view(&link).await.is(403);
    // Every user who is signed in, again.
    alice.change(&link, &json!({"audience": null})).await.is(204);
    app.as_user("carol").view(&link).await.is(200);
    app.anonymous().view(&link).await.is(401);
}

#[apply(on_both_databases)]
async fn rows_of_lists_have_the_audience(app: App) {
    let alice = app.as_user("alice");
    alice.share("chat-1").await;
    named(&app, json!(["user:b", "group:z", "user:a", "user:b"])).await;
    let expected = json!(["group:z", "user:a", "user:b"]);
    for query in ["", "sort=name", "sort=-name", "sort=created_at", "filter_type=private"] {
        let rows = alice.list(query).await.is(200).json();
        let rows = rows.as_array().unwrap();
        let with: Vec<_> = rows.iter().filter(|row| !row["audience"].is_null()).collect();
        assert_eq!(with.len(), 1, "{query}");
        assert_eq!(with[0]["audience"], expected, "{query}");
    }
    let rows = app.as_chat_service().links_of_chat("chat-1").await.is(200).json();
    assert_eq!(rows[0]["audience"], expected);
    assert_eq!(rows[1]["audience"], Value::Null);
}

#[apply(on_both_databases)]
async fn a_bad_audience_is_400_and_named(app: App) {
    let alice = app.as_user("alice");
    let link = named(&app, json!(["user:bob"])).await;
    let many: Vec<String> = (0..101).map(|number| format!("user:{number}")).collect();
    for bad in [
        json!({}),
        json!("user:bob"),
        json!(7),
        json!([null]),
        json!([7]),
        json!([["user:bob"]]),
        json!(many),
        json!([format!("user:{}", "x".repeat(256))]),
        json!(["user:a\u{7}"]),
        json!(["user:"]),
        json!(["group"]),
        json!(["bob@example.com"]),
    ] {
        let create = json!({"chat_session_id": "chat-1", "audience": bad});
        let said = alice.create(&create).await.fails(400, "bad_request");
        assert!(said.contains("audience"), "{bad}: {said}");
        let said = alice.change(&link, &json!({"audience": bad})).await.fails(400, "bad_request");
        assert!(said.contains("audience"), "{bad}: {said}");
    }
    let contradiction = json!({"audience": ["user:bob"], "is_private": false});
    alice.change(&link, &contradiction).await.fails(400, "bad_request");
    let create = json!({"chat_session_id": "chat-1", "audience": [], "is_private": false});
    alice.create(&create).await.fails(400, "bad_request");
    assert_eq!(row(&app).await["audience"], json!(["user:bob"]));
    // An audience of a link that stays public is a contradiction; none is not.
    alice.change(&link, &json!({"audience": null, "is_private": false})).await.is(204);
}

#[apply(on_both_databases)]
async fn groups_that_are_no_strings_or_too_many_count_as_none(app: App) {
    let link = named(&app, json!(["group:finance", "group:g1"])).await;
    let many: Vec<String> = (0..257).map(|number| format!("g{number}")).collect();
    for groups in [
        json!(7),
        json!({"finance": true}),
        json!(many),
        json!(["finance", 7]),
        json!(null),
        json!("group:finance"),
    ] {
        let viewer = in_groups(&app, "carol", &groups);
        viewer.view(&link).await.fails(403, "not_in_audience");
    }
    let enough: Vec<String> = (0..256).map(|number| format!("g{number}")).collect();
    for groups in [json!(enough), json!("finance")] {
        in_groups(&app, "carol", &groups).view(&link).await.is(200);
    }
    // A group does not become a person.
    let person = named(&app, json!(["user:bob"])).await;
    for groups in [json!(["bob", "user:bob"]), json!("user:bob")] {
        in_groups(&app, "carol", &groups).view(&person).await.fails(403, "not_in_audience");
    }
}

#[apply(on_both_databases)]
async fn the_groups_can_be_a_part_of_a_claim(setup: Setup) {
    let app = setup.with("AUTH_GROUPS_CLAIM", "/realm_access/roles").start().await;
    let link = named(&app, json!(["group:finance"])).await;
    let viewer = |claim: &str, value: Value| {
        let mut claims = claims(&app.clock, "carol");
        claims[claim] = value;
        app.with_token(&hs256(&claims))
    };
    viewer("realm_access", json!({"roles": ["finance"]})).view(&link).await.is(200);
    viewer("realm_access", json!({"roles": {"finance": 1}})).view(&link).await.is(403);
    viewer("realm_access", json!("finance")).view(&link).await.is(403);
    viewer("groups", json!(["finance"])).view(&link).await.is(403);
}

#[apply(on_both_databases)]
async fn widening_a_live_audience_asks_the_chat_service(app: App) {
    let alice = app.as_user("alice");
    let live = json!({"audience": ["user:bob", "user:carol"], "is_frozen": false});
    let since = app.chats.asked().len();
    let link = alice.share_with("chat-1", live).await;
    let intents = app.chats.asked().split_off(since).into_iter().map(|asked| asked.intent);
    assert!(intents.eq(std::iter::repeat_n(Some("named, live".to_owned()), 2)));
    app.chats.change("chat-1", |chat| chat.owner = "bob");
    for widening in [
        json!({"audience": ["user:bob", "user:dave"]}),
        json!({"audience": ["user:bob", "user:carol", "group:all"]}),
        json!({"audience": null}),
        json!({"is_private": false}),
    ] {
        alice.change(&link, &widening).await.fails(403, "forbidden");
    }
    assert_eq!(row(&app).await["audience"], json!(["user:bob", "user:carol"]));
    let asked = app.chats.asked().len();
    for narrowing in [json!({"audience": ["user:bob"]}), json!({"audience": []})] {
        alice.change(&link, &narrowing).await.is(204);
    }
    assert_eq!(app.chats.asked().len(), asked);
}

#[apply(on_both_databases)]
async fn a_damaged_audience_admits_no_one(app: App) {
    let link = named(&app, json!(["user:bob"])).await;
    behind_its_back(&app, "UPDATE shared_chats SET audience = '{\"user:bob\"'").await;
    for viewer in [app.as_user("bob"), app.as_user("carol")] {
        viewer.view(&link).await.fails(500, "internal_error");
    }
}

#[apply(on_both_databases)]
async fn a_repeated_create_has_the_audience_it_asked_for(app: App) {
    let alice = app.as_user("alice");
    let body = |audience: Value| json!({"chat_session_id": "chat-1", "audience": audience});
    let create = |audience| alice.create(&body(audience)).header("idempotency-key", "k");
    let first = create(json!(["user:bob", "user:carol"])).await.is(201).json();
    let again = create(json!(["user:carol", "user:bob"])).await.is(201).json();
    assert_eq!(first["id"], again["id"]);
    create(json!(["user:bob"])).await.fails(409, "idempotency_conflict");
    create(json!([])).await.fails(409, "idempotency_conflict");
}

#[apply(on_both_databases)]
async fn the_audience_is_in_the_audit_records(app: App) {
    let link = named(&app, json!(["user:bob"])).await;
    app.as_user("alice").change(&link, &json!({"audience": null})).await.is(204);
    let details: Vec<Value> =
        audit_records(&app).await.into_iter().map(|record| record["detail"].clone()).collect();
    assert!(details.iter().any(|detail| detail["audience"] == json!(["user:bob"])), "{details:?}");
    let cleared = |detail: &Value| {
        detail.as_object().is_some_and(|it| it.get("audience") == Some(&Value::Null))
    };
    assert!(details.iter().any(cleared), "{details:?}");
}

#[apply(on_both_databases)]
async fn the_page_for_other_people_says_so_and_offers_to_sign_in(setup: Setup) {
    let app = setup.with("LOGIN_URL", "https://chat.example/login").start().await;
    let link = named(&app, json!(["user:bob"])).await;
    let page = app.as_user("carol").open(&link).await.is(403).text();
    assert!(page.contains("This link is for other people"), "{page}");
    assert!(page.contains("https://chat.example/login?return_to="), "{page}");
    assert!(!page.contains("Quarterly report") && !page.contains("bob"), "{page}");
}

#[apply(on_both_databases)]
async fn a_download_ends_when_its_viewer_is_removed(app: App) {
    let path = app.chats.put_file("chat-1", "f1", "a.bin", &[7; 4]);
    let live = json!({"audience": ["user:bob"], "is_frozen": false, "includes_artifacts": true});
    let link = app.as_user("alice").share_with("chat-1", live).await;
    let stalls = crate::support::Trouble::Stalls(bytes::Bytes::from_static(&[7; 2]), 4);
    app.chats.misbehaves(&path, stalls);
    let mut download = app.as_user("bob").artifact(&link, "f1").begin(200).await;
    assert!(download.chunk().await.unwrap().is_some());
    app.as_user("alice").change(&link, &json!({"audience": []})).await.is(204);
    let rest = tokio::time::timeout(Duration::from_secs(5), download.chunk()).await;
    assert!(rest.unwrap().is_err(), "it breaks off");
    eventually("bob is shut out", async || app.as_user("bob").view(&link).await.status == 403)
        .await;
}
