//! `GET /api/v1/shared_chats/{id}` of a frozen link.

use serde_json::json;

use crate::support::{App, Chat, Setup, apply, message, on_both_databases, reply};

#[apply(on_both_databases)]
async fn anyone_with_the_link_sees_the_chat(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let mut view = app.anonymous().view(&link).await.is(200).json();
    assert_eq!(view["id"], link.id);
    assert_eq!(view["shared_at"], link.info["created_at"]);
    view["id"] = "[id]".into();
    view["shared_at"] = "[time]".into();
    insta::allow_duplicates! {
        insta::assert_json_snapshot!(view, @r#"
        {
          "expires_at": null,
          "id": "[id]",
          "includes_artifacts": false,
          "is_frozen": true,
          "is_private": false,
          "messages": [
            {
              "content": "How did we do?",
              "created_at": "2026-03-01T10:00:00Z",
              "id": "m1",
              "reply_to": null,
              "role": "user"
            },
            {
              "content": "Well: **+12 %**.",
              "created_at": "2026-03-01T10:00:00Z",
              "id": "m2",
              "reply_to": "m1",
              "role": "assistant"
            }
          ],
          "name": "Quarterly report",
          "shared_at": "[time]",
          "shared_by": "Alice"
        }
        "#);
    }
}

/// With the fields of each message, not one more (docs/API.md 3).
#[apply(on_both_databases)]
async fn a_viewer_sees_nothing_that_is_not_allowed(app: App) {
    let settings = json!({"label": "only for me", "includes_artifacts": true});
    let secrets =
        ["secret", "chat-1", "only for me", "example.com", "\"alice\"", "\"label\"", "owner"];
    for frozen in [true, false] {
        let mut settings = settings.clone();
        settings["is_frozen"] = frozen.into();
        let link = app.as_user("alice").share_with("chat-1", settings).await;
        for viewer in [app.anonymous(), app.as_user("bob"), app.as_user("alice")] {
            for shown in [viewer.view(&link).await.is(200), viewer.open(&link).await.is(200)] {
                let text = shown.text();
                for secret in secrets {
                    assert!(!text.contains(secret), "{secret} in {text}");
                }
            }
            let view = viewer.view(&link).await.json();
            for message in view["messages"].as_array().unwrap() {
                let fields: Vec<&String> = message.as_object().unwrap().keys().collect();
                assert_eq!(fields, ["content", "created_at", "id", "reply_to", "role"]);
            }
        }
    }
}

#[apply(on_both_databases)]
async fn a_frozen_link_shows_what_was_shared(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let shared = app.anonymous().view(&link).await.is(200);
    app.chats.change("chat-1", |chat| {
        chat.name = "\"Another name\"".to_owned();
        chat.messages = vec![message("m9", "Something else")];
    });
    let later = app.anonymous().view(&link).await.is(200);
    assert_eq!(later.json(), shared.json());
    app.chats.remove("chat-1");
    assert_eq!(app.anonymous().view(&link).await.is(200).json(), shared.json());
    // Not from memory either.
    let other = app.another_instance().await;
    assert_eq!(
        other.anonymous().view(&link).await.is(200).json()["messages"],
        shared.json()["messages"]
    );
}

#[apply(on_both_databases)]
async fn roles_follow_replies_unless_the_chat_service_gave_one(app: App) {
    let tool = r#"{"id":"m3","role":"tool","content":"2","created_at":"2026-03-01T10:00:00Z","reply_to":"m2"}"#;
    let messages = [message("m1", "1+1?"), reply("m2", "m1", "One moment"), tool.to_owned()];
    app.chats.put("roles", Chat::of("alice", "Roles", &messages));
    let link = app.as_user("alice").share("roles").await;
    let view = app.anonymous().view(&link).await.json();
    let roles: Vec<&str> =
        view["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool"]);
}

#[apply(on_both_databases)]
async fn artifacts_are_listed_only_while_they_are_included(app: App) {
    app.chats.change("chat-1", |chat| {
        chat.files = Some(vec![json!({
            "id": "f/1", "filename": "chart.png", "bytes": 12_345, "created_at": 1_767_225_600,
            "object": "file", "purpose": "secret purpose",
        })]);
    });
    let alice = app.as_user("alice");
    for frozen in [true, false] {
        let settings = json!({"is_frozen": frozen, "includes_artifacts": true});
        let link = alice.share_with("chat-1", settings).await;
        let view = app.anonymous().view(&link).await.json();
        let url = format!("{}/artifacts/f%2F1", link.path());
        assert_eq!(
            view["artifacts"],
            json!([{
                "id": "f/1", "filename": "chart.png", "bytes": 12_345, "available": !frozen,
                "created_at": "2026-01-01T00:00:00Z", "media_type": "image/png", "url": url,
            }])
        );
        alice.change(&link, &json!({"includes_artifacts": false})).await.is(204);
        let view = app.anonymous().view(&link).await.json();
        assert_eq!(view.get("artifacts"), None);
        assert_eq!(view["includes_artifacts"], false);
        assert!(!app.anonymous().open(&link).await.text().contains("chart.png"));
    }
}

#[apply(on_both_databases)]
async fn a_view_is_not_for_search_engines_and_referrers(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let tag = app.anonymous().view(&link).await.header("etag").to_owned();
    for answer in [
        app.anonymous().view(&link).await.is(200),
        app.anonymous().view(&link).header("if-none-match", &tag).await.is(304),
        app.anonymous().open(&link).await.is(200),
        app.anonymous().qr_code(&link, "").await.is(200),
    ] {
        assert_eq!(answer.header("x-robots-tag"), "noindex, nofollow");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
    assert_eq!(app.anonymous().view(&link).await.header("content-type"), "application/json");
}

#[apply(on_both_databases)]
async fn every_coding_decodes_to_the_same_json(app: App) {
    let settings = json!({"includes_artifacts": true});
    let link = app.as_user("alice").share_with("chat-1", settings).await;
    let plain = app.anonymous().view(&link).await.is(200);
    assert_eq!(plain.header("content-encoding"), "");
    for (accepted, coding) in [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=0.9, br;q=0.1", "gzip"),
        ("deflate", ""),
        ("identity", ""),
        ("*;q=0", ""),
    ] {
        // Made, and then from memory.
        for _ in 0..2 {
            let coded =
                app.anonymous().view(&link).header("accept-encoding", accepted).await.is(200);
            assert_eq!(coded.header("content-encoding"), coding, "{accepted}");
            assert_eq!(coded.text(), plain.text(), "{accepted}");
            assert_eq!(coded.header("content-length"), coded.body.len().to_string());
        }
    }
}

#[apply(on_both_databases)]
async fn each_coding_has_a_tag_of_its_own(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let mut tags = Vec::new();
    for coding in ["identity", "gzip", "br", "zstd"] {
        let answer = app.anonymous().view(&link).header("accept-encoding", coding).await;
        tags.push(answer.header("etag").to_owned());
        let page = app.anonymous().open(&link).header("accept-encoding", coding).await.is(200);
        tags.push(page.header("etag").to_owned());
    }
    let distinct: std::collections::HashSet<&String> = tags.iter().collect();
    assert_eq!(distinct.len(), tags.len(), "{tags:?}");
    assert!(tags.iter().all(|tag| tag.starts_with('"') && tag.ends_with('"')), "strong: {tags:?}");
}

#[apply(on_both_databases)]
async fn what_the_client_has_already_is_not_sent_again(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    for coding in ["identity", "gzip", "br", "zstd"] {
        let view = || app.anonymous().view(&link).header("accept-encoding", coding);
        let tag = view().await.header("etag").to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()]
        {
            let answer = view().header("if-none-match", &known).await.is(304);
            assert_eq!(answer.header("etag"), tag);
            assert_ne!(answer.header("vary"), "");
        }
        view().header("if-none-match", "\"other\"").await.is(200);
        // A copy in another coding is another one.
        let other = if coding == "gzip" { "br" } else { "gzip" };
        let request = app.anonymous().view(&link).header("accept-encoding", other);
        request.header("if-none-match", &tag).await.is(200);
    }
}

#[apply(on_both_databases)]
async fn a_change_of_settings_makes_another_tag(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let tag = app.anonymous().view(&link).await.header("etag").to_owned();
    alice.change(&link, &json!({"label": "new"})).await.is(204);
    let answer = app.anonymous().view(&link).header("if-none-match", &tag).await.is(200);
    assert_ne!(answer.header("etag"), tag);
}

#[apply(on_both_databases)]
async fn head_is_get_without_the_body(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share("chat-1").await;
    let private = alice.share_private("chat-1").await;
    let live = alice.share_live("chat-1").await;
    let anonymous = app.anonymous();
    for path in [
        link.path(),
        live.path(),
        private.path(),
        format!("{}/qr_code", link.path()),
        format!("/shared/{}", link.id),
        "/api/v1/shared_chats".to_owned(),
        "/api/v1/shared_chats/no-such-link".to_owned(),
        "/health/live".to_owned(),
        "/health/ready".to_owned(),
        "/openapi.json".to_owned(),
        "/nowhere".to_owned(),
    ] {
        for coding in ["identity", "gzip"] {
            for client in [&anonymous, &alice] {
                let get = client.get(&path).header("accept-encoding", coding).await;
                let head = client.request("HEAD", &path).header("accept-encoding", coding).await;
                assert_eq!(head.status, get.status, "{path}");
                for name in ["etag", "content-type", "cache-control", "vary", "content-encoding"] {
                    assert_eq!(head.header(name), get.header(name), "{path}: {name}");
                }
                if get.status < 400 {
                    assert_eq!(
                        head.header("content-length"),
                        get.header("content-length"),
                        "{path}"
                    );
                }
            }
        }
    }
}

#[apply(on_both_databases)]
async fn a_private_link_asks_to_sign_in(app: App) {
    let link = app.as_user("alice").share_private("chat-1").await;
    let view = app.anonymous().view(&link).await;
    assert_eq!(view.header("www-authenticate"), "Bearer");
    assert_eq!(view.header("etag"), "");
    view.fails(401, "login_required");
    for token in ["rubbish", "a.b.c"] {
        let view = app.with_token(token).view(&link).await;
        assert_eq!(view.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        view.fails(401, "invalid_token");
    }
    app.with_authorization("Basic YWxpY2U6eA==").view(&link).await.fails(401, "invalid_token");
    // An entity tag from another viewer's cache gives no access.
    let tag = app.as_user("alice").view(&link).await.header("etag").to_owned();
    let asked = app.anonymous().view(&link).header("if-none-match", &tag);
    asked.await.fails(401, "login_required");
}

#[apply(on_both_databases)]
async fn a_private_link_opens_to_any_user(app: App) {
    let link = app.as_user("alice").share_private("chat-1").await;
    for user in ["alice", "bob", "carol"] {
        let view = app.as_user(user).view(&link).await.is(200).json();
        assert_eq!(view["is_private"], true);
    }
}

#[apply(on_both_databases)]
async fn a_private_link_is_closed_to_the_chat_service(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    alice.view(&link).await.is(200);
    app.as_chat_service().view(&link).await.fails(403, "forbidden");
    assert_eq!(app.as_chat_service().open(&link).await.status, 403);
    // A public one is public.
    let public = alice.share("chat-1").await;
    app.as_chat_service().view(&public).await.is(200);
}

#[apply(on_both_databases)]
async fn a_private_view_stays_out_of_shared_caches(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    let view = alice.view(&link).await.is(200);
    assert_eq!(view.header("cache-control"), "private, no-cache");
    let again = alice.view(&link).header("if-none-match", view.header("etag")).await.is(304);
    assert_eq!(again.header("cache-control"), "private, no-cache");
    assert_eq!(alice.qr_code(&link, "").await.header("cache-control"), "private, no-cache");
}

#[apply(on_both_databases)]
async fn a_public_link_opens_whatever_the_credential(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let expired = crate::support::hs256(&json!({"sub": "alice", "exp": 1}));
    for authorization in
        ["Bearer rubbish", "Bearer ", "Bearer", "Basic eA==", "", &format!("Bearer {expired}")]
    {
        app.with_authorization(authorization).view(&link).await.is(200);
    }
}

#[apply(on_both_databases)]
async fn a_dead_link_is_not_found_before_anyone_signs_in(app: App) {
    let alice = app.as_user("alice");
    let link = alice.share_private("chat-1").await;
    alice.delete(&link).await.is(204);
    for client in [app.anonymous(), app.with_token("rubbish"), app.as_user("bob"), alice] {
        client.view(&link).await.fails(404, "not_found");
    }
}

#[apply(on_both_databases)]
async fn an_id_that_no_link_has_is_not_found(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let long = "x".repeat(4_000);
    for id in [
        "0",
        "short",
        "no-such-link",
        "6f1c2a0e-6f0b-4a52-9a58-0d7c1f0f7a11",
        &long,
        "..%2f..",
        "%2e%2e",
        "a%00b",
        "%00",
        "%ff%fe",
        "a%2Fb",
        "'%20or%20'1'='1",
        "%25",
    ] {
        let get = format!("GET /api/v1/shared_chats/{id} HTTP/1.1\r\nhost: x\r\n\r\n");
        app.send_raw(get.as_bytes()).await.fails(404, "not_found");
    }
    for almost in [format!(" {}", link.id), format!("{}%00", link.id), format!("{}-", link.id)] {
        let almost = almost.replace(' ', "%20");
        app.anonymous().view(almost).await.fails(404, "not_found");
    }
}

#[apply(on_both_databases)]
async fn ids_compare_byte_for_byte(app: App) {
    // Digits alone have no upper case.
    let link = loop {
        let link = app.as_user("alice").share("chat-1").await;
        if link.id.bytes().any(|b| b.is_ascii_lowercase()) {
            break link;
        }
    };
    for other in [link.id.to_uppercase(), link.id.replace('-', ""), format!("{{{}}}", link.id)] {
        app.anonymous().view(other).await.fails(404, "not_found");
    }
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn a_view_says_what_it_depends_on(setup: Setup) {
    for (setup, vary) in [
        (setup.clone(), "Authorization, Accept-Encoding, Accept"),
        (setup.with("AUTH_COOKIE", "session"), "Authorization, Accept-Encoding, Accept, Cookie"),
    ] {
        let app = setup.start().await;
        let link = app.as_user("alice").share("chat-1").await;
        assert_eq!(app.anonymous().view(&link).await.header("vary"), vary);
        assert_eq!(app.anonymous().open(&link).await.header("vary"), vary);
        app.as_user("alice").change(&link, &json!({"is_private": true})).await.is(204);
        assert_eq!(app.anonymous().open(&link).await.is(401).header("vary"), vary);
    }
}

#[apply(on_both_databases)]
async fn a_view_of_a_frozen_link_sends_no_request_to_the_chat_service(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    let asked = app.chats.asked().len();
    app.anonymous().view(&link).await.is(200);
    app.anonymous().open(&link).await.is(200);
    assert_eq!(app.chats.asked().len(), asked);
}
