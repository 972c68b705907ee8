//! Keys, tokens, and an identity provider on loopback.

use std::sync::{LazyLock, Mutex};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::{
    auth::{AuthError, AuthSettings, Authenticator, ClaimNames, Refusal},
    clock::Clock,
};

pub(super) const AUDIENCE: &str = "share-links";
pub(super) const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

/// A private key with its public side; JWKs come without `alg`, so that they fit all of their kind.
pub(super) struct Signer {
    key: EncodingKey,
    public: Value,
    algorithm: Algorithm,
}

pub(super) static RSA: LazyLock<Signer> = LazyLock::new(|| {
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&*RSA_PAIR).unwrap();
    let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", pkcs8.as_ref()).as_bytes()).unwrap();
    Signer::new(key, Algorithm::RS256)
});
static RSA_PAIR: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
pub(super) static P256: LazyLock<Signer> = LazyLock::new(new_p256);
pub(super) static P384: LazyLock<Signer> =
    LazyLock::new(|| ec(&ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384));
pub(super) static ED: LazyLock<Signer> = LazyLock::new(ed);
/// Another one, for rotation and forgery.
pub(super) static OTHER_ED: LazyLock<Signer> = LazyLock::new(ed);

pub(super) fn new_p256() -> Signer {
    ec(&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256)
}

fn ec(curve: &'static EcdsaSigningAlgorithm, algorithm: Algorithm) -> Signer {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).unwrap();
    Signer::new(EncodingKey::from_ec_der(pkcs8.as_ref()), algorithm)
}

fn ed() -> Signer {
    let pkcs8 = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    Signer::new(EncodingKey::from_ed_der(pkcs8.as_ref()), Algorithm::EdDSA)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The published RSA key as PEM, for use as a shared secret.
pub(super) fn rsa_public_pem() -> String {
    let der = AsDer::<PublicKeyX509Der<'_>>::as_der(RSA_PAIR.public_key()).unwrap();
    pem("PUBLIC KEY", der.as_ref())
}

impl Signer {
    fn new(key: EncodingKey, algorithm: Algorithm) -> Self {
        let mut public =
            serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap();
        public.as_object_mut().unwrap().remove("alg");
        Self { key, public, algorithm }
    }

    /// The JWK under this name.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        with(&self.public, &json!({"kid": kid}))
    }

    /// The JWK with other members added or replaced.
    pub(super) fn jwk_with(&self, members: &Value) -> Value {
        with(&self.public, members)
    }

    /// A token of this key, by the algorithm that it is usually used with.
    pub(super) fn token(&self, kid: &str, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": format!("{:?}", self.algorithm), "kid": kid});
        self.sign(&header, claims, self.algorithm)
    }

    /// A token with any header at all, signed with this algorithm whatever the header says.
    pub(super) fn sign(&self, header: &Value, claims: &Value, algorithm: Algorithm) -> String {
        sign(&self.key, header, claims, algorithm)
    }
}

/// A token with any header, made with a shared secret.
pub(super) fn sign_secret(secret: &[u8], header: &Value, claims: &Value) -> String {
    sign(&EncodingKey::from_secret(secret), header, claims, Algorithm::HS256)
}

fn sign(key: &EncodingKey, header: &Value, claims: &Value, algorithm: Algorithm) -> String {
    let message = unsigned(&header.to_string(), &claims.to_string());
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// The first two parts of a token.
pub(super) fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// An object with members of another one added or replaced.
pub(super) fn with(object: &Value, members: &Value) -> Value {
    let mut object = object.as_object().unwrap().clone();
    object.extend(members.as_object().unwrap().clone());
    object.into()
}

pub(super) fn without(object: &Value, member: &str) -> Value {
    let mut object = object.as_object().unwrap().clone();
    object.remove(member).unwrap();
    object.into()
}

/// An identity provider, and the time it lives in.
pub(super) struct Issuer {
    pub(super) server: MockServer,
    pub(super) clock: Clock,
    /// Fetches that the server has forgotten, when it was told new answers.
    earlier: Mutex<usize>,
}

impl Issuer {
    /// One that publishes these keys.
    pub(super) async fn with_keys(keys: &[Value]) -> Self {
        let (server, clock) = (MockServer::start().await, Clock::movable());
        let issuer = Self { server, clock, earlier: Mutex::default() };
        issuer.publish(keys).await;
        issuer
    }

    pub(super) fn url(&self) -> String {
        self.server.uri()
    }

    pub(super) fn settings(&self) -> AuthSettings {
        AuthSettings::Jwks {
            issuer: self.url(),
            audience: AUDIENCE.into(),
            jwks_url: None,
            claims: ClaimNames::default(),
        }
    }

    /// Not yet started.
    pub(super) fn authenticator(&self) -> Authenticator {
        Authenticator::new(self.settings(), http(), self.clock.clone())
    }

    pub(super) async fn started(&self) -> Authenticator {
        let authenticator = self.authenticator();
        authenticator.start().await;
        assert!(authenticator.ready());
        authenticator
    }

    /// From now on these keys, at once.
    pub(super) async fn publish(&self, keys: &[Value]) {
        self.answer(ResponseTemplate::new(200).set_body_json(json!({"keys": keys}))).await;
    }

    /// From now on this answer to requests for the keys.
    pub(super) async fn answer(&self, keys: ResponseTemplate) {
        let discovery = json!({"issuer": self.url(), "jwks_uri": format!("{}/keys", self.url())});
        self.answers(ResponseTemplate::new(200).set_body_json(discovery), keys).await;
    }

    /// From now on these answers.
    pub(super) async fn answers(&self, discovery: ResponseTemplate, keys: ResponseTemplate) {
        // The first mock that matches answers, so older ones have to go, and with them go the
        // requests that the server has recorded.
        let earlier = self.fetches().await;
        self.server.reset().await;
        for (at, answer) in [("/.well-known/openid-configuration", discovery), ("/keys", keys)] {
            Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(&self.server).await;
        }
        *self.earlier.lock().unwrap() = earlier;
    }

    /// How often the key set was asked for.
    pub(super) async fn fetches(&self) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        let now = requests.iter().filter(|request| request.url.path() == "/keys").count();
        now + *self.earlier.lock().unwrap()
    }

    /// The provider is out of order.
    pub(super) async fn fail(&self) {
        let broken = || ResponseTemplate::new(500);
        self.answers(broken(), broken()).await;
    }

    /// Claims that are in order for the next ten minutes.
    pub(super) fn claims(&self) -> Value {
        claims(&self.clock, &self.url())
    }
}

pub(super) fn claims(clock: &Clock, issuer: &str) -> Value {
    let exp = clock.now().timestamp() + 600;
    json!({"iss": issuer, "aud": AUDIENCE, "sub": "user-1", "exp": exp})
}

pub(super) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// Why this token is refused.
pub(super) async fn refusal(authenticator: &Authenticator, token: &str) -> Refusal {
    match authenticator.verify(token).await {
        Err(AuthError::InvalidToken(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}
