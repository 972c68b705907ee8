//! No id, answer or redirect changes the path, the headers or the destination of a request to the
//! chat service. The requests are checked as raw bytes.

use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use super::{
    raw_server::{RawServer, ok},
    *,
};

/// Ids of files as a chat service may list them, and the segment that each is asked for as.
const FILES: [(&str, &str); 16] = [
    ("a/b", "a%2Fb"),
    ("../../admin", "..%2F..%2Fadmin"),
    ("/etc/passwd", "%2Fetc%2Fpasswd"),
    ("//evil.example/x", "%2F%2Fevil.example%2Fx"),
    ("http://evil.example/x", "http:%2F%2Fevil.example%2Fx"),
    ("@evil.example", "@evil.example"),
    ("..\\..\\admin", "..%5C..%5Cadmin"),
    ("%2e%2e", "%252e%252e"),
    ("%2E", "%252E"),
    ("..%2f..%2fadmin", "..%252f..%252fadmin"),
    ("x?admin=true", "x%3Fadmin=true"),
    ("x#y", "x%23y"),
    ("x;y=z", "x;y=z"),
    ("x HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /admin", ""),
    ("x\ny", ""),
    ("é", "%C3%A9"),
];

const PREFIX: &str = "/h2o/api/v1/chats/c-1/agent_server_files/";

async fn chat_service() -> (RawServer, ChatService) {
    let server = RawServer::start(|_, stream| ok(br#"{"id":"c-1"}"#, stream));
    let service = service(&format!("{}/h2o", server.url));
    (server, service)
}

#[tokio::test]
async fn a_files_id_is_one_segment_whatever_is_in_it() {
    let (server, service) = chat_service().await;
    let id = chat_id();
    for (file, segment) in FILES {
        let asked = server.heads().len();
        let opened = service.read(Access::Service, &id).file(file, Pace::AsRead).await;
        assert!(opened.is_ok(), "{file:?}");
        let heads = server.heads();
        assert_eq!(heads.len(), asked + 1, "{file:?}: one request");
        let line = heads[asked].lines().next().unwrap().to_owned();
        let target = line.strip_prefix("GET ").and_then(|line| line.strip_suffix(" HTTP/1.1"));
        let target = target.unwrap_or_else(|| panic!("{line}"));
        let sent = target.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix("/content"));
        let sent = sent.unwrap_or_else(|| panic!("{file:?}: {target}"));
        assert!(!sent.contains(['/', '\\', '?', '#', ' ', '\r', '\n']), "{file:?}: {target}");
        if !segment.is_empty() {
            assert_eq!(sent, segment, "{file:?}");
        }
        assert_eq!(host(&heads[asked]), server.url.strip_prefix("http://").unwrap(), "{file:?}");
    }
    // What a URL gives a meaning of its own is not asked for at all.
    let asked = server.heads().len();
    for file in [".", ".."] {
        let opened = service.read(Access::Service, &id).file(file, Pace::AsRead).await;
        assert!(matches!(opened, Err(ChatServiceError::NotFound)), "{file}");
    }
    assert_eq!(server.heads().len(), asked);
}

fn host(head: &str) -> &str {
    let hosts: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("host: ")).collect();
    assert_eq!(hosts.len(), 1, "{head}");
    hosts[0]
}

#[test]
fn what_could_be_more_than_a_segment_is_no_chats_id() {
    for (id, _) in FILES {
        assert!(ChatSessionId::parse(id).is_err() || id == "%2E", "{id:?}");
    }
    for id in ["", ".", "..", "%2E", "a%2fb", "a b", "a\0", "a:b", "a@b", &"x".repeat(129)] {
        assert!(ChatSessionId::parse(id).is_err(), "{id:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_but_what_is_needed() {
    let (server, service) = chat_service().await;
    let (caller, id) = (caller(), chat_id());
    service.read(Access::Caller(&caller), &id).chat().await.unwrap();
    service.read(Access::Service, &id).chat().await.unwrap();
    for (head, token) in server.heads().iter().zip(["callers.own.token", "services.own.token"]) {
        let mut lines: Vec<&str> = head.lines().collect();
        assert_eq!(lines.remove(0), "GET /h2o/api/v1/chats/c-1 HTTP/1.1");
        lines.sort_unstable();
        let host = format!("host: {}", server.url.strip_prefix("http://").unwrap());
        let agent = concat!("user-agent: shared-chats/", env!("CARGO_PKG_VERSION"));
        let authorization = format!("authorization: Bearer {token}");
        assert_eq!(lines, ["accept: application/json", &authorization, &host, agent]);
    }
}

#[tokio::test]
async fn no_redirect_is_followed_by_any_read_with_any_credential() {
    let elsewhere = MockServer::start().await;
    let (caller, id) = (caller(), chat_id());
    for status in [300, 301, 302, 303, 305, 307, 308] {
        for to in [
            format!("{}/x", elsewhere.uri()),
            elsewhere.uri().replace("http:", ""),
            "/api/v1/chats/other".to_owned(),
            "file:///etc/passwd".to_owned(),
        ] {
            let server = MockServer::start().await;
            let redirect = ResponseTemplate::new(status)
                .insert_header("Location", to.as_str())
                .insert_header("Refresh", format!("0; url={to}").as_str())
                .set_body_string(r#"{"id":"c-1"}"#);
            Mock::given(any()).respond_with(redirect).mount(&server).await;
            let service = service(&server.uri());
            let mut asked = 0;
            for access in [Access::Caller(&caller), Access::Service] {
                let reader = service.read(access, &id);
                for refused in [
                    reader.chat().await.err(),
                    reader.messages().await.err(),
                    reader.has_messages().await.err(),
                    reader.files().await.err(),
                    reader.file("f1", Pace::AsRead).await.err(),
                ] {
                    let bad = matches!(refused, Some(ChatServiceError::BadAnswer(_)));
                    assert!(bad, "{status} to {to}: {refused:?}");
                    asked += 1;
                }
            }
            assert_eq!(server.received_requests().await.unwrap().len(), asked);
        }
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_answer_leads_nowhere_else() {
    let elsewhere = MockServer::start().await;
    let at = elsewhere.uri();
    let server = MockServer::start().await;
    let leads = |body: String| {
        ResponseTemplate::new(200)
            .insert_header("Link", format!("<{at}/next>; rel=\"next\"").as_str())
            .insert_header("Content-Location", at.as_str())
            .insert_header("Refresh", format!("0; url={at}").as_str())
            .set_body_string(body)
    };
    let files = format!(
        r#"[{{"id":"f1","filename":"{at}/x","bytes":1,"created_at":1,"url":"{at}","href":"{at}",
            "download_url":"{at}","next":"{at}"}}]"#
    );
    let message = format!(
        r#"[{{"id":"m0","content":"![x]({at}/x.png)","created_at":"2026-01-01T00:00:00Z",
            "next":"{at}","url":"{at}"}}]"#
    );
    let chat = format!(r#"{{"id":"c-1","name":"{at}","url":"{at}","messages_url":"{at}"}}"#);
    for (ends, body) in [
        ("/agent_server_files", files),
        ("offset=0&", message),
        ("offset=1&", "[]".to_owned()),
        ("/chats/c-1", chat),
    ] {
        let fits = move |request: &wiremock::Request| {
            let url = request.url.as_str();
            url.ends_with(ends) || ends.contains('=') && url.contains(ends)
        };
        Mock::given(fits).respond_with(leads(body)).mount(&server).await;
    }
    let service = service(&server.uri());
    let (caller, id) = (caller(), chat_id());
    let reader = service.read(Access::Caller(&caller), &id);
    reader.chat().await.unwrap();
    assert_eq!(reader.messages().await.unwrap().len(), 1);
    assert_eq!(reader.files().await.unwrap().len(), 1);
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}
