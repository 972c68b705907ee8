//! `/health`, `/openapi.json`, `/openapi.yaml` and `/docs`.

use serde_json::Value;

use crate::support::{App, Setup, apply, on_both_databases};

#[apply(on_both_databases)]
async fn an_instance_that_is_well_says_so(app: App) {
    for path in ["/health/live", "/health/ready"] {
        let answer = app.anonymous().get(path).await.is(200);
        assert_eq!(answer.json(), serde_json::json!({"status": "ok"}));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[apply(on_both_databases)]
async fn an_instance_without_keys_lives_but_is_not_ready(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    issuer.fail();
    let app = setup.start().await;
    app.anonymous().get("/health/live").await.is(200);
    app.anonymous().get("/health/ready").await.fails(503, "unavailable");
}

#[apply(on_both_databases)]
async fn the_description_is_the_same_as_json_and_as_yaml(app: App) {
    let json = app.anonymous().get("/openapi.json").await.is(200);
    assert_eq!(json.header("content-type"), "application/json");
    let yaml = app.anonymous().get("/openapi.yaml").await.is(200);
    assert_eq!(yaml.header("content-type"), "application/yaml");
    assert_eq!(yaml.text(), shared_chats::http::openapi_yaml());
    let from_yaml: Value = yaml_serde::from_str(&yaml.text()).unwrap();
    assert_eq!(from_yaml, json.json());
    assert!(json.json()["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[apply(on_both_databases)]
async fn the_description_and_its_browser_know_the_path_of_the_public_url(setup: Setup) {
    let app = setup.with("PUBLIC_URL", "https://x.example/a%20b/links/").start().await;
    let json = app.anonymous().get("/openapi.json").await.is(200).json();
    let yaml = app.anonymous().get("/openapi.yaml").await.is(200).text();
    let yaml: Value = yaml_serde::from_str(&yaml).unwrap();
    assert_eq!(json, yaml);
    assert_eq!(json["servers"].as_array().unwrap().len(), 1);
    assert_eq!(json["servers"][0]["url"], "/a%20b/links");
    let moved = app.anonymous().get("/docs").await.is(308);
    assert_eq!(moved.header("location"), "/a%20b/links/docs/");
    // It looks for the description beside itself, wherever that is.
    let script = app.anonymous().get("/docs/swagger-initializer.js").await.is(200).text();
    assert!(script.contains("\"../openapi.json\""), "{script}");
}

#[apply(on_both_databases)]
async fn the_browser_of_the_description_can_be_switched_off(setup: Setup) {
    let app = setup.with("DOCS", "off").start().await;
    for path in ["/docs", "/docs/", "/docs/index.html", "/docs/swagger-ui-bundle.js"] {
        app.anonymous().get(path).await.fails(404, "not_found");
    }
    // Programs still find it.
    app.anonymous().get("/openapi.json").await.is(200);
    let app = app.setup.clone().with("DOCS", "on").start().await;
    app.anonymous().get("/docs/").await.is(200);
}

#[apply(on_both_databases)]
async fn the_description_can_be_browsed_from_the_binary_alone(app: App) {
    let moved = app.anonymous().get("/docs").await.is(308);
    assert_eq!(moved.header("location"), "/docs/");
    let page = app.anonymous().get("/docs/").await.is(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    let html = page.text();
    let mut files = 0;
    for part in
        html.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css"))
    {
        assert!(part.starts_with("./") || part.starts_with("index"), "{part} is not from here");
        let path = format!("/docs/{}", part.trim_start_matches("./"));
        app.anonymous().get(&path).await.is(200);
        files += 1;
    }
    assert!(files >= 3, "{html}");
    assert!(!html.contains("https://"), "{html}");
    app.anonymous().get("/docs/no-such-file.js").await.fails(404, "not_found");
}
