//! `PATCH /api/v1/shared_chats/{id}`.

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::{App, apply, on_both_databases};

#[apply(on_both_databases)]
async fn a_link_made_private_cuts_anonymous_viewers(app: App) {
    let other = app.another_instance().await;
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    // ViewKind before, so that every instance has it in memory.
    for viewer in [app.anonymous(), other.anonymous()] {
        for coding in ["identity", "zstd"] {
            viewer.view(&link).header("accept-encoding", coding).await.is(200);
        }
        viewer.open(&link).await.is(200);
    }
    let tag = app.anonymous().view(&link).await.header("etag").to_owned();
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    for app in [&app, &other] {
        app.anonymous().view(&link).await.fails(401, "login_required");
        app.anonymous().open(&link).await.is(401);
        app.with_token("rubbish").view(&link).await.fails(401, "invalid_token");
        let known = app.anonymous().view(&link).header("if-none-match", &tag);
        known.await.fails(401, "login_required");
        let view = app.as_user("bob").view(&link).await.is(200);
        assert_eq!(view.json()["is_private"], true);
    }
}

#[apply(on_both_databases)]
async fn a_link_made_public_opens_to_anyone(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    app.anonymous().view(&link).await.is(401);
    alice.change(&link, &json!({"is_private": false})).await.is(204);
    let view = app.anonymous().view(&link).await.is(200);
    assert_eq!(view.header("cache-control"), "no-cache");
    assert_eq!(view.json()["is_private"], false);
}

#[apply(on_both_databases)]
async fn each_setting_changes_by_itself(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let mut expected = link.info.clone();
    for (field, value) in [
        ("is_private", json!(true)),
        ("includes_artifacts", json!(true)),
        ("expires_at", json!("2999-01-01T00:00:00Z")),
        ("label", json!("a label")),
        ("is_private", json!(false)),
        ("label", json!("")),
    ] {
        let mut change = json!({});
        change[field] = value.clone();
        let answer = alice.change(&link, &change).await.is(204);
        assert!(answer.body.is_empty());
        expected[field] = value;
        let mut row = alice.list("").await.json()[0].clone();
        row["updated_at"] = expected["updated_at"].clone();
        assert_eq!(row, expected);
    }
}

#[apply(on_both_databases)]
async fn a_change_of_nothing_changes_nothing(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    alice.change(&link, &json!({})).await.is(204);
    assert_eq!(alice.list("").await.json(), json!([link.info]));
    app.as_user("bob").change(&link, &json!({})).await.fails(403, "forbidden");
    let nothing = alice.change(&link, &json!({})).header("if-match", "\"2-7-0-json\"");
    nothing.await.fails(412, "precondition_failed");
}

#[apply(on_both_databases)]
async fn null_clears_an_expiry_and_a_label(app: App) {
    let alice = app.as_user("alice");
    let settings = json!({"label": "old", "expires_at": app.after(Duration::hours(1))});
    let link = alice.share_with("chat-1", settings).await;
    alice.change(&link, &json!({"expires_at": null, "label": null})).await.is(204);
    let row = alice.list("").await.json()[0].clone();
    assert_eq!((&row["label"], &row["expires_at"]), (&Value::Null, &Value::Null));
    app.clock.advance(Duration::days(1));
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn a_change_moves_updated_at(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    app.clock.advance(Duration::minutes(1));
    alice.change(&link, &json!({"label": "new"})).await.is(204);
    let row = alice.list("").await.json()[0].clone();
    assert_eq!(row["created_at"], link.info["created_at"]);
    assert!(row["updated_at"].as_str() > link.info["updated_at"].as_str(), "{row}");
}

#[apply(on_both_databases)]
async fn the_mode_cannot_change(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    for is_frozen in [true, false] {
        let change = alice.change(&link, &json!({"is_frozen": is_frozen, "label": "x"}));
        let message = change.await.fails(400, "bad_request");
        assert!(message.contains("is_frozen"), "{message}");
    }
    assert_eq!(alice.list("").await.json(), json!([link.info]));
}

#[apply(on_both_databases)]
async fn a_field_that_is_not_known_changes_nothing(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    for field in ["is_privat", "name", "owner_id", "id", "chat_session_id", "shared_by", "revision"]
    {
        let mut change = json!({"is_private": false});
        change[field] = "x".into();
        let message = alice.change(&link, &change).await.fails(400, "bad_request");
        assert!(message.contains(field), "{message}");
    }
    app.anonymous().view(&link).await.is(401);
}

#[apply(on_both_databases)]
async fn a_field_of_another_type_changes_nothing(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    for (field, value) in [
        ("is_private", json!("no")),
        ("is_private", json!(null)),
        ("is_private", json!(0)),
        ("includes_artifacts", json!(null)),
        ("expires_at", json!(0)),
        ("expires_at", json!("soon")),
        ("label", json!(1)),
        ("label", json!("x".repeat(201))),
        ("label", json!("a\0b")),
    ] {
        let mut change = json!({});
        change[field] = value;
        let message = alice.change(&link, &change).await.fails(400, "bad_request");
        assert!(message.starts_with(field), "{change}: {message}");
    }
    assert_eq!(alice.list("").await.json(), json!([link.info]));
}

#[apply(on_both_databases)]
async fn a_body_that_is_no_object_changes_nothing(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    for body in ["[]", "[false]", "null", "", "{", "false", "{}{}"] {
        let request = alice.request("PATCH", &link.path()).body("application/json", body);
        request.await.fails(400, "bad_request");
    }
    app.anonymous().view(&link).await.is(401);
}

#[apply(on_both_databases)]
async fn an_expiry_must_lie_in_the_future(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    for at in ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00", "2999-01-01", ""] {
        let message =
            alice.change(&link, &json!({"expires_at": at})).await.fails(400, "bad_request");
        assert!(message.starts_with("expires_at"), "{message}");
    }
    alice.change(&link, &json!({"expires_at": app.after(Duration::minutes(1))})).await.is(204);
    app.anonymous().view(&link).await.is(200);
    app.clock.advance(Duration::minutes(1));
    app.anonymous().view(&link).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn only_the_owner_changes_a_link(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let change = json!({"is_private": true});
    app.anonymous().change(&link, &change).await.fails(401, "login_required");
    app.with_token("rubbish").change(&link, &change).await.fails(401, "invalid_token");
    app.as_user("bob").change(&link, &change).await.fails(403, "forbidden");
    app.as_chat_service().change(&link, &change).await.fails(403, "forbidden");
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn refusals_come_in_their_order(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let (good, malformed) = (json!({"label": "x"}), json!({"is_privat": true}));
    let stale = "\"2-99-0-json\"";
    let out_of_range =
        [json!({"label": "x".repeat(201)}), json!({"expires_at": "2020-01-01T00:00:00Z"})];
    for id in [link.id.as_str(), "no-such-link", "short", "a%2Fb"] {
        for body in &out_of_range {
            app.anonymous().change(id, body).await.fails(401, "login_required");
            for client in [app.as_user("bob"), app.as_user("alice"), app.as_chat_service()] {
                let wrong = client.change(id, body).header("if-match", stale);
                wrong.await.fails(400, "bad_request");
            }
        }
        let malformed_tag = app.as_user("bob").change(id, &good).header("if-match", "nonsense");
        malformed_tag.await.fails(400, "bad_request");
        let anonymous = app.anonymous().change(id, &malformed).header("if-match", "nonsense");
        anonymous.await.fails(401, "login_required");
        let bob = app.as_user("bob").change(id, &malformed).header("if-match", stale);
        bob.await.fails(400, "bad_request");
        let service = app.as_chat_service().change(id, &malformed).header("if-match", stale);
        service.await.fails(400, "bad_request");
    }
    for client in [app.as_user("bob"), app.as_user("alice"), app.as_chat_service()] {
        let unknown = client.change("no-such-link", &good).header("if-match", stale);
        unknown.await.fails(404, "not_found");
    }
    for client in [app.as_user("bob"), app.as_chat_service()] {
        client.change(&link, &good).header("if-match", stale).await.fails(403, "forbidden");
    }
    let mine = app.as_user("alice").change(&link, &good).header("if-match", stale);
    mine.await.fails(412, "precondition_failed");
}

#[apply(on_both_databases)]
async fn if_match_takes_the_tag_of_any_coding_and_form(app: App) {
    let alice = app.as_user("alice");
    for frozen in [true, false] {
        let link = alice.share_with("chat-1", json!({"is_frozen": frozen})).await;
        for coding in ["identity", "gzip", "br", "zstd"] {
            let view = app.anonymous().view(&link).header("accept-encoding", coding).await;
            let change = json!({"label": coding});
            alice.change(&link, &change).header("if-match", view.header("etag")).await.is(204);
            let page = app.anonymous().open(&link).header("accept-encoding", coding).await;
            alice.change(&link, &change).header("if-match", page.header("etag")).await.is(204);
        }
    }
}

#[apply(on_both_databases)]
async fn if_match_refuses_settings_that_have_changed(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let tag = app.anonymous().view(&link).await.header("etag").to_owned();
    alice.change(&link, &json!({"label": "one"})).header("if-match", &tag).await.is(204);
    let again = alice.change(&link, &json!({"label": "two"})).header("if-match", &tag).await;
    again.fails(412, "precondition_failed");
    assert_eq!(alice.list("").await.each("label"), ["one"]);
}

#[apply(on_both_databases)]
async fn of_two_changes_with_one_tag_one_is_made(app: App) {
    let other = app.another_instance().await;
    let link = app.as_user("alice").share("chat-1").await;
    let tag = app.anonymous().view(&link).await.header("etag").to_owned();
    let changes: Vec<_> = (0..10)
        .map(|n| {
            let alice = if n % 2 == 0 { app.as_user("alice") } else { other.as_user("alice") };
            alice.change(&link, &json!({"label": n.to_string()})).header("if-match", &tag).spawn()
        })
        .collect();
    let mut made = 0;
    for change in changes {
        match change.await.unwrap() {
            done if done.status == 204 => made += 1,
            refused => drop(refused.fails(412, "precondition_failed")),
        }
    }
    assert_eq!(made, 1);
}

#[apply(on_both_databases)]
async fn if_match_takes_a_list_and_a_star(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    for _ in 0..2 {
        let tag = app.anonymous().view(&link).await.header("etag").to_owned();
        let list = format!("\"other\" ,{tag}, \"another\"");
        alice.change(&link, &json!({"label": "x"})).header("if-match", &list).await.is(204);
    }
    alice.change(&link, &json!({"label": "y"})).header("if-match", "*").await.is(204);
    let gone = alice.change("no-such-link", &json!({"label": "y"})).header("if-match", "*");
    gone.await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn if_match_with_a_weak_or_unknown_tag_is_412(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let tag = app.anonymous().view(&link).await.header("etag").to_owned();
    for other in
        [format!("W/{tag}"), "\"\"".to_owned(), "\"abc\"".to_owned(), "\"a-b-c-d\"".to_owned()]
    {
        let change = alice.change(&link, &json!({"label": "x"})).header("if-match", &other);
        let message = change.await.fails(412, "precondition_failed");
        assert_eq!(message.contains("weak"), other.starts_with("W/"), "{message}");
    }
    // Only the owner is told, and only if no tag matches.
    let change = app.as_user("bob").change(&link, &json!({"label": "x"}));
    change.header("if-match", &format!("W/{tag}")).await.fails(403, "forbidden");
    let change = alice.change(&link, &json!({"label": "x"}));
    change.header("if-match", &format!("W/{tag}, {tag}")).await.is(204);
}

#[apply(on_both_databases)]
async fn if_match_that_is_no_tag_is_malformed(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    for tag in ["1", "abc", "\"open", "'x'", "W/x"] {
        let change = alice.change(&link, &json!({"label": "x"})).header("if-match", tag);
        let message = change.await.fails(400, "bad_request");
        assert!(message.starts_with("If-Match"), "{message}");
    }
}

/// A tag may hold a comma (RFC 9110, 8.8.3), and a list may be empty: then no settings are those.
#[apply(on_both_databases)]
async fn if_match_is_never_passed_over(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    for other in ["\"x,\"", "\",\", W/\"y,\"", "", " , "] {
        let change = alice.change(&link, &json!({"label": "x"})).header("if-match", other);
        change.await.fails(412, "precondition_failed");
    }
    let tag = app.anonymous().view(&link).await.header("etag").to_owned();
    let list = format!("\"x,\",{tag}");
    alice.change(&link, &json!({"label": "x"})).header("if-match", &list).await.is(204);
}

#[apply(on_both_databases)]
async fn a_live_links_content_does_not_count_for_if_match(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let tag = app.anonymous().view(&link).await.header("etag").to_owned();
    app.chats.change("chat-1", |chat| chat.name = "\"Renamed\"".to_owned());
    alice.change(&link, &json!({"label": "x"})).header("if-match", &tag).await.is(204);
}
