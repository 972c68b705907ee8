//! The JavaScript at `/ui` (docs/INTEGRATION.md).

use crate::support::{App, Setup, apply, on_both_databases};

const ORIGIN: (&str, &str) = ("origin", "https://another.example");

#[apply(on_both_databases)]
async fn only_scripts_are_for_every_origin(app: App) {
    let client = app.anonymous();
    let script = client.get("/ui/client.js").header(ORIGIN.0, ORIGIN.1).await.is(200);
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(script.header("access-control-allow-origin"), "*");
    assert_eq!(script.header("cross-origin-resource-policy"), "cross-origin");
    for path in ["/openapi.json", "/api/v1/shared_chats", "/ui/nothing.js"] {
        let other = client.get(path).header(ORIGIN.0, ORIGIN.1).await;
        assert!(!other.headers.contains_key("access-control-allow-origin"), "{path}");
        assert_eq!(other.header("cross-origin-resource-policy"), "same-origin", "{path}");
    }
}

#[apply(on_both_databases)]
async fn a_listed_origin_loads_scripts_too(setup: Setup) {
    let app = setup.with("CORS_ALLOWED_ORIGINS", ORIGIN.1).start().await;
    for origin in [ORIGIN.1, "https://not-listed.example"] {
        let script = app.anonymous().get("/ui/client.js").header("origin", origin).await.is(200);
        let allowed = script.header("access-control-allow-origin");
        assert!(allowed == "*" || allowed == origin, "{origin}: {allowed}");
    }
}

#[apply(on_both_databases)]
async fn a_browser_that_has_a_script_gets_304(app: App) {
    let client = app.anonymous();
    let script = client.get("/ui/client.js").header("accept-encoding", "br").await.is(200);
    assert_eq!(script.header("cache-control"), "no-cache");
    let tag = script.header("etag").to_owned();
    let again = client.get("/ui/client.js").header("accept-encoding", "br");
    again.header("if-none-match", &tag).await.is(304);
    let plain = client.get("/ui/client.js").header("if-none-match", &tag).await.is(200);
    assert_ne!(plain.header("etag"), tag);
}

#[apply(on_both_databases)]
async fn other_files_of_the_client_are_not_served(app: App) {
    for path in ["/ui", "/ui/", "/ui/package.json", "/ui/client.d.ts", "/ui/sample/main.ts"] {
        app.anonymous().get(path).await.fails(404, "not_found");
    }
    for path in ["/ui/../../Cargo.toml", "/ui/%2e%2e/%2e%2e/Cargo.toml", "/ui//etc/passwd"] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(app.send_raw(head.as_bytes()).await.status, 404, "{path}");
    }
}
