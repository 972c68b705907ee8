//! A credential that is fetched from the identity provider: when, how often, and to whom it is
//! sent.

mod secret;
mod world;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;
use wiremock::{MockServer, ResponseTemplate};

use self::world::World;
use super::*;

const SECRET: &str = "ge:heim+% ";

async fn ask(service: &ChatService) -> Result<Chat, ChatServiceError> {
    service.read(Access::Service, &chat_id()).chat().await
}

#[tokio::test]
async fn a_token_is_fetched_once_and_sent_to_the_chat_service() {
    let world = World::new().await;
    let service = world.service();
    assert!(service.has_service_access());
    assert_eq!(world.tried().await, 0, "nothing is asked before it is needed");
    for outcome in join_all((0..20).map(|_| ask(&service))).await {
        outcome.unwrap();
    }
    ask(&service).await.unwrap();
    assert_eq!(world.asked().await, 1);
    assert_eq!(world.shown().await, vec!["Bearer token-1"; 21]);
    let requests = world.provider.received_requests().await.unwrap();
    let token = requests.iter().find(|request| request.url.path() == "/token").unwrap();
    assert_eq!(token.method.as_str(), "POST");
    // RFC 6749, 2.3.1: both encoded as in a form, then joined: "share+links:ge%3Aheim%2B%25+".
    let basic = "Basic c2hhcmUrbGlua3M6Z2UlM0FoZWltJTJCJTI1Kw==";
    assert_eq!(token.headers["authorization"], basic);
    assert_eq!(token.headers["content-type"], "application/x-www-form-urlencoded");
    let body = String::from_utf8(token.body.clone()).unwrap();
    assert_eq!(body, "grant_type=client_credentials&scope=chats%3Aread");
}

#[tokio::test]
async fn prepare_fetches_a_token_and_may_fail() {
    let world = World::new().await;
    let service = world.service();
    service.prepare().await;
    assert_eq!(world.asked().await, 1);
    ask(&service).await.unwrap();
    assert_eq!(world.asked().await, 1);
    world.fails().await;
    world.service().prepare().await;
}

#[tokio::test]
async fn a_token_is_renewed_in_the_background_after_half_its_lifetime() {
    let world = World::new().await;
    let service = world.service();
    ask(&service).await.unwrap();
    world.clock.advance(TimeDelta::seconds(299));
    ask(&service).await.unwrap();
    assert_eq!(world.asked().await, 1);
    world.clock.advance(TimeDelta::seconds(2));
    // No request waits for the new one.
    ask(&service).await.unwrap();
    assert_eq!(world.shown().await, vec!["Bearer token-1"; 3]);
    for _ in 0..500 {
        if world.asked().await == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..500 {
        ask(&service).await.unwrap();
        if world.shown().await.last().unwrap() == "Bearer token-2" {
            break;
        }
    }
    assert_eq!(world.shown().await.last().unwrap(), "Bearer token-2");
    assert_eq!(world.asked().await, 2);
}

#[tokio::test]
async fn a_token_is_used_until_it_expires_while_the_provider_is_down() {
    let world = World::new().await;
    let service = world.service();
    ask(&service).await.unwrap();
    world.fails().await;
    // Due since long, and not over.
    world.clock.advance(TimeDelta::seconds(599));
    ask(&service).await.unwrap();
    world.clock.advance(TimeDelta::seconds(61));
    let shown = world.shown().await.len();
    for _ in 0..10 {
        assert_eq!(ask(&service).await, Err(ChatServiceError::CredentialUnavailable));
    }
    assert_eq!(world.shown().await.len(), shown, "the chat service was asked without a token");
    world.gives(json!({"token_type": "Bearer", "expires_in": 600})).await;
    world.clock.advance(TimeDelta::seconds(60));
    ask(&service).await.unwrap();
    assert_eq!(world.shown().await.last().unwrap(), "Bearer token-2");
}

#[tokio::test]
async fn failed_fetches_back_off() {
    let world = World::new().await;
    world.fails().await;
    let service = world.service();
    let mut tried = Vec::new();
    // One second after the other, for six minutes, ten callers in each.
    for _ in 0..360 {
        let outcomes = join_all((0..10).map(|_| ask(&service))).await;
        assert!(outcomes.iter().all(|o| *o == Err(ChatServiceError::CredentialUnavailable)));
        tried.push(world.tried().await);
        world.clock.advance(TimeDelta::seconds(1));
    }
    // After 1, 2, 4, … 32, and then 60 seconds each.
    assert_eq!((tried[0], tried[1], tried[3], tried[7]), (1, 2, 3, 4), "{tried:?}");
    assert!((9..=11).contains(tried.last().unwrap()), "{tried:?}");
}

#[tokio::test]
async fn a_401_fetches_another_token_and_retries_once() {
    let world = World::new().await;
    let service = world.service();
    ask(&service).await.unwrap();
    // Revoked, or its key is gone.
    world.clock.advance(TimeDelta::seconds(31));
    world.only_this_is_taken("token-2").await;
    for outcome in join_all((0..10).map(|_| ask(&service))).await {
        outcome.unwrap();
    }
    assert_eq!(world.asked().await, 2);
}

#[tokio::test]
async fn repeated_401s_fetch_a_token_every_30_seconds_at_most() {
    let world = World::new().await;
    let service = world.service();
    ask(&service).await.unwrap();
    world.only_this_is_taken("none of them").await;
    for half_minutes in 1..=3 {
        world.clock.advance(TimeDelta::seconds(31));
        for _ in 0..10 {
            let refused = ask(&service).await.unwrap_err();
            assert!(matches!(&refused, ChatServiceError::BadAnswer(why) if why.contains("401")));
        }
        assert_eq!(world.asked().await, 1 + half_minutes);
    }
    // At most one retry each.
    assert!(world.shown().await.len() <= 30 + 3, "{}", world.shown().await.len());
}

#[tokio::test]
async fn a_401_to_a_caller_fetches_no_token() {
    let world = World::new().await;
    let service = world.service();
    world.only_this_is_taken("none of them").await;
    let result = service.read(Access::Caller(&caller()), &chat_id()).chat().await;
    assert_eq!(result, Err(ChatServiceError::Unauthorized));
    assert_eq!(world.shown().await, ["Bearer callers.own.token"]);
    assert_eq!(world.asked().await, 0);
    // A configured token is not retried.
    let fixed = super::service(&world.chats.uri());
    assert!(matches!(ask(&fixed).await, Err(ChatServiceError::BadAnswer(_))));
    assert_eq!(world.shown().await.len(), 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_keep_an_old_token() {
    let world = World::new().await;
    let service = world.service();
    ask(&service).await.unwrap();
    world.clock.advance(TimeDelta::hours(-5));
    ask(&service).await.unwrap();
    for _ in 0..500 {
        if world.asked().await == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it was not renewed");
}

#[tokio::test]
async fn what_is_no_bearer_token_is_not_sent() {
    let world = World::new().await;
    for answer in [
        json!({"token_type": "Bearer", "access_token": ""}),
        json!({"token_type": "Bearer", "access_token": "a b"}),
        json!({"token_type": "Bearer", "access_token": "a\r\nx: y"}),
        json!({"token_type": "Bearer", "access_token": "x".repeat(20_000)}),
        json!({"token_type": "Bearer", "access_token": 17}),
        json!({"token_type": "DPoP", "access_token": "t"}),
        json!({"access_token": "t"}),
        json!({"token_type": "Bearer", "access_token": "t", "expires_in": 0}),
        json!({"token_type": "Bearer", "access_token": "t", "expires_in": -1}),
        json!({"token_type": "Bearer", "access_token": "t", "expires_in": "soon"}),
    ] {
        world.gives(answer.clone()).await;
        let outcome = ask(&world.service()).await;
        assert_eq!(outcome, Err(ChatServiceError::CredentialUnavailable), "{answer}");
    }
    for answer in [
        ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_client"})),
        ResponseTemplate::new(201)
            .set_body_json(json!({"token_type": "Bearer", "access_token": "t"})),
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_string("[".repeat(2_000_000)),
    ] {
        world.answers(json!({}), answer).await;
        assert_eq!(ask(&world.service()).await, Err(ChatServiceError::CredentialUnavailable));
    }
    assert_eq!(world.shown().await, Vec::<String>::new());
    // At most a day, and five minutes without `expires_in`.
    for (expires_in, lasts) in [(json!(null), 300), (json!(1e300), 86_400)] {
        world.gives(json!({"token_type": "BEARER", "expires_in": expires_in})).await;
        let service = world.service();
        ask(&service).await.unwrap();
        world.clock.advance(TimeDelta::seconds(lasts + 1));
        world.fails().await;
        assert_eq!(ask(&service).await, Err(ChatServiceError::CredentialUnavailable));
    }
}

#[tokio::test]
async fn the_secret_follows_no_redirect_and_goes_to_no_other_issuer() {
    let elsewhere = MockServer::start().await;
    let world = World::new().await;
    for status in [301, 302, 307, 308] {
        let to = format!("{}/token", elsewhere.uri());
        let redirect = ResponseTemplate::new(status).insert_header("Location", to.as_str());
        world.answers(json!({}), redirect).await;
        assert_eq!(ask(&world.service()).await, Err(ChatServiceError::CredentialUnavailable));
    }
    // A document of another issuer is not used.
    for metadata in [
        json!({"issuer": "https://evil.example", "token_endpoint": elsewhere.uri()}),
        json!({"issuer": format!("{}/", world.provider.uri()), "token_endpoint": elsewhere.uri()}),
        json!({"token_endpoint": null}),
        json!({"token_endpoint": "/token"}),
    ] {
        world.answers(metadata, ResponseTemplate::new(200)).await;
        assert_eq!(ask(&world.service()).await, Err(ChatServiceError::CredentialUnavailable));
        assert_eq!(world.asked().await, 0);
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}
