//! What the log says whatever `RUST_LOG` asks for: never an id, a token or a text (docs/API.md 7).

use std::time::Duration;

use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::{
    Place, SECRET,
    served::{Other, Served, ask},
};

const TEXT: &str = "the-text-of-a-message";
const SERVICE_TOKEN: &str = "the-token-of-this-service";

/// Everything, and more by name than by any directive of our own.
const FILTER: &str = "trace,tokio_postgres::query=trace,tokio_postgres::prepare=trace,\
    tokio_postgres::simple_query=trace,tokio_postgres::connection=trace,diesel_async::pg=trace,\
    actix_web::types::path=trace,h2::codec=trace,[request]=trace";

/// A schema of its own on the server that `TEST_DATABASE_URL` names, until it is dropped.
struct Schema {
    server: String,
    name: String,
}

impl Schema {
    /// `None`: PostgreSQL is left out.
    fn new() -> Option<Self> {
        let server = std::env::var("TEST_DATABASE_URL").unwrap_or_default();
        if server.is_empty() {
            let required = std::env::var("REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(!required, "REQUIRE_POSTGRES=1, but TEST_DATABASE_URL is not set");
            return None;
        }
        let schema = Self { server, name: format!("test_{}", uuid::Uuid::new_v4().simple()) };
        schema.execute("CREATE SCHEMA", "");
        Some(schema)
    }

    fn url(&self) -> String {
        let and = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{and}options=-c%20search_path%3D{}", self.server, self.name)
    }

    fn execute(&self, before: &str, after: &str) {
        let statement = format!("{before} {} {after}", self.name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.server, NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&statement).await.unwrap();
        });
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.execute("DROP SCHEMA", "CASCADE");
    }
}

fn chat_service() -> Other {
    Other::start(|path| {
        match path {
            "/api/v1/chats/c-1" => json!({"id": "c-1", "name": "A chat"}),
            path if path.contains("/messages?offset=0") => json!([
                {"id": "m1", "content": TEXT, "created_at": "2026-01-01T00:00:00Z"}
            ]),
            _ => json!([]),
        }
        .to_string()
    })
}

/// Makes links and does with them what there is to do; the log, and what it must not hold.
fn used(database: &str, settings: &[(&str, &str)]) -> (String, Vec<String>) {
    let (place, chats) = (Place::new(), chat_service());
    let chats = format!("http://{}", chats.address);
    let mut all = vec![
        ("DATABASE_URL", database),
        ("CHAT_SERVICE_URL", &chats),
        ("CHAT_SERVICE_TOKEN", SERVICE_TOKEN),
        ("RUST_LOG", FILTER),
    ];
    all.extend(settings);
    let mut served = Served::start(&place, &all);
    let token = place.run(&["token", "alice"], &[("AUTH_HS256_SECRET", SECRET)]).out;
    let token = token.trim().to_owned();
    let mut secrets = vec![token.clone(), SERVICE_TOKEN.to_owned(), TEXT.to_owned()];
    let as_alice = |line: &str, body: &Value| {
        let head = format!(
            "{line} HTTP/1.1\r\nauthorization: Bearer {token}\r\ncontent-type: application/json"
        );
        let (status, _, text) = ask(served.main, &head, &body.to_string());
        (status, text)
    };
    for is_frozen in [true, false] {
        let body = json!({"chat_session_id": "c-1", "is_frozen": is_frozen, "is_private": true});
        let (status, made) = as_alice("POST /api/v1/shared_chats", &body);
        assert_eq!(status, 201, "{made}");
        let made: Value = serde_json::from_str(&made).unwrap();
        let id = made["id"].as_str().unwrap().to_owned();
        let link = format!("/api/v1/shared_chats/{id}");
        let nothing = json!({});
        for (method, rest, body, expected) in [
            ("GET", "", &nothing, 200),
            ("GET", "/activity", &nothing, 200),
            ("GET", "/qr_code?format=svg", &nothing, 200),
            ("GET", "/artifacts/f1", &nothing, 404),
            ("PATCH", "", &json!({"includes_artifacts": true}), 204),
            ("PATCH", "", &json!({"label": "x".repeat(201)}), 400),
        ] {
            let (status, text) = as_alice(&format!("{method} {link}{rest}"), body);
            assert_eq!(status, expected, "{method} {rest}: {text}");
        }
        let (status, _, _) = ask(served.main, &format!("GET {link} HTTP/1.1"), "");
        assert_eq!(status, 401);
        assert_eq!(as_alice("GET /api/v1/shared_chats?limit=5", &nothing).0, 200);
        assert_eq!(as_alice(&format!("DELETE {link}"), &nothing).0, 204);
        // As a parameter of a query is shown: a list of bytes.
        secrets.push(format!("{:?}", id.as_bytes()).trim_matches(['[', ']']).to_owned());
        secrets.push(id);
    }
    served.told_to_stop();
    assert!(served.ended_within(Duration::from_secs(10)).success());
    (std::fs::read_to_string(place.path("log")).unwrap(), secrets)
}

#[test]
fn no_filter_of_the_log_brings_out_an_id_a_token_or_a_text() {
    let collector = Other::start(|_| String::new());
    let collector = format!("http://{}", collector.address);
    let schema = Schema::new();
    let databases = [Some("sqlite:links.db".to_owned()), schema.as_ref().map(Schema::url)];
    for database in databases.into_iter().flatten() {
        for settings in [
            &[][..],
            &[("LOG_FORMAT", "json")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str())],
        ] {
            let (log, secrets) = used(&database, settings);
            assert!(log.contains("TRACE"), "{settings:?}: it asks for everything");
            for secret in secrets {
                let line = log.lines().find(|line| line.contains(&secret));
                assert_eq!(line, None, "{settings:?} tells {secret}");
            }
        }
    }
}
