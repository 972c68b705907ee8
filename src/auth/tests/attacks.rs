//! A table of forged tokens and the reasons why they are refused. Only an unknown `kid` or a bad
//! signature may cause a fetch of keys.

use chrono::TimeDelta;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::fixtures::{
    AUDIENCE, ED, Issuer, OTHER_ED, RSA, refusal, rsa_public_pem, sign_secret, unsigned, with,
    without,
};
use crate::auth::{Authenticator, Refusal};

/// A forged token, the refusal, and whether it may cause one fetch of keys.
struct Attack {
    name: String,
    token: String,
    refusal: Refusal,
    asks: bool,
}

fn attack(name: &str, token: String, refusal: Refusal) -> Attack {
    Attack { name: name.to_owned(), token, refusal, asks: false }
}

/// One for which the provider could have a new key.
fn of_a_key(name: &str, token: String, refusal: Refusal) -> Attack {
    Attack { asks: true, ..attack(name, token, refusal) }
}

/// Signed with the provider's own key, so that nothing but the claims is wrong.
fn claiming(name: &str, claims: &Value, refusal: Refusal) -> Attack {
    attack(name, ED.token("ed", claims), refusal)
}

/// Signed with a foreign key, with any header.
fn forged(header: &Value, claims: &Value) -> String {
    OTHER_ED.sign(header, claims, Algorithm::EdDSA)
}

fn algorithms(good: &Value) -> Vec<Attack> {
    let unsigned = |alg: &str| unsigned(&json!({"alg": alg}).to_string(), &good.to_string());
    let secret = rsa_public_pem();
    let modulus = RSA.jwk("rsa")["n"].as_str().unwrap().to_owned();
    let mut attacks = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let name = format!("alg {alg:?}, unsigned");
        attacks.push(attack(&name, format!("{}.", unsigned(alg)), Refusal::AlgorithmNotAllowed));
    }
    for alg in ["HS256", "HS384", "HS512", "ES512", "ES256K", "rs256", "RSA-OAEP", "A256GCM"] {
        let token = sign_secret(secret.as_bytes(), &json!({"alg": alg, "kid": "rsa"}), good);
        attacks.push(attack(&format!("unlisted alg {alg}"), token, Refusal::AlgorithmNotAllowed));
    }
    for (what, key) in
        [("PEM", secret.as_bytes()), ("modulus", modulus.as_bytes()), ("kid", b"rsa")]
    {
        for header in [json!({"alg": "HS256"}), json!({"alg": "HS256", "kid": "rsa"})] {
            let name = format!("HS256 with the public {what} as the secret");
            let token = sign_secret(key, &header, good);
            attacks.push(attack(&name, token, Refusal::AlgorithmNotAllowed));
        }
    }
    attacks
}

fn key_names(good: &Value) -> Vec<Attack> {
    let mut attacks = vec![
        of_a_key("no kid", forged(&json!({"alg": "EdDSA"}), good), Refusal::BadSignature),
        of_a_key("an unknown kid", OTHER_ED.token("unknown", good), Refusal::UnknownKey),
        of_a_key("a kid of 10 KB", OTHER_ED.token(&"k".repeat(10_240), good), Refusal::UnknownKey),
    ];
    for kid in [
        "../../../../dev/null",
        "/etc/passwd",
        "file:///proc/self/environ",
        "http://127.0.0.1:1/keys",
        "ed' OR '1'='1",
        "ed\0",
        "$(sleep 10)",
    ] {
        // With an empty secret too, which is what a file of nothing would hold.
        attacks.push(of_a_key(
            &format!("the kid {kid:?}"),
            OTHER_ED.token(kid, good),
            Refusal::UnknownKey,
        ));
        let empty = sign_secret(b"", &json!({"alg": "HS256", "kid": kid}), good);
        attacks.push(attack(&format!("{kid:?}, HS256"), empty, Refusal::AlgorithmNotAllowed));
    }
    attacks
}

/// The forger's own key, brought along or pointed to.
fn brought_keys(good: &Value, forgers: &Issuer) -> Vec<Attack> {
    let at = format!("{}/keys", forgers.url());
    let members = [("jku", json!(at)), ("x5u", json!(at)), ("jwk", OTHER_ED.jwk("ed"))];
    let mut attacks = Vec::new();
    for (member, value) in members {
        for (kid, refusal) in [("ed", Refusal::BadSignature), ("mine", Refusal::UnknownKey)] {
            let header = json!({"alg": "EdDSA", "kid": kid, member: value});
            let name = format!("{member}, with the kid {kid:?}");
            attacks.push(of_a_key(&name, forged(&header, good), refusal));
        }
    }
    attacks
}

fn claims(good: &Value, now: i64, issuer: &str) -> Vec<Attack> {
    let set = |name: &str, value: Value| with(good, &json!({name: value}));
    let mut attacks = vec![
        claiming("expired", &set("exp", json!(now - 6)), Refusal::Expired),
        claiming("expired long ago", &set("exp", json!(0)), Refusal::Expired),
        claiming("without an end", &without(good, "exp"), Refusal::MissingExp),
        claiming("an end in words", &set("exp", json!("never")), Refusal::BadDate),
        claiming("not yet valid", &set("nbf", json!(now + 7)), Refusal::NotYetValid),
        claiming("no issuer", &without(good, "iss"), Refusal::WrongIssuer),
        claiming("no audience", &without(good, "aud"), Refusal::WrongAudience),
        claiming("no subject", &without(good, "sub"), Refusal::BadSubject),
        claiming("an empty subject", &set("sub", json!("")), Refusal::BadSubject),
        claiming("1 MB", &set("pad", json!("x".repeat(1_000_000))), Refusal::TooLong),
    ];
    for other in ["https://evil.example", &format!("{issuer}/"), &issuer[..issuer.len() - 1], ""] {
        let name = format!("the issuer {other:?}");
        attacks.push(claiming(&name, &set("iss", json!(other)), Refusal::WrongIssuer));
    }
    for other in [
        json!("another"),
        json!(["another"]),
        json!([]),
        json!([["share-links"]]),
        json!("share-links another"),
    ] {
        let name = format!("the audience {other}");
        attacks.push(claiming(&name, &set("aud", other), Refusal::WrongAudience));
    }
    attacks
}

async fn is_refused(authenticator: &Authenticator, issuer: &Issuer, attack: Attack) {
    let before = issuer.fetches().await;
    let refusal = refusal(authenticator, &attack.token).await;
    assert_eq!(refusal, attack.refusal, "{}", attack.name);
    let asked = issuer.fetches().await - before;
    assert_eq!(asked, usize::from(attack.asks), "{}: fetches", attack.name);
    // It is not cached.
    assert_eq!(authenticator.verified(&attack.token), None, "{}", attack.name);
}

#[tokio::test]
async fn every_attack_is_refused_for_the_right_reason() {
    let issuer = Issuer::with_keys(&[RSA.jwk("rsa"), ED.jwk("ed")]).await;
    let forgers = Issuer::with_keys(&[OTHER_ED.jwk("ed"), OTHER_ED.jwk("mine")]).await;
    let authenticator = issuer.started().await;
    let mut tried = 0;
    for of_a_kind in 0..4 {
        // Made anew each time, as their claims depend on the clock, which goes on for each one.
        let make = || {
            let (good, now) = (issuer.claims(), issuer.clock.now().timestamp());
            match of_a_kind {
                0 => algorithms(&good),
                1 => key_names(&good),
                2 => brought_keys(&good, &forgers),
                _ => claims(&good, now, &issuer.url()),
            }
        };
        for at in 0..make().len() {
            // Were it not for the cool-down, most of them could ask the provider.
            issuer.clock.advance(TimeDelta::seconds(61));
            is_refused(&authenticator, &issuer, make().swap_remove(at)).await;
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried}");
    assert_eq!(forgers.fetches().await, 0);
    // All of it was refused for what was wrong with it: without that it is a good one.
    let good = with(&issuer.claims(), &json!({"aud": ["another", AUDIENCE]}));
    assert!(authenticator.verify(&ED.token("ed", &good)).await.is_ok());
}

#[tokio::test]
async fn a_scope_that_only_looks_like_the_chat_services_is_a_users() {
    let issuer = Issuer::with_keys(&[ED.jwk("ed")]).await;
    let authenticator = issuer.started().await;
    let is_chat_service = async |claims: Value| {
        let token = ED.token("ed", &with(&issuer.claims(), &claims));
        authenticator.verify(&token).await.unwrap().is_chat_service
    };
    for scope in ["xshared_chats:service", "shared_chats:servicex", "shared_chats:service,x"] {
        assert!(!is_chat_service(json!({"scope": scope})).await, "{scope}");
        assert!(!is_chat_service(json!({"scp": [scope]})).await, "{scope}");
        assert!(!is_chat_service(json!({"scope": [scope]})).await, "{scope}");
        assert!(!is_chat_service(json!({"scp": scope})).await, "{scope}");
    }
    assert!(is_chat_service(json!({"scope": "x shared_chats:service"})).await);
}

#[tokio::test]
async fn ten_thousand_unknown_keys_cause_one_fetch_a_minute() {
    let issuer = Issuer::with_keys(&[ED.jwk("ed")]).await;
    let authenticator = issuer.started().await;
    let claims = issuer.claims();
    let forged = OTHER_ED.token("unknown", &claims);
    let (_, signature) = forged.rsplit_once('.').unwrap();
    issuer.clock.advance(TimeDelta::seconds(61));
    for attempt in 0..10_000 {
        // The signature is invalid too, but the unknown key is found first.
        let header = json!({"alg": "EdDSA", "kid": format!("unknown-{attempt}")}).to_string();
        let token = format!("{}.{signature}", unsigned(&header, &claims.to_string()));
        assert_eq!(refusal(&authenticator, &token).await, Refusal::UnknownKey);
    }
    assert_eq!(issuer.fetches().await, 2);
}
