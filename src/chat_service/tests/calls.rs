//! Whom is asked, with which credential, and what the status of an answer means.

use std::sync::atomic::Ordering;

use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, header, method, path, query_param},
};

use super::{raw_server::RawServer, *};

async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

#[tokio::test]
async fn the_callers_token_is_forwarded_with_the_scheme_it_came_with() {
    for (scheme, value) in [
        (CredentialScheme::Bearer, "Bearer callers.own.token"),
        (CredentialScheme::BearerToken, "Bearer-Token callers.own.token"),
        (CredentialScheme::BearerAd, "Bearer-AD callers.own.token"),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/api/v1/chats/c-1"))
            .and(header("Authorization", value))
            .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"id":"c-1","name":"N"}"#))
            .expect(1)
            .mount(&server)
            .await;
        let service = service(&server.uri());
        let caller = caller_with(scheme, "alice");
        let chat = service.read(Access::Caller(&caller), &chat_id()).chat().await.unwrap();
        assert_eq!(chat, Chat { id: chat_id(), name: Some("N".to_owned()) });
    }
}

#[tokio::test]
async fn the_service_credential_is_a_bearer_token_and_has_to_be_there() {
    let server = answering(ResponseTemplate::new(200).set_body_string(r#"{"id":"c-1"}"#)).await;
    let with_token = service(&server.uri());
    assert!(with_token.has_service_access());
    with_token.read(Access::Service, &chat_id()).chat().await.unwrap();
    let sent = &server.received_requests().await.unwrap()[0].headers;
    assert_eq!(sent["authorization"], "Bearer services.own.token");
    assert_eq!(sent["user-agent"], concat!("shared-chats/", env!("CARGO_PKG_VERSION")));
    assert!(!sent.contains_key("accept-encoding"), "a compressed answer could not be bounded");

    let without = ChatServiceSettings { service_credential: None, ..settings(&server.uri()) };
    let without = ChatService::new(without).unwrap();
    assert!(!without.has_service_access());
    let result = without.read(Access::Service, &chat_id()).chat().await;
    assert_eq!(result, Err(ChatServiceError::NoServiceCredential));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[test]
fn a_service_token_that_no_header_can_hold_stops_the_start() {
    for token in ["", "a b", "a\nb", "é"] {
        let service_credential = Some(ServiceCredential::Token(token.into()));
        let settings = ChatServiceSettings { service_credential, ..settings("http://a") };
        let error = ChatService::new(settings).unwrap_err();
        assert_eq!(error.setting, "CHAT_SERVICE_TOKEN", "{token:?}");
    }
}

#[tokio::test]
async fn a_refusal_passes_through_to_the_caller_but_not_one_of_our_own_credential() {
    use ChatServiceError::{Forbidden, NotFound, Unauthorized};
    for (status, passed) in [(401, Unauthorized), (403, Forbidden), (404, NotFound)] {
        let server = answering(ResponseTemplate::new(status)).await;
        let service = service(&server.uri());
        let (caller, id) = (caller(), chat_id());
        let own = service.read(Access::Caller(&caller), &id);
        assert_eq!(own.chat().await.unwrap_err(), passed);
        assert_eq!(own.messages().await.unwrap_err(), passed);
        assert_eq!(own.has_messages().await.unwrap_err(), passed);
        let ours = service.read(Access::Service, &id).chat().await.unwrap_err();
        if status == 404 {
            assert_eq!(ours, NotFound);
        } else {
            assert!(matches!(ours, ChatServiceError::BadAnswer(_)), "{status}: {ours:?}");
        }
    }
}

#[tokio::test]
async fn no_list_of_files_means_no_files_but_a_refusal_is_one() {
    let (caller, id) = (caller(), chat_id());
    let server = answering(ResponseTemplate::new(404)).await;
    let service = service(&server.uri());
    assert!(service.read(Access::Caller(&caller), &id).files().await.unwrap().is_empty());

    server.reset().await;
    Mock::given(path("/api/v1/chats/c-1/agent_server_files"))
        .respond_with(ResponseTemplate::new(403))
        .mount(&server)
        .await;
    let refused = service.read(Access::Caller(&caller), &id).files().await;
    assert_eq!(refused, Err(ChatServiceError::Forbidden));
}

#[tokio::test]
async fn every_other_status_is_a_bad_answer() {
    for status in [201, 204, 206, 301, 302, 307, 400, 410, 429, 500, 503] {
        let template = ResponseTemplate::new(status).set_body_string(r#"{"id":"c-1"} SECRET"#);
        let server = answering(template).await;
        let service = service(&server.uri());
        match service.read(Access::Caller(&caller()), &chat_id()).chat().await {
            Err(ChatServiceError::BadAnswer(why)) => {
                assert!(why.contains(&status.to_string()) && !why.contains("SECRET"), "{why}");
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_credential_goes_nowhere_else() {
    let elsewhere = answering(ResponseTemplate::new(200).set_body_string(r#"{"id":"c-1"}"#)).await;
    for target in [format!("{}/x", elsewhere.uri()), "/api/v1/chats/other".to_owned()] {
        let template = ResponseTemplate::new(302).insert_header("Location", target.as_str());
        let server = answering(template).await;
        let service = service(&server.uri());
        let result = service.read(Access::Caller(&caller()), &chat_id()).chat().await;
        assert!(matches!(result, Err(ChatServiceError::BadAnswer(_))), "{result:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_address_may_have_a_path_and_an_id_is_one_segment_of_it() {
    let id = ChatSessionId::parse("a..~b_-").unwrap();
    for base in ["/h2o/gpt", "/h2o/gpt/"] {
        let server = MockServer::start().await;
        Mock::given(path("/h2o/gpt/api/v1/chats/a..~b_-/messages"))
            .and(query_param("offset", "0"))
            .and(query_param("limit", "1"))
            .respond_with(ResponseTemplate::new(200).set_body_string(messages_json(0, 1)))
            .expect(1)
            .mount(&server)
            .await;
        let service = service(&format!("{}{base}", server.uri()));
        assert!(service.read(Access::Caller(&caller()), &id).has_messages().await.unwrap());
    }
}

#[tokio::test]
async fn a_chat_without_messages_has_none() {
    let server = answering(ResponseTemplate::new(200).set_body_string("[]")).await;
    let service = service(&server.uri());
    let (caller, id) = (caller(), chat_id());
    let reader = service.read(Access::Caller(&caller), &id);
    assert!(!reader.has_messages().await.unwrap());
    assert!(reader.messages().await.unwrap().is_empty());
}

#[tokio::test]
async fn many_calls_share_one_connection() {
    let server = RawServer::start(|_, stream| super::raw_server::ok(br#"{"id":"c-1"}"#, stream));
    let service = service(&server.url);
    for _ in 0..20 {
        service.read(Access::Service, &chat_id()).chat().await.unwrap();
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 20);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn reads_can_run_in_any_task() {
    fn assert_send_sync<T: Send + Sync + 'static>() {}
    fn assert_send(_: impl Send) {}
    assert_send_sync::<ChatService>();
    let _ = |reader: ChatReader<'_>| {
        assert_send(reader.chat());
        assert_send(reader.messages());
        assert_send(reader.has_messages());
        assert_send(reader.files());
    };
}
