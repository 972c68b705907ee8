//! Traces by OTLP: what is sent, what the chat service is told, and a collector that is not there.

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use serde_json::{Value as Json, json};

use crate::{
    Place, SECRET,
    served::{Other, Served, ask},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn chat_service() -> Other {
    Other::start(|path| {
        match path {
            "/api/v1/chats/c-1" => json!({"id": "c-1", "name": "A chat"}),
            path if path.contains("/messages?offset=0") => json!([
                {"id": "m1", "content": "hello", "created_at": "2026-01-01T00:00:00Z"}
            ]),
            _ => json!([]),
        }
        .to_string()
    })
}

fn share(served: &Served, place: &Place, headers: &str) -> (u16, String) {
    let token = place.run(&["token", "alice"], &[("AUTH_HS256_SECRET", SECRET)]).out;
    let head = format!(
        "POST /api/v1/shared_chats?secret=in-the-query HTTP/1.1\r\nauthorization: Bearer {}\r\n\
         content-type: application/json{headers}",
        token.trim()
    );
    let (status, _, body) = ask(served.main, &head, r#"{"chat_session_id": "c-1"}"#);
    (status, body)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn attribute<'s>(span: &'s Span, name: &str) -> Option<&'s Value> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    let Some(AnyValue { value }) = &found.value else { return None };
    value.as_ref()
}

fn spans(collector: &Other) -> Vec<Span> {
    let asked = collector.asked();
    let sent = asked.iter().map(|(head, body)| {
        assert!(head.starts_with("post /v1/traces "), "{head}");
        ExportTraceServiceRequest::decode(&body[..]).unwrap()
    });
    let scopes = sent.flat_map(|sent| sent.resource_spans).flat_map(|one| one.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

#[test]
fn a_share_is_one_trace_that_goes_on_at_the_chat_service() {
    let (place, chats) = (Place::new(), chat_service());
    let collector = Other::start(|_| String::new());
    let mut served = Served::start(
        &place,
        &[
            ("CHAT_SERVICE_URL", &format!("http://{}", chats.address)),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", collector.address)),
            ("LOG_FORMAT", "json"),
        ],
    );
    let context = format!(
        "\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: vendor=1\r\nbaggage: who=alice"
    );
    let (status, body) = share(&served, &place, &context);
    assert_eq!(status, 201, "{body}");
    let link: Json = serde_json::from_str(&body).unwrap();
    let id = link["id"].as_str().unwrap();
    let view = format!("GET /api/v1/shared_chats/{id} HTTP/1.1");
    assert_eq!(ask(served.main, &view, "").0, 200);
    served.told_to_stop();
    assert!(served.ended_within(Duration::from_secs(10)).success());

    let spans = spans(&collector);
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let server = named("POST /api/v1/shared_chats");
    assert_eq!(server.kind, SpanKind::Server as i32);
    assert_eq!((hex(&server.trace_id), hex(&server.parent_span_id)), (TRACE.into(), PARENT.into()));
    let text = |text: &str| Some(Value::StringValue(text.to_owned()));
    for (name, value) in [
        ("http.request.method", text("POST")),
        ("http.route", text("/api/v1/shared_chats")),
        ("http.response.status_code", Some(Value::IntValue(201))),
        ("url.path", None),
    ] {
        assert_eq!(attribute(server, name), value.as_ref(), "{name}");
    }
    // Each of its calls is a child, and told so; the baggage is not passed on.
    let calls: Vec<&Span> =
        spans.iter().filter(|span| span.name.starts_with("GET /api/v1/chats")).collect();
    let told: BTreeSet<String> = chats
        .asked()
        .iter()
        .map(|(head, _)| {
            assert!(head.contains("\ntracestate: vendor=1\r"), "{head}");
            assert!(!head.contains("baggage") && !head.contains("alice"), "{head}");
            let told = head.lines().find_map(|line| line.strip_prefix("traceparent: ")).unwrap();
            told.to_owned()
        })
        .collect();
    let made: BTreeSet<String> =
        calls.iter().map(|span| format!("00-{TRACE}-{}-01", hex(&span.span_id))).collect();
    assert_eq!(told, made);
    assert!(calls.len() >= 3);
    for call in &calls {
        assert_eq!(call.parent_span_id, server.span_id);
        assert_eq!(call.kind, SpanKind::Client as i32);
        assert_eq!(attribute(call, "http.response.status_code"), Some(&Value::IntValue(200)));
    }
    let stored = named("transaction");
    assert_eq!(stored.parent_span_id, server.span_id);
    assert_eq!(attribute(stored, "db.system.name"), text("sqlite").as_ref());
    // The view is a trace of its own.
    let view = named("GET /api/v1/shared_chats/{id}");
    assert_ne!(hex(&view.trace_id), TRACE);
    assert!(view.parent_span_id.is_empty());
    let all = format!("{spans:?}");
    for secret in [id, "c-1", "alice", "in-the-query", "hello", "A chat"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    // The log's line says which trace it is of.
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let said: Vec<Json> = lines.filter(|line| line["target"] == "shared_chats::request").collect();
    assert_eq!(said[0]["spans"][0]["trace_id"], TRACE, "{said:?}");
}

#[test]
fn without_a_collector_the_chat_service_is_told_of_no_trace() {
    let (place, chats) = (Place::new(), chat_service());
    let url = format!("http://{}", chats.address);
    let served = Served::start(&place, &[("CHAT_SERVICE_URL", &url)]);
    let context = format!("\r\ntraceparent: 00-{TRACE}-{PARENT}-01");
    assert_eq!(share(&served, &place, &context).0, 201);
    assert!(!chats.asked().is_empty());
    assert!(chats.asked().iter().all(|(head, _)| !head.contains("traceparent")));
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(!log.contains("trace_id"), "{log}");
}

#[test]
fn a_dead_or_silent_collector_breaks_no_request() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for collector in ["http://127.0.0.1:1", &silent] {
        let (place, chats) = (Place::new(), chat_service());
        let url = format!("http://{}", chats.address);
        let settings = [("CHAT_SERVICE_URL", &*url), ("OTEL_EXPORTER_OTLP_ENDPOINT", collector)];
        let mut served = Served::start(&place, &settings);
        for _ in 0..5 {
            assert_eq!(share(&served, &place, "").0, 201);
        }
        served.told_to_stop();
        assert!(served.ended_within(Duration::from_secs(8)).success());
    }
}

/// What several viewers share is told of none of them.
#[test]
fn a_live_view_tells_the_chat_service_nothing_of_its_viewer() {
    let (place, chats) = (Place::new(), chat_service());
    let collector = Other::start(|_| String::new());
    let served = Served::start(
        &place,
        &[
            ("CHAT_SERVICE_URL", &format!("http://{}", chats.address)),
            ("CHAT_SERVICE_TOKEN", "service-token"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", collector.address)),
        ],
    );
    let token = place.run(&["token", "alice"], &[("AUTH_HS256_SECRET", SECRET)]).out;
    let create = format!(
        "POST /api/v1/shared_chats HTTP/1.1\r\nauthorization: Bearer {}\r\n\
         content-type: application/json",
        token.trim()
    );
    let body = r#"{"chat_session_id": "c-1", "is_frozen": false}"#;
    let (status, _, body) = ask(served.main, &create, body);
    assert_eq!(status, 201, "{body}");
    let link: Json = serde_json::from_str(&body).unwrap();
    let before = chats.asked().len();
    let view = format!(
        "GET /api/v1/shared_chats/{} HTTP/1.1\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\n\
         tracestate: vendor=1",
        link["id"].as_str().unwrap()
    );
    assert_eq!(ask(served.main, &view, "").0, 200);
    let asked = chats.asked().split_off(before);
    assert!(!asked.is_empty());
    for (head, _) in asked {
        assert!(head.contains("\ntraceparent: 00-"), "a trace of its own: {head}");
        assert!(!head.contains(TRACE) && !head.contains("tracestate"), "{head}");
    }
}

#[test]
fn a_long_tracestate_is_not_passed_on_whole() {
    let (place, chats) = (Place::new(), chat_service());
    let collector = Other::start(|_| String::new());
    let served = Served::start(
        &place,
        &[
            ("CHAT_SERVICE_URL", &format!("http://{}", chats.address)),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", collector.address)),
        ],
    );
    let state = (0..30).map(|n| format!("v{n}={}", "x".repeat(100))).collect::<Vec<_>>().join(",");
    let context = format!("\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: {state}");
    assert_eq!(share(&served, &place, &context).0, 201);
    assert!(!chats.asked().is_empty());
    for (head, _) in chats.asked() {
        let told = head.lines().find_map(|line| line.strip_prefix("tracestate: ")).unwrap();
        assert!(told.len() <= 512 && state.starts_with(told), "{told}");
    }
}
