//! Tokens that were verified before.

use chrono::TimeDelta;
use serde_json::json;

use super::fixtures::{ED, Issuer, OTHER_ED, RSA, SECRET, claims, http, refusal};
use crate::{
    auth::{AuthError, AuthSettings, Authenticator, ClaimNames, Keys, Refusal, sign_hs256},
    clock::Clock,
};

async fn refresh(authenticator: &Authenticator) {
    let Keys::Provider(keyring) = &authenticator.0.keys else { panic!("no provider") };
    keyring.refresh().await;
}

#[tokio::test]
async fn a_token_is_cached_once_verified() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.started().await;
    let token = ED.token("1", &issuer.claims());
    assert_eq!(authenticator.verified(&token), None);
    let identity = authenticator.verify(&token).await.unwrap();
    assert_eq!(authenticator.verified(&token), Some(identity.clone()));
    assert_eq!(authenticator.clone().verified(&token), Some(identity));
    assert_eq!(authenticator.verified(&format!("{token}A")), None);
    assert_eq!(authenticator.verified(&token[..token.len() - 1]), None);
}

#[tokio::test]
async fn a_refused_token_is_not_cached() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.started().await;
    let forged = OTHER_ED.token("1", &issuer.claims());
    assert_eq!(refusal(&authenticator, &forged).await, Refusal::BadSignature);
    assert_eq!(authenticator.verified(&forged), None);
    assert_eq!(refusal(&authenticator, &forged).await, Refusal::BadSignature);
}

#[tokio::test]
async fn a_cached_token_expires() {
    let clock = Clock::movable();
    let settings = AuthSettings::Hs256 {
        secret: SECRET.into(),
        issuer: None,
        audience: None,
        claims: ClaimNames::default(),
    };
    let authenticator = Authenticator::new(settings, http(), clock.clone());
    let mut claims = claims(&clock, "any");
    claims["exp"] = json!(clock.now().timestamp() + 100);
    let token = sign_hs256(SECRET, &claims).unwrap();
    authenticator.verify(&token).await.unwrap();
    clock.advance(TimeDelta::seconds(102));
    assert!(authenticator.verified(&token).is_some());
    clock.advance(TimeDelta::seconds(3));
    assert_eq!(authenticator.verified(&token), None);
    assert_eq!(refusal(&authenticator, &token).await, Refusal::Expired);
}

#[tokio::test]
async fn dropping_a_key_drops_the_tokens_that_it_verified() {
    let issuer = Issuer::with_keys(&[ED.jwk("1"), OTHER_ED.jwk("2")]).await;
    let authenticator = issuer.started().await;
    let (dropped, kept) = (ED.token("1", &issuer.claims()), OTHER_ED.token("2", &issuer.claims()));
    authenticator.verify(&dropped).await.unwrap();
    authenticator.verify(&kept).await.unwrap();

    issuer.publish(&[OTHER_ED.jwk("2")]).await;
    refresh(&authenticator).await;
    assert_eq!(authenticator.verified(&dropped), None);
    assert_eq!(refusal(&authenticator, &dropped).await, Refusal::UnknownKey);
    assert!(authenticator.verified(&kept).is_some());
}

#[tokio::test]
async fn a_key_whose_material_or_purpose_changes_is_a_dropped_one() {
    let issuer = Issuer::with_keys(&[ED.jwk("1"), RSA.jwk("2")]).await;
    let authenticator = issuer.started().await;
    let (eddsa, rs256) = (ED.token("1", &issuer.claims()), RSA.token("2", &issuer.claims()));
    authenticator.verify(&eddsa).await.unwrap();
    authenticator.verify(&rs256).await.unwrap();

    issuer.publish(&[OTHER_ED.jwk("1"), RSA.jwk_with(&json!({"kid": "2", "alg": "PS256"}))]).await;
    refresh(&authenticator).await;
    assert_eq!(authenticator.verified(&eddsa), None);
    assert_eq!(refusal(&authenticator, &eddsa).await, Refusal::BadSignature);
    assert_eq!(authenticator.verified(&rs256), None);
    assert_eq!(refusal(&authenticator, &rs256).await, Refusal::AlgorithmNotForKey);
}

#[tokio::test]
async fn a_key_that_stays_keeps_its_tokens_over_a_refresh() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.started().await;
    let token = ED.token("1", &issuer.claims());
    authenticator.verify(&token).await.unwrap();
    issuer.publish(&[OTHER_ED.jwk("2"), ED.jwk("1")]).await;
    refresh(&authenticator).await;
    assert!(authenticator.verified(&token).is_some());
    assert_eq!(authenticator.verify(&token).await.map(|_| ()), Ok::<(), AuthError>(()));
}

#[tokio::test]
async fn the_ten_thousand_most_recently_used_tokens_are_cached() {
    let clock = Clock::movable();
    let settings = AuthSettings::Hs256 {
        secret: SECRET.into(),
        issuer: None,
        audience: None,
        claims: ClaimNames::default(),
    };
    let authenticator = Authenticator::new(settings, http(), clock.clone());
    let mut claims = claims(&clock, "any");
    let mut tokens = Vec::new();
    for i in 0..16_500 {
        claims["sub"] = json!(format!("user-{i}"));
        let token = sign_hs256(SECRET, &claims).unwrap();
        authenticator.verify(&token).await.unwrap();
        tokens.push(token);
        if i == 6_000 {
            // How often a token was used in its time does not count later on.
            for token in tokens[..200].iter().cycle().take(200 * 20) {
                assert!(authenticator.verified(token).is_some());
            }
        }
    }
    authenticator.0.verified.run_pending_tasks();
    assert_eq!(authenticator.0.verified.entry_count(), 10_000);
    let (forgotten, remembered) = tokens.split_at(6_500);
    assert!(forgotten.iter().all(|token| authenticator.verified(token).is_none()));
    assert!(remembered.iter().all(|token| authenticator.verified(token).is_some()));
}
