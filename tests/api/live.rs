//! Live links: a view shows what the chat holds now.

use serde_json::json;

use crate::support::{
    App, SERVICE_TOKEN, Setup, Trouble, a_moment, apply, message, on_both_databases, reply,
};

#[apply(on_both_databases)]
async fn a_live_link_shows_what_the_chat_holds_now(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let view = app.anonymous().view(&link).await.is(200).json();
    assert_eq!((&view["is_frozen"], &view["name"]), (&json!(false), &json!("Quarterly report")));
    assert_eq!(view["messages"].as_array().unwrap().len(), 2);
    app.chats.change("chat-1", |chat| {
        chat.name = "\"Annual report\"".to_owned();
        chat.messages.push(message("m3", "And costs?"));
        chat.messages[1] = reply("m2", "m1", "Well, edited.");
    });
    for client in [app.anonymous(), app.another_instance().await.anonymous()] {
        let view = client.view(&link).await.is(200).json();
        assert_eq!(view["name"], "Annual report");
        assert_eq!(view["messages"][1]["content"], "Well, edited.");
        assert_eq!(view["messages"][2]["content"], "And costs?");
        assert!(client.open(&link).await.text().contains("And costs?"));
    }
    // The list keeps the name that it had when it was shared.
    assert_eq!(app.as_user("alice").list("").await.each("name"), ["Quarterly report"]);
}

#[apply(on_both_databases)]
async fn a_live_view_is_read_with_the_services_own_credential(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    let before = app.chats.asked().len();
    app.as_user("bob").view(&link).await.is(200);
    app.as_user("alice").view(&link).await.is(200);
    let asked = app.chats.asked().split_off(before);
    assert!(!asked.is_empty());
    for asked in asked {
        assert_eq!(asked.authorization, format!("Bearer {SERVICE_TOKEN}"));
    }
}

#[apply(on_both_databases)]
async fn a_live_view_that_has_not_changed_is_not_sent_again(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    for coding in ["identity", "gzip", "br", "zstd"] {
        let view = || app.anonymous().view(&link).header("accept-encoding", coding);
        let tag = view().await.header("etag").to_owned();
        view().header("if-none-match", &tag).await.is(304);
        app.chats.change("chat-1", |chat| chat.messages.push(message(coding, "More")));
        let changed = view().header("if-none-match", &tag).await.is(200);
        assert_ne!(changed.header("etag"), tag);
    }
    let tag = app.anonymous().view(&link).await.header("etag").to_owned();
    app.chats.change("chat-1", |chat| chat.name = "\"Renamed\"".to_owned());
    app.anonymous().view(&link).header("if-none-match", &tag).await.is(200);
}

#[apply(on_both_databases)]
async fn a_live_link_dies_with_its_chat(app: App) {
    let link = app.as_user("alice").share_live("chat-1").await;
    app.anonymous().view(&link).await.is(200);
    app.chats.remove("chat-1");
    app.anonymous().view(&link).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn a_live_link_whose_chat_is_in_trouble_cannot_be_shown(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TIMEOUT", "500ms").start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    app.anonymous().view(&link).await.is(200);
    for (trouble, status, error_type) in [
        (Trouble::Status(500), 502, "chat_service_error"),
        (Trouble::Status(401), 502, "chat_service_error"),
        (Trouble::Status(403), 502, "chat_service_error"),
        (Trouble::Body("nonsense".to_owned()), 502, "chat_service_error"),
        (Trouble::Silence, 504, "chat_service_timeout"),
        (Trouble::Status(404), 404, "not_found"),
    ] {
        app.chats.misbehaves("/messages", trouble);
        app.anonymous().view(&link).await.fails(status, error_type);
        app.anonymous().open(&link).await.is(status);
        app.chats.recovers();
    }
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn a_link_that_turns_private_while_its_chat_is_fetched_is_not_shown(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let held = app.chats.hold("/messages");
    let views =
        [app.anonymous().view(&link).spawn(), app.with_token("rubbish").view(&link).spawn()];
    let pages = [app.anonymous().open(&link).spawn()];
    let signed_in = app.as_user("bob").view(&link).spawn();
    // One of them asks, and the others wait together for what is asked next.
    held.arrived(2).await;
    a_moment().await;
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    held.let_go();
    let [anonymous, rubbish] = views;
    anonymous.await.unwrap().fails(401, "login_required");
    rubbish.await.unwrap().fails(401, "invalid_token");
    for page in pages {
        page.await.unwrap().is(401);
    }
    // The token that was given at the start decides.
    let view = signed_in.await.unwrap().is(200);
    assert_eq!(view.json()["is_private"], true);
    assert_eq!(view.header("cache-control"), "private, no-cache");
}

#[apply(on_both_databases)]
async fn a_link_that_is_deleted_while_its_chat_is_fetched_is_not_shown(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_live("chat-1").await;
    let held = app.chats.hold("/messages");
    let view = app.anonymous().view(&link).spawn();
    held.arrived(1).await;
    alice.delete(&link).await.is(204);
    held.let_go();
    view.await.unwrap().fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn a_link_that_expires_while_its_chat_is_fetched_is_not_shown(app: App) {
    let hour = chrono::Duration::hours(1);
    let settings = json!({"is_frozen": false, "expires_at": app.after(hour)});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    let held = app.chats.hold("/messages");
    let view = app.anonymous().view(&link).spawn();
    held.arrived(1).await;
    app.clock.advance(hour);
    held.let_go();
    view.await.unwrap().fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn artifacts_switched_off_while_the_chat_is_fetched_are_not_shown(app: App) {
    app.chats.change("chat-1", |chat| {
        chat.files = Some(vec![
            json!({"id": "f1", "filename": "chart.png", "bytes": 1, "created_at": 1_767_225_600}),
        ]);
    });
    let alice = app.as_user("alice");
    let settings = json!({"is_frozen": false, "includes_artifacts": true});
    let link = alice.share_with("chat-1", settings).await;
    assert!(app.anonymous().view(&link).await.text().contains("chart.png"));
    let held = app.chats.hold("/agent_server_files");
    let view = app.anonymous().view(&link).spawn();
    held.arrived(1).await;
    alice.change(&link, &json!({"includes_artifacts": false})).await.is(204);
    held.let_go();
    let view = view.await.unwrap().is(200);
    assert!(!view.text().contains("chart.png"), "{}", view.text());
}

#[apply(on_both_databases)]
async fn a_refused_view_of_a_private_live_link_sends_no_request_to_the_chat_service(app: App) {
    let settings = json!({"is_frozen": false, "is_private": true});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    let asked = app.chats.asked().len();
    app.anonymous().view(&link).await.fails(401, "login_required");
    app.with_token("rubbish").view(&link).await.fails(401, "invalid_token");
    app.as_chat_service().view(&link).await.fails(403, "forbidden");
    assert_eq!(app.chats.asked().len(), asked);
}

#[apply(on_both_databases)]
async fn a_live_view_of_many_pages_is_whole(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_PAGE_SIZE", "3").start().await;
    let link = app.as_user("alice").share_live("chat-1").await;
    app.chats.change("chat-1", |chat| {
        chat.messages = (0..10).map(|n| message(&format!("m{n}"), &n.to_string())).collect();
    });
    let view = app.anonymous().view(&link).await.is(200).json();
    let seen = view["messages"].as_array().unwrap();
    let contents: Vec<&str> = seen.iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}
