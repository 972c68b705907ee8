mod page;
mod sample;
mod warnings;

use std::{collections::HashMap, time::Duration};

use super::{
    Config, ConfigError, Env,
    fixed::RETIRED,
    retired,
    table::{GROUPS, Setting},
};
use crate::{
    artifacts::ArtifactStoreUrl,
    auth::{AuthSettings, ClaimNames},
    chat_service::{ServiceCredential, Source},
    store::DatabaseUrl,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut all = HashMap::from([
        ("AUTH_HS256_SECRET".to_owned(), SECRET.to_owned()),
        ("CHAT_SERVICE_URL".to_owned(), "http://127.0.0.1:9".to_owned()),
    ]);
    all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Config::from_env(&Env::from_fn(move |name| all.get(name).cloned()))
}

fn settings() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings)
}

fn complaint(variables: &[(&str, &str)]) -> String {
    read(variables).expect_err("these settings are wrong").to_string()
}

#[test]
fn two_settings_are_enough() {
    let config = read(&[]).unwrap();
    assert_eq!(config.bind_address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("shared-chats.db".into()));
    assert_eq!(config.http.viewer, Some(config.share_path));
    assert!(matches!(config.auth, AuthSettings::Hs256 { .. }));
    assert!(matches!(config.chat_service.source, Source::Http(_)));
    assert_eq!(config.live.max_age.as_secs(), 1);
}

#[test]
fn values_without_a_setting_follow_from_settings() {
    let config = read(&[
        ("REQUEST_TIMEOUT", "3s"),
        ("MAX_ARTIFACT_BYTES", "10"),
        ("MAX_STREAMS", "9"),
        ("CHAT_SERVICE_TIMEOUT", "45m"),
    ])
    .unwrap();
    assert_eq!(
        (config.request_timeout, config.http.body_timeout),
        (Duration::from_secs(3), Duration::from_secs(3))
    );
    assert_eq!((config.artifact_limits.file_bytes, config.artifact_limits.link_bytes), (10, 40));
    let live = config.live;
    assert_eq!((live.max_streams_per_link, live.max_streams_per_client), (5, 3));
    assert_eq!(config.artifact_limits.grace, chrono::Duration::minutes(90));
    let grace = |timeout| read(&[("CHAT_SERVICE_TIMEOUT", timeout)]).unwrap().artifact_limits.grace;
    assert_eq!(
        (grace("30s"), grace("24h")),
        (chrono::Duration::hours(1), chrono::Duration::hours(48))
    );
}

#[test]
fn a_retired_setting_that_is_set_is_reported_and_ignored() {
    let set = |name: &'static str, value: &'static str| {
        Env::from_fn(move |asked| (asked == name).then(|| value.to_owned()))
    };
    for (name, instead) in RETIRED {
        let found: Vec<_> = retired(&set(name, "what it was")).collect();
        assert_eq!(found, [(*name, *instead)]);
        assert_eq!(retired(&set(name, "")).count(), 0, "an empty variable is not set");
        assert!(read(&[(name, "what it was")]).is_ok(), "{name}");
        assert!(settings().all(|setting| setting.name != *name), "{name} is a setting");
    }
    assert_eq!(retired(&set("CACHE_BYTES", "1MiB")).count(), 0);
}

#[test]
fn each_wrong_setting_is_named() {
    for (name, value) in [
        ("BIND_ADDRESS", "localhost"),
        ("BIND_ADDRESS", "127.0.0.1:99999"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("DATABASE_POOL_SIZE", "0"),
        ("DATABASE_POOL_SIZE", "18446744073709551615"),
        ("DATABASE_TIMEOUT", "soon"),
        ("PUBLIC_URL", "chat.example"),
        ("PUBLIC_URL", "https://user:pw@chat.example"),
        ("PUBLIC_URL", "https://chat.example/?a=b"),
        ("PUBLIC_URL", "https://chat.example//links"),
        ("PUBLIC_URL", "https://chat.example/x/..//links"),
        ("SHARE_PATH", "/shared"),
        ("SHARE_PATH", "/s/{id}*"),
        ("SHARE_PATH", "/api/{id}"),
        ("SHARE_PATH", "/ui/{id}"),
        ("SHARE_PATH", "/{id}"),
        ("SHARE_PATH", "/#/{id}"),
        ("VIEWER", "yes"),
        ("DOCS", "false"),
        ("AUTH_JWKS_URL", "not a url"),
        ("AUTH_COOKIE", "a b"),
        ("LOGIN_URL", "javascript:alert(1)"),
        ("CONTINUE_URL", "https://chat.example/continue"),
        ("CONTINUE_URL", "javascript:alert('{id}')"),
        ("LINK_PREVIEW", "on"),
        ("AUTH_JWKS_URL", "https://id.example/keys#1"),
        ("AUTH_AUDIENCE_CLAIM", "client_id"),
        ("AUTH_AUDIENCE_CLAIM", "client_id aud"),
        ("AUTH_SCOPE_CLAIMS", " "),
        ("AUTH_SCOPE_CLAIMS", "scope\tscp"),
        ("SSL_CERT_FILE", "/nowhere/at/all"),
        ("SSL_CERT_FILE", ""),
        ("SSL_CERT_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
        ("CHAT_SERVICE_URL", "ftp://x"),
        ("CHAT_SERVICE_TIMEOUT", "0s"),
        ("CHAT_SERVICE_TIMEOUT", "2d"),
        ("CHAT_SERVICE_PAGE_SIZE", "0"),
        ("CHAT_SERVICE_PAGE_SIZE", "many"),
        ("CHAT_SERVICE_FILE_PATH", "/files/{id}"),
        ("ARTIFACT_STORE_URL", "kept"),
        ("MAX_ARTIFACT_BYTES", "0"),
        ("LIVE_POLL_INTERVAL", "0s"),
        ("MAX_STREAMS", "0"),
        ("MAX_SNAPSHOT_BYTES", "-1"),
        ("CACHE_BYTES", "1 zebibyte"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example/path"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("RATE_LIMIT_ANONYMOUS", "600"),
        ("RATE_LIMIT_ANONYMOUS", "0/1m"),
        ("RATE_LIMIT_CALLER", "600/500ms"),
        ("RATE_LIMIT_CALLER", "1000001/1m"),
        ("RATE_LIMIT_CHAT_SERVICE", "-1/1m"),
        ("QUOTA_LINKS", "0"),
        ("QUOTA_BYTES", "off"),
        ("QUOTA_FILES", "-1"),
        ("CHAT_SERVICE_MAX_CALLS", "0"),
        ("MAX_CONCURRENT_REQUESTS", "0"),
        ("AUDIT_RETENTION", "for ever"),
        ("RECONCILE_INTERVAL", "never"),
        ("RECONCILE_INTERVAL", "0s"),
        ("RECONCILE_MAX_GONE", "0%"),
        ("RECONCILE_MAX_GONE", "101%"),
        ("RECONCILE_MAX_GONE", "half"),
        ("WORKERS", "0"),
        ("REQUEST_TIMEOUT", "1 fortnight"),
    ] {
        let said = complaint(&[(name, value)]);
        assert!(said.starts_with(name), "{name}={value}: {said}");
    }
}

#[test]
fn the_claims_of_a_token_have_the_usual_names_until_they_are_set() {
    let names = |variables: &[_]| match read(variables).unwrap().auth {
        AuthSettings::Hs256 { claims, .. } | AuthSettings::Jwks { claims, .. } => claims,
    };
    assert_eq!(names(&[]), ClaimNames::default());
    for scopes in ["roles https://id.example/permissions", "roles,https://id.example/permissions"] {
        let set = [
            ("AUTH_AUDIENCE", "us"),
            ("AUTH_AUDIENCE_CLAIM", "client_id"),
            ("AUTH_SCOPE_CLAIMS", scopes),
        ];
        let names = names(&set);
        assert_eq!(names.audience, "client_id");
        assert_eq!(names.scopes, ["roles", "https://id.example/permissions"]);
    }
}

#[test]
fn the_sign_in_page_may_have_a_fragment() {
    let config = read(&[("LOGIN_URL", "https://chat.example/app#/login")]).unwrap();
    assert_eq!(config.http.login_url.unwrap().as_str(), "https://chat.example/app#/login");
}

#[test]
fn files_are_stored_beside_the_sqlite_file_by_default() {
    let config = read(&[("DATABASE_URL", "sqlite:/var/lib/links.db")]).unwrap();
    let beside = ArtifactStoreUrl::Folder("/var/lib/links.db.artifacts".into());
    assert_eq!((config.artifact_store, config.artifact_store_is_unshared), (beside, false));
    let config = read(&[("DATABASE_URL", "postgres://x")]).unwrap();
    let here = ArtifactStoreUrl::Folder("artifacts".into());
    assert_eq!((config.artifact_store, config.artifact_store_is_unshared), (here, true));
    let on_s3 = [("DATABASE_URL", "postgres://x"), ("ARTIFACT_STORE_URL", "s3://kept/files")];
    assert!(!read(&on_s3).unwrap().artifact_store_is_unshared);
}

#[test]
fn a_missing_setting_is_named() {
    assert!(complaint(&[("CHAT_SERVICE_URL", "")]).starts_with("CHAT_SERVICE_URL"));
    assert!(complaint(&[("AUTH_HS256_SECRET", "")]).starts_with("AUTH_ISSUER"));
    let only_issuer = [("AUTH_HS256_SECRET", ""), ("AUTH_ISSUER", "https://id.example")];
    assert!(complaint(&only_issuer).starts_with("AUTH_AUDIENCE"));
}

#[test]
fn reconciling_needs_a_credential_of_the_service() {
    let every_day = ("RECONCILE_INTERVAL", "1d");
    let said = complaint(&[every_day]);
    assert_eq!(
        said,
        "CHAT_SERVICE_TOKEN or CHAT_SERVICE_CLIENT_ID is needed for RECONCILE_INTERVAL"
    );
    let config = read(&[every_day, ("CHAT_SERVICE_TOKEN", "abc")]).unwrap();
    let day = std::time::Duration::from_secs(86_400);
    assert_eq!(config.reconciliation.interval, Some(day));
    assert_eq!(config.reconciliation.max_gone_percent, 50);
    // A file has no credentials.
    assert!(read(&[every_day, ("CHAT_SERVICE_URL", "file:chats.json")]).is_ok());
    assert_eq!(read(&[]).unwrap().reconciliation.interval, None);
}

const CLIENT: [(&str, &str); 3] = [
    ("CHAT_SERVICE_CLIENT_ID", "share-links"),
    ("CHAT_SERVICE_CLIENT_SECRET", "hunter2"),
    ("AUTH_ISSUER", "https://id.example"),
];

#[test]
fn the_credential_is_set_or_fetched() {
    let config = read(&[("CHAT_SERVICE_TOKEN", "abc")]).unwrap();
    let credential = config.chat_service.service_credential;
    assert!(matches!(credential, Some(ServiceCredential::Token(token)) if token == "abc"));
    let more = [("CHAT_SERVICE_SCOPE", "a b"), ("CHAT_SERVICE_AUDIENCE", "https://chat.example")];
    let config = read(&[&CLIENT[..], &more].concat()).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let Some(ServiceCredential::Client(client)) = config.chat_service.service_credential else {
        panic!("it is not fetched");
    };
    assert_eq!((client.client_id.as_str(), client.issuer.as_str()), ("share-links", CLIENT[2].1));
    assert_eq!(client.scope.as_deref(), Some("a b"));
    assert!(read(&[&CLIENT[..], &[("RECONCILE_INTERVAL", "1d")]].concat()).is_ok());
    assert!(read(&[]).unwrap().chat_service.service_credential.is_none());
}

#[test]
fn a_credential_that_contradicts_itself_is_named_and_not_repeated() {
    for (change, name) in [
        (("CHAT_SERVICE_TOKEN", "hunter2"), "CHAT_SERVICE_TOKEN cannot be set together with CHAT"),
        (("CHAT_SERVICE_CLIENT_SECRET", ""), "CHAT_SERVICE_CLIENT_SECRET is needed"),
        (("CHAT_SERVICE_CLIENT_ID", ""), "CHAT_SERVICE_CLIENT_SECRET needs CHAT_SERVICE_CLIENT_ID"),
        (("CHAT_SERVICE_CLIENT_ID", "é"), "CHAT_SERVICE_CLIENT_ID"),
        (("CHAT_SERVICE_CLIENT_SECRET", "hunter2é"), "CHAT_SERVICE_CLIENT_SECRET"),
        (("CHAT_SERVICE_SCOPE", "a\nb"), "CHAT_SERVICE_SCOPE"),
        (("CHAT_SERVICE_AUDIENCE", "é"), "CHAT_SERVICE_AUDIENCE"),
        (("CHAT_SERVICE_URL", "file:chats.json"), "CHAT_SERVICE_CLIENT_ID"),
        (("AUTH_ISSUER", ""), "AUTH_ISSUER"),
        (("AUTH_ISSUER", "accounts"), "AUTH_ISSUER"),
    ] {
        let said = complaint(&[&CLIENT[..], &[change]].concat());
        assert!(said.starts_with(name) && !said.contains("hunter2"), "{change:?}: {said}");
    }
    for name in ["CHAT_SERVICE_SCOPE", "CHAT_SERVICE_AUDIENCE"] {
        let said = complaint(&[(name, "x")]);
        assert_eq!(said, format!("{name} needs CHAT_SERVICE_CLIENT_ID"));
    }
}

#[test]
fn a_secret_and_a_jwks_url_are_refused_together() {
    let said = complaint(&[("AUTH_JWKS_URL", "https://id.example/keys")]);
    assert!(said.starts_with("AUTH_HS256_SECRET"), "{said}");
}

#[test]
fn a_short_secret_is_refused_and_not_repeated() {
    let said = complaint(&[("AUTH_HS256_SECRET", "hunter2")]);
    assert!(said.starts_with("AUTH_HS256_SECRET") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_secret_can_come_from_a_file_without_its_line_break() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    let path = path.to_str().unwrap();
    let config = read(&[("AUTH_HS256_SECRET", ""), ("AUTH_HS256_SECRET_FILE", path)]).unwrap();
    assert!(
        matches!(config.auth, AuthSettings::Hs256 { secret, .. } if secret == SECRET.as_bytes())
    );
    let both = complaint(&[("AUTH_HS256_SECRET_FILE", path)]);
    assert!(both.contains("AUTH_HS256_SECRET_FILE"), "{both}");
    let none = [("AUTH_HS256_SECRET", ""), ("AUTH_HS256_SECRET_FILE", "/nowhere/at/all")];
    assert!(complaint(&none).starts_with("AUTH_HS256_SECRET_FILE"));
}

#[test]
fn the_page_is_served_until_links_point_elsewhere() {
    let viewer = |variables: &[_]| read(variables).unwrap().http.viewer.is_some();
    assert!(!viewer(&[("PUBLIC_URL", "https://chat.example")]));
    assert!(viewer(&[("PUBLIC_URL", "https://chat.example"), ("VIEWER", "on")]));
    assert!(!viewer(&[("VIEWER", "off")]));
    assert!(read(&[("VIEWER", "off"), ("SHARE_PATH", "/#/s/{id}")]).is_ok());
}

#[test]
fn an_address_is_explained_by_example() {
    for name in ["BIND_ADDRESS", "MANAGEMENT_ADDRESS"] {
        for wrong in ["localhost:8080", "8080", ":8080", "0.0.0.0", "::1:8080x"] {
            let said = complaint(&[(name, wrong)]);
            assert!(said.starts_with(name) && said.contains("such as 127.0.0.1:8080"), "{said}");
        }
        assert!(read(&[(name, "[::]:8080")]).is_ok());
    }
}

#[test]
fn every_setting_that_is_read_is_in_the_table() {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = asked.clone();
    let env = Env::from_fn(move |name| {
        heard.lock().unwrap().push(name.to_owned());
        match name {
            "AUTH_HS256_SECRET" => Some(SECRET.to_owned()),
            "CHAT_SERVICE_URL" => Some("http://x".to_owned()),
            _ => None,
        }
    });
    Config::from_env(&env).unwrap();
    super::log_format(&env).unwrap();
    super::sends_traces(&env).unwrap();
    for name in asked.lock().unwrap().iter() {
        let known = settings().any(|setting| {
            setting.name == name || setting.is_secret && *name == format!("{}_FILE", setting.name)
        });
        // OpenTelemetry's own; the SDK reads more of them.
        let known = known || name.starts_with("OTEL_");
        assert!(known, "{name} is read, but not in the table");
    }
    let asked = asked.lock().unwrap();
    for setting in settings().filter(|setting| setting.name != "RUST_LOG") {
        assert!(asked.contains(&setting.name.to_owned()), "{} is never read", setting.name);
    }
}
