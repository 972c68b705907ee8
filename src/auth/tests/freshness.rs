//! The provider's keys over time.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use serde_json::json;
use wiremock::ResponseTemplate;

use super::fixtures::{ED, Issuer, OTHER_ED, P256, refusal};
use crate::auth::{AuthError, Authenticator, Keys, Refusal, keyring::Keyring};

fn keyring(authenticator: &Authenticator) -> &Arc<Keyring> {
    let Keys::Provider(keyring) = &authenticator.0.keys else { panic!("no provider") };
    keyring
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}

#[tokio::test]
async fn a_new_key_works_at_once_when_the_last_fetch_is_a_minute_ago() {
    let issuer = Issuer::with_keys(&[ED.jwk("old")]).await;
    let authenticator = issuer.started().await;
    issuer.publish(&[ED.jwk("old"), OTHER_ED.jwk("new")]).await;
    issuer.clock.advance(TimeDelta::seconds(60));
    assert!(authenticator.verify(&OTHER_ED.token("new", &issuer.claims())).await.is_ok());
    assert!(authenticator.verify(&ED.token("old", &issuer.claims())).await.is_ok());
    assert_eq!(issuer.fetches().await, 2);
}

#[tokio::test]
async fn a_new_key_works_within_a_minute_of_the_last_fetch() {
    let issuer = Issuer::with_keys(&[ED.jwk("old")]).await;
    let authenticator = issuer.started().await;
    issuer.publish(&[OTHER_ED.jwk("new")]).await;
    let token = OTHER_ED.token("new", &issuer.claims());
    issuer.clock.advance(TimeDelta::seconds(50));
    assert_eq!(refusal(&authenticator, &token).await, Refusal::UnknownKey);
    assert_eq!(issuer.fetches().await, 1);
    // That one was refused does not put it off: the cool-down counts from the last fetch.
    issuer.clock.advance(TimeDelta::seconds(10));
    assert!(authenticator.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_thousand_unknown_keys_cause_one_fetch_a_minute() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.started().await;
    for minute in 1..=2 {
        issuer.clock.advance(TimeDelta::seconds(61));
        let claims = issuer.claims();
        let refusals = join_all((0..1_000).map(|i| {
            let token = OTHER_ED.token(&format!("unknown-{minute}-{i}"), &claims);
            let authenticator = authenticator.clone();
            async move { refusal(&authenticator, &token).await }
        }))
        .await;
        assert!(refusals.iter().all(|refusal| *refusal == Refusal::UnknownKey));
        assert_eq!(issuer.fetches().await, 1 + minute);
    }
    assert!(authenticator.verify(&ED.token("1", &issuer.claims())).await.is_ok());
}

#[tokio::test]
async fn a_failed_attempt_cools_down_as_well() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.started().await;
    issuer.answer(ResponseTemplate::new(500)).await;
    issuer.clock.advance(TimeDelta::seconds(61));
    for i in 0..10 {
        let token = OTHER_ED.token(&format!("unknown-{i}"), &issuer.claims());
        assert_eq!(refusal(&authenticator, &token).await, Refusal::UnknownKey);
    }
    assert_eq!(issuer.fetches().await, 2);
}

#[tokio::test]
async fn an_invalid_token_causes_no_fetch() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.started().await;
    issuer.clock.advance(TimeDelta::seconds(61));
    let mut claims = issuer.claims();
    claims["exp"] = json!(17);
    let token = OTHER_ED.token("unknown", &claims);
    assert_eq!(refusal(&authenticator, &token).await, Refusal::Expired);
    assert_eq!(issuer.fetches().await, 1);
}

#[tokio::test]
async fn concurrent_requests_wait_for_one_fetch() {
    let issuer = Issuer::with_keys(&[ED.jwk("old")]).await;
    let authenticator = issuer.started().await;
    let slow = ResponseTemplate::new(200)
        .set_body_json(json!({"keys": [OTHER_ED.jwk("new")]}))
        .set_delay(Duration::from_millis(300));
    issuer.answer(slow).await;
    issuer.clock.advance(TimeDelta::seconds(61));
    let claims = issuer.claims();
    let outcomes = join_all((0..100).map(|i| {
        let mut claims = claims.clone();
        claims["sub"] = json!(format!("user-{i}"));
        let token = OTHER_ED.token("new", &claims);
        let authenticator = authenticator.clone();
        async move { authenticator.verify(&token).await }
    }))
    .await;
    for (i, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.unwrap().user_id.as_str(), format!("user-{i}"));
    }
    assert_eq!(issuer.fetches().await, 2);
}

#[tokio::test]
async fn a_cancelled_request_does_not_cancel_the_fetch() {
    let issuer = Issuer::with_keys(&[ED.jwk("old")]).await;
    let authenticator = issuer.started().await;
    let slow = ResponseTemplate::new(200)
        .set_body_json(json!({"keys": [OTHER_ED.jwk("new")]}))
        .set_delay(Duration::from_millis(300));
    issuer.answer(slow).await;
    issuer.clock.advance(TimeDelta::seconds(61));
    let token = OTHER_ED.token("new", &issuer.claims());
    let impatient = tokio::time::timeout(Duration::from_millis(100), authenticator.verify(&token));
    assert!(impatient.await.is_err());
    assert!(authenticator.verify(&token).await.is_ok());
    assert_eq!(issuer.fetches().await, 2);
}

#[test]
fn workers_on_runtimes_of_their_own_share_one_fetch() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let main = runtime();
    let issuer = main.block_on(Issuer::with_keys(&[ED.jwk("1")]));
    let authenticator = issuer.authenticator();
    let token = ED.token("1", &issuer.claims());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(runtime().block_on(authenticator.verify(&token)).is_ok()));
        }
    });
    assert_eq!(main.block_on(issuer.fetches()), 1);
}

#[tokio::test]
async fn a_key_that_changes_under_its_name_is_noticed() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.started().await;
    issuer.clock.advance(TimeDelta::seconds(61));
    issuer.publish(&[OTHER_ED.jwk("1")]).await;
    let replaced = OTHER_ED.token("1", &issuer.claims());
    assert!(authenticator.verify(&replaced).await.is_ok());
    // To a key of another kind as well, and without any name.
    issuer.clock.advance(TimeDelta::seconds(61));
    issuer.publish(&[P256.jwk("1")]).await;
    assert!(authenticator.verify(&P256.token("1", &issuer.claims())).await.is_ok());
    issuer.clock.advance(TimeDelta::seconds(61));
    issuer.publish(&[ED.jwk("2")]).await;
    let unnamed = ED.sign(&json!({"alg": "EdDSA"}), &issuer.claims(), Algorithm::EdDSA);
    assert!(authenticator.verify(&unnamed).await.is_ok());
}

#[tokio::test]
async fn known_keys_work_for_a_day_without_the_provider() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.started().await;
    issuer.fail().await;
    issuer.clock.advance(TimeDelta::hours(24) - TimeDelta::minutes(1));
    keyring(&authenticator).refresh().await;
    let token = ED.token("1", &issuer.claims());
    assert!(authenticator.verify(&token).await.is_ok());
    assert!(authenticator.verified(&token).is_some());

    issuer.clock.advance(TimeDelta::minutes(2));
    assert_eq!(authenticator.verified(&token), None);
    assert_eq!(authenticator.verify(&token).await, Err(AuthError::KeysUnavailable));
    assert!(!authenticator.ready());

    issuer.publish(&[ED.jwk("1")]).await;
    issuer.clock.advance(TimeDelta::seconds(5));
    assert!(authenticator.verify(&token).await.is_ok());
    assert!(authenticator.ready());
}

#[tokio::test]
async fn a_failed_refresh_keeps_the_old_keys() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    let authenticator = issuer.started().await;
    let ok = || ResponseTemplate::new(200);
    for (i, answer) in [
        ResponseTemplate::new(503),
        ok().set_body_string("nonsense"),
        ok().set_body_json(json!({"keys": []})),
        ok().set_body_json(json!({"keys": [{"kty": "oct", "k": "AAAA"}]})),
    ]
    .into_iter()
    .enumerate()
    {
        issuer.answer(answer).await;
        keyring(&authenticator).refresh().await;
        assert_eq!(issuer.fetches().await, i + 2);
        let mut claims = issuer.claims();
        claims["sub"] = json!(format!("user-{i}"));
        assert!(authenticator.verify(&ED.token("1", &claims)).await.is_ok());
    }
}

#[tokio::test]
async fn without_any_key_the_cool_down_is_five_seconds() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    issuer.answer(ResponseTemplate::new(500)).await;
    let authenticator = issuer.authenticator();
    authenticator.start().await;
    assert!(!authenticator.ready());
    for fetches in 1..=3 {
        for i in 0..20 {
            let mut claims = issuer.claims();
            claims["sub"] = json!(format!("user-{i}"));
            let outcome = authenticator.verify(&ED.token("1", &claims)).await;
            assert_eq!(outcome, Err(AuthError::KeysUnavailable));
        }
        assert_eq!(issuer.fetches().await, fetches);
        issuer.clock.advance(TimeDelta::seconds(5));
    }
    issuer.publish(&[ED.jwk("1")]).await;
    assert!(authenticator.verify(&ED.token("1", &issuer.claims())).await.is_ok());
    assert!(authenticator.ready());
}

#[tokio::test]
async fn requests_that_waited_for_a_slow_failure_do_not_repeat_it() {
    let issuer = Issuer::with_keys(&[]).await;
    issuer.answer(ResponseTemplate::new(500).set_delay(Duration::from_millis(300))).await;
    let authenticator = issuer.authenticator();
    let token = ED.token("1", &issuer.claims());
    let outcomes = join_all((0..10).map(|_| authenticator.verify(&token)));
    let time_passes = async {
        eventually("it is under way", async || issuer.fetches().await == 1).await;
        issuer.clock.advance(TimeDelta::seconds(9));
    };
    let (outcomes, ()) = tokio::join!(outcomes, time_passes);
    assert!(outcomes.iter().all(|outcome| *outcome == Err(AuthError::KeysUnavailable)));
    assert_eq!(issuer.fetches().await, 1);
}

#[tokio::test]
async fn an_invalid_token_is_refused_as_such_even_without_keys() {
    let issuer = Issuer::with_keys(&[]).await;
    let authenticator = issuer.authenticator();
    assert_eq!(refusal(&authenticator, "nonsense").await, Refusal::Malformed);
    assert_eq!(issuer.fetches().await, 0);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_fetching() {
    let issuer = Issuer::with_keys(&[ED.jwk("old")]).await;
    let authenticator = issuer.started().await;
    issuer.publish(&[OTHER_ED.jwk("new")]).await;
    issuer.clock.advance(TimeDelta::hours(-1));
    assert!(authenticator.verify(&OTHER_ED.token("new", &issuer.claims())).await.is_ok());
}

#[tokio::test]
async fn keys_are_refreshed_in_the_background_until_the_last_clone_is_gone() {
    let issuer = Issuer::with_keys(&[ED.jwk("old")]).await;
    let authenticator = issuer.started().await;
    keyring(&authenticator).keep_fresh(Duration::from_millis(20));
    let old = ED.token("old", &issuer.claims());
    assert!(authenticator.verify(&old).await.is_ok());
    issuer.publish(&[OTHER_ED.jwk("new")]).await;
    eventually("the old key is dropped", async || authenticator.verified(&old).is_none()).await;
    assert_eq!(refusal(&authenticator, &old).await, Refusal::UnknownKey);
    assert!(authenticator.verify(&OTHER_ED.token("new", &issuer.claims())).await.is_ok());

    // The task that refreshes them holds them for no longer than a fetch.
    let left = Arc::downgrade(keyring(&authenticator));
    drop(authenticator);
    eventually("the keys are dropped", async || left.strong_count() == 0).await;
}

#[tokio::test]
async fn a_provider_that_comes_up_late_is_noticed_without_any_token() {
    let issuer = Issuer::with_keys(&[ED.jwk("1")]).await;
    issuer.fail().await;
    let authenticator = issuer.authenticator();
    authenticator.start().await;
    keyring(&authenticator).keep_fresh(Duration::from_millis(20));
    issuer.publish(&[ED.jwk("1")]).await;
    issuer.clock.advance(TimeDelta::seconds(5));
    eventually("keys are at hand", async || authenticator.ready()).await;
}
