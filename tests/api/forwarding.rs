//! A caller's request is not the chat service's: nothing of it gets there but the caller's token
//! and the id of a chat, and their token gets nowhere else.

use serde_json::json;

use crate::support::{App, Setup, apply, claims, hs256, on_both_databases};

const HEADERS: [(&str, &str); 12] = [
    ("x-forwarded-for", "10.0.0.1"),
    ("x-forwarded-host", "evil.example"),
    ("forwarded", "for=10.0.0.1;host=evil.example"),
    ("x-original-url", "/api/v1/admin"),
    ("x-rewrite-url", "/api/v1/admin"),
    ("x-http-method-override", "DELETE"),
    ("cookie", "session=secret"),
    ("range", "bytes=0-1"),
    ("referer", "https://evil.example/"),
    ("x-request-id", "the-callers"),
    ("x-user", "bob"),
    ("accept", "text/html"),
];

#[apply(on_both_databases)]
async fn a_callers_headers_go_no_further(app: App) {
    app.chats.put_file("chat-1", "f1", "plan.csv", b"day,km\n");
    let alice = app.as_user("alice");
    let mut create = alice.create(
        &json!({"chat_session_id": "chat-1", "is_frozen": false, "includes_artifacts": true}),
    );
    for (name, value) in HEADERS {
        create = create.header(name, value);
    }
    let id = create.await.is(201).json()["id"].as_str().unwrap().to_owned();
    for call in [app.anonymous().view(&id), app.anonymous().artifact(&id, "f1")] {
        let mut call = call;
        // Of these two the link's own answer may speak.
        for (name, value) in HEADERS.iter().filter(|(name, _)| !["range", "accept"].contains(name))
        {
            call = call.header(name, value);
        }
        call.await.is(200);
    }
    let sent = app.chats.headers();
    assert!(sent.len() >= 5, "{sent:?}");
    for names in sent {
        // Of a create also what the link is to be, which the service says itself.
        let names: Vec<_> = names.into_iter().filter(|name| name != "x-share-intent").collect();
        assert_eq!(names, ["accept", "authorization", "host", "user-agent"]);
    }
}

#[apply(on_both_databases)]
async fn an_id_that_is_more_than_a_segment_is_not_asked_for(app: App) {
    let alice = app.as_user("alice");
    for id in [
        "",
        ".",
        "..",
        "../admin",
        "chat-1/messages",
        "chat-1?x=1",
        "chat-1#x",
        "chat-1%2f..",
        "chat-1\\..",
        "chat-1\r\nHost: evil.example",
        "//evil.example",
        "http://evil.example",
        "chat-1 ",
        "chat-1\0",
        "é",
        &"x".repeat(129),
    ] {
        alice.create(&json!({"chat_session_id": id})).await.fails(400, "bad_request");
        let of_owner = json!({"chat_session_id": id, "owner": {"id": "alice"}});
        app.as_chat_service().create(&of_owner).await.fails(400, "bad_request");
    }
    for id in ["..%2fadmin", "chat-1%2fmessages", "chat-1%3fx", "%2f%2fevil.example"] {
        app.as_chat_service().links_of_chat(id).await.fails(404, "not_found");
        app.as_chat_service().chat_was_deleted(id).await.fails(404, "not_found");
        app.as_chat_service().chat_changed(id).await.fails(404, "not_found");
    }
    // A client would take these for a step upwards by itself.
    let mut service = claims(&app.clock, "chat-service");
    service["scope"] = "shared_chats:service".into();
    for id in ["%2e%2e", "%2E.", "..", "."] {
        let request = format!(
            "GET /api/v1/chats/{id}/shared_chats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
            hs256(&service)
        );
        app.send_raw(request.as_bytes()).await.fails(404, "not_found");
    }
    assert_eq!(app.chats.asked(), []);
}

#[apply(on_both_databases)]
async fn a_token_goes_to_the_chat_service_alone(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.start().await;
    let token = issuer.token("1", &issuer.claims(&app.clock, "alice"));
    let alice = app.with_token(&token);
    let link = alice.share_with("chat-1", json!({"is_private": true})).await;
    alice.view(&link).await.is(200);
    alice.change(&link, &json!({"includes_artifacts": true})).await.is(204);
    // A key that the provider has to be asked for.
    app.clock.advance(chrono::Duration::seconds(61));
    app.with_token(&issuer.token("2", &issuer.claims(&app.clock, "alice"))).list("").await.is(401);
    assert!(issuer.fetches() >= 2);
    assert_eq!(issuer.credentials(), 0, "the provider was shown a credential");
    let asked = app.chats.asked();
    assert!(!asked.is_empty());
    for one in asked {
        assert_eq!(one.authorization, format!("Bearer {token}"), "{}", one.path);
    }
    // A view that is cached sends no request to the chat service.
    let so_far = app.chats.asked().len();
    alice.view(&link).await.is(200);
    assert_eq!(app.chats.asked().len(), so_far);
}
