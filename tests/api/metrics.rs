//! The management address: metrics, and health beside them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use shared_chats::telemetry::table::{Kind, METRICS};

use crate::support::{App, Setup, a_moment, apply, on_both_databases};

async fn managed(setup: Setup) -> App {
    setup.with("MANAGEMENT_ADDRESS", "127.0.0.1:0").start().await
}

/// A line of Prometheus' text format that is no comment.
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Sample {
    /// Panics where it is not well formed.
    fn parse(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => {
                (name, labels.strip_suffix("\"}").unwrap_or_else(|| panic!("{line}")))
            }
            None => (series, ""),
        };
        // No value of ours has a quote in it.
        let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
        let labels = pairs.map(|pair| {
            let (name, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(!value.contains(['"', '\\', '\n']), "{line}");
            (name.to_owned(), value.to_owned())
        });
        let (labels, value) = (labels.collect(), value.parse().unwrap());
        Self { name: name.to_owned(), labels, value }
    }
}

async fn scrape(app: &App) -> Vec<Sample> {
    let (status, text) = app.manage("/metrics").await;
    assert_eq!(status, 200);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(Sample::parse).collect()
}

/// How often something happened. Tests of this process share what is recorded.
async fn count(app: &App, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&Sample| {
        let has = |(name, value): &(&str, &str)| {
            sample.labels.get(*name).is_some_and(|found| found == value)
        };
        sample.name == name && labels.iter().all(has)
    };
    scrape(app).await.iter().filter(fits).map(|sample| sample.value).sum()
}

#[apply(on_both_databases)]
async fn metrics_are_on_the_management_address_alone(setup: Setup) {
    let app = managed(setup.clone()).await;
    app.anonymous().get("/metrics").await.fails(404, "not_found");
    assert_eq!(app.manage("/metrics").await.0, 200);
    for path in ["/api/v1/shared_chats", "/docs/", "/openapi.json", "/"] {
        let (status, text) = app.manage(path).await;
        assert_eq!(status, 404, "{path}");
        assert!(text.contains("not_found"), "{text}");
    }
    let off = setup.start().await;
    assert_eq!(off.management, None);
    off.anonymous().get("/metrics").await.fails(404, "not_found");
}

#[apply(on_both_databases)]
async fn health_is_on_the_management_address_too(setup: Setup) {
    let (setup, issuer) = setup.with_issuer().await;
    issuer.fail();
    let app = managed(setup).await;
    assert_eq!(app.manage("/health/live").await.0, 200);
    assert_eq!(app.manage("/health/ready").await.0, 503);
    assert!(count(&app, "shared_chats_key_refreshes_total", &[("outcome", "failed")]).await >= 1.0);
}

#[apply(on_both_databases)]
async fn nothing_that_a_caller_chose_is_in_the_metrics(setup: Setup) {
    let app = managed(setup).await;
    let alice = app.as_user("alice");
    let link = alice.share_with("chat-1", json!({"label": "a label of alice's"})).await;
    let live = alice.share_with("chat-1", json!({"is_frozen": false})).await;
    for link in [&link, &live] {
        app.anonymous().view(link).await.is(200);
        app.anonymous().open(link).await.is(200);
        app.anonymous().qr_code(link, "").await.is(200);
    }
    alice.change(&link, &json!({"is_private": true})).await.is(204);
    app.anonymous().view(&link).await.is(401);
    app.as_chat_service().links_of_chat("chat-1").await.is(200);
    app.with_token("not-a-token").list("").await.is(401);
    let odd =
        "BREW /a-path-of-my-own HTTP/1.1\r\nHost: a-host.example\r\nConnection: close\r\n\r\n";
    app.send_raw(odd.as_bytes()).await;
    alice.delete(&link).await.is(204);
    let samples = scrape(&app).await;
    let words: BTreeSet<&str> =
        samples.iter().flat_map(|sample| sample.labels.values()).map(String::as_str).collect();
    let is_plain = |word: &str| {
        word.len() < 24 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            || word.bytes().all(|b| b.is_ascii_uppercase())
            || word.bytes().all(|b| b.is_ascii_digit()) && word.len() == 3
            || word == env!("CARGO_PKG_VERSION")
            || word.parse::<f64>().is_ok()
            || word == "+Inf"
    };
    let routes: BTreeSet<&str> = words.iter().copied().filter(|word| !is_plain(word)).collect();
    for route in &routes {
        let documented = shared_chats::http::openapi_yaml();
        let path = route.split('{').next().unwrap();
        let known = ["/shared/", "/openapi", "/docs", "/favicon.ico", "/p/", "/s/", "/share"];
        let known = known.iter().any(|known| route.starts_with(known));
        assert!(known || documented.contains(&format!("\n  {path}")), "{route}: {words:?}");
    }
    assert!(words.contains("other") && words.contains("none"), "{words:?}");
    let text = app.manage("/metrics").await.1;
    for secret in
        [&*link.id, &live.id, "chat-1", "alice", "label of", "a-path", "a-host", "BREW", "Bearer"]
    {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[apply(on_both_databases)]
async fn every_metric_is_described(setup: Setup) {
    let app = managed(setup).await;
    let (_, text) = app.manage("/metrics").await;
    let described = |kind: &str| -> BTreeMap<&str, &str> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind)?.split_once(' '));
        lines.collect()
    };
    let (help, types) = (described("# HELP "), described("# TYPE "));
    let table: BTreeMap<&str, _> = METRICS.iter().map(|metric| (metric.name, metric)).collect();
    for (name, kind) in types {
        if name.starts_with("process_") {
            continue;
        }
        let metric = table.get(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        let expected = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        assert_eq!((kind, help.get(name)), (expected, Some(&metric.help)), "{name}");
    }
    for sample in scrape(&app).await {
        let parts = ["_bucket", "_sum", "_count"];
        let part = parts.iter().find_map(|part| sample.name.strip_suffix(part));
        let family = table.get(&*sample.name).or_else(|| table.get(part.unwrap_or_default()));
        let Some(metric) = family else {
            assert!(sample.name.starts_with("process_"), "{}", sample.name);
            continue;
        };
        let labels = sample.labels.keys().map(String::as_str).filter(|label| *label != "le");
        let labels: BTreeSet<&str> = labels.collect();
        let own: BTreeSet<&str> = metric.labels.iter().copied().collect();
        assert_eq!(labels, own, "{}", sample.name);
    }
    for metric in METRICS {
        let name = metric.name;
        assert!(name.starts_with("shared_chats_"), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        assert!(metric.help.ends_with('.'), "{name}");
    }
}

#[apply(on_both_databases)]
async fn what_happens_is_counted(setup: Setup) {
    let app = managed(setup).await;
    let alice = app.as_user("alice");
    let route = "/api/v1/shared_chats/{id}";
    let requests = "shared_chats_http_requests_total";
    let refusals = "shared_chats_refusals_total";
    let seconds = "shared_chats_http_request_duration_seconds_count";
    let (views, calls) = ("shared_chats_views_total", "shared_chats_chat_service_calls_total");
    let asked: [(&str, &[(&str, &str)]); 10] = [
        (requests, &[("route", route), ("method", "GET"), ("status", "200")]),
        (requests, &[("route", route), ("method", "GET"), ("status", "304")]),
        (seconds, &[("route", route), ("method", "GET")]),
        (views, &[("kind", "frozen"), ("medium", "json"), ("outcome", "shown")]),
        (views, &[("kind", "frozen"), ("medium", "json"), ("outcome", "not_modified")]),
        (views, &[("kind", "none"), ("medium", "json"), ("outcome", "refused")]),
        (views, &[("kind", "frozen"), ("medium", "page"), ("outcome", "shown")]),
        (calls, &[("operation", "messages"), ("outcome", "answered")]),
        ("shared_chats_cache_requests_total", &[("cache", "views"), ("outcome", "hit")]),
        (refusals, &[("action", "delete"), ("error_type", "login_required")]),
    ];
    let mut before = Vec::new();
    for (name, labels) in asked {
        before.push(count(&app, name, labels).await);
    }
    let link = alice.share("chat-1").await;
    let tag = app.anonymous().view(&link).await.is(200).header("etag").to_owned();
    app.anonymous().view(&link).await.is(200);
    app.anonymous().view(&link).header("if-none-match", &tag).await.is(304);
    app.anonymous().open(&link).await.is(200);
    app.anonymous().delete(&link).await.is(401);
    alice.delete(&link).await.is(204);
    app.anonymous().view(&link).await.is(404);
    for (before, (name, labels)) in before.into_iter().zip(asked) {
        let now = count(&app, name, labels).await;
        assert!(now > before, "{name} {labels:?}: {now}");
    }
    assert!(count(&app, "shared_chats_sweeps_total", &[("outcome", "ok")]).await >= 1.0);
    assert!(count(&app, "process_resident_memory_bytes", &[]).await > 0.0);
}

mod a_file {
    use super::*;
    use crate::support::on_sqlite;

    #[apply(on_sqlite)]
    async fn the_writer_is_measured(setup: Setup) {
        let app = managed(setup).await;
        app.as_user("alice").share("chat-1").await;
        for name in ["commit_changes_count", "commit_duration_seconds_count"] {
            assert!(count(&app, &format!("shared_chats_database_{name}"), &[]).await >= 1.0);
        }
        let (_, text) = app.manage("/metrics").await;
        assert!(text.contains("\nshared_chats_database_writer_queue "), "{text}");
    }

    #[apply(on_sqlite)]
    async fn a_file_that_was_replaced_is_not_ready(setup: Setup) {
        let path = setup.database_url.strip_prefix("sqlite:").unwrap().to_owned();
        let app = managed(setup).await;
        assert_eq!(app.manage("/health/ready").await.0, 200);
        std::fs::rename(&path, format!("{path}.away")).unwrap();
        // An answer is used again for a quarter of a second.
        a_moment().await;
        assert_eq!(app.manage("/health/ready").await.0, 503);
        std::fs::copy(format!("{path}.away"), &path).unwrap();
        a_moment().await;
        app.anonymous().get("/health/ready").await.fails(503, "unavailable");
        std::fs::rename(format!("{path}.away"), &path).unwrap();
        a_moment().await;
        assert_eq!(app.manage("/health/ready").await.0, 200);
    }
}

mod a_server {
    use super::*;
    use crate::support::{WriteLock, eventually, on_postgres};

    #[apply(on_postgres)]
    async fn the_pool_is_measured(setup: Setup) {
        let app = managed(setup.with("DATABASE_POOL_SIZE", "4")).await;
        app.as_user("alice").list("").await.is(200);
        let max = count(&app, "shared_chats_database_pool_max_connections", &[]).await;
        assert!(max > 0.0, "{max}");
        let (_, text) = app.manage("/metrics").await;
        for series in ["pool_connections{state=\"idle\"}", "pool_waiting"] {
            assert!(text.contains(&format!("\nshared_chats_database_{series} ")), "{text}");
        }
    }

    /// An instance that is taken away because it has much to do leaves the others more.
    #[apply(on_postgres)]
    async fn a_busy_pool_is_ready(setup: Setup) {
        let one = setup.with("DATABASE_POOL_SIZE", "1");
        let app = managed(
            one.with("DATABASE_TIMEOUT", "9s").queue_timeout(std::time::Duration::from_secs(9)),
        )
        .await;
        let alice = app.as_user("alice");
        let link = alice.share("chat-1").await;
        let lock = WriteLock::take(&app).await;
        let waiting = alice.delete(&link).spawn();
        lock.is_waited_for().await;
        let waiting_too = alice.list("").spawn();
        eventually("one waits for a connection", async || {
            count(&app, "shared_chats_database_pool_waiting", &[]).await >= 1.0
        })
        .await;
        assert_eq!(app.manage("/health/ready").await.0, 200);
        drop(lock);
        waiting.await.unwrap().is(204);
        waiting_too.await.unwrap().is(200);
    }
}
