//! An identity provider and a chat service, and the time between them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{header, path},
};

use super::{super::settings, SECRET};
use crate::{
    chat_service::{ChatService, ChatServiceSettings, ServiceCredential},
    clock::Clock,
    openid::ClientCredentials,
};

/// A provider whose n-th token is `token-n`, and a chat service that takes those it is told to.
pub(super) struct World {
    pub(super) provider: MockServer,
    pub(super) chats: MockServer,
    pub(super) clock: Clock,
    made: Arc<AtomicUsize>,
}

impl World {
    pub(super) async fn new() -> Self {
        let (provider, chats) = (MockServer::start().await, MockServer::start().await);
        let world = Self { provider, chats, clock: Clock::movable(), made: Arc::default() };
        world.gives(json!({"token_type": "Bearer", "expires_in": 600})).await;
        world.every_token_is_taken().await;
        world
    }

    /// From now on the provider answers so, with the next token.
    pub(super) async fn gives(&self, answer: Value) {
        let made = self.made.clone();
        self.answers(json!({}), move |_: &Request| {
            let mut answer = answer.clone();
            let number = made.fetch_add(1, Ordering::SeqCst) + 1;
            if answer.get("access_token").is_none() {
                answer["access_token"] = json!(format!("token-{number}"));
            }
            ResponseTemplate::new(200).set_body_json(answer)
        })
        .await;
    }

    pub(super) async fn answers(&self, metadata: Value, token: impl wiremock::Respond + 'static) {
        self.provider.reset().await;
        let issuer = self.provider.uri();
        let mut document = json!({"issuer": issuer, "token_endpoint": format!("{issuer}/token")});
        document.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        Mock::given(path("/.well-known/openid-configuration"))
            .respond_with(ResponseTemplate::new(200).set_body_json(document))
            .mount(&self.provider)
            .await;
        Mock::given(path("/token")).respond_with(token).mount(&self.provider).await;
    }

    /// The provider is out of order.
    pub(super) async fn fails(&self) {
        self.provider.reset().await;
    }

    pub(super) async fn every_token_is_taken(&self) {
        self.chats.reset().await;
        Mock::given(path("/api/v1/chats/c-1"))
            .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"id":"c-1"}"#))
            .mount(&self.chats)
            .await;
    }

    /// Any other one is answered 401.
    pub(super) async fn only_this_is_taken(&self, token: &str) {
        self.chats.reset().await;
        Mock::given(header("authorization", format!("Bearer {token}").as_str()))
            .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"id":"c-1"}"#))
            .mount(&self.chats)
            .await;
        Mock::given(path("/api/v1/chats/c-1"))
            .respond_with(ResponseTemplate::new(401))
            .mount(&self.chats)
            .await;
    }

    pub(super) fn service(&self) -> ChatService {
        let client = ClientCredentials {
            issuer: self.provider.uri(),
            client_id: "share links".to_owned(),
            client_secret: SECRET.to_owned(),
            scope: Some("chats:read".to_owned()),
            audience: None,
        };
        self.service_of(client)
    }

    pub(super) fn service_of(&self, client: ClientCredentials) -> ChatService {
        let service_credential = Some(ServiceCredential::Client(client));
        let settings = ChatServiceSettings { service_credential, ..settings(&self.chats.uri()) };
        ChatService::with_clock(settings, self.clock.clone()).unwrap()
    }

    /// The tokens that the chat service was shown, in their order.
    pub(super) async fn shown(&self) -> Vec<String> {
        let requests = self.chats.received_requests().await.unwrap();
        let value =
            |request: &Request| request.headers["authorization"].to_str().unwrap().to_owned();
        requests.iter().map(value).collect()
    }

    /// How often a token was asked for, since the provider was last told what to answer.
    pub(super) async fn asked(&self) -> usize {
        let requests = self.provider.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == "/token").count()
    }

    /// How often anything was, by a provider that is out of order as well.
    pub(super) async fn tried(&self) -> usize {
        let requests = self.provider.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() != "/token").count()
    }
}
