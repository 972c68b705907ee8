//! The form of a token, and which algorithm goes with which key.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::fixtures::{
    AUDIENCE, ED, Issuer, OTHER_ED, P256, P384, RSA, SECRET, http, refusal, rsa_public_pem,
    sign_secret, unsigned, with,
};
use crate::auth::{AuthSettings, Authenticator, ClaimNames, MAX_TOKEN_BYTES, Refusal};

async fn issuer() -> Issuer {
    Issuer::with_keys(&[RSA.jwk("rsa"), P256.jwk("p256"), P384.jwk("p384"), ED.jwk("ed")]).await
}

#[tokio::test]
async fn every_listed_algorithm_is_accepted_with_a_key_of_its_kind() {
    let issuer = issuer().await;
    let authenticator = issuer.started().await;
    for (signer, kid, algorithms) in [
        (
            &RSA,
            "rsa",
            &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ][..],
        ),
        (&P256, "p256", &[Algorithm::ES256]),
        (&P384, "p384", &[Algorithm::ES384]),
        (&ED, "ed", &[Algorithm::EdDSA]),
    ] {
        for algorithm in algorithms {
            let header = json!({"alg": format!("{algorithm:?}"), "kid": kid});
            let token = signer.sign(&header, &issuer.claims(), *algorithm);
            let identity = authenticator.verify(&token).await.unwrap();
            assert_eq!(identity.user_id.as_str(), "user-1", "{algorithm:?}");

            let forged = with(&issuer.claims(), &json!({"sub": "user-2"})).to_string();
            let forged = unsigned(&header.to_string(), &forged);
            let (_, signature) = token.rsplit_once('.').unwrap();
            let forged = format!("{forged}.{signature}");
            assert_eq!(refusal(&authenticator, &forged).await, Refusal::BadSignature);
        }
    }
}

#[tokio::test]
async fn unlisted_algorithms_are_refused() {
    let issuer = issuer().await;
    let with_keys = issuer.started().await;
    let settings = AuthSettings::Hs256 {
        secret: SECRET.into(),
        issuer: None,
        audience: None,
        claims: ClaimNames::default(),
    };
    let with_secret = Authenticator::new(settings, http(), issuer.clock.clone());
    for alg in ["none", "None", "NONE", "nOnE", "", "rs256", "HS384", "HS512", "ES512", "ES256K"] {
        let header = json!({"alg": alg, "kid": "rsa"});
        let unsigned = unsigned(&header.to_string(), &issuer.claims().to_string());
        let signed = sign_secret(SECRET, &header, &issuer.claims());
        for token in [format!("{unsigned}."), signed] {
            for authenticator in [&with_keys, &with_secret] {
                let refusal = refusal(authenticator, &token).await;
                assert_eq!(refusal, Refusal::AlgorithmNotAllowed, "{alg}");
            }
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let issuer = issuer().await;
    let authenticator = issuer.started().await;
    for kid in ["rsa", "unknown"] {
        let header = json!({"typ": "JWT", "alg": "HS256", "kid": kid});
        let token = sign_secret(rsa_public_pem().as_bytes(), &header, &issuer.claims());
        assert_eq!(refusal(&authenticator, &token).await, Refusal::AlgorithmNotAllowed);
    }
    assert_eq!(issuer.fetches().await, 1);
}

#[tokio::test]
async fn a_shared_secret_does_not_verify_other_algorithms() {
    let issuer = issuer().await;
    let settings = AuthSettings::Hs256 {
        secret: rsa_public_pem().into_bytes(),
        issuer: None,
        audience: Some(AUDIENCE.into()),
        claims: ClaimNames::default(),
    };
    let authenticator = Authenticator::new(settings, http(), issuer.clock.clone());
    let token = RSA.token("rsa", &issuer.claims());
    assert_eq!(refusal(&authenticator, &token).await, Refusal::AlgorithmNotAllowed);
}

#[tokio::test]
async fn the_algorithm_must_fit_the_named_key() {
    let issuer = Issuer::with_keys(&[
        RSA.jwk_with(&json!({"kid": "only-rs256", "alg": "RS256"})),
        P256.jwk("p256"),
        P384.jwk("p384"),
    ])
    .await;
    let authenticator = issuer.started().await;
    for (signer, kid, alg, algorithm) in [
        (&RSA, "only-rs256", "RS384", Algorithm::RS384),
        (&RSA, "only-rs256", "PS256", Algorithm::PS256),
        (&RSA, "p256", "RS256", Algorithm::RS256),
        (&P256, "p384", "ES256", Algorithm::ES256),
        (&P384, "p256", "ES384", Algorithm::ES384),
        (&P256, "only-rs256", "ES256", Algorithm::ES256),
    ] {
        let token = signer.sign(&json!({"alg": alg, "kid": kid}), &issuer.claims(), algorithm);
        let refusal = refusal(&authenticator, &token).await;
        assert_eq!(refusal, Refusal::AlgorithmNotForKey, "{alg} with {kid}");
    }
    // The header lies about what was done with the right key.
    let header = json!({"alg": "RS256", "kid": "only-rs256"});
    let token = RSA.sign(&header, &issuer.claims(), Algorithm::PS256);
    assert_eq!(refusal(&authenticator, &token).await, Refusal::BadSignature);
    assert!(authenticator.verify(&RSA.token("only-rs256", &issuer.claims())).await.is_ok());
}

#[tokio::test]
async fn without_a_key_id_the_only_fitting_key_is_taken() {
    let issuer = Issuer::with_keys(&[ED.jwk("one"), OTHER_ED.jwk("two"), P256.jwk("three")]).await;
    let authenticator = issuer.started().await;
    let es256 = P256.sign(&json!({"alg": "ES256"}), &issuer.claims(), Algorithm::ES256);
    assert!(authenticator.verify(&es256).await.is_ok());
    let eddsa = ED.sign(&json!({"alg": "EdDSA"}), &issuer.claims(), Algorithm::EdDSA);
    assert_eq!(refusal(&authenticator, &eddsa).await, Refusal::AmbiguousKey);
    let rs256 = RSA.sign(&json!({"alg": "RS256"}), &issuer.claims(), Algorithm::RS256);
    assert_eq!(refusal(&authenticator, &rs256).await, Refusal::UnknownKey);
}

#[tokio::test]
async fn keys_of_different_kinds_may_share_a_key_id() {
    let issuer = Issuer::with_keys(&[ED.jwk("1"), P256.jwk("1")]).await;
    let authenticator = issuer.started().await;
    for signer in [&*ED, &*P256] {
        assert!(authenticator.verify(&signer.token("1", &issuer.claims())).await.is_ok());
    }
    let forged = OTHER_ED.token("1", &issuer.claims());
    assert_eq!(refusal(&authenticator, &forged).await, Refusal::BadSignature);
}

#[tokio::test]
async fn a_key_id_must_be_exactly_one_that_is_known() {
    let issuer = issuer().await;
    let authenticator = issuer.started().await;
    for kid in ["ED", "ed ", "", "e"] {
        let token = ED.token(kid, &issuer.claims());
        assert_eq!(refusal(&authenticator, &token).await, Refusal::UnknownKey, "{kid:?}");
    }
    for kid in [json!(null), json!(17), json!(["ed"])] {
        let header = json!({"alg": "EdDSA", "kid": kid});
        let token = ED.sign(&header, &issuer.claims(), Algorithm::EdDSA);
        assert_eq!(refusal(&authenticator, &token).await, Refusal::Malformed, "{kid}");
    }
}

#[tokio::test]
async fn a_key_that_the_token_brings_or_points_to_is_ignored() {
    let issuer = issuer().await;
    let authenticator = issuer.started().await;
    let forgers = Issuer::with_keys(&[OTHER_ED.jwk("ed")]).await;
    let at = format!("{}/keys", forgers.url());
    let brought = json!({
        "alg": "EdDSA", "kid": "ed", "jwk": OTHER_ED.jwk("ed"), "jku": at, "x5u": at, "x5c": ["x"],
    });
    let token = OTHER_ED.sign(&brought, &issuer.claims(), Algorithm::EdDSA);
    assert_eq!(refusal(&authenticator, &token).await, Refusal::BadSignature);
    let unnamed = with(&brought, &json!({"kid": "forged"}));
    let token = OTHER_ED.sign(&unnamed, &issuer.claims(), Algorithm::EdDSA);
    assert_eq!(refusal(&authenticator, &token).await, Refusal::UnknownKey);
    assert_eq!(forgers.fetches().await, 0);

    // Ignored means ignored, also when it is nonsense.
    let nonsense = with(&brought, &json!({"jwk": 17, "jku": [], "x5u": null, "x5c": {}}));
    let token = ED.sign(&nonsense, &issuer.claims(), Algorithm::EdDSA);
    assert!(authenticator.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_critical_header_is_refused() {
    let issuer = issuer().await;
    let authenticator = issuer.started().await;
    for crit in [json!(["exp"]), json!([]), json!(null), json!(["b64"])] {
        let header = json!({"alg": "EdDSA", "kid": "ed", "crit": crit});
        let token = ED.sign(&header, &issuer.claims(), Algorithm::EdDSA);
        assert_eq!(refusal(&authenticator, &token).await, Refusal::CriticalHeader, "{crit}");
    }
}

#[tokio::test]
async fn only_access_tokens_are_accepted() {
    let issuer = issuer().await;
    let authenticator = issuer.started().await;
    let token = |typ: &Value| {
        let header = json!({"alg": "EdDSA", "kid": "ed", "typ": typ});
        ED.sign(&header, &issuer.claims(), Algorithm::EdDSA)
    };
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        assert!(authenticator.verify(&token(&json!(typ))).await.is_ok(), "{typ}");
    }
    for typ in [json!("logout+jwt"), json!("dpop+jwt"), json!(""), json!(17), json!(null)] {
        assert_eq!(refusal(&authenticator, &token(&typ)).await, Refusal::WrongType, "{typ}");
    }
}

#[tokio::test]
async fn what_is_not_three_parts_of_json_and_signature_is_malformed() {
    let issuer = issuer().await;
    let authenticator = issuer.started().await;
    let good = ED.token("ed", &issuer.claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let claims = issuer.claims().to_string();
    let header = r#"{"alg":"EdDSA","kid":"ed"}"#;
    for token in [
        String::new(),
        "..".into(),
        "....".into(),
        message.into(),
        format!("{good}.{signature}"),
        format!(".{good}"),
        format!(" {good}"),
        good.replacen('.', "=.", 1),
        format!("{}.x", unsigned("[]", &claims)),
        format!("{}.x", unsigned(header, "[]")),
        format!("{}.x", unsigned(header, "")),
        format!("{}.x", unsigned(header, &claims[1..])),
        format!("{}.x", unsigned(r#"{"kid":"ed"}"#, &claims)),
        format!("{}.x", unsigned(r#"{"alg":null,"kid":"ed"}"#, &claims)),
        format!("{}.x", unsigned(&header[1..], &claims)),
        format!("{}.x", unsigned(header, &"[".repeat(10_000))),
        "é.é.é".into(),
        "\0".into(),
    ] {
        assert_eq!(refusal(&authenticator, &token).await, Refusal::Malformed, "{token}");
    }
    for signature in ["", "!", "AAAA", &signature[1..], &format!("{signature}=")] {
        let token = format!("{message}.{signature}");
        assert_eq!(refusal(&authenticator, &token).await, Refusal::BadSignature, "{token}");
    }
}

#[tokio::test]
async fn a_token_over_16_kib_is_not_looked_at() {
    let issuer = issuer().await;
    let authenticator = issuer.started().await;
    let padded =
        |bytes: usize| ED.token("ed", &with(&issuer.claims(), &json!({"pad": "x".repeat(bytes)})));
    let long = padded(12_000);
    assert!(long.len() > 15_000 && long.len() <= MAX_TOKEN_BYTES);
    assert!(authenticator.verify(&long).await.is_ok());
    let too_long = padded(12_500);
    assert!(too_long.len() > MAX_TOKEN_BYTES);
    for token in [too_long, padded(1_000_000), "x".repeat(MAX_TOKEN_BYTES + 1)] {
        assert_eq!(authenticator.verified(&token), None);
        assert_eq!(refusal(&authenticator, &token).await, Refusal::TooLong);
    }
    assert_eq!(refusal(&authenticator, &"x".repeat(MAX_TOKEN_BYTES)).await, Refusal::Malformed);
}
