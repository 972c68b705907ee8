//! What a forger sends over HTTP. Which claim, key or algorithm is refused for which reason stands
//! in `auth::tests::attacks`; here is what the layer of HTTP adds, and that every kind of call
//! refuses. That many unknown keys ask the provider once stands there, in `auth`, and end to end.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::{
    Answer, App, Client, Request, Setup, apply, claims, hs256, on_both_databases, part,
};

/// Every kind of call that a credential decides.
fn calls(client: &Client, private: &str) -> Vec<Request> {
    vec![
        client.list(""),
        client.create(&json!({"chat_session_id": "chat-1"})),
        client.view(private),
        client.get(&format!("/shared/{private}")).header("accept", "application/json"),
        client.change(private, &json!({"is_private": false})),
        client.delete(private),
        client.batch_delete(&[private]),
        client.links_of_chat("chat-1"),
        client.chat_was_deleted("chat-1"),
        client.chat_changed("chat-1"),
    ]
}

async fn opens_nothing(client: &Client, private: &str, what: &str) {
    for call in calls(client, private) {
        let answer = call.await;
        let call = format!("{what}: {} {}", answer.method, answer.path);
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{call}");
        let message = answer.fails(401, "invalid_token");
        // The answer does not say which of the things was wrong.
        assert_eq!(message, "The token is not valid, or not any more.", "{call}");
    }
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

#[apply(on_both_databases)]
async fn a_forged_token_opens_nothing(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.start().await;
    let good = issuer.claims(&app.clock, "alice");
    let alice = app.with_token(&issuer.token("1", &good));
    let private = alice.share_private("chat-1").await.id;
    let now = app.now().timestamp();
    let secret = |key: &[u8], header: Value| {
        let message = format!("{}.{}", part(&header), part(&good));
        let key = EncodingKey::from_secret(key);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    };
    let signed = |claims: Value| issuer.token("1", &claims);
    let unsigned = format!("{}.{}.", part(&json!({"alg": "none", "kid": "1"})), part(&good));
    let evil = json!("http://127.0.0.1:1/keys");
    let brought = |member: &str| {
        secret(b"mine", json!({"alg": "RS256", "kid": "1", member: evil, "typ": "JWT"}))
    };
    let forgeries = [
        ("alg none", unsigned),
        (
            "HS256 with the public key",
            secret(issuer.public_modulus().as_bytes(), json!({"alg": "HS256", "kid": "1"})),
        ),
        ("an unlisted alg", secret(b"mine", json!({"alg": "ES512", "kid": "1"}))),
        ("no kid, and another's signature", secret(b"mine", json!({"alg": "RS256"}))),
        ("an unknown kid", issuer.token("unknown", &good)),
        ("a kid that is a path", issuer.token("../../dev/null", &good)),
        ("a kid of 10 KB", issuer.token(&"k".repeat(10_240), &good)),
        ("jku", brought("jku")),
        ("jwk", brought("jwk")),
        ("x5u", brought("x5u")),
        ("expired", signed(with(&good, "exp", json!(now - 6)))),
        ("not yet", signed(with(&good, "nbf", json!(now + 60)))),
        ("another issuer", signed(with(&good, "iss", json!("https://evil.example")))),
        ("another audience", signed(with(&good, "aud", json!("another")))),
        ("other audiences", signed(with(&good, "aud", json!(["one", "another"])))),
        ("an empty subject", signed(with(&good, "sub", json!("")))),
        ("16 KB", signed(with(&good, "pad", json!("x".repeat(16_384))))),
    ];
    let asked = app.chats.asked().len();
    for (what, token) in &forgeries {
        opens_nothing(&app.with_token(token), &private, what).await;
    }
    assert_eq!(app.chats.asked().len(), asked, "the chat service was asked");
    assert_eq!(alice.list("").await.is(200).ids(), [private.as_str()]);
    app.anonymous().view(&private).await.is(401);
}

#[apply(on_both_databases)]
async fn two_credentials_are_refused_whichever_is_good(app: App) {
    let private = app.as_user("alice").share_private("chat-1").await.id;
    let alice = format!("Bearer {}", hs256(&claims(&app.clock, "alice")));
    let bob = format!("Bearer {}", hs256(&claims(&app.clock, "bob")));
    for (first, second) in [
        (alice.as_str(), alice.as_str()),
        (&alice, &bob),
        (&alice, "Bearer rubbish"),
        ("Bearer rubbish", &alice),
        (&alice, "Basic YTpi"),
        ("", &alice),
    ] {
        let client = app.with_authorization(first);
        for call in calls(&client, &private) {
            call.header("authorization", second).await.fails(401, "invalid_token");
        }
        // As one header, as a proxy may join them (RFC 9110, 5.2).
        let joined = app.with_authorization(&format!("{first}, {second}"));
        joined.list("").await.fails(401, "invalid_token");
    }
    app.with_authorization(&alice).view(&private).await.is(200);
}

#[apply(on_both_databases)]
async fn a_credential_elsewhere_than_in_its_header_is_none(setup: Setup) {
    let app = setup.start().await;
    let private = app.as_user("alice").share_private("chat-1").await;
    let token = hs256(&claims(&app.clock, "alice"));
    let anyone = app.anonymous();
    for query in [format!("access_token={token}"), format!("token={token}")] {
        anyone.list(&query).await.fails(401, "login_required");
        let view = anyone.get(&format!("{}?{query}", private.path())).await;
        view.fails(401, "login_required");
    }
    let value = format!("Bearer {token}");
    for header in ["proxy-authorization", "x-authorization", "x-forwarded-access-token", "cookie"] {
        anyone.list("").header(header, &value).await.fails(401, "login_required");
    }
    for header in ["x-forwarded-user", "x-remote-user", "x-user-id", "remote-user"] {
        anyone.list("").header(header, "alice").await.fails(401, "login_required");
    }
}

#[apply(on_both_databases)]
async fn an_audience_as_an_array_is_read_as_one(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.start().await;
    let good = issuer.claims(&app.clock, "alice");
    let ours = good["aud"].clone();
    for (aud, status) in [
        (json!([ours]), 200),
        (json!(["another", ours]), 200),
        (json!(["another"]), 401),
        (json!([[ours]]), 401),
        (json!({"0": ours}), 401),
    ] {
        let token = issuer.token("1", &with(&good, "aud", aud.clone()));
        assert_eq!(app.with_token(&token).list("").await.status, status, "{aud}");
    }
}

#[apply(on_both_databases)]
async fn a_scope_that_only_looks_like_the_chat_services_is_not(app: App) {
    let link = app.as_user("alice").share("chat-1").await;
    for (claim, value) in [
        ("scope", json!("xshared_chats:service")),
        ("scope", json!("shared_chats:servicex")),
        ("scope", json!("shared_chats:service:read shared_chats")),
        ("scope", json!(["shared_chats:service openid"])),
        ("scp", json!("xshared_chats:service")),
        ("scp", json!(["xshared_chats:service"])),
        ("scp", json!(17)),
        ("roles", json!(["shared_chats:service"])),
        ("permissions", json!(["shared_chats:service"])),
    ] {
        let mallory = with(&claims(&app.clock, "mallory"), claim, value);
        let mallory = app.with_token(&hs256(&mallory));
        mallory.links_of_chat("chat-1").await.fails(403, "forbidden");
        mallory.chat_was_deleted("chat-1").await.fails(403, "forbidden");
        mallory.chat_changed("chat-1").await.fails(403, "forbidden");
        let owned = json!({"chat_session_id": "chat-1", "owner": {"id": "alice"}});
        mallory.create(&owned).await.fails(403, "forbidden");
    }
    app.anonymous().view(&link).await.is(200);
}

#[apply(on_both_databases)]
async fn a_long_token_is_401_and_a_head_over_the_bound_431(app: App) {
    let head = |bytes: usize| {
        let token = "x".repeat(bytes);
        format!(
            "GET /api/v1/shared_chats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
    };
    for bytes in [17_000, 100_000] {
        let answer: Answer = app.send_raw(head(bytes).as_bytes()).await;
        answer.fails(401, "invalid_token");
    }
    // A head over the framework's bound is refused before anything of it is looked at.
    for bytes in [200_000, 1_000_000, 20_000_000] {
        let answer = app.send_nonsense(head(bytes).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{bytes}: {:?}", answer.lines().next());
    }
    app.as_user("alice").list("").await.is(200);
}
