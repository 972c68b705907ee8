//! Which keys of a published set are used.

use serde_json::{Value, json};

use super::fixtures::{ED, Issuer, P256, P384, RSA, with, without};
use crate::auth::key::KeySet;

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
        json!({"use": ""}),
        json!({"key_ops": ["encrypt", "sign"]}),
        json!({"key_ops": []}),
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
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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
