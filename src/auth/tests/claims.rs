//! What a token must say, and what is read from it. With a shared secret, since no rule about
//! claims depends on the key.

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::fixtures::{
    AUDIENCE, SECRET, claims as good_claims, http, refusal, sign_secret, with, without,
};
use crate::{
    auth::{AuthSettings, Authenticator, ClaimNames, Refusal, sign_hs256},
    clock::Clock,
    model::Identity,
};

const ISSUER: &str = "https://issuer.example/realm";

struct Setup {
    authenticator: Authenticator,
    clock: Clock,
    good: Value,
}

fn setup() -> Setup {
    setup_with(ClaimNames::default())
}

fn setup_with(claims: ClaimNames) -> Setup {
    let clock = Clock::movable();
    let settings = AuthSettings::Hs256 {
        secret: SECRET.into(),
        issuer: Some(ISSUER.into()),
        audience: Some(AUDIENCE.into()),
        claims,
    };
    let authenticator = Authenticator::new(settings, http(), clock.clone());
    let good = good_claims(&clock, ISSUER);
    Setup { authenticator, clock, good }
}

impl Setup {
    async fn identity(&self, claims: &Value) -> Identity {
        let token = sign_hs256(SECRET, claims).unwrap();
        let identity = self.authenticator.verify(&token).await;
        (*identity.unwrap_or_else(|error| panic!("{error}: {claims}"))).clone()
    }

    async fn with(&self, claims: Value) -> Identity {
        self.identity(&with(&self.good, &claims)).await
    }

    async fn refused(&self, claims: &Value) -> Refusal {
        refusal(&self.authenticator, &sign_hs256(SECRET, claims).unwrap()).await
    }

    async fn refused_with(&self, claims: Value) -> Refusal {
        self.refused(&with(&self.good, &claims)).await
    }

    fn seconds(&self, from_now: i64) -> i64 {
        self.clock.now().timestamp() + from_now
    }
}

#[tokio::test]
async fn a_valid_token_gives_its_identity() {
    let setup = setup();
    let exp = setup.seconds(90);
    let claims = json!({"sub": "auth0|17", "name": "Zoë", "exp": exp, "iat": "nonsense"});
    let identity = setup.with(claims).await;
    assert_eq!(identity.user_id.as_str(), "auth0|17");
    assert_eq!(identity.display_name.as_deref(), Some("Zoë"));
    assert!(!identity.is_chat_service);
    assert_eq!(identity.expires_at, DateTime::from_timestamp(exp, 0).unwrap());
}

#[tokio::test]
async fn the_issuer_is_compared_byte_for_byte() {
    let setup = setup();
    assert_eq!(setup.refused(&without(&setup.good, "iss")).await, Refusal::WrongIssuer);
    for iss in [
        json!("https://issuer.example/realm/"),
        json!("https://ISSUER.example/realm"),
        json!("https://issuer.example/real"),
        json!(""),
        json!(null),
        json!([ISSUER]),
    ] {
        assert_eq!(setup.refused_with(json!({"iss": iss})).await, Refusal::WrongIssuer, "{iss}");
    }
}

#[tokio::test]
async fn the_audience_must_be_or_contain_the_configured_one() {
    let setup = setup();
    setup.with(json!({"aud": [AUDIENCE]})).await;
    setup.with(json!({"aud": ["others", AUDIENCE]})).await;
    assert_eq!(setup.refused(&without(&setup.good, "aud")).await, Refusal::WrongAudience);
    for aud in [
        json!("others"),
        json!("share-links others"),
        json!("Share-Urls"),
        json!([]),
        json!(["others"]),
        json!([17, AUDIENCE]),
        json!({AUDIENCE: true}),
        json!(null),
    ] {
        assert_eq!(setup.refused_with(json!({"aud": aud})).await, Refusal::WrongAudience, "{aud}");
    }
}

#[tokio::test]
async fn issuer_and_audience_are_compared_with_a_shared_secret_only_where_set() {
    let clock = Clock::movable();
    let settings = AuthSettings::Hs256 {
        secret: SECRET.into(),
        issuer: None,
        audience: None,
        claims: ClaimNames::default(),
    };
    let authenticator = Authenticator::new(settings, http(), clock.clone());
    assert!(authenticator.ready());
    let good = good_claims(&clock, ISSUER);
    for claims in
        [with(&good, &json!({"iss": "x", "aud": "y"})), without(&without(&good, "iss"), "aud")]
    {
        assert!(authenticator.verify(&sign_hs256(SECRET, &claims).unwrap()).await.is_ok());
    }
}

#[tokio::test]
async fn an_expiry_is_required_and_must_be_a_number() {
    let setup = setup();
    assert_eq!(setup.refused(&without(&setup.good, "exp")).await, Refusal::MissingExp);
    for exp in [json!("4102444800"), json!(null), json!(true), json!([4_102_444_800_u64])] {
        assert_eq!(setup.refused_with(json!({"exp": exp})).await, Refusal::BadDate, "{exp}");
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_after_five_seconds_at_most() {
    let setup = setup();
    setup.with(json!({"exp": setup.seconds(-3)})).await;
    setup.with(json!({"exp": setup.seconds(-3) as f64 + 0.25})).await;
    for exp in [json!(setup.seconds(-5)), json!(0), json!(-1), json!(-1e300), json!(i64::MIN)] {
        assert_eq!(setup.refused_with(json!({"exp": exp})).await, Refusal::Expired, "{exp}");
    }
}

#[tokio::test]
async fn the_leeway_does_not_change_the_identitys_expiry() {
    let setup = setup();
    let exp = setup.seconds(-2);
    assert_eq!(setup.with(json!({"exp": exp})).await.expires_at.timestamp(), exp);
}

#[tokio::test]
async fn an_expiry_after_the_year_9999_is_clamped() {
    let setup = setup();
    for exp in [json!(u64::MAX), json!(i64::MAX), json!(1e300), json!(253_402_300_800_u64)] {
        let identity = setup.with(json!({"exp": exp})).await;
        assert_eq!(identity.expires_at.to_rfc3339(), "9999-12-31T23:59:59+00:00", "{exp}");
    }
    let text = setup.good.to_string().replace("\"exp\":", "\"exp\":1e999,\"was\":");
    let header = r#"{"alg":"HS256"}"#;
    let message = super::fixtures::unsigned(header, &text);
    let token = format!("{message}.AAAA");
    assert_eq!(refusal(&setup.authenticator, &token).await, Refusal::BadDate);
}

#[tokio::test]
async fn a_token_not_yet_valid_is_refused_beyond_five_seconds() {
    let setup = setup();
    for nbf in [json!(setup.seconds(4)), json!(setup.seconds(-4)), json!(-1e300), json!(0.5)] {
        setup.with(json!({"nbf": nbf})).await;
    }
    for nbf in [json!(setup.seconds(8)), json!(1e300), json!(u64::MAX)] {
        assert_eq!(setup.refused_with(json!({"nbf": nbf})).await, Refusal::NotYetValid, "{nbf}");
    }
    for nbf in [json!("0"), json!(null), json!({})] {
        assert_eq!(setup.refused_with(json!({"nbf": nbf})).await, Refusal::BadDate, "{nbf}");
    }
    let later = json!({"nbf": setup.seconds(60)});
    assert_eq!(setup.refused_with(later.clone()).await, Refusal::NotYetValid);
    setup.clock.advance(TimeDelta::seconds(60));
    setup.with(later).await;
}

#[tokio::test]
async fn a_subject_is_required_and_must_be_a_user_id() {
    let setup = setup();
    assert_eq!(setup.refused(&without(&setup.good, "sub")).await, Refusal::BadSubject);
    for sub in [json!(""), json!(null), json!(17), json!("a\0b"), json!("x".repeat(256))] {
        assert_eq!(setup.refused_with(json!({"sub": sub})).await, Refusal::BadSubject, "{sub}");
    }
}

#[tokio::test]
async fn a_name_is_shown_only_if_it_is_no_address_and_not_the_subject() {
    let setup = setup();
    let long = "é".repeat(300);
    for (claims, shown) in [
        (json!({}), None),
        (json!({"name": "Ann", "preferred_username": "ann17"}), Some("Ann")),
        (json!({"preferred_username": "ann17"}), Some("ann17")),
        (json!({"name": "ann@example.org", "preferred_username": "ann17"}), Some("ann17")),
        (json!({"name": "ann@example.org", "preferred_username": "a@b"}), None),
        (json!({"name": "user-1", "preferred_username": " user-1 "}), None),
        (json!({"name": " \u{2003}\n", "preferred_username": ""}), None),
        (json!({"name": 17, "preferred_username": ["ann"]}), None),
        (json!({"name": null, "preferred_username": "ann17"}), Some("ann17")),
        (json!({"email": "Ann", "nickname": "Ann"}), None),
        (json!({"name": "  Ann\nLee\u{1b}[31m\0 "}), Some("Ann Lee [31m\u{fffd}")),
        (json!({"name": long}), Some(&long[..400])),
    ] {
        assert_eq!(setup.with(claims.clone()).await.display_name.as_deref(), shown, "{claims}");
    }
}

#[tokio::test]
async fn a_lone_surrogate_in_a_claim_does_not_make_a_token_unreadable() {
    let setup = setup();
    let claims = setup.good.to_string().replacen('{', r#"{"name":"A\ud800","x":"\udfff","#, 1);
    let claims = serde_json::value::RawValue::from_string(claims).unwrap();
    let token = sign_hs256(SECRET, &claims).unwrap();
    let identity = setup.authenticator.verify(&token).await.unwrap();
    assert_eq!(identity.display_name.as_deref(), Some("A\u{fffd}"));
}

#[tokio::test]
async fn only_the_whole_scope_is_the_chat_service() {
    let setup = setup();
    for (claims, expected) in [
        (json!({"scope": "shared_chats:service"}), true),
        (json!({"scope": "openid shared_chats:service email"}), true),
        (json!({"scp": ["openid", "shared_chats:service"]}), true),
        (json!({"scope": "openid", "scp": ["shared_chats:service"]}), true),
        (json!({"scope": ["shared_chats:service"]}), true),
        (json!({"scp": "shared_chats:service"}), true),
        (json!({"scp": "openid shared_chats:service"}), true),
        (json!({"scope": "xshared_chats:service"}), false),
        (json!({"scope": "shared_chats:service2"}), false),
        (json!({"scope": "shared_chats:"}), false),
        (json!({"scope": "Shared_Chats:Service"}), false),
        (json!({"scope": "openid,shared_chats:service"}), false),
        (json!({"scope": "openid\tshared_chats:service"}), false),
        (json!({"scp": ["openid shared_chats:service"]}), false),
        (json!({"scope": ["openid shared_chats:service"]}), false),
        (json!({"scope": [["shared_chats:service"]]}), false),
        (json!({"scp": 17}), false),
        (json!({"scp": null}), false),
        (json!({"scp": true}), false),
        (json!({"scp": ["xshared_chats:service"]}), false),
        (json!({"scp": [17, "shared_chats:service"]}), false),
        (json!({"scp": {"shared_chats:service": true}}), false),
        (json!({"roles": ["shared_chats:service"]}), false),
        (json!({"permissions": ["shared_chats:service"]}), false),
        (json!({"groups": "shared_chats:service"}), false),
    ] {
        assert_eq!(setup.with(claims.clone()).await.is_chat_service, expected, "{claims}");
    }
}

#[tokio::test]
async fn the_scope_counts_in_the_configured_claims_alone() {
    let scopes = vec!["roles".to_owned(), "https://id.example/permissions".to_owned()];
    let setup = setup_with(ClaimNames { scopes, ..ClaimNames::default() });
    for (claims, expected) in [
        (json!({"roles": ["shared_chats:service"]}), true),
        (json!({"roles": "other shared_chats:service"}), true),
        (
            json!({"roles": "other", "https://id.example/permissions": ["shared_chats:service"]}),
            true,
        ),
        (json!({"roles": ["other shared_chats:service"]}), false),
        (json!({"roles": {"shared_chats:service": true}}), false),
        (json!({"scope": "shared_chats:service", "scp": ["shared_chats:service"]}), false),
    ] {
        assert_eq!(setup.with(claims.clone()).await.is_chat_service, expected, "{claims}");
    }
}

#[tokio::test]
async fn the_audience_is_compared_in_the_configured_claim_alone() {
    let setup = setup_with(ClaimNames { audience: "client_id".into(), ..ClaimNames::default() });
    // As Cognito's access tokens are.
    let access = with(&without(&setup.good, "aud"), &json!({"client_id": AUDIENCE}));
    setup.identity(&access).await;
    setup.identity(&with(&access, &json!({"client_id": ["others", AUDIENCE]}))).await;
    assert_eq!(setup.refused(&setup.good).await, Refusal::WrongAudience);
    for client_id in [json!("others"), json!(17), json!(null), json!("")] {
        let refused = setup.refused_with(json!({"client_id": client_id})).await;
        assert_eq!(refused, Refusal::WrongAudience, "{client_id}");
    }
}

#[tokio::test]
async fn another_secret_is_refused() {
    let setup = setup();
    let token =
        sign_secret(b"another secret of thirty-two byte", &json!({"alg": "HS256"}), &setup.good);
    assert_eq!(refusal(&setup.authenticator, &token).await, Refusal::BadSignature);
}

#[test]
fn settings_do_not_show_the_secret() {
    let settings = AuthSettings::Hs256 {
        secret: SECRET.into(),
        issuer: Some(ISSUER.into()),
        audience: None,
        claims: ClaimNames::default(),
    };
    let shown = format!("{settings:?}");
    assert!(shown.contains(ISSUER), "{shown}");
    assert!(!shown.contains("secret") && !shown.contains("97"), "{shown}");
}
