//! The settings (docs/API.md 7), read from the environment and checked together. Each error names
//! its variable.
//!
//! To add one: a row in `table::GROUPS` (which is `--help` and docs/SETTINGS.md), a field here, a
//! line in [`Config::from_env`], and a line in `.env.sample`; a test compares the three.

mod artifacts;
mod auth;
mod credential;
mod env;
mod fixed;
mod parse;
mod reconciliation;
mod table;
mod warnings;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use url::Url;

pub use artifacts::{artifact_limits, artifact_store};
pub use auth::{claim_names, hs256_secret};
pub use env::{ConfigError, Env};
pub use fixed::retired;
pub use parse::LogFormat;
pub use reconciliation::{Percent, Reconciliation};
pub use table::help;

use crate::{
    artifacts::ArtifactStoreUrl,
    auth::AuthSettings,
    chat_service::{ChatServiceSettings, Source},
    http::{HttpSettings, RateSettings, page::PageSettings, ui},
    sharing::{ArtifactLimits, LiveSettings, Quotas, RecordSettings, SharePath, SharingSettings},
    store::{DatabaseSettings, DatabaseUrl},
};
use parse::{
    Address, Age, Bytes, CookieName, Days, HttpUrl, OptionalRate, Origins, PageUrl, Period, Switch,
};

pub fn bind_address(env: &Env) -> Result<SocketAddr, ConfigError> {
    Ok(env.get_or::<Address>("BIND_ADDRESS", "127.0.0.1:8080")?.0)
}

/// Every setting of `serve`.
#[derive(Debug, Clone)]
pub struct Config {
    pub bind_address: SocketAddr,
    /// `None`: metrics are not served.
    pub management_address: Option<SocketAddr>,
    pub database: DatabaseSettings,
    /// `None`: `http://` and the bound address.
    pub public_url: Option<Url>,
    pub share_path: SharePath,
    pub auth: AuthSettings,
    pub http: HttpSettings,
    pub chat_service: ChatServiceSettings,
    pub artifact_store: ArtifactStoreUrl,
    /// Files are in the default folder, which other instances on a PostgreSQL database do not see.
    pub artifact_store_is_unshared: bool,
    pub artifact_limits: ArtifactLimits,
    pub live: LiveSettings,
    pub quotas: Quotas,
    pub cors_allowed_origins: Vec<String>,
    /// How long the row of an expired link is kept, without its content.
    pub expired_retention: chrono::Duration,
    pub reconciliation: Reconciliation,
    pub records: Records,
    pub workers: Option<usize>,
    pub max_connections: usize,
    pub request_timeout: Duration,
    pub keep_alive: Duration,
    /// From the signal to the end, the delay included.
    pub shutdown_timeout: Duration,
    /// How long after the signal connections are still accepted, while `/health/ready` is 503.
    pub shutdown_delay: Duration,
}

/// The settings of audit records and view counts.
#[derive(Debug, Clone, Copy)]
pub struct Records {
    pub audit_retention: chrono::Duration,
    /// How often view counts are written to the database.
    pub activity_interval: Duration,
    pub kept: RecordSettings,
}

impl Config {
    /// Reads every setting of `serve`.
    ///
    /// # Errors
    /// The first setting that is wrong, missing, or contradicts another one.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let public_url = env.get::<HttpUrl>("PUBLIC_URL")?.map(|url| url.0);
        if public_url.as_ref().is_some_and(|url| url.query().is_some()) {
            let problem = "must have no query: a path is put behind it";
            return Err(ConfigError::new("PUBLIC_URL", problem));
        }
        let is_host = |url: &Url| url.path().trim_end_matches('/').starts_with("//");
        if public_url.as_ref().is_some_and(is_host) {
            let problem = "must not have a path that starts with '//': to a browser that is a host";
            return Err(ConfigError::new("PUBLIC_URL", problem));
        }
        let share_path: SharePath = env.get_or("SHARE_PATH", "/shared/{id}")?;
        let viewer = env.get::<Switch>("VIEWER")?.map_or(public_url.is_none(), |switch| switch.0);
        if viewer {
            check_viewer_path(&share_path)?;
        }
        auth::check_certificates(env)?;
        let database = database(env)?;
        let chat_service = chat_service(env)?;
        let request_timeout = env.get_or::<Period>("REQUEST_TIMEOUT", "10s")?.0;
        let shutdown_timeout = env.get_or::<Period>("SHUTDOWN_TIMEOUT", "30s")?.0;
        let artifact_store_is_set = env.get::<String>("ARTIFACT_STORE_URL")?.is_some();
        let on_postgres = matches!(database.url, DatabaseUrl::Postgres(_));
        Ok(Self {
            bind_address: bind_address(env)?,
            management_address: env.get::<Address>("MANAGEMENT_ADDRESS")?.map(|address| address.0),
            artifact_store_is_unshared: on_postgres && !artifact_store_is_set,
            artifact_store: artifact_store(env, &database.url)?,
            artifact_limits: artifact_limits(env, chat_service.timeout)?,
            database,
            public_url,
            auth: auth::auth(env)?,
            http: http(env, viewer.then(|| share_path.clone()), request_timeout)?,
            share_path,
            chat_service,
            live: live(env)?,
            quotas: quotas(env)?,
            cors_allowed_origins: env.get_or::<Origins>("CORS_ALLOWED_ORIGINS", "")?.0,
            expired_retention: fixed::EXPIRED_RETENTION,
            reconciliation: Reconciliation::from_env(env)?,
            records: Records {
                audit_retention: env.get_or::<Days>("AUDIT_RETENTION", "90d")?.0,
                activity_interval: fixed::ACTIVITY_INTERVAL,
                kept: RecordSettings { links: fixed::ACTIVITY_LINKS },
            },
            workers: env.count("WORKERS", 1024)?,
            max_connections: env.count("MAX_CONNECTIONS", 1_000_000)?.unwrap_or(10_000),
            request_timeout,
            keep_alive: fixed::KEEP_ALIVE,
            shutdown_timeout,
            shutdown_delay: shutdown_delay(env, shutdown_timeout)?,
        })
    }

    #[must_use]
    pub fn sharing(&self) -> SharingSettings {
        SharingSettings { live: self.live, records: self.records.kept, quotas: self.quotas }
    }

    /// What is left of `SHUTDOWN_TIMEOUT` for requests in flight.
    #[must_use]
    pub fn time_to_finish(&self) -> Duration {
        self.shutdown_timeout.saturating_sub(self.shutdown_delay)
    }
}

/// The settings of the database alone, for `migrate`.
pub fn database(env: &Env) -> Result<DatabaseSettings, ConfigError> {
    Ok(DatabaseSettings {
        url: match env.secret("DATABASE_URL")? {
            // The message must not hold the URL, which may contain a password.
            Some(url) => url.parse().map_err(|e| ConfigError::new("DATABASE_URL", e))?,
            None => DatabaseUrl::Sqlite("shared-chats.db".into()),
        },
        pool_size: env.count("DATABASE_POOL_SIZE", 1000)?.unwrap_or(16),
        timeout: env.get_or::<Period>("DATABASE_TIMEOUT", "10s")?.0,
        queue_timeout: fixed::QUEUE_TIMEOUT,
        ca_file: env.get::<PathBuf>("DATABASE_CA_FILE")?,
    })
}

fn max_concurrent_requests(env: &Env) -> Result<usize, ConfigError> {
    Ok(env.count("MAX_CONCURRENT_REQUESTS", 1_000_000)?.unwrap_or(4000))
}

pub fn log_format(env: &Env) -> Result<LogFormat, ConfigError> {
    env.get_or("LOG_FORMAT", "human")
}

/// The settings of the chat service alone, for `reconcile`.
pub fn chat_service(env: &Env) -> Result<ChatServiceSettings, ConfigError> {
    const NAME: &str = "CHAT_SERVICE_URL";
    let Some(source) = env.get::<Source>(NAME)? else {
        let problem = "is needed: the address of the chat service, or file:PATH for a JSON file of \
                       chats (docs/INTEGRATION.md)";
        return Err(ConfigError::new(NAME, problem));
    };
    Ok(ChatServiceSettings {
        service_credential: credential::service_credential(env, &source)?,
        timeout: env.get_or::<Period>("CHAT_SERVICE_TIMEOUT", "30s")?.0,
        max_calls: env.count("CHAT_SERVICE_MAX_CALLS", 100_000)?.unwrap_or(32),
        queue_timeout: fixed::QUEUE_TIMEOUT,
        connect_timeout: fixed::CHAT_SERVICE_CONNECT_TIMEOUT,
        page_size: env
            .count("CHAT_SERVICE_PAGE_SIZE", 10_000)?
            .map_or(200, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        max_snapshot_bytes: max_snapshot_bytes(env)?,
        file_path: env.get("CHAT_SERVICE_FILE_PATH")?.unwrap_or_default(),
        ..ChatServiceSettings::new(source)
    })
}

/// `viewer` is the path of the page, if it is served.
fn http(
    env: &Env,
    viewer: Option<SharePath>,
    request_timeout: Duration,
) -> Result<HttpSettings, ConfigError> {
    const ANONYMOUS: &str = "RATE_LIMIT_ANONYMOUS";
    let rate = |name, usual| Ok::<_, ConfigError>(env.get_or::<OptionalRate>(name, usual)?.0);
    Ok(HttpSettings {
        viewer,
        has_docs: env.get::<Switch>("DOCS")?.is_none_or(|switch| switch.0),
        auth_cookie: env.get::<CookieName>("AUTH_COOKIE")?.map(|name| name.0),
        login_url: env.get::<PageUrl>("LOGIN_URL")?.map(|url| url.0),
        page: PageSettings {
            continue_url: env.get("CONTINUE_URL")?,
            link_preview: env.get_or("LINK_PREVIEW", "off")?,
        },
        trusted_proxies: env.get_or("TRUSTED_PROXIES", "")?,
        rates: RateSettings {
            anonymous: rate(ANONYMOUS, "12000/1m")?,
            caller: rate("RATE_LIMIT_CALLER", "6000/1m")?,
            chat_service: rate("RATE_LIMIT_CHAT_SERVICE", "60000/1m")?,
            // One that an operator chose holds, whatever a client sends.
            only_known_addresses: env.raw(ANONYMOUS).is_none(),
            max_clients: fixed::RATE_LIMIT_MAX_CLIENTS,
        },
        max_concurrent_requests: max_concurrent_requests(env)?,
        max_uri_bytes: fixed::MAX_URI_BYTES,
        max_body_bytes: fixed::MAX_BODY_BYTES,
        body_timeout: request_timeout,
        queue_timeout: fixed::QUEUE_TIMEOUT,
        cache_bytes: env.get_or::<Bytes>("CACHE_BYTES", "20MiB")?.0,
    })
}

fn live(env: &Env) -> Result<LiveSettings, ConfigError> {
    let max_streams = env.count("MAX_STREAMS", 1_000_000)?.unwrap_or(10_000);
    Ok(LiveSettings {
        max_age: fixed::LIVE_MAX_AGE,
        // Half of the requests stay available while the chat service is slow.
        max_waiting: max_concurrent_requests(env)?.div_ceil(2),
        poll_interval: env.get_or::<Period>("LIVE_POLL_INTERVAL", "5s")?.0,
        max_streams,
        // A popular link leaves half of the streams to others.
        max_streams_per_link: max_streams.div_ceil(2),
        // More than the people of a large office, and several clients are needed to take all.
        max_streams_per_client: max_streams.div_ceil(4),
        max_watched_bytes: fixed::MAX_WATCHED_BYTES,
    })
}

fn quotas(env: &Env) -> Result<Quotas, ConfigError> {
    let usual = Quotas::default();
    let count = |name, usual| {
        Ok::<_, ConfigError>(env.count(name, 1_000_000_000)?.map_or(usual, |count| count as u64))
    };
    Ok(Quotas {
        links: count("QUOTA_LINKS", usual.links)?,
        bytes: env.get::<Bytes>("QUOTA_BYTES")?.map_or(usual.bytes, |bytes| bytes.0),
        files: count("QUOTA_FILES", usual.files)?,
        snapshot_bytes: max_snapshot_bytes(env)?,
    })
}

pub fn max_snapshot_bytes(env: &Env) -> Result<u64, ConfigError> {
    Ok(env.get_or::<Bytes>("MAX_SNAPSHOT_BYTES", "16MiB")?.0)
}

/// Whether traces are sent. The OpenTelemetry SDK reads its other variables by itself.
pub fn sends_traces(env: &Env) -> Result<bool, ConfigError> {
    let is = |name, value: &str| env.raw(name).is_some_and(|text| text.eq_ignore_ascii_case(value));
    let endpoint = env.get::<HttpUrl>("OTEL_EXPORTER_OTLP_ENDPOINT")?;
    let of_traces = env.get::<HttpUrl>("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")?;
    let is_off = is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none");
    Ok((endpoint.is_some() || of_traces.is_some()) && !is_off)
}

fn shutdown_delay(env: &Env, timeout: Duration) -> Result<Duration, ConfigError> {
    const NAME: &str = "SHUTDOWN_DELAY";
    let delay = env.get_or::<Age>(NAME, "0")?.0;
    if delay >= timeout {
        let problem = "must be shorter than SHUTDOWN_TIMEOUT, which it is a part of";
        return Err(ConfigError::new(NAME, problem));
    }
    Ok(delay)
}

/// The page needs a path that is no other route, and that browsers send to the server.
fn check_viewer_path(path: &SharePath) -> Result<(), ConfigError> {
    let route = path.route();
    let taken =
        ["/api/", "/health/", "/docs", "/openapi", ui::PREFIX].iter().any(|p| route.starts_with(p));
    if taken || route.starts_with("/{id}") {
        let problem = "would hide this service's own addresses; take another, or VIEWER=off";
        return Err(ConfigError::new("SHARE_PATH", problem));
    }
    if !path.is_plain_path() {
        let problem = "must be a path alone, without '?' and '#', for the page to be served there; \
                       take another, or VIEWER=off";
        return Err(ConfigError::new("SHARE_PATH", problem));
    }
    Ok(())
}
