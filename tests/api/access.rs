//! Who may do what, exhaustively: every call by every role on every kind of link, against the
//! running service (`access/table.rs`, rendered as `docs/ACCESS.md`).

mod table;

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::{
    Answer, App, Client, Request, apply, claims, hs256, import, on_both_databases,
};
use table::{Block, KINDS, OF_LINKS, OTHERS, ROLES};

const NEVER: &str = "6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11";

fn as_role(app: &App, role: &str) -> Client {
    match role {
        "anonymous" => app.anonymous(),
        // Once good.
        "bad token" => {
            let exp = app.now().timestamp() - 60;
            app.with_token(&hs256(&json!({"sub": "alice", "name": "Alice", "exp": exp})))
        }
        "owner" => app.as_user("alice"),
        "named" => app.as_user("carol"),
        "in the group" => {
            let mut claims = claims(&app.clock, "dave");
            claims["groups"] = json!(["sales", "finance"]);
            app.with_token(&hs256(&claims))
        }
        "other user" => app.as_user("bob"),
        "administrator" => app.as_admin(),
        "chat service" => app.as_chat_service(),
        other => panic!("who is {other}?"),
    }
}

/// A chat of Alice's with a file, that no other user has.
fn chat(app: &App, id: &str) {
    app.chats.put_named(id, "A chat");
    app.chats.put_file(id, "f1", "plan.csv", b"day,km\n");
}

/// A new link of that kind, to a chat of its own; its id.
async fn link(app: &App, kind: &str) -> String {
    let id = format!("chat-{}", uuid::Uuid::new_v4());
    chat(app, &id);
    let alice = app.as_user("alice");
    let share = async |settings: Value| alice.share_with(&id, settings).await.id;
    let with_files = |private: bool, frozen: bool| {
        share(json!({"is_private": private, "is_frozen": frozen, "includes_artifacts": true}))
    };
    match kind {
        "public frozen" => with_files(false, true).await,
        "private frozen" => with_files(true, true).await,
        "public live" => with_files(false, false).await,
        "private live" => with_files(true, false).await,
        "named frozen" | "named live" => {
            let audience = json!(["user:carol", "group:finance"]);
            let is_frozen = kind == "named frozen";
            let settings =
                json!({"audience": audience, "is_frozen": is_frozen, "includes_artifacts": true});
            share(settings).await
        }
        "without files" => share(json!({})).await,
        "public legacy" => legacy(app, &id, false).await,
        "private legacy" => legacy(app, &id, true).await,
        "expired" => {
            let at = app.after(Duration::minutes(1));
            let link = share(json!({"expires_at": at, "includes_artifacts": true})).await;
            app.clock.advance(Duration::minutes(2));
            link
        }
        "deleted" => {
            let link = with_files(false, true).await;
            alice.delete(&link).await.is(204);
            link
        }
        "of a deleted chat" => {
            let link = with_files(false, true).await;
            app.as_chat_service().chat_was_deleted(&id).await.is(200);
            link
        }
        "never there" => NEVER.to_owned(),
        other => panic!("what is {other}?"),
    }
}

async fn legacy(app: &App, chat: &str, is_private: bool) -> String {
    let token = format!("old_{}", uuid::Uuid::new_v4().simple());
    let line = json!({
        "token": token, "chat_session_id": chat, "is_private": is_private,
        "created_at": "2025-01-02T03:04:05Z", "expires_at": app.after(Duration::days(10)),
        "messages": [{"content": "Hello"}],
    });
    import(app, line.to_string()).await;
    token
}

/// The calls that a block is about; more than one where they must be answered alike.
fn calls_on_link(call: &str, client: &Client, link: &str) -> Vec<Request> {
    let (method, path) = call.split_once(' ').unwrap();
    let path = path.replace("{shared_chat_id}", link).replace("{artifact_id}", "f1");
    match call {
        "POST /api/v1/shared_chats/batch_delete" => vec![client.batch_delete(&[link])],
        "DELETE /api/v1/shared_chats/{shared_chat_id}" => vec![client.delete(link)],
        "PATCH /api/v1/shared_chats/{shared_chat_id}" => [
            json!({}),
            json!({"label": "x"}),
            json!({"includes_artifacts": true}),
            json!({"is_private": false, "expires_at": null}),
        ]
        .map(|change| client.change(link, &change))
        .into(),
        "GET /shared/{shared_chat_id}" => {
            let named = |kind| client.get(&path).header("accept", kind);
            vec![named("application/json"), named("text/markdown"), client.open(link)]
        }
        "GET /api/v1/shared_chats/{shared_chat_id}" => vec![
            client.get(&path),
            client.request("HEAD", &path),
            client.get(&path).header("accept", "text/markdown"),
            client.get(&format!("{path}?format=markdown")),
        ],
        "GET /api/v1/shared_chats/{shared_chat_id}/events" => vec![client.get(&path)],
        _ if method == "GET" => vec![client.get(&path), client.request("HEAD", &path)],
        other => panic!("{other} is not known here"),
    }
}

fn is_safe(call: &str) -> bool {
    call.starts_with("GET ")
}

#[track_caller]
fn check(block: &Block, what: &str, role: usize, expected: u16, answer: &Answer) {
    let (role, call) = (ROLES[role].0, block.call);
    let status = answer.status;
    assert_eq!(status, expected, "{call}, {what}, by {role}: see tests/api/access/table.rs");
}

#[apply(on_both_databases)]
async fn reading_a_link_is_as_the_table_says(app: App) {
    for (kind, _) in KINDS {
        let link = link(&app, kind).await;
        for block in OF_LINKS.iter().filter(|block| is_safe(block.call)) {
            for (role, expected) in statuses(block, kind).into_iter().enumerate() {
                let before = app.chats.asked().len();
                for call in calls_on_link(block.call, &as_role(&app, ROLES[role].0), &link) {
                    let answer = call.outcome().await;
                    check(block, kind, role, expected, &answer);
                    if answer.status == 401 && answer.method != "HEAD" {
                        let text = answer.text();
                        assert!(!text.contains("A chat") && !text.contains("Hello"), "{text}");
                    }
                }
                // Who is not let in cannot make us ask for the chat.
                if matches!(expected, 401 | 403) {
                    assert_eq!(app.chats.asked().len(), before, "{}, {kind}", block.call);
                }
            }
        }
    }
}

#[apply(on_both_databases)]
async fn changing_a_link_is_as_the_table_says(app: App) {
    for (kind, _) in KINDS {
        for block in OF_LINKS.iter().filter(|block| !is_safe(block.call)) {
            // One link for all who are refused, so that it must have outlived them.
            let refused = link(&app, kind).await;
            let before = state(&app, kind, &refused).await;
            for (role, expected) in statuses(block, kind).into_iter().enumerate() {
                let client = as_role(&app, ROLES[role].0);
                let link = if expected < 300 { link(&app, kind).await } else { refused.clone() };
                let asked = app.chats.asked().len();
                for call in calls_on_link(block.call, &client, &link) {
                    check(block, kind, role, expected, &call.await);
                }
                if expected >= 300 {
                    assert_eq!(app.chats.asked().len(), asked, "{}, {kind}", block.call);
                }
            }
            assert_eq!(state(&app, kind, &refused).await, before, "{}, {kind}", block.call);
        }
    }
}

/// What can be seen of a link: its entity tag, which every change of its settings moves.
async fn state(app: &App, kind: &str, link: &str) -> (u16, String) {
    let view = app.as_user("alice").view(link).await;
    // A live one is read anew each time; what is in it is not what this is about.
    let tag = view.header("etag").to_owned();
    assert_eq!(view.status == 200, !GONE.contains(&kind), "{kind}");
    (view.status, tag)
}

const GONE: [&str; 4] = ["expired", "deleted", "of a deleted chat", "never there"];

fn statuses(block: &Block, what: &str) -> [u16; ROLES.len()] {
    block.rows().into_iter().find(|(row, _)| *row == what).unwrap().1
}

#[apply(on_both_databases)]
async fn other_calls_are_as_the_table_says(app: App) {
    app.as_chat_service().chat_was_deleted("deleted-chat").await.is(200);
    chat(&app, "deleted-chat");
    for block in OTHERS {
        for (what, statuses) in block.rows() {
            for (role, expected) in statuses.into_iter().enumerate() {
                let name = ROLES[role].0;
                // An owner who was ended a moment ago makes no link.
                app.clock.advance(Duration::seconds(10));
                let id = format!("chat-{}", uuid::Uuid::new_v4());
                chat(&app, &id);
                let link = app.as_user("alice").share(&id).await;
                let before = rows(&app, &id).await;
                let call = other_call(&app, block.call, what, name, &id, &link.id).await;
                let answer = call.await;
                check(block, what, role, expected, &answer);
                if expected >= 400 {
                    assert_eq!(rows(&app, &id).await, before, "{}, {what}, by {name}", block.call);
                }
                let listed = (block.call, answer.status) == ("GET /api/v1/shared_chats", 200);
                if listed {
                    let is_there = answer.ids().contains(&link.id);
                    assert_eq!(is_there, name == "owner", "{what}, by {name}");
                }
            }
        }
    }
}

async fn other_call(app: &App, call: &str, what: &str, who: &str, id: &str, link: &str) -> Request {
    let client = as_role(app, who);
    let chat_id = if what == "a chat that there is not" { "no-such-chat" } else { id };
    match (call, what) {
        ("POST /api/v1/shared_chats", "a chat that was deleted") => {
            client.create(&json!({"chat_session_id": "deleted-chat"}))
        }
        ("POST /api/v1/shared_chats", "a live link to it") => {
            client.create(&json!({"chat_session_id": id, "is_frozen": false}))
        }
        ("POST /api/v1/shared_chats", "for the owner, by name") => {
            client.create(&json!({"chat_session_id": id, "owner": {"id": "alice"}}))
        }
        ("POST /api/v1/shared_chats", "with the owner's idempotency key") => {
            let body = json!({"chat_session_id": id});
            app.as_user("alice").create(&body).header("idempotency-key", id).await.is(201);
            client.create(&body).header("idempotency-key", id)
        }
        ("POST /api/v1/shared_chats", "the owner's chat" | "a chat that there is not") => {
            client.create(&json!({"chat_session_id": chat_id}))
        }
        ("GET /api/v1/shared_chats", "everything") => client.list("limit=1000"),
        ("GET /api/v1/shared_chats", "of the owner's chat") => {
            client.list(&format!("chat_session_id={id}"))
        }
        ("POST /api/v1/shared_chats/batch_delete", _) => {
            // Whose own it is: the owner's, or one that bob made of his.
            let own = match who {
                "named" | "in the group" | "administrator" => {
                    client.share(&own_chat(app, who)).await.id
                }
                "other user" => client.share("bobs-chat").await.id,
                _ => app.as_user("alice").share(id).await.id,
            };
            let other = match what {
                "an own link and the owner's" => link.to_owned(),
                "an own link and a legacy one" => legacy(app, id, false).await,
                "an own link and none" => NEVER.to_owned(),
                other => panic!("{other} is not known here"),
            };
            client.batch_delete(&[own, other])
        }
        ("GET /api/v1/chats/{chat_session_id}/shared_chats", _) => client.links_of_chat(chat_id),
        ("DELETE /api/v1/chats/{chat_session_id}/shared_chats", _) => {
            client.chat_was_deleted(chat_id)
        }
        ("DELETE /api/v1/chats/{chat_session_id}/owners/{owner_id}/shared_chats", _) => {
            let path = format!("/api/v1/chats/{chat_id}/owners/alice/shared_chats");
            client.request("DELETE", &path)
        }
        ("POST /api/v1/chats/{chat_session_id}/changes", _) => client.chat_changed(chat_id),
        ("GET /api/v1/admin/shared_chats", _) => client.get("/api/v1/admin/shared_chats"),
        ("POST /api/v1/admin/shared_chats/batch_delete", _) => client
            .post("/api/v1/admin/shared_chats/batch_delete", &json!({"shared_chat_ids": [link]})),
        ("DELETE /api/v1/users/{user_id}/shared_chats", _) => {
            client.request("DELETE", "/api/v1/users/alice/shared_chats")
        }
        ("DELETE /api/v1/users/{user_id}", _) => client.request("DELETE", "/api/v1/users/alice"),
        ("PUT /api/v1/policy", _) => client.set_policy(&json!({
            "widest_audience": "anyone", "max_lifetime_seconds": null, "allows_artifacts": true,
        })),
        (_, "always") => client.get(call.strip_prefix("GET ").unwrap()),
        other => panic!("{other:?} is not known here"),
    }
}

/// A chat of the user who has this role.
fn own_chat(app: &App, role: &str) -> String {
    let (id, owner) = match role {
        "named" => ("carols-chat", "carol"),
        "in the group" => ("daves-chat", "dave"),
        _ => ("admins-chat", "admin"),
    };
    app.chats.put_named(id, "Their own");
    app.chats.change(id, |chat| chat.owner = owner);
    id.to_owned()
}

/// The links of the chat, as the chat service sees them. Those that a call needs beside it are made
/// before it is refused, so only what goes or changes counts.
async fn rows(app: &App, chat: &str) -> Vec<Value> {
    let rows = app.as_chat_service().links_of_chat(chat).await.is(200).json();
    rows.as_array().unwrap().iter().rev().take(1).cloned().collect()
}

#[test]
fn the_table_has_every_call_and_every_kind_of_link() {
    let document: Value = yaml_serde::from_str(shared_chats::http::openapi_yaml()).unwrap();
    let mut documented: Vec<String> = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let methods = operations.as_object().unwrap().keys();
        let methods =
            methods.filter(|m| ["get", "post", "patch", "delete", "put"].contains(&&***m));
        documented.extend(methods.map(|m| format!("{} {path}", m.to_ascii_uppercase())));
    }
    let mut tabled: Vec<String> =
        OF_LINKS.iter().chain(OTHERS).map(|block| block.call.to_owned()).collect();
    tabled.sort();
    tabled.dedup();
    documented.sort();
    assert_eq!(tabled, documented, "a call is missing in tests/api/access/table.rs");
    let kinds = KINDS.map(|(kind, _)| kind);
    for block in OF_LINKS {
        let lines: Vec<_> = block.rows().into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(lines, kinds, "{}", block.call);
    }
}

#[test]
fn the_document_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ACCESS.md");
    let document = table::document();
    if std::env::var("RENEW_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(path, &document).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == document,
        "docs/ACCESS.md is not what the table says: RENEW_DOCS=1 cargo test --test api access"
    );
}
