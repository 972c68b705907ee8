//! Which keys of a published set are used.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::fixtures::{
    ED, Issuer, OTHER_ED, P256, P384, RSA, Signer, new_p256, refusal, with, without,
};
use crate::{
    auth::{Refusal, key::KeySet},
    telemetry::log_lines::LogLines,
};

fn usable(keys: &[Value]) -> usize {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).map_or(0, |set| set.len())
}

#[test]
fn keys_of_every_listed_kind_are_used() {
    assert_eq!(usable(&[RSA.jwk("1"), P256.jwk("2"), P384.jwk("3"), ED.jwk("4")]), 4);
    let unnamed = without(&ED.jwk("4"), "kid");
    let x5c = RSA.jwk_with(&json!({"x5c": ["x"], "x5t": 17, "future": {}}));
    assert_eq!(usable(&[unnamed, x5c]), 2);
}

#[test]
fn a_key_for_another_purpose_is_left_out() {
    for members in [
        json!({"use": "enc"}),
        json!({"use": "tls"}),
        json!({"key_ops": ["encrypt", "sign"]}),
        json!({"use": "enc", "key_ops": ["verify"]}),
        json!({"alg": "RSA-OAEP"}),
        json!({"alg": "HS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": "none"}),
    ] {
        assert_eq!(usable(&[RSA.jwk_with(&members)]), 0, "{members}");
    }
    for members in [json!({"use": "sig"}), json!({"key_ops": ["verify"]}), json!({"alg": "PS512"})]
    {
        assert_eq!(usable(&[RSA.jwk_with(&members)]), 1, "{members}");
    }
}

#[test]
fn a_published_secret_is_left_out() {
    let oct =
        json!({"kty": "oct", "kid": "1", "alg": "HS256", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"});
    assert_eq!(usable(std::slice::from_ref(&oct)), 0);
    assert_eq!(usable(&[oct, ED.jwk("2")]), 1);
}

#[test]
fn an_rsa_key_has_2048_bits_or_more() {
    let of_bits = |bits: usize| {
        let mut n = vec![0xff_u8; bits.div_ceil(8)];
        n[0] >>= (8 - bits % 8) % 8;
        URL_SAFE_NO_PAD.encode(n)
    };
    for (bits, expected) in
        [(512, 0), (1024, 0), (2047, 0), (2048, 1), (4096, 1), (8192, 1), (8193, 0)]
    {
        let key = RSA.jwk_with(&json!({"n": of_bits(bits)}));
        assert_eq!(usable(&[key]), expected, "{bits}");
    }
    // Leading zeros do not make a key longer.
    let zeros = URL_SAFE_NO_PAD.encode([vec![0; 200], vec![0xff; 128]].concat());
    assert_eq!(usable(&[RSA.jwk_with(&json!({"n": zeros}))]), 0);
    assert_eq!(usable(&[RSA.jwk_with(&json!({"n": ""}))]), 0);
}

#[tokio::test]
async fn leading_zeros_of_an_rsa_key_change_nothing() {
    let mut jwk = RSA.jwk("padded");
    for member in ["n", "e"] {
        let number = URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
        jwk[member] = json!(URL_SAFE_NO_PAD.encode([vec![0; 3], number].concat()));
    }
    let issuer = Issuer::with_keys(&[jwk]).await;
    let token = RSA.token("padded", &issuer.claims());
    assert!(issuer.started().await.verify(&token).await.is_ok());
}

#[test]
fn members_of_a_key_that_say_nothing_are_ignored() {
    for members in [
        json!({"alg": ""}),
        json!({"use": ""}),
        json!({"key_ops": []}),
        json!({"key_ops": ""}),
        json!({"alg": null, "use": null, "key_ops": null, "kid": null}),
        json!({"kid": ""}),
    ] {
        assert_eq!(usable(&[RSA.jwk_with(&members)]), 1, "{members}");
    }
}

/// The key with one of its numbers written in another way.
fn rewritten(jwk: &Value, member: &str, write: impl Fn(Vec<u8>) -> String) -> Value {
    let number = URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
    with(jwk, &json!({member: write(number)}))
}

#[tokio::test]
async fn base64_with_padding_or_in_the_standard_alphabet_is_read() {
    for signer in [&*RSA, &*P256, &*P384, &*ED] {
        let mut jwk = signer.jwk("1");
        for member in ["n", "e", "x", "y"] {
            if jwk.get(member).is_some() {
                jwk = rewritten(&jwk, member, |number| STANDARD.encode(number));
            }
        }
        let issuer = Issuer::with_keys(&[jwk]).await;
        let token = signer.token("1", &issuer.claims());
        assert!(issuer.started().await.verify(&token).await.is_ok());
    }
}

#[tokio::test]
async fn coordinates_without_their_leading_zeros_or_with_too_many_are_read() {
    let short = |signer: &Signer| {
        let jwk = signer.jwk("1");
        ["x", "y"]
            .into_iter()
            .find(|member| URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap()[0] == 0)
    };
    // One key of 128 has such a coordinate.
    let (signer, member) = loop {
        let signer = new_p256();
        if let Some(member) = short(&signer) {
            break (signer, member);
        }
    };
    for write in [|number: Vec<u8>| number[1..].to_vec(), |number| [vec![0], number].concat()] {
        let jwk =
            rewritten(&signer.jwk("1"), member, |number| URL_SAFE_NO_PAD.encode(write(number)));
        let issuer = Issuer::with_keys(&[jwk]).await;
        let token = signer.token("1", &issuer.claims());
        assert!(issuer.started().await.verify(&token).await.is_ok());
    }
    let much_too_short = rewritten(&P256.jwk("1"), "x", |x| URL_SAFE_NO_PAD.encode(&x[5..]));
    assert_eq!(usable(&[much_too_short]), 0);
}

#[tokio::test]
async fn a_key_without_a_name_verifies_tokens_whose_name_no_key_has() {
    let unnamed = without(&ED.jwk("1"), "kid");
    let issuer = Issuer::with_keys(&[unnamed.clone(), P256.jwk("2")]).await;
    let authenticator = issuer.started().await;
    assert!(authenticator.verify(&ED.token("any", &issuer.claims())).await.is_ok());
    assert_eq!(issuer.fetches().await, 1, "within the cool-down");
    // The key of that name may have come meanwhile.
    issuer.publish(&[unnamed.clone(), OTHER_ED.jwk("new")]).await;
    issuer.clock.advance(TimeDelta::seconds(61));
    assert!(authenticator.verify(&OTHER_ED.token("new", &issuer.claims())).await.is_ok());
    assert!(authenticator.verify(&ED.token("other", &issuer.claims())).await.is_ok());
    assert_eq!(issuer.fetches().await, 2);
    // A key that has the name is the only one that counts.
    let named = ED.token("new", &issuer.claims());
    assert_eq!(refusal(&authenticator, &named).await, Refusal::BadSignature);
    let forged = P256.token("none", &issuer.claims());
    assert_eq!(refusal(&authenticator, &forged).await, Refusal::UnknownKey);
    // Which of several it is cannot be told.
    issuer.publish(&[unnamed, without(&OTHER_ED.jwk("1"), "kid")]).await;
    issuer.clock.advance(TimeDelta::seconds(61));
    let token = ED.token("any", &issuer.claims());
    assert_eq!(refusal(&authenticator, &token).await, Refusal::AmbiguousKey);
}

#[tokio::test]
async fn the_one_usable_key_of_two_hundred_is_used() {
    let mut keys: Vec<Value> =
        (0..199).map(|n| with(&ED.jwk(&n.to_string()), &json!({"crv": "Ed448"}))).collect();
    keys.push(ED.jwk("good"));
    let issuer = Issuer::with_keys(&keys).await;
    let lines = LogLines::begin();
    let authenticator = issuer.started().await;
    assert!(authenticator.verify(&ED.token("good", &issuer.claims())).await.is_ok());
    let warnings = lines.of("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let named = r#""0": the kind of key (kty, crv) is not supported"#;
    assert!(warnings[0].contains(named) && warnings[0].ends_with("; and 189 more"), "{warnings:?}");
}

#[tokio::test]
async fn an_unusable_key_is_named_once_with_the_reason() {
    use jsonwebtoken::Algorithm;
    let odd = "odd\n\u{1b}[31m name".repeat(20);
    let keys = [
        ED.jwk("good"),
        // Many providers publish one, and it is no fault.
        RSA.jwk_with(&json!({"kid": "for encryption", "use": "enc", "alg": "RSA-OAEP"})),
        RSA.jwk_with(&json!({"kid": "weak", "n": URL_SAFE_NO_PAD.encode([0xff; 128])})),
        P256.jwk_with(&json!({"x": "!"})),
        json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}),
        RSA.jwk_with(&json!({"kid": odd, "alg": "ML-DSA-65"})),
    ];
    let issuer = Issuer::with_keys(&keys).await;
    let lines = LogLines::begin();
    let authenticator = issuer.started().await;
    for _ in 0..3 {
        issuer.clock.advance(TimeDelta::seconds(61));
        let unnamed = P256.sign(&json!({"alg": "ES256"}), &issuer.claims(), Algorithm::ES256);
        assert_eq!(refusal(&authenticator, &unnamed).await, Refusal::UnknownKey);
    }
    assert_eq!(issuer.fetches().await, 4);
    let warnings = lines.of("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in [
        r#""weak": an RSA key must have 2048 to 8192 bits; "#,
        "key 4 without kid: a number is not in base64url",
        r#""secret": the kind of key (kty, crv) is not supported"#,
        r#""odd\n\u{1b}[31m name"#,
        "alg is not one of those that are supported",
    ] {
        assert!(warnings[0].contains(part), "{part}: {warnings:?}");
    }
    assert!(!warnings[0].contains("c2VjcmV0") && !warnings[0].contains("for encryption"));
    assert!(warnings[0].len() < 700, "{}", warnings[0].len());
    // Others are news.
    issuer.publish(&[ED.jwk("good"), json!({"kid": "another", "kty": "new"})]).await;
    issuer.clock.advance(TimeDelta::seconds(61));
    let _ = refusal(&authenticator, &OTHER_ED.token("unknown", &issuer.claims())).await;
    let warnings = lines.of("WARN");
    assert!(warnings.len() == 2 && warnings[1].contains(r#""another": "#), "{warnings:?}");
}

#[test]
fn a_key_with_odd_certificates_is_used() {
    for members in [
        json!({"x5c": "not a list"}),
        json!({"x5t": 17}),
        json!({"x5t#S256": null}),
        json!({"x5u": ["https://ca.example"]}),
    ] {
        assert_eq!(usable(&[RSA.jwk_with(&members)]), 1, "{members}");
    }
}

#[test]
fn an_unknown_operation_or_algorithm_is_no_reason_to_drop_the_set() {
    let operations = RSA.jwk_with(&json!({"key_ops": ["verify", "future"]}));
    assert_eq!(usable(&[operations]), 1);
    assert_eq!(usable(&[RSA.jwk_with(&json!({"alg": "ML-DSA-65"})), ED.jwk("2")]), 1);
}

#[test]
fn an_invalid_key_does_not_invalidate_the_set() {
    let broken = [
        json!(17),
        json!({}),
        json!({"kty": "RSA"}),
        json!({"kty": "new-kind", "kid": "1"}),
        with(&ED.jwk("1"), &json!({"crv": "Ed448"})),
        with(&ED.jwk("1"), &json!({"x": "AAAA"})),
        with(&ED.jwk("1"), &json!({"kid": 17})),
        with(&P256.jwk("1"), &json!({"crv": "P-384"})),
        with(&P256.jwk("1"), &json!({"crv": "secp256k1"})),
        with(&P256.jwk("1"), &json!({"y": "not base64url!"})),
        without(&P256.jwk("1"), "y"),
        without(&RSA.jwk("1"), "e"),
    ];
    for key in &broken {
        assert_eq!(usable(std::slice::from_ref(key)), 0, "{key}");
    }
    assert_eq!(usable(&[&broken[..], &[ED.jwk("good")]].concat()), 1);
}
