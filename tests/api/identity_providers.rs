//! Access tokens as common providers make them, with the settings of docs/IDENTITY-PROVIDERS.md; and
//! the reason in the log where such a setting is missing.

use serde_json::{Value, json};

use crate::support::{App, Issuer, Setup, apply, hs256, on_both_databases};

/// Claims of a provider's tokens, beside `iss`, `exp` and the like.
struct Provider {
    settings: &'static [(&'static str, &'static str)],
    user: Value,
    /// `None` where the provider has no tokens for services.
    service: Option<Value>,
    /// Tokens that are refused without what the page says, and why.
    refused: Vec<(Value, &'static str)>,
    /// What a user's token may have without becoming the chat service.
    powerless: Vec<Value>,
}

const OURS: &str = "shared_chats:service";

async fn try_out(setup: Setup, provider: Provider) {
    let (mut setup, issuer) = setup.with_issuer().await;
    for (name, value) in provider.settings {
        setup = setup.with(name, *value);
    }
    let app = setup.start().await;
    let user = app.with_token(&token(&app, &issuer, &provider.user));
    user.list("").await.is(200);
    user.links_of_chat("chat-1").await.fails(403, "forbidden");
    assert_eq!(app.refused(), "no scope shared_chats:service");
    for more in provider.powerless {
        let claims = with(&provider.user, &more);
        let user = app.with_token(&token(&app, &issuer, &claims));
        user.links_of_chat("chat-1").await.fails(403, "forbidden");
    }
    if let Some(service) = provider.service {
        let service = app.with_token(&token(&app, &issuer, &service));
        service.links_of_chat("chat-1").await.is(200);
    }
    for (claims, why) in provider.refused {
        let token = token(&app, &issuer, &claims);
        app.with_token(&token).list("").await.fails(401, "invalid_token");
        assert_eq!(app.refused(), why, "{claims}");
    }
}

fn token(app: &App, issuer: &Issuer, claims: &Value) -> String {
    let mut all = issuer.claims(&app.clock, "a-user");
    all.as_object_mut().unwrap().remove("aud");
    issuer.token("1", &with(&all, claims))
}

fn with(claims: &Value, more: &Value) -> Value {
    let mut claims = claims.as_object().unwrap().clone();
    claims.extend(more.as_object().unwrap().clone());
    claims.into()
}

#[apply(on_both_databases)]
async fn keycloak(setup: Setup) {
    try_out(
        setup,
        Provider {
            settings: &[("AUTH_AUDIENCE", "shared-chats")],
            user: json!({
                "typ": "Bearer", "azp": "frontend", "aud": ["shared-chats", "account"],
                "scope": "openid profile", "realm_access": {"roles": ["offline_access"]},
                "name": "Alice", "preferred_username": "alice", "sub": "9b0c6c2e",
            }),
            service: Some(json!({"azp": "chats", "aud": "shared-chats", "scope": OURS})),
            // Without the mapper of the audience, and without the client scope `basic`.
            refused: vec![
                (json!({"aud": "account", "azp": "shared-chats"}), "wrong audience"),
                (json!({"azp": "shared-chats"}), "wrong audience"),
                (json!({"aud": "shared-chats", "sub": null}), "bad subject"),
            ],
            powerless: vec![json!({"realm_access": {"roles": [OURS]}})],
        },
    )
    .await;
}

#[apply(on_both_databases)]
async fn auth0(setup: Setup) {
    try_out(
        setup,
        Provider {
            settings: &[("AUTH_AUDIENCE", "https://links.example")],
            user: json!({
                "aud": ["https://links.example", "https://tenant.auth0.com/userinfo"],
                "azp": "frontend", "scope": "openid profile", "sub": "auth0|5f7c", "permissions": [],
            }),
            service: Some(json!({
                "aud": "https://links.example", "sub": "chats@clients", "gty": "client-credentials",
                "scope": OURS,
            })),
            refused: vec![(json!({"aud": "https://tenant.auth0.com/userinfo"}), "wrong audience")],
            powerless: vec![json!({"permissions": [OURS]})],
        },
    )
    .await;
}

#[apply(on_both_databases)]
async fn entra_id(setup: Setup) {
    try_out(
        setup,
        Provider {
            settings: &[
                ("AUTH_AUDIENCE", "00000000-0000-0000-0000-0000000000aa"),
                ("AUTH_SCOPE_CLAIMS", "roles"),
            ],
            user: json!({
                "aud": "00000000-0000-0000-0000-0000000000aa", "ver": "2.0", "scp": "Links.Use",
                "name": "Alice", "preferred_username": "alice@corp.example", "sub": "pairwise",
            }),
            service: Some(json!({
                "aud": "00000000-0000-0000-0000-0000000000aa", "ver": "2.0", "idtyp": "app",
                "roles": [OURS], "sub": "service-principal",
            })),
            refused: vec![
                // A token for Graph; and one of version 1.
                (json!({"aud": "00000003-0000-0000-c000-000000000000"}), "wrong audience"),
                (json!({"aud": "api://links"}), "wrong audience"),
                (json!({"iss": "https://sts.windows.net/tenant/"}), "wrong issuer"),
            ],
            powerless: vec![json!({"scp": OURS}), json!({"scope": OURS})],
        },
    )
    .await;
}

#[apply(on_both_databases)]
async fn okta(setup: Setup) {
    try_out(
        setup,
        Provider {
            settings: &[("AUTH_AUDIENCE", "api://default")],
            user: json!({
                "aud": "api://default", "cid": "frontend", "uid": "00u1", "sub": "alice@corp.example",
                "scp": ["openid", "profile"],
            }),
            service: Some(json!({"aud": "api://default", "cid": "chats", "sub": "chats", "scp": [OURS]})),
            refused: vec![(json!({"aud": "https://corp.okta.com"}), "wrong audience")],
            powerless: vec![json!({"groups": [OURS]})],
        },
    )
    .await;
}

#[apply(on_both_databases)]
async fn google(setup: Setup) {
    try_out(
        setup,
        Provider {
            settings: &[("AUTH_AUDIENCE", "123.apps.googleusercontent.com")],
            user: json!({
                "aud": "123.apps.googleusercontent.com", "azp": "123.apps.googleusercontent.com",
                "sub": "110169484474386276334", "name": "Alice", "email": "alice@example.com",
            }),
            service: None,
            refused: vec![(json!({"aud": "456.apps.googleusercontent.com"}), "wrong audience")],
            powerless: vec![],
        },
    )
    .await;
}

#[apply(on_both_databases)]
async fn cognito(setup: Setup) {
    try_out(
        setup,
        Provider {
            settings: &[
                ("AUTH_AUDIENCE", "1example23456789"),
                ("AUTH_AUDIENCE_CLAIM", "client_id"),
            ],
            user: json!({
                "client_id": "1example23456789", "token_use": "access", "username": "alice",
                "scope": "openid profile aws.cognito.signin.user.admin", "sub": "aaaa-bbbb",
            }),
            service: None,
            refused: vec![
                (json!({"client_id": "another"}), "wrong audience"),
                // An ID token.
                (json!({"aud": "1example23456789", "token_use": "id"}), "wrong audience"),
            ],
            powerless: vec![json!({"scope": "links/shared_chats:service"})],
        },
    )
    .await;
}

#[apply(on_both_databases)]
async fn cognito_with_claims_of_a_trigger(setup: Setup) {
    try_out(
        setup,
        Provider {
            settings: &[
                ("AUTH_AUDIENCE", "shared-chats"),
                ("AUTH_AUDIENCE_CLAIM", "links_audience"),
                ("AUTH_SCOPE_CLAIMS", "links_scope"),
            ],
            user: json!({"client_id": "frontend", "links_audience": "shared-chats"}),
            service: Some(json!({
                "client_id": "chats", "links_audience": "shared-chats", "links_scope": OURS,
            })),
            refused: vec![(json!({"client_id": "frontend"}), "wrong audience")],
            powerless: vec![json!({"scope": OURS})],
        },
    )
    .await;
}

#[apply(on_both_databases)]
async fn authentik(setup: Setup) {
    try_out(
        setup,
        Provider {
            settings: &[("AUTH_AUDIENCE", "links-client-id")],
            user: json!({
                "aud": "links-client-id", "azp": "links-client-id", "uid": "x", "sub": "hashed",
                "name": "Alice", "preferred_username": "alice", "groups": ["staff"],
            }),
            service: Some(json!({"aud": "links-client-id", "sub": "hashed-2", "scp": [OURS]})),
            refused: vec![(json!({"aud": "another-client"}), "wrong audience")],
            powerless: vec![json!({"groups": [OURS]})],
        },
    )
    .await;
}

#[apply(on_both_databases)]
async fn the_reason_of_a_refusal_is_on_the_line_of_the_request_and_nowhere_else(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.with("AUTH_COOKIE", "session").start().await;
    let good = issuer.claims(&app.clock, "alice");
    let alice = app.with_token(&issuer.token("1", &good));
    let private = alice.share_private("chat-1").await;
    assert_eq!(app.refused(), "");
    let signed =
        |claim: &str, value: Value| issuer.token("1", &with(&good, &json!({claim: value})));
    let opaque = "ya29.a0AfH6SMBx";
    for (authorization, why) in [
        (format!("Bearer {opaque}"), "malformed"),
        (format!("Bearer {}", signed("aud", json!("others"))), "wrong audience"),
        (format!("Bearer {}", signed("iss", json!("others"))), "wrong issuer"),
        (format!("Bearer {}", signed("exp", json!(1))), "expired"),
        (format!("Bearer {}", signed("nbf", json!(9_999_999_999_u64))), "not yet valid"),
        (format!("Bearer {}", signed("sub", json!(null))), "bad subject"),
        (format!("Bearer {}", issuer.token("2", &good)), "unknown key"),
        (format!("Bearer-AD {}", hs256(&good)), "algorithm not allowed"),
        ("Basic YTpi".to_owned(), "another scheme than Bearer"),
        ("Bearer".to_owned(), "malformed Authorization header"),
    ] {
        let client = app.with_authorization(&authorization);
        client.list("").await.fails(401, "invalid_token");
        assert_eq!(app.refused(), why, "of the API");
        client.open(&private).await.is(401);
        let line = app.access_log().pop().unwrap();
        assert_eq!((line["refused"].as_str(), line["status"].as_str()), (Some(why), Some("401")));
    }
    // Of several cookies it is the first one's.
    let cookies = format!("session={}; session=rubbish", signed("aud", json!("others")));
    let answer = app.anonymous().list("").header("cookie", &cookies).await;
    assert!(!answer.text().contains("audience"));
    answer.fails(401, "invalid_token");
    assert_eq!(app.refused(), "wrong audience");
    let two = alice.list("").header("authorization", "Basic YTpi");
    two.await.fails(401, "invalid_token");
    assert_eq!(app.refused(), "several Authorization headers");
    // Where there is no credential, or none is needed, nothing is refused.
    app.anonymous().list("").await.fails(401, "login_required");
    alice.list("").await.is(200);
    for line in app.access_log().iter().rev().take(2) {
        assert_eq!(line["refused"], Value::Null, "{line}");
    }
    let log = json!(app.access_log()).to_string();
    assert!(!log.contains("eyJ") && !log.contains("ya29") && !log.contains("YTpi"), "{log}");
}
