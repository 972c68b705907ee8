use std::collections::HashMap;

use super::{Config, ConfigError, Env, table::SETTINGS};
use crate::{
    artifacts::ArtifactStoreUrl,
    auth::AuthSettings,
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

fn complaint(variables: &[(&str, &str)]) -> String {
    read(variables).expect_err("these settings are wrong").to_string()
}

#[test]
fn two_settings_are_enough() {
    let config = read(&[]).unwrap();
    assert_eq!(config.bind_address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("shared-chats.db".into()));
    assert!(config.viewer);
    assert!(matches!(config.auth, AuthSettings::Hs256 { .. }));
    assert!(matches!(config.chat_service.source, Source::Http(_)));
    assert_eq!(config.live.max_age.as_secs(), 1);
    assert!(read(&[("LIVE_MAX_AGE", "0")]).unwrap().live.max_age.is_zero());
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
        ("SHARE_PATH", "/shared"),
        ("SHARE_PATH", "/s/{id}*"),
        ("SHARE_PATH", "/api/{id}"),
        ("SHARE_PATH", "/{id}"),
        ("SHARE_PATH", "/#/{id}"),
        ("VIEWER", "yes"),
        ("AUTH_JWKS_URL", "not a url"),
        ("AUTH_COOKIE", "a b"),
        ("LOGIN_URL", "javascript:alert(1)"),
        ("CHAT_SERVICE_URL", "ftp://x"),
        ("CHAT_SERVICE_TIMEOUT", "0s"),
        ("CHAT_SERVICE_TIMEOUT", "2d"),
        ("CHAT_SERVICE_PAGE_SIZE", "0"),
        ("CHAT_SERVICE_PAGE_SIZE", "many"),
        ("CHAT_SERVICE_FILE_PATH", "/files/{id}"),
        ("ARTIFACT_STORE_URL", "kept"),
        ("ARTIFACT_GRACE", "30s"),
        ("MAX_ARTIFACT_BYTES", "0"),
        ("MAX_SHARE_ARTIFACT_BYTES", "much"),
        ("LIVE_MAX_AGE", "soon"),
        ("LIVE_POLL_INTERVAL", "0s"),
        ("MAX_STREAMS", "0"),
        ("MAX_STREAMS_PER_LINK", "-1"),
        ("MAX_SNAPSHOT_BYTES", "-1"),
        ("MAX_BODY_BYTES", "1 zebibyte"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example/path"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("RATE_LIMIT_ANONYMOUS", "600"),
        ("RATE_LIMIT_ANONYMOUS", "0/1m"),
        ("RATE_LIMIT_CALLER", "600/500ms"),
        ("RATE_LIMIT_CALLER", "1000001/1m"),
        ("RATE_LIMIT_CHAT_SERVICE", "-1/1m"),
        ("RATE_LIMIT_MAX_CLIENTS", "0"),
        ("CHAT_SERVICE_MAX_CALLS", "0"),
        ("MAX_CONCURRENT_REQUESTS", "0"),
        ("MAX_WORKER_LAG", "0s"),
        ("QUEUE_TIMEOUT", "0s"),
        ("MAX_URI_BYTES", "long"),
        ("EXPIRED_RETENTION", "never"),
        ("AUDIT_RETENTION", "for ever"),
        ("ACTIVITY_INTERVAL", "0s"),
        ("ACTIVITY_LINKS", "0"),
        ("RECONCILE_INTERVAL", "never"),
        ("RECONCILE_INTERVAL", "0s"),
        ("RECONCILE_MAX_GONE", "0%"),
        ("RECONCILE_MAX_GONE", "101%"),
        ("RECONCILE_MAX_GONE", "half"),
        ("WORKERS", "0"),
        ("KEEP_ALIVE", "1 fortnight"),
    ] {
        let said = complaint(&[(name, value)]);
        assert!(said.starts_with(name), "{name}={value}: {said}");
    }
}

#[test]
fn files_are_kept_beside_the_sqlite_file_unless_told_otherwise() {
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
fn a_secret_and_public_keys_contradict_each_other() {
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
    assert!(!read(&[("PUBLIC_URL", "https://chat.example")]).unwrap().viewer);
    assert!(read(&[("PUBLIC_URL", "https://chat.example"), ("VIEWER", "on")]).unwrap().viewer);
    assert!(!read(&[("VIEWER", "off")]).unwrap().viewer);
    assert!(read(&[("VIEWER", "off"), ("SHARE_PATH", "/#/s/{id}")]).is_ok());
}

#[test]
fn every_setting_is_in_the_sample_file_and_in_the_readme() {
    let root = env!("CARGO_MANIFEST_DIR");
    for file in [".env.sample", "README.md"] {
        let text = std::fs::read_to_string(format!("{root}/{file}")).unwrap();
        for setting in SETTINGS {
            assert!(text.contains(setting.name), "{} is missing in {file}", setting.name);
        }
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
        let known = SETTINGS.iter().any(|setting| {
            setting.name == name || setting.is_secret && *name == format!("{}_FILE", setting.name)
        });
        // OpenTelemetry's own; the SDK reads more of them.
        let known = known || name.starts_with("OTEL_");
        assert!(known, "{name} is read, but not in the table");
    }
    let asked = asked.lock().unwrap();
    for setting in SETTINGS.iter().filter(|setting| setting.name != "RUST_LOG") {
        assert!(asked.contains(&setting.name.to_owned()), "{} is never read", setting.name);
    }
}
