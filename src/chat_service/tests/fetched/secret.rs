//! How the secret is sent to the provider, and what is logged of a refusal.

use chrono::TimeDelta;
use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use super::{SECRET, ask, world::World};
use crate::{
    chat_service::ChatServiceError, openid::ClientCredentials, telemetry::log_lines::LogLines,
};

#[tokio::test]
async fn the_secret_goes_where_the_metadata_says_and_the_audience_is_sent() {
    let world = World::new().await;
    let client = |audience: &str| ClientCredentials {
        issuer: world.provider.uri(),
        client_id: "a&b".to_owned(),
        client_secret: SECRET.to_owned(),
        scope: None,
        audience: Some(audience.to_owned()),
    };
    for (methods, posted) in [
        (json!(["client_secret_post"]), true),
        (json!(["client_secret_post", "client_secret_basic"]), false),
        (json!(["private_key_jwt"]), false),
    ] {
        let token = json!({"token_type": "bearer", "access_token": "t", "expires_in": "60"});
        let token = ResponseTemplate::new(200).set_body_json(token);
        let metadata = json!({"token_endpoint_auth_methods_supported": methods});
        world.answers(metadata, token).await;
        ask(&world.service_of(client("https://chat.example/a"))).await.unwrap();
        ask(&world.service_of(client("chats"))).await.unwrap();
        let requests = world.provider.received_requests().await.unwrap();
        let mut bodies = Vec::new();
        for request in requests.iter().filter(|request| request.url.path() == "/token") {
            assert_eq!(request.headers.contains_key("authorization"), !posted, "{methods}");
            bodies.push(String::from_utf8(request.body.clone()).unwrap());
        }
        let secret = if posted { "&client_id=a%26b&client_secret=ge%3Aheim%2B%25+" } else { "" };
        let url = "https%3A%2F%2Fchat.example%2Fa";
        let first = format!("grant_type=client_credentials&audience={url}&resource={url}{secret}");
        let second = format!("grant_type=client_credentials&audience=chats{secret}");
        assert_eq!(bodies, [first, second]);
    }
}

/// A provider that lists both ways to send the secret, and takes the one that `takes` says.
async fn lists_both(world: &World, takes: impl Fn(&Request) -> bool + Send + Sync + 'static) {
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    let metadata = json!({"token_endpoint_auth_methods_supported": methods});
    let answer = move |request: &Request| {
        if takes(request) {
            let token = json!({"token_type": "Bearer", "access_token": "t", "expires_in": 60});
            ResponseTemplate::new(200).set_body_json(token)
        } else {
            ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_client"}))
        }
    };
    world.answers(metadata, answer).await;
}

fn is_basic(request: &Request) -> bool {
    request.headers.contains_key("authorization")
}

#[tokio::test]
async fn a_secret_that_is_refused_in_the_header_is_posted_from_then_on() {
    let world = World::new().await;
    lists_both(&world, |request| !is_basic(request)).await;
    let service = world.service();
    ask(&service).await.unwrap();
    assert_eq!(world.asked().await, 2);
    world.clock.advance(TimeDelta::seconds(61));
    ask(&service).await.unwrap();
    assert_eq!(world.asked().await, 3, "the header was tried again");
    // And back, when the client is registered in another way.
    lists_both(&world, is_basic).await;
    for expected in [2, 3] {
        world.clock.advance(TimeDelta::seconds(61));
        ask(&service).await.unwrap();
        assert_eq!(world.asked().await, expected);
    }
    // Where neither is taken each is tried once, and another error is no reason to.
    lists_both(&world, |_| false).await;
    assert_eq!(ask(&world.service()).await, Err(ChatServiceError::CredentialUnavailable));
    assert_eq!(world.asked().await, 2);
    let scope = ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_scope"}));
    world.answers(json!({"token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"]}), scope).await;
    assert_eq!(ask(&world.service()).await, Err(ChatServiceError::CredentialUnavailable));
    assert_eq!(world.asked().await, 1);
}

#[tokio::test]
async fn what_the_provider_says_of_a_refusal_is_logged_without_the_secret() {
    let world = World::new().await;
    let lines = LogLines::begin();
    for description in ["AADSTS7000215: Invalid client secret\r\nprovided.", "not ge:heim+% !"] {
        let said = json!({"error": "unauthorized_client", "error_description": description});
        world.answers(json!({}), ResponseTemplate::new(401).set_body_json(said)).await;
        assert_eq!(ask(&world.service()).await, Err(ChatServiceError::CredentialUnavailable));
    }
    let warnings = lines.of("WARN");
    let refused = "/token refused a token with status 401: unauthorized_client";
    let said = format!("{refused}: AADSTS7000215: Invalid client secret  provided.");
    assert!(warnings[0].contains(&world.provider.uri()) && warnings[0].contains(&said));
    assert!(warnings[1].contains(&format!("{refused} failed=1")), "{warnings:?}");
    assert!(!warnings[1].contains("heim"), "{warnings:?}");
}
