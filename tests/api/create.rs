//! `POST /api/v1/shared_chats`.

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::{
    App, Chat, Setup, Trouble, apply, claims, hs256, message, on_both_databases, reply,
};

#[apply(on_both_databases)]
async fn a_caller_who_can_read_a_chat_can_share_it(app: App) {
    let answer = app.as_user("alice").create(&json!({"chat_session_id": "chat-1"})).await.is(201);
    let info = answer.json();
    let id = info["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/v1/shared_chats/{id}"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(app.anonymous().view(id).await.is(200).json()["name"], "Quarterly report");
}

#[apply(on_both_databases)]
async fn a_link_is_public_and_frozen_unless_asked_otherwise(app: App) {
    let alice = app.as_user("alice");
    let plain = alice.share("chat-1").await;
    let mut info = plain.info.clone();
    for field in ["id", "url", "relative_path", "qr_code_url", "created_at", "updated_at"] {
        assert!(info[field].is_string(), "{field}");
        info[field] = format!("[{field}]").into();
    }
    insta::allow_duplicates! { insta::assert_json_snapshot!(info, @r#"
    {
      "audience": null,
      "chat_session_id": "chat-1",
      "created_at": "[created_at]",
      "expires_at": null,
      "id": "[id]",
      "includes_artifacts": false,
      "is_frozen": true,
      "is_private": false,
      "label": null,
      "limited_by_policy": [],
      "name": "Quarterly report",
      "qr_code_url": "[qr_code_url]",
      "relative_path": "[relative_path]",
      "showcase_id": null,
      "updated_at": "[updated_at]",
      "url": "[url]"
    }
    "#); }
    let at = app.after(Duration::days(1));
    let settings = json!({
        "is_private": true, "is_frozen": false, "includes_artifacts": true,
        "expires_at": at, "label": "for the board",
    });
    let info = alice.share_with("chat-1", settings.clone()).await.info;
    for (field, value) in settings.as_object().unwrap() {
        assert_eq!(info[field], *value, "{field}");
    }
    // Null is how some clients leave out what may be left out.
    let settings = json!({"expires_at": null, "label": null, "owner": null});
    assert_eq!(alice.share_with("chat-1", settings).await.info["label"], Value::Null);
}

#[apply(on_both_databases)]
async fn a_link_points_where_people_open_it(setup: Setup) {
    let app = setup
        .clone()
        .with("PUBLIC_URL", "https://chat.example/app/")
        .with("SHARE_PATH", "/s/{id}/view")
        .start()
        .await;
    let link = app.as_user("alice").share("chat-1").await;
    let id = &link.id;
    assert_eq!(link.info["url"], format!("https://chat.example/app/s/{id}/view"));
    assert_eq!(link.info["relative_path"], format!("/app/s/{id}/view"));
    assert_eq!(link.info["qr_code_url"], format!("/app/api/v1/shared_chats/{id}/qr_code"));
    let made = app.as_user("alice").create(&json!({"chat_session_id": "chat-1"})).await.is(201);
    let path = format!("/app/api/v1/shared_chats/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(made.header("location"), path);
    let page = app.as_user("alice").list("limit=1").await.is(200);
    let next = "</app/api/v1/shared_chats?offset=1&limit=1&after=";
    assert!(page.header("link").starts_with(next), "{}", page.header("link"));
    // Without PUBLIC_URL it is this service that opens it.
    let app = setup.start().await;
    let link = app.as_user("alice").share("chat-1").await;
    assert_eq!(link.info["url"], format!("{}/shared/{}", app.public_url, link.id));
}

#[apply(on_both_databases)]
async fn each_link_has_an_id_of_its_own(app: App) {
    let alice = app.as_user("alice");
    let (one, other) = (alice.share("chat-1").await, alice.share("chat-1").await);
    assert_ne!(one.id, other.id);
    let id = uuid::Uuid::parse_str(&one.id).unwrap();
    assert_eq!((id.get_version_num(), id.hyphenated().to_string()), (4, one.id));
}

#[apply(on_both_databases)]
async fn the_callers_own_token_is_forwarded_with_its_scheme(app: App) {
    let token = hs256(&claims(&app.clock, "alice"));
    for (sent, forwarded) in [
        (format!("Bearer {token}"), format!("Bearer {token}")),
        (format!("bEARER   {token}"), format!("Bearer {token}")),
        (format!("Bearer-Token {token}"), format!("Bearer-Token {token}")),
        (format!("BEARER-TOKEN {token}"), format!("Bearer-Token {token}")),
        (format!("Bearer-AD {token}"), format!("Bearer-AD {token}")),
    ] {
        let before = app.chats.asked().len();
        app.with_authorization(&sent).share("chat-1").await;
        let asked = app.chats.asked().split_off(before);
        assert!(asked.len() >= 3, "{asked:?}");
        for asked in asked {
            assert_eq!(asked.authorization, forwarded, "{}", asked.path);
        }
    }
}

#[apply(on_both_databases)]
async fn what_the_chat_service_refuses_is_refused(app: App) {
    let (alice, bob) = (app.as_user("alice"), app.as_user("bob"));
    let of = |chat: &str| json!({"chat_session_id": chat});
    bob.create(&of("chat-1")).await.fails(403, "forbidden");
    bob.create(&of("no-such-chat")).await.fails(404, "not_found");
    app.chats.misbehaves("/chat-1", Trouble::Status(401));
    alice.create(&of("chat-1")).await.fails(401, "invalid_token");
    assert_eq!(app.as_chat_service().links_of_chat("chat-1").await.json(), json!([]));
}

#[apply(on_both_databases)]
async fn a_chat_without_messages_cannot_be_shared(app: App) {
    app.chats.put("empty", Chat::of("alice", "Nothing yet", &[]));
    for is_frozen in [true, false] {
        let body = json!({"chat_session_id": "empty", "is_frozen": is_frozen});
        app.as_user("alice").create(&body).await.fails(422, "chat_is_empty");
    }
}

#[apply(on_both_databases)]
async fn a_chat_with_twenty_thousand_messages_is_shared_whole(app: App) {
    let messages: Vec<String> =
        (0..20_000).map(|n| message(&format!("m{n}"), &format!("Number {n}"))).collect();
    app.chats.put("long", Chat::of("alice", "Long", &messages));
    let link = app.as_user("alice").share("long").await;
    let view = app.anonymous().view(&link).await.is(200).json();
    let seen = view["messages"].as_array().unwrap();
    assert_eq!(seen.len(), 20_000);
    for (n, message) in seen.iter().enumerate() {
        assert_eq!(message["content"], format!("Number {n}"));
    }
}

#[apply(on_both_databases)]
async fn a_message_of_five_megabytes_is_shared_whole(app: App) {
    let text = "five megabytes of text, \u{1f40e} ".repeat(5_000_000 / 28);
    app.chats.put("large", Chat::of("alice", "Large", &[message("m1", &text)]));
    let link = app.as_user("alice").share("large").await;
    let view = app.anonymous().view(&link).await.is(200).json();
    assert_eq!(view["messages"][0]["content"].as_str().unwrap(), text);
}

#[apply(on_both_databases)]
async fn a_chat_over_the_bound_is_too_large(setup: Setup) {
    let app = setup.with("MAX_SNAPSHOT_BYTES", "64KiB").start().await;
    let large = message("m1", &"x".repeat(70_000));
    app.chats.put("large", Chat::of("alice", "Large", &[large]));
    let many: Vec<String> = (0..700).map(|n| reply(&format!("m{n}"), "m", "same")).collect();
    app.chats.put("many", Chat::of("alice", "Many", &many));
    for chat in ["large", "many"] {
        let body = json!({"chat_session_id": chat});
        app.as_user("alice").create(&body).await.fails(422, "chat_too_large");
        assert_eq!(app.as_chat_service().links_of_chat(chat).await.json(), json!([]));
    }
    app.as_user("alice").share("chat-1").await;
}

#[apply(on_both_databases)]
async fn nuls_and_lone_surrogates_come_back_as_they_were_sent(app: App) {
    let content = r#""a\u0000b \ud800 \udc00\ud83d\ude00 \/ é""#;
    let message = format!(
        r#"{{"id":"m1","content":{content},"created_at":"2026-03-01T10:00:00Z","reply_to":null}}"#
    );
    app.chats.put("odd", Chat::of("alice", "", &[message]));
    app.chats.change("odd", |chat| chat.name = r#""\ud800 one\u0000two \ud83d\ude00""#.to_owned());
    let name = "\u{fffd} one\u{fffd}two 😀";
    for frozen in [true, false] {
        let link = app.as_user("alice").share_with("odd", json!({"is_frozen": frozen})).await;
        assert_eq!(link.info["name"], name);
        for coding in ["identity", "gzip", "br", "zstd"] {
            let view = app.anonymous().view(&link).header("accept-encoding", coding).await.is(200);
            let view = view.text();
            assert!(view.contains(&format!(r#""content":{content}"#)), "{coding}: {view}");
            assert!(view.contains(name), "{coding}: {view}");
        }
        let page = app.anonymous().open(&link).await.is(200).text();
        assert!(page.contains("a\u{fffd}b"), "{page}");
    }
    assert_eq!(app.as_user("alice").list("name_filter=ONE%00two").await.ids().len(), 2);
}

#[apply(on_both_databases)]
async fn odd_messages_do_not_keep_a_chat_from_being_shared(app: App) {
    let odd = [
        r#"{"id":"m1","content":"Hello","created_at":1767225600}"#,
        r#"{"id":"m2","content":null,"created_at":1767225600.5,"reply_to":"m1"}"#,
        r#"{"id":"m3","content":"Bye","created_at":null,"reply_to":"m1"}"#,
        r#"{"id":"m4","content":"No time"}"#,
    ];
    app.chats.put("odd", Chat::of("alice", "Odd", &odd.map(str::to_owned)));
    let alice = app.as_user("alice");
    let live = json!({"is_frozen": false});
    for link in [alice.share("odd").await, alice.share_with("odd", live).await] {
        let view = app.anonymous().view(&link).await.is(200).json();
        let shown = view["messages"].as_array().unwrap().iter();
        let shown: Vec<_> =
            shown.map(|it| (it["content"].clone(), it["created_at"].clone())).collect();
        let expected = [
            ("Hello", "2026-01-01T00:00:00Z"),
            ("", "2026-01-01T00:00:00.500Z"),
            ("Bye", ""),
            ("No time", ""),
        ];
        assert_eq!(shown, expected.map(|(content, time)| (json!(content), json!(time))));
        let page = app.anonymous().open(&link).await.is(200).text();
        assert!(page.contains("Empty message") && page.contains("No time"), "{page}");
    }
    app.chats.change("odd", |chat| chat.messages.push(r#"{"id":"m5","content":["x"]}"#.to_owned()));
    let body = json!({"chat_session_id": "odd"});
    alice.create(&body).await.fails(502, "chat_service_error");
}

#[apply(on_both_databases)]
async fn a_view_of_a_chat_without_a_name_has_an_empty_one(app: App) {
    app.chats.put_named("nameless", "");
    app.chats.change("nameless", |chat| chat.name = "null".to_owned());
    let link = app.as_user("alice").share("nameless").await;
    assert_eq!(link.info["name"], Value::Null);
    // The published client raises on null.
    assert_eq!(app.anonymous().view(&link).await.json()["name"], "");
    let page = app.anonymous().open(&link).await.is(200).text();
    assert!(page.contains("<h1><bdi>Untitled chat</bdi></h1>"), "{page}");
    assert_eq!(app.as_user("alice").list("sort=name").await.ids(), [link.id]);
}

#[apply(on_both_databases)]
async fn a_field_that_is_not_known_never_makes_a_link(app: App) {
    let alice = app.as_user("alice");
    for field in ["is_privat", "isPrivate", "IS_PRIVATE", "id", "is_private "] {
        let mut body = json!({"chat_session_id": "chat-1"});
        body[field] = true.into();
        let message = alice.create(&body).await.fails(400, "bad_request");
        assert!(message.contains(field), "{message}");
    }
    let twice = r#"{"chat_session_id":"chat-1","is_private":true,"is_private":false}"#;
    let request = alice.request("POST", "/api/v1/shared_chats").body("application/json", twice);
    let message = request.await.fails(400, "bad_request");
    assert!(message.contains("is_private"), "{message}");
    assert_eq!(alice.list("").await.json(), json!([]));
    assert!(app.chats.asked().is_empty());
}

#[apply(on_both_databases)]
async fn a_field_of_another_type_is_refused_by_its_name(app: App) {
    for (field, value) in [
        ("is_private", json!("yes")),
        ("is_private", json!("true")),
        ("is_private", json!(1)),
        ("is_private", json!(null)),
        ("is_frozen", json!(null)),
        ("includes_artifacts", json!([])),
        ("chat_session_id", json!(null)),
        ("chat_session_id", json!(7)),
        ("expires_at", json!(1_900_000_000)),
        ("expires_at", json!("")),
        ("label", json!(["a"])),
        ("owner", json!("bob")),
    ] {
        let mut body = json!({"chat_session_id": "chat-1"});
        body[field] = value;
        let message = app.as_user("alice").create(&body).await.fails(400, "bad_request");
        assert!(message.starts_with(field), "{body}: {message}");
    }
    for body in [json!({}), json!({"is_private": true})] {
        let message = app.as_user("alice").create(&body).await.fails(400, "bad_request");
        assert!(message.contains("chat_session_id"), "{message}");
    }
}

#[apply(on_both_databases)]
async fn a_body_that_is_no_object_is_refused(app: App) {
    for body in [
        r#"["chat-1",false,true,false,null,null,null]"#,
        r#"{"chat_session_id":"bobs-chat","owner":["bob",null]}"#,
        "null",
        "\"chat-1\"",
        "7",
        "",
        "{",
        r#"{"chat_session_id":"chat-1"} trailing"#,
        r#"{"chat_session_id":"chat-1"}{"chat_session_id":"chat-1"}"#,
    ] {
        for caller in [app.as_user("alice"), app.as_chat_service()] {
            let request = caller.request("POST", "/api/v1/shared_chats");
            request.body("application/json", body).await.fails(400, "bad_request");
        }
    }
}

#[apply(on_both_databases)]
async fn ids_that_could_steer_a_request_are_refused(app: App) {
    for id in [
        "",
        ".",
        "..",
        "a/b",
        "../../admin",
        "%2e%2e",
        "a?b",
        "a#b",
        "a b",
        "a\0",
        "a\n",
        "é",
        "a;b",
        "a:b",
        &"x".repeat(129),
        &"x".repeat(10_000),
    ] {
        let request = app.as_user("alice").create(&json!({"chat_session_id": id}));
        let message = request.await.fails(400, "bad_request");
        assert!(message.starts_with("chat_session_id"), "{id:?}: {message}");
    }
    assert!(app.chats.asked().is_empty());
    for id in ["...", "A-z.0_9~", &"x".repeat(128)] {
        app.chats.put_named(id, "Odd id");
        let link = app.as_user("alice").share(id).await;
        assert_eq!(link.info["chat_session_id"], id);
    }
}

#[apply(on_both_databases)]
async fn an_expiry_lies_in_the_future_and_has_a_zone(app: App) {
    let now = app.now().to_rfc3339();
    for at in [
        &*now,
        "2020-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2999-01-01T00:00:00",
        "2999-01-01",
        "2999-01-01 00:00:00Z",
        "2999-13-01T00:00:00Z",
        "2999-02-30T00:00:00Z",
        "tomorrow",
        "9999-12-31T23:59:59-01:00",
        "+12345-01-01T00:00:00Z",
        "2999-01-01T00:00:00Zé",
        "2999-01-0éT00:00:00Z",
    ] {
        let body = json!({"chat_session_id": "chat-1", "expires_at": at});
        let message = app.as_user("alice").create(&body).await.fails(400, "bad_request");
        assert!(message.starts_with("expires_at"), "{at}: {message}");
    }
}

#[apply(on_both_databases)]
async fn an_expiry_comes_back_in_utc(app: App) {
    let alice = app.as_user("alice");
    for (given, kept) in [
        ("2999-01-01T01:30:00+01:30", "2999-01-01T00:00:00Z"),
        ("2999-01-01t00:00:00z", "2999-01-01T00:00:00Z"),
        ("2999-01-01T00:00:00.123456789Z", "2999-01-01T00:00:00.123456Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        // A leap second is the one after it, as in Unix time.
        ("2998-12-31T23:59:60Z", "2999-01-01T00:00:00Z"),
    ] {
        let link = alice.share_with("chat-1", json!({"expires_at": given})).await;
        assert_eq!(link.info["expires_at"], kept);
        assert_eq!(app.anonymous().view(&link).await.json()["expires_at"], kept);
        assert_eq!(alice.list("").await.json()[0]["expires_at"], kept);
    }
}

#[apply(on_both_databases)]
async fn a_label_has_at_most_200_characters(app: App) {
    let alice = app.as_user("alice");
    for label in ["é".repeat(201), "a\0b".to_owned()] {
        let body = json!({"chat_session_id": "chat-1", "label": label});
        let message = alice.create(&body).await.fails(400, "bad_request");
        assert!(message.starts_with("label"), "{message}");
    }
    let longest = "é".repeat(200);
    let link = alice.share_with("chat-1", json!({"label": longest})).await;
    assert_eq!(link.info["label"], longest);
    let quoted = r#"'); DROP TABLE shared_chats; --"\"#;
    alice.share_with("chat-1", json!({"label": quoted})).await;
    assert_eq!(alice.list("").await.json()[0]["label"], quoted);
}

#[apply(on_both_databases)]
async fn creating_needs_a_signed_in_caller(app: App) {
    let body = json!({"chat_session_id": "chat-1"});
    app.anonymous().create(&body).await.fails(401, "login_required");
    app.with_token("rubbish").create(&body).await.fails(401, "invalid_token");
    assert!(app.chats.asked().is_empty());
}

#[apply(on_both_databases)]
async fn refusals_come_in_their_order(app: App) {
    let malformed = json!({"chat_session_id": "..", "is_privat": true});
    app.anonymous().create(&malformed).await.fails(401, "login_required");
    app.as_user("bob").create(&malformed).await.fails(400, "bad_request");
    // What is out of range comes before who may do it.
    for wrong in [json!({"label": "x".repeat(201)}), json!({"expires_at": "2020-01-01T00:00:00Z"})]
    {
        let mut body = wrong;
        body["chat_session_id"] = "chat-1".into();
        body["owner"] = json!({"id": "bob"});
        app.as_user("bob").create(&body).await.fails(400, "bad_request");
    }
}

#[apply(on_both_databases)]
async fn a_user_cannot_name_an_owner(app: App) {
    for owner in ["alice", "bob"] {
        let body = json!({"chat_session_id": "chat-1", "owner": {"id": owner}});
        app.as_user("alice").create(&body).await.fails(403, "forbidden");
    }
    assert!(app.chats.asked().is_empty());
}

#[apply(on_both_databases)]
async fn the_chat_service_creates_for_an_owner_with_the_services_credential(app: App) {
    let owner = json!({"owner": {"id": "alice", "name": "Alice A."}});
    let link = app.as_chat_service().share_with("chat-1", owner).await;
    for asked in app.chats.asked() {
        assert_eq!(asked.authorization, format!("Bearer {}", crate::support::SERVICE_TOKEN));
    }
    // It is Alice's, as if she had made it.
    assert_eq!(app.as_user("alice").list("").await.ids(), [link.id.as_str()]);
    assert_eq!(app.anonymous().view(&link).await.json()["shared_by"], "Alice A.");
    app.as_user("alice").delete(&link).await.is(204);
}

#[apply(on_both_databases)]
async fn the_chat_service_must_name_an_owner(app: App) {
    for owner in [json!(null), json!({}), json!({"id": ""}), json!({"id": "a\0"}), json!({"id": 1})]
    {
        let body = json!({"chat_session_id": "chat-1", "owner": owner});
        let message = app.as_chat_service().create(&body).await.fails(400, "bad_request");
        assert!(message.starts_with("owner"), "{message}");
    }
    let unknown = json!({"id": "alice", "email": "alice@example.com"});
    let body = json!({"chat_session_id": "chat-1", "owner": unknown});
    let message = app.as_chat_service().create(&body).await.fails(400, "bad_request");
    assert!(message.contains("email"), "{message}");
}

#[apply(on_both_databases)]
async fn the_sharers_name_is_never_an_address_or_an_id(app: App) {
    for (members, shared_by) in [
        (json!({"name": "Alice A."}), json!("Alice A.")),
        (json!({"name": "alice@example.com", "preferred_username": "al"}), json!("al")),
        (json!({"name": null, "preferred_username": "al"}), json!("al")),
        (json!({"name": "alice@example.com"}), json!("")),
        (json!({"name": "alice"}), json!("")),
        (json!({"name": "  "}), json!("")),
        (json!({"name": ["Alice"]}), json!("")),
    ] {
        let mut claims = claims(&app.clock, "alice");
        claims.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let link = app.with_token(&hs256(&claims)).share("chat-1").await;
        let view = app.anonymous().view(&link).await.json();
        assert_eq!(view["shared_by"], shared_by, "{members}");
    }
}

#[apply(on_both_databases)]
async fn the_owners_name_is_never_an_address_or_an_id(app: App) {
    for (name, shared_by) in [
        (json!("Alice A."), json!("Alice A.")),
        (json!("alice@example.com"), json!("")),
        (json!("alice"), json!("")),
        (json!(" "), json!("")),
        (json!(null), json!("")),
        (json!("A\0B"), json!("A\u{fffd}B")),
    ] {
        let owner = json!({"owner": {"id": "alice", "name": name}});
        let link = app.as_chat_service().share_with("chat-1", owner).await;
        let view = app.anonymous().view(&link).await.json();
        assert_eq!(view["shared_by"], shared_by, "{name}");
    }
}

#[apply(on_both_databases)]
async fn a_chat_service_in_trouble_leaves_nothing_behind(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TIMEOUT", "5s").start().await;
    let body = json!({"chat_session_id": "chat-1"});
    let elsewhere = format!("{}/api/v1/chats/bobs-chat", app.chats.url);
    let no_message = r#"[{"id":"m1","content":7,"created_at":"2026-01-01T00:00:00Z"}]"#;
    let other_chat = r#"{"id":"bobs-chat","name":"x"}"#;
    for (at, trouble, status) in [
        ("/chat-1", Trouble::Status(500), 502),
        ("/chat-1", Trouble::Status(429), 502),
        ("/chat-1", Trouble::Status(204), 502),
        ("/chat-1", Trouble::Body("<html>Sign in</html>".to_owned()), 502),
        ("/chat-1", Trouble::Body("[]".to_owned()), 502),
        ("/chat-1", Trouble::Body(other_chat.to_owned()), 502),
        ("/chat-1", Trouble::Redirect(elsewhere), 502),
        ("/messages", Trouble::Status(503), 502),
        ("/messages", Trouble::Body("{}".to_owned()), 502),
        ("/messages", Trouble::Body("null".to_owned()), 502),
        ("/messages", Trouble::Body(no_message.to_owned()), 502),
        ("/messages", Trouble::BreaksOff, 502),
        ("/messages", Trouble::Body(format!("[{}]", message("m1", "again and again"))), 502),
        ("/messages", Trouble::Endless, 422),
        ("/agent_server_files", Trouble::Status(500), 502),
        ("/agent_server_files", Trouble::Body("nonsense".to_owned()), 502),
    ] {
        let alice = app.as_user("alice");
        app.chats.misbehaves(at, trouble.clone());
        let key = format!("{at}{status}");
        let answer = alice.create(&body).header("idempotency-key", &key).await;
        let error_type = if status == 422 { "chat_too_large" } else { "chat_service_error" };
        let message = answer.fails(status, error_type);
        assert!(!message.contains("upstream secret"), "{trouble:?}: {message}");
        app.chats.recovers();
        assert_eq!(app.as_chat_service().links_of_chat("chat-1").await.json(), json!([]));
        // The key was not used up by what failed.
        let made = alice.create(&body).header("idempotency-key", &key).await.is(201).json();
        alice.delete(made["id"].as_str().unwrap()).await.is(204);
        app.clock.advance(Duration::hours(25));
    }
}

#[apply(on_both_databases)]
async fn a_chat_service_that_is_down_leaves_nothing_behind(setup: Setup) {
    // Nothing listens on port 1 of loopback.
    let app = setup.with("CHAT_SERVICE_URL", "http://127.0.0.1:1").start().await;
    let body = json!({"chat_session_id": "chat-1"});
    app.as_user("alice").create(&body).await.fails(502, "chat_service_error");
    assert_eq!(app.as_user("alice").list("").await.json(), json!([]));
}

#[apply(on_both_databases)]
async fn a_chat_service_that_is_slow_leaves_nothing_behind(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TIMEOUT", "300ms").start().await;
    let body = json!({"chat_session_id": "chat-1"});
    for (at, trouble) in [
        ("/chat-1", Trouble::Silence),
        ("/messages", Trouble::Drips),
        ("/agent_server_files", Trouble::Silence),
    ] {
        app.chats.misbehaves(at, trouble);
        app.as_user("alice").create(&body).await.fails(504, "chat_service_timeout");
        app.chats.recovers();
        assert_eq!(app.as_user("alice").list("").await.json(), json!([]));
    }
}

#[apply(on_both_databases)]
async fn the_service_credential_being_refused_is_not_the_callers_fault(setup: Setup) {
    let app = setup.with("CHAT_SERVICE_TOKEN", "an-old-credential").start().await;
    let body = json!({"chat_session_id": "chat-1", "owner": {"id": "alice"}});
    app.as_chat_service().create(&body).await.fails(502, "chat_service_error");
    for status in [401, 403] {
        app.chats.misbehaves("/chat-1", Trouble::Status(status));
        app.as_chat_service().create(&body).await.fails(502, "chat_service_error");
    }
    app.chats.misbehaves("/chat-1", Trouble::Status(404));
    app.as_chat_service().create(&body).await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn live_links_need_a_credential_of_the_service(setup: Setup) {
    let app = setup.without("CHAT_SERVICE_TOKEN").start().await;
    let live = json!({"chat_session_id": "chat-1", "is_frozen": false});
    let message = app.as_user("alice").create(&live).await.fails(400, "bad_request");
    assert!(
        message.starts_with("is_frozen") && message.contains("CHAT_SERVICE_TOKEN"),
        "{message}"
    );
    app.as_user("alice").share("chat-1").await;
    let for_alice = json!({"chat_session_id": "chat-1", "owner": {"id": "alice"}});
    app.as_chat_service().create(&for_alice).await.fails(400, "bad_request");
}

#[apply(on_both_databases)]
async fn a_client_that_goes_away_leaves_no_half_link(app: App) {
    let held = app.chats.hold("/messages");
    let request = app.as_user("alice").create(&json!({"chat_session_id": "chat-1"}));
    request.abandon_after(std::time::Duration::from_millis(200)).await;
    held.let_go();
    // Whole or not at all: every link that is listed can be viewed.
    for id in app.as_user("alice").list("").await.ids() {
        app.anonymous().view(id).await.is(200);
    }
    app.as_user("alice").share("chat-1").await;
}
