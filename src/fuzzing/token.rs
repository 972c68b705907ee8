//! From the header or cookie of a request to its caller, if any (docs/API.md 1).

use std::sync::LazyLock;

use serde_json::{Value, value::RawValue};
use tokio::runtime::{Builder, Runtime};

use crate::{
    auth::{AuthSettings, Authenticator, ClaimNames, sign_hs256},
    clock::Clock,
    http::fuzzing::presented,
    model::Identity,
};

/// Three public keys, whose private keys were deleted, and tokens that they signed.
const KEYS: &str = include_str!("keys.json");
const SIGNED: &str = include_str!("signed.txt");
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "share-links";
const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

static RUNTIME: LazyLock<Option<Runtime>> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().ok());
static BY_KEYS: LazyLock<Option<Authenticator>> =
    LazyLock::new(|| Authenticator::with_keys(ISSUER, AUDIENCE, KEYS.as_bytes()));
static BY_SECRET: LazyLock<Authenticator> = LazyLock::new(|| {
    let settings = AuthSettings::Hs256 {
        secret: SECRET.to_vec(),
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        claims: ClaimNames::default(),
    };
    Authenticator::with_settings(settings)
});

/// The first byte says what follows: an `Authorization` header, a cookie, claims (which are signed,
/// so that they are checked), or a provider's key set.
pub fn token(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    match kind {
        b'h' => header(data, &[]),
        b'c' => header(&[], data),
        b'k' => key_set(data),
        _ => claims(data),
    }
}

fn header(authorization: &[u8], cookie: &[u8]) {
    for credential in presented(authorization, cookie) {
        unsigned(credential.token());
    }
}

fn unsigned(token: &str) {
    let Some(by_keys) = &*BY_KEYS else { panic!("there are no keys") };
    if verified(by_keys, token).is_some() {
        assert!(was_signed(token), "a token without a valid signature was accepted: {token:?}");
    }
    // With a secret none of them is valid, least of all one with a public key's algorithm.
    assert!(verified(&BY_SECRET, token).is_none(), "a token without the secret: {token:?}");
}

fn claims(json: &[u8]) {
    let Ok(raw) = serde_json::from_slice::<&RawValue>(json) else { return };
    let Ok(token) = sign_hs256(SECRET, &raw) else { return };
    let Some(identity) = verified(&BY_SECRET, &token) else { return };
    let name = identity.display_name.as_deref();
    assert!(name.is_none_or(|name| !name.contains('@') && name != identity.user_id.as_str()));
    assert!((1..=255).contains(&identity.user_id.as_str().chars().count()));
    // `Value` cannot hold lone surrogates.
    let Ok(claims) = serde_json::from_str::<Value>(raw.get()) else { return };
    assert_eq!(claims["iss"], ISSUER);
    let audience = &claims["aud"];
    let is_ours = |audience: &Value| audience == AUDIENCE;
    assert!(is_ours(audience) || audience.as_array().is_some_and(|all| all.iter().any(is_ours)));
    assert_eq!(claims["sub"], identity.user_id.as_str());
    let now = Clock::system().now().timestamp() as f64;
    assert!(claims["exp"].as_f64().is_some_and(|exp| exp >= now - 10.0), "{claims}");
    assert!(claims["nbf"].as_f64().is_none_or(|nbf| nbf <= now + 10.0), "{claims}");
    let is_scope = |claim: &str| claims[claim].to_string().contains("shared_chats:service");
    assert!(!identity.is_chat_service || is_scope("scope") || is_scope("scp"), "{claims}");
}

/// No key set makes the verifier panic.
fn key_set(json: &[u8]) {
    let Some(theirs) = Authenticator::with_keys(ISSUER, AUDIENCE, json) else { return };
    for token in SIGNED.lines() {
        let _ = verified(&theirs, token);
    }
}

fn was_signed(token: &str) -> bool {
    let message = |token: &str| token.rsplit_once('.').map(|(message, _)| message.to_owned());
    SIGNED.lines().any(|signed| message(signed) == message(token))
}

/// The identity of a valid token; also checks that the cache agrees.
fn verified(authenticator: &Authenticator, token: &str) -> Option<Identity> {
    let Some(runtime) = &*RUNTIME else { panic!("there is no runtime") };
    let identity = runtime.block_on(authenticator.verify(token)).ok();
    assert_eq!(authenticator.verified(token), identity, "cached as something else");
    identity.map(|identity| (*identity).clone())
}
