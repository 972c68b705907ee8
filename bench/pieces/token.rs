//! An RS256 token: seen for the first time, and remembered.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use criterion::{BatchSize, Criterion};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::json;
use shared_chats::{
    auth::{AuthSettings, Authenticator, ClaimNames},
    clock::Clock,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

const AUDIENCE: &str = "shared-chats";

pub fn check(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = rsa_key();
    let (provider, authenticator) = runtime.block_on(provider(&key));
    let mut number = 0_u64;
    let mut token = || {
        number += 1;
        sign(&key, &provider.uri(), number)
    };
    let mut group = criterion.benchmark_group("token");
    // Verifying waits for nothing once the keys are there.
    let verify = |token: &str| {
        futures_util::future::FutureExt::now_or_never(authenticator.verify(token)).unwrap().unwrap()
    };
    group.bench_function("first", |b| {
        b.iter_batched(&mut token, |token| verify(&token), BatchSize::SmallInput);
    });
    let remembered = token();
    verify(&remembered);
    group.bench_function("remembered", |b| {
        b.iter(|| authenticator.verified(&remembered).unwrap());
    });
    group.finish();
}

fn rsa_key() -> EncodingKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

/// A provider with this key, and an authenticator that has fetched it.
async fn provider(key: &EncodingKey) -> (MockServer, Authenticator) {
    let server = MockServer::start().await;
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::RS256).unwrap();
    jwk.common.key_id = Some("bench".to_owned());
    let keys = ResponseTemplate::new(200).set_body_json(json!({"keys": [jwk]}));
    Mock::given(path("/keys")).respond_with(keys).mount(&server).await;
    let settings = AuthSettings::Jwks {
        issuer: server.uri(),
        audience: AUDIENCE.to_owned(),
        jwks_url: Some(format!("{}/keys", server.uri()).parse().unwrap()),
        claims: ClaimNames::default(),
    };
    let authenticator = Authenticator::new(settings, reqwest::Client::new(), Clock::system());
    authenticator.start().await;
    assert!(authenticator.ready());
    (server, authenticator)
}

fn sign(key: &EncodingKey, issuer: &str, number: u64) -> String {
    let header = Header { kid: Some("bench".to_owned()), ..Header::new(Algorithm::RS256) };
    let claims = json!({
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": format!("viewer-{number}"),
        "name": "A viewer",
        "exp": Clock::system().now().timestamp() + 7200,
    });
    jsonwebtoken::encode(&header, &claims, key).unwrap()
}
