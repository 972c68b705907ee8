//! Tokens over HTTP (docs/API.md 1). Every claim by itself is tested where it is read, in `auth`.

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::{App, Setup, apply, claims, hs256, on_both_databases};

/// Asks for what only a signed-in user gets.
async fn status(app: &App, token: &str) -> u16 {
    app.with_token(token).list("").await.status
}

#[apply(on_both_databases)]
async fn a_token_that_proves_nothing_is_refused_with_a_challenge(app: App) {
    let good = claims(&app.clock, "alice");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        hs256(&claims)
    };
    let now = app.now().timestamp();
    let token = hs256(&good);
    let (unsigned, signature) = token.rsplit_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIn0";
    for bad in [
        with("exp", json!(null)),
        with("exp", json!(now - 60)),
        with("exp", json!("tomorrow")),
        with("nbf", json!(now + 60)),
        with("sub", json!("")),
        with("sub", json!(null)),
        with("sub", json!(7)),
        with("sub", json!("a\nb")),
        with("sub", json!("x".repeat(256))),
        with("padding", json!("x".repeat(20_000))),
        format!("{unsigned}."),
        format!("{unsigned}.{}", signature.chars().rev().collect::<String>()),
        format!("{none}.{}.", token.split('.').nth(1).unwrap()),
        format!("{token}.more"),
        "x".to_owned(),
        "a.b.c".to_owned(),
    ] {
        let answer = app.with_token(&bad).list("").await;
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        answer.fails(401, "invalid_token");
    }
    let nothing = app.anonymous().list("").await;
    assert_eq!(nothing.header("www-authenticate"), "Bearer");
    nothing.fails(401, "login_required");
    assert_eq!(status(&app, &token).await, 200);
}

#[apply(on_both_databases)]
async fn a_token_is_good_until_it_expires_and_5_seconds_more(app: App) {
    let mut claims = claims(&app.clock, "alice");
    claims["exp"] = (app.now().timestamp() + 60).into();
    let token = hs256(&claims);
    // It is remembered, and expires all the same.
    for (seconds, expected) in [(0, 200), (58, 200), (4, 200), (5, 401)] {
        app.clock.advance(Duration::seconds(seconds));
        assert_eq!(status(&app, &token).await, expected, "after {seconds} more");
    }
}

#[apply(on_both_databases)]
async fn schemes_are_case_insensitive_and_there_are_three(app: App) {
    let token = hs256(&claims(&app.clock, "alice"));
    for scheme in
        ["Bearer", "bearer", "BEARER", "Bearer-Token", "bearer-TOKEN", "Bearer-AD", "bearer-ad"]
    {
        app.with_authorization(&format!("{scheme} {token}")).list("").await.is(200);
    }
    for other in ["Basic", "Token", "Bearer-", "JWT", "DPoP"] {
        let answer = app.with_authorization(&format!("{other} {token}")).list("").await;
        answer.fails(401, "invalid_token");
    }
    for value in [&token, "Bearer", "Bearer ", ""] {
        app.with_authorization(value).list("").await.fails(401, "invalid_token");
    }
}

#[apply(on_both_databases)]
async fn two_credentials_are_none(app: App) {
    let token = hs256(&claims(&app.clock, "alice"));
    let bearer = format!("Bearer {token}");
    let answer = app.as_user("alice").list("").header("authorization", &bearer).await;
    answer.fails(401, "invalid_token");
}

#[apply(on_both_databases)]
async fn a_cookie_counts_for_reading_alone(setup: Setup) {
    let app = setup.with("AUTH_COOKIE", "session").start().await;
    let link = app.as_user("alice").share_private("chat-1").await;
    let cookie = format!("session={}", hs256(&claims(&app.clock, "alice")));
    app.anonymous().view(&link).header("cookie", &cookie).await.is(200);
    app.anonymous().request("HEAD", &link.path()).header("cookie", &cookie).await.is(200);
    app.anonymous().list("").header("cookie", &cookie).await.is(200);
    for request in [
        app.anonymous().create(&json!({"chat_session_id": "chat-1"})),
        app.anonymous().change(&link, &json!({"is_private": false})),
        app.anonymous().delete(&link),
        app.anonymous().batch_delete(&[&link]),
        app.anonymous().chat_was_deleted("chat-1"),
    ] {
        request.header("cookie", &cookie).await.fails(401, "login_required");
    }
    app.anonymous().view(&link).await.is(401);
}

#[apply(on_both_databases)]
async fn a_cookie_does_not_help_a_bad_header(setup: Setup) {
    let app = setup.with("AUTH_COOKIE", "session").start().await;
    let link = app.as_user("alice").share_private("chat-1").await;
    let cookie = format!("session={}", hs256(&claims(&app.clock, "alice")));
    let both = app.with_token("rubbish").view(&link).header("cookie", &cookie);
    both.await.fails(401, "invalid_token");
    let both = app.as_user("bob").list("").header("cookie", &cookie);
    assert_eq!(both.await.is(200).json(), json!([]));
}

#[apply(on_both_databases)]
async fn no_cookie_is_read_unless_it_is_named(setup: Setup) {
    let app = setup.clone().start().await;
    let link = app.as_user("alice").share_private("chat-1").await;
    let token = hs256(&claims(&app.clock, "alice"));
    let cookie = format!("session={token}; token={token}");
    app.anonymous().view(&link).header("cookie", &cookie).await.fails(401, "login_required");
    let app = setup.with("AUTH_COOKIE", "Session").start().await;
    app.anonymous().view(&link).header("cookie", &cookie).await.fails(401, "login_required");
}

#[apply(on_both_databases)]
async fn issuer_and_audience_count_with_a_secret_too_when_they_are_set(setup: Setup) {
    let app = setup.with("AUTH_ISSUER", "ours").with("AUTH_AUDIENCE", "us").start().await;
    for (iss, aud, expected) in [
        (json!("ours"), json!("us"), 200),
        (json!("ours"), json!(["them", "us"]), 200),
        (json!("ours"), json!("them"), 401),
        (json!("ours"), json!(null), 401),
        (json!("theirs"), json!("us"), 401),
        (json!(null), json!("us"), 401),
    ] {
        let mut claims = claims(&app.clock, "alice");
        claims["iss"] = iss.clone();
        claims["aud"] = aud.clone();
        assert_eq!(status(&app, &hs256(&claims)).await, expected, "{iss} {aud}");
    }
}

#[apply(on_both_databases)]
async fn a_token_of_the_provider_is_believed(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.start().await;
    let alice = app.with_token(&issuer.token("1", &issuer.claims(&app.clock, "alice")));
    let link = alice.share_private("chat-1").await;
    alice.view(&link).await.is(200);
    app.anonymous().get("/health/ready").await.is(200);
    app.anonymous().view(&link).await.fails(401, "login_required");
    let mut service = issuer.claims(&app.clock, "chats");
    service["scp"] = json!(["shared_chats:service"]);
    app.with_token(&issuer.token("1", &service)).links_of_chat("chat-1").await.is(200);
}

#[apply(on_both_databases)]
async fn a_token_of_another_issuer_or_for_another_audience_is_refused(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.start().await;
    for (claim, value) in [
        ("iss", json!("https://id.example")),
        ("iss", json!(format!("{}/", issuer.url))),
        ("iss", json!(null)),
        ("aud", json!("another-service")),
        ("aud", json!([])),
        ("aud", json!(null)),
        ("exp", json!(1)),
        ("sub", json!("")),
    ] {
        let mut claims = issuer.claims(&app.clock, "alice");
        claims[claim] = value.clone();
        assert_eq!(status(&app, &issuer.token("1", &claims)).await, 401, "{claim}: {value}");
    }
}

#[apply(on_both_databases)]
async fn a_token_signed_with_the_public_key_as_a_secret_is_refused(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.start().await;
    let claims = issuer.claims(&app.clock, "alice");
    assert_eq!(status(&app, &issuer.token("1", &claims)).await, 200);
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let forged = |secret: &[u8]| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    for secret in [issuer.public_modulus().as_bytes(), b"a secret of thirty-two bytes, ok"] {
        assert_eq!(status(&app, &forged(secret)).await, 401);
    }
}

#[apply(on_both_databases)]
async fn a_new_key_works_and_a_dropped_one_does_not(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.start().await;
    let token = |kid: &str| issuer.token(kid, &issuer.claims(&app.clock, "alice"));
    let (old, new) = (token("1"), token("2"));
    assert_eq!(status(&app, &old).await, 200);
    issuer.publish(&["2"]);
    app.clock.advance(Duration::seconds(60));
    assert_eq!(status(&app, &new).await, 200);
    // Though it was verified, and remembered.
    assert_eq!(status(&app, &old).await, 401);
}

#[apply(on_both_databases)]
async fn tokens_of_an_unknown_key_ask_the_provider_once(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.start().await;
    let token = |kid: &str| issuer.token(kid, &issuer.claims(&app.clock, "alice"));
    assert_eq!(status(&app, &token("1")).await, 200);
    for minute in 1..=2 {
        app.clock.advance(Duration::seconds(61));
        let before = issuer.fetches();
        let asked: Vec<_> = (0..30)
            .map(|n| app.with_token(&token(&format!("bad-{minute}-{n}"))).list("").spawn())
            .collect();
        for answer in asked {
            answer.await.unwrap().fails(401, "invalid_token");
        }
        assert_eq!(issuer.fetches(), before + 1);
    }
}

#[apply(on_both_databases)]
async fn without_keys_public_links_work_and_nothing_else(setup: Setup) {
    // Made while all was well.
    let before = setup.clone().start().await;
    let public = before.as_user("alice").share("chat-1").await;
    let private = before.as_user("alice").share_private("chat-1").await;
    let (setup, issuer) = setup.with_issuer().await;
    issuer.fail();
    let app = setup.start().await;
    let alice = app.with_token(&issuer.token("1", &issuer.claims(&app.clock, "alice")));
    for viewer in [&alice, &app.anonymous()] {
        viewer.view(&public).await.is(200);
    }
    alice.view(&private).await.fails(503, "unavailable");
    alice.open(&private).await.is(503);
    alice.list("").await.fails(503, "unavailable");
    app.anonymous().view(&private).await.fails(401, "login_required");
    app.with_token("rubbish").list("").await.fails(401, "invalid_token");
    // It comes up, and is noticed within seconds.
    issuer.publish(&["1"]);
    app.clock.advance(Duration::seconds(6));
    alice.view(&private).await.is(200);
    app.anonymous().get("/health/ready").await.is(200);
}

#[apply(on_both_databases)]
async fn known_keys_outlast_the_provider_for_24_hours(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    let app = setup.start().await;
    let public = {
        let alice = app.with_token(&issuer.token("1", &issuer.claims(&app.clock, "alice")));
        alice.share("chat-1").await
    };
    issuer.fail();
    for (hours, expected) in [(23, 200), (2, 503)] {
        app.clock.advance(Duration::hours(hours));
        let token = issuer.token("1", &issuer.claims(&app.clock, "alice"));
        assert_eq!(status(&app, &token).await, expected, "after {hours} more hours");
    }
    app.anonymous().view(&public).await.is(200);
}
