//! How keys are fetched from the provider.

use std::time::{Duration, Instant};

use serde_json::json;
use wiremock::ResponseTemplate;

use super::fixtures::{AUDIENCE, ED, Issuer, RSA, http, with};
use crate::{
    auth::{
        AuthError, AuthSettings, Authenticator, ClaimNames,
        provider::{FetchError, Provider},
    },
    clock::Clock,
    openid::{self, Endpoint},
    telemetry::log_lines::LogLines,
};

async fn fetch_error(issuer: &Issuer) -> FetchError {
    let Err(error) = Provider::new(http(), issuer.url(), None).fetch().await else {
        panic!("the fetch should have failed");
    };
    error
}

fn discovery(issuer: &str, jwks_uri: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"issuer": issuer, "jwks_uri": jwks_uri}))
}

fn keys() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"keys": [ED.jwk("1")]}))
}

#[tokio::test]
async fn nothing_is_fetched_before_it_is_asked_for() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.authenticator();
    assert!(!authenticator.ready());
    assert!(issuer.server.received_requests().await.unwrap().is_empty());
    assert!(authenticator.verify(&ED.token("1", &issuer.claims())).await.is_ok());
    assert!(authenticator.ready());
}

#[tokio::test]
async fn a_configured_url_needs_no_discovery() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let settings = AuthSettings::Jwks {
        issuer: "https://issuer.invalid".into(),
        audience: AUDIENCE.into(),
        jwks_url: Some(format!("{}/keys", issuer.url()).parse().unwrap()),
        claims: ClaimNames::default(),
    };
    let authenticator = Authenticator::new(settings, http(), issuer.clock.clone());
    authenticator.start().await;
    let claims = with(&issuer.claims(), &json!({"iss": "https://issuer.invalid"}));
    assert!(authenticator.verify(&ED.token("1", &claims)).await.is_ok());
    assert_eq!(issuer.server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_discovery_document_must_be_about_our_issuer_byte_for_byte() {
    let issuer = Issuer::with_keys(&[]).await;
    let at = format!("{}/keys", issuer.url());
    for other in [format!("{}/", issuer.url()), issuer.url().replace("http", "HTTP"), "".into()] {
        issuer.answers(discovery(&other, &at), keys()).await;
        let error = fetch_error(&issuer).await;
        assert!(matches!(error, FetchError::OtherIssuer { .. }), "{error:?}");
        let authenticator = issuer.authenticator();
        let outcome = authenticator.verify(&ED.token("1", &issuer.claims())).await;
        assert_eq!(outcome, Err(AuthError::KeysUnavailable));
    }
    assert_eq!(issuer.fetches().await, 0);
}

#[tokio::test]
async fn an_issuer_with_a_terminating_slash_is_discovered_without_it() {
    let issuer = Issuer::with_keys(&[]).await;
    let with_slash = format!("{}/", issuer.url());
    issuer.answers(discovery(&with_slash, &format!("{}/keys", issuer.url())), keys()).await;
    assert!(Provider::new(http(), with_slash, None).fetch().await.is_ok());
}

#[test]
fn an_https_issuer_needs_an_https_key_set() {
    let keys_url = |issuer: &str, at: &str| {
        let document = json!({"issuer": issuer, "jwks_uri": at}).to_string();
        let provider = openid::Issuer::new(http(), issuer.into());
        provider.read(issuer.parse().unwrap(), document.as_bytes(), Endpoint::Keys)
    };
    let (https, http) = ("https://issuer.example/", "http://issuer.example/");
    for at in ["http://issuer.example/keys", "ftp://issuer.example/keys", "file:///keys"] {
        assert!(matches!(keys_url(https, at), Err(FetchError::NotHttps { .. })), "{at}");
    }
    for issuer in [https, http] {
        assert!(keys_url(issuer, "https://keys.example/").is_ok());
    }
    assert!(keys_url(http, "http://keys.example/").is_ok());
}

#[tokio::test]
async fn an_issuer_that_is_no_url_is_reported() {
    for issuer in ["accounts", "file:///etc", ""] {
        let fetched = Provider::new(http(), issuer.into(), None).fetch().await;
        assert!(matches!(fetched, Err(FetchError::IssuerIsNoUrl)), "{issuer}");
    }
}

#[tokio::test]
async fn a_document_that_cannot_be_used_is_a_failure() {
    let issuer = Issuer::with_keys(&[]).await;
    let at = format!("{}/keys", issuer.url());
    let ok = || ResponseTemplate::new(200);
    for nonsense in [
        ok().set_body_string("<html>"),
        ok().set_body_json(json!({"issuer": issuer.url()})),
        discovery(&issuer.url(), "not a url"),
    ] {
        issuer.answers(nonsense, keys()).await;
        let error = fetch_error(&issuer).await;
        assert!(matches!(error, FetchError::NoDiscoveryDocument { .. }), "{error:?}");
    }
    for nonsense in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#] {
        issuer.answers(discovery(&issuer.url(), &at), ok().set_body_string(nonsense)).await;
        let error = fetch_error(&issuer).await;
        assert!(matches!(error, FetchError::NoKeySet { .. }), "{nonsense}: {error:?}");
    }
    for (keys, why) in [
        (json!([]), "it has none for signatures"),
        (json!([RSA.jwk_with(&json!({"use": "enc"}))]), "it has none for signatures"),
        (json!([{"kid": "1", "kty": "oct", "k": "AAAA"}]), r#""1": the kind of key"#),
    ] {
        let keys = ok().set_body_json(json!({"keys": keys}));
        issuer.answers(discovery(&issuer.url(), &at), keys).await;
        let error = fetch_error(&issuer).await;
        assert!(matches!(error, FetchError::NoKeys { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
    }
    for status in [201, 204, 404, 500] {
        let keys = ResponseTemplate::new(status).set_body_json(json!({"keys": [ED.jwk("1")]}));
        issuer.answers(discovery(&issuer.url(), &at), keys).await;
        let error = fetch_error(&issuer).await;
        let FetchError::Status { status: reported, .. } = error else { panic!("{error:?}") };
        assert_eq!(reported, status);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Issuer::with_keys(&[ED.jwk("1")]).await;
    let issuer = Issuer::with_keys(&[]).await;
    let at = format!("{}/keys", elsewhere.url());
    issuer.answer(ResponseTemplate::new(302).insert_header("Location", at.as_str())).await;
    let error = fetch_error(&issuer).await;
    assert!(matches!(error, FetchError::Status { status: 302, .. }), "{error:?}");
    assert_eq!(elsewhere.fetches().await, 0);
}

#[tokio::test]
async fn a_document_is_not_read_beyond_a_mebibyte() {
    let issuer = Issuer::with_keys(&[]).await;
    let set = |pad: usize| json!({"keys": [ED.jwk("1")], "pad": "x".repeat(pad)}).to_string();
    let around = set(0).len();
    let at_most = 1024 * 1024 - around;
    issuer.answer(ResponseTemplate::new(200).set_body_string(set(at_most))).await;
    assert!(Provider::new(http(), issuer.url(), None).fetch().await.is_ok());
    issuer.answer(ResponseTemplate::new(200).set_body_string(set(at_most + 1))).await;
    let error = fetch_error(&issuer).await;
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_times_out() {
    let issuer = Issuer::with_keys(&[]).await;
    issuer.answer(keys().set_delay(Duration::from_secs(30))).await;
    let mut provider = Provider::new(http(), issuer.url(), None);
    assert_eq!(provider.timeout, Duration::from_secs(10));
    provider.timeout = Duration::from_millis(200);
    let began = Instant::now();
    let Err(error) = provider.fetch().await else { panic!("it did not time out") };
    assert_eq!(error.to_string(), format!("no whole answer from {} in time", issuer.url()));
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// What is logged of a fetch from this issuer, which fails.
async fn logged(issuer: &str) -> String {
    let lines = LogLines::begin();
    let settings = AuthSettings::Jwks {
        issuer: issuer.to_owned(),
        audience: AUDIENCE.into(),
        jwks_url: None,
        claims: ClaimNames::default(),
    };
    Authenticator::new(settings, http(), Clock::movable()).start().await;
    let mut warnings = lines.of("WARN");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    warnings.swap_remove(0)
}

#[tokio::test]
async fn a_failed_fetch_is_logged_with_address_and_cause() {
    let issuer = Issuer::with_keys(&[]).await;
    issuer.answer(ResponseTemplate::new(503)).await;
    let said = json!({"error": "server_error", "error_description": "The realm\nis disabled."});
    let url = issuer.url();
    let refused = ResponseTemplate::new(404).set_body_json(said);
    let elsewhere = Issuer::with_keys(&[]).await;
    elsewhere.answers(refused, keys()).await;
    for (issuer, parts) in [
        // Nothing listens on port 1 of loopback.
        ("http://127.0.0.1:1", ["http://127.0.0.1:1/.well-known", "Connection refused"]),
        ("http://no-such-host.invalid", ["http://no-such-host.invalid/", "dns error"]),
        (&url.replace("http:", "https:"), ["https://127.0.0.1:", "corrupt message"]),
        (&url, [&format!("{url}/keys"), "status 503"]),
        (&elsewhere.url(), ["status 404", ": server_error: The realm is disabled."]),
    ] {
        let logged = logged(issuer).await;
        for part in parts {
            assert!(logged.contains(part), "{part}: {logged}");
        }
    }
}
