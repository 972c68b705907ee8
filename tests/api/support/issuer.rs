//! An identity provider that speaks HTTP: discovery, and a key set with one RSA key.

use std::{
    net::TcpListener,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use shared_chats::clock::Clock;

use super::{Servers, tokens};

pub const AUDIENCE: &str = "share-links";

static RSA: LazyLock<EncodingKey> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
});

#[derive(Clone)]
pub struct Issuer {
    pub url: String,
    state: Arc<State>,
}

struct State {
    url: String,
    /// Under which names the key is published; `None`: the provider is out of order.
    kids: Mutex<Option<Vec<String>>>,
    fetches: AtomicUsize,
    /// Requests that came with a credential of any kind.
    credentials: AtomicUsize,
}

impl Issuer {
    pub(super) async fn start(servers: &Servers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            url: url.clone(),
            kids: Mutex::new(Some(vec!["1".to_owned()])),
            fetches: AtomicUsize::new(0),
            credentials: AtomicUsize::new(0),
        });
        let shared = state.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::from(shared.clone())).default_service(web::to(answer))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        servers.add(server.handle());
        tokio::spawn(server);
        Self { url, state }
    }

    /// From now on the key goes by these names.
    pub fn publish(&self, kids: &[&str]) {
        *self.state.kids.lock().unwrap() = Some(kids.iter().map(|kid| (*kid).to_owned()).collect());
    }

    /// From now on nothing is answered well.
    pub fn fail(&self) {
        *self.state.kids.lock().unwrap() = None;
    }

    /// How often the keys were asked for.
    pub fn fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }

    /// How many requests came with a credential.
    pub fn credentials(&self) -> usize {
        self.state.credentials.load(Ordering::SeqCst)
    }

    /// Claims of this user that are in order.
    pub fn claims(&self, clock: &Clock, user: &str) -> Value {
        let mut claims = tokens::claims(clock, user);
        claims["iss"] = self.url.clone().into();
        claims["aud"] = AUDIENCE.into();
        claims
    }

    /// What anybody can read of the key.
    pub fn public_modulus(&self) -> String {
        let public = Jwk::from_encoding_key(&RSA, Algorithm::RS256).unwrap();
        serde_json::to_value(public).unwrap()["n"].as_str().unwrap().to_owned()
    }

    /// A token of the key, under this name.
    pub fn token(&self, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
        encode(&header, claims, &RSA).unwrap()
    }
}

async fn answer(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let has = |name: &str| request.headers().contains_key(name);
    if has("authorization") || has("cookie") || !request.query_string().is_empty() {
        state.credentials.fetch_add(1, Ordering::SeqCst);
    }
    let Some(kids) = state.kids.lock().unwrap().clone() else {
        return HttpResponse::InternalServerError().finish();
    };
    match request.path() {
        "/.well-known/openid-configuration" => HttpResponse::Ok()
            .json(json!({"issuer": state.url, "jwks_uri": format!("{}/keys", state.url)})),
        "/keys" => {
            state.fetches.fetch_add(1, Ordering::SeqCst);
            let public = Jwk::from_encoding_key(&RSA, Algorithm::RS256).unwrap();
            let public = serde_json::to_value(public).unwrap();
            let keys = kids.iter().map(|kid| {
                let mut key = public.clone();
                key["kid"] = kid.as_str().into();
                key
            });
            HttpResponse::Ok().json(json!({"keys": keys.collect::<Vec<_>>()}))
        }
        _ => HttpResponse::NotFound().finish(),
    }
}
