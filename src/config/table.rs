//! Every setting there is, for `--help`.

use std::fmt::Write;

/// A setting.
pub(super) struct Setting {
    pub name: &'static str,
    pub default: &'static str,
    pub meaning: &'static str,
    /// Whether it can come from a file, named by `NAME_FILE`.
    pub is_secret: bool,
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, is_secret: false }
}

const fn secret(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default: "–", meaning, is_secret: true }
}

pub(super) const SETTINGS: &[Setting] = &[
    setting("BIND_ADDRESS", "127.0.0.1:8080", "where to listen; port 0 picks one and prints it"),
    setting(
        "MANAGEMENT_ADDRESS",
        "off",
        "where /metrics and /health are served; port 0 picks one and prints it",
    ),
    Setting {
        name: "DATABASE_URL",
        default: "sqlite:shared-chats.db",
        meaning: "sqlite:PATH or postgres://…",
        is_secret: true,
    },
    setting("DATABASE_POOL_SIZE", "16", "connections for everything but views"),
    setting("DATABASE_TIMEOUT", "10s", "for one operation, waiting included"),
    setting(
        "DATABASE_CA_FILE",
        "–",
        "certificates (PEM) to trust for PostgreSQL, beside the system's",
    ),
    setting("PUBLIC_URL", "http://<bound address>", "what links start with"),
    setting("SHARE_PATH", "/shared/{id}", "the path of a link"),
    setting("VIEWER", "on while PUBLIC_URL is unset", "on or off: serve the page behind a link"),
    setting("AUTH_ISSUER", "–", "the OpenID provider: what `iss` must be"),
    setting("AUTH_AUDIENCE", "–", "what `aud` must be or hold"),
    setting("AUTH_JWKS_URL", "by discovery", "the provider's keys"),
    secret("AUTH_HS256_SECRET", "a shared secret of 32 bytes or more, instead of a provider"),
    setting("AUTH_COOKIE", "off", "a cookie that holds the token, for GET and HEAD alone"),
    setting("LOGIN_URL", "off", "where the page sends people to sign in, with return_to"),
    setting("CHAT_SERVICE_URL", "–", "the chat service, or file:PATH for a JSON file of chats"),
    secret("CHAT_SERVICE_TOKEN", "this service's own credential there: live links, owner creates"),
    setting("CHAT_SERVICE_CLIENT_ID", "–", "instead: a token for it is fetched from AUTH_ISSUER"),
    secret("CHAT_SERVICE_CLIENT_SECRET", "the secret that goes with CHAT_SERVICE_CLIENT_ID"),
    setting("CHAT_SERVICE_SCOPE", "–", "the scope to ask for then"),
    setting("CHAT_SERVICE_AUDIENCE", "–", "for whom that token shall be (audience, resource)"),
    setting("CHAT_SERVICE_TIMEOUT", "30s", "for all that one request asks there"),
    setting("CHAT_SERVICE_CONNECT_TIMEOUT", "5s", "for a connection to it"),
    setting("CHAT_SERVICE_MAX_CALLS", "100", "requests that ask there at the same time"),
    setting("CHAT_SERVICE_PAGE_SIZE", "200", "messages asked for at once"),
    setting(
        "CHAT_SERVICE_FILE_PATH",
        "/api/v1/chats/{id}/agent_server_files/{file_id}/content",
        "where it gives the bytes of a file",
    ),
    setting(
        "ARTIFACT_STORE_URL",
        "a folder beside the SQLite file",
        "where files are kept: file:PATH or s3://BUCKET/PREFIX; for one database alone",
    ),
    setting("MAX_ARTIFACT_BYTES", "32MiB", "one file that is kept"),
    setting("MAX_SHARE_ARTIFACT_BYTES", "128MiB", "all files that are kept for one link"),
    setting("ARTIFACT_GRACE", "1h", "how long an unfinished copy of a file is left alone"),
    setting(
        "LIVE_MAX_AGE",
        "1s",
        "how long what a chat held may be shown again on live links; 0 is not",
    ),
    setting("LIVE_POLL_INTERVAL", "5s", "how often a watched chat is looked at without a notice"),
    setting("MAX_STREAMS", "10000", "open event streams of this instance"),
    setting("MAX_STREAMS_PER_LINK", "5000", "open event streams of one link on this instance"),
    setting("MAX_SNAPSHOT_BYTES", "16MiB", "the messages of one shared chat, as JSON"),
    setting("MAX_BODY_BYTES", "1MiB", "a request's body"),
    setting("VIEW_CACHE_BYTES", "16MiB", "views that are kept in memory"),
    setting("QR_CACHE_BYTES", "4MiB", "QR codes that are kept in memory"),
    setting("EXPIRED_RETENTION", "30d", "how long the bare row of an expired link is kept"),
    setting("RECONCILE_INTERVAL", "off", "how often the links of chats that are gone are removed"),
    setting("RECONCILE_MAX_GONE", "50%", "more chats gone than this, and none of it is believed"),
    setting("AUDIT_RETENTION", "90d", "how long audit records are kept"),
    setting("ACTIVITY_INTERVAL", "10s", "how often counted views are written to the database"),
    setting("ACTIVITY_LINKS", "10000", "links whose views are counted in memory until then"),
    setting("CORS_ALLOWED_ORIGINS", "none", "origins whose pages may call, separated by commas"),
    setting(
        "TRUSTED_PROXIES",
        "none",
        "addresses and networks whose X-Forwarded-For is believed, separated by commas",
    ),
    setting(
        "RATE_LIMIT_ANONYMOUS",
        "off",
        "calls of one address without a credential that is needed, such as 600/1m",
    ),
    setting("RATE_LIMIT_CALLER", "off", "calls of one user, such as 1200/1m"),
    setting("RATE_LIMIT_CHAT_SERVICE", "off", "calls of the chat service, such as 6000/1m"),
    setting("RATE_LIMIT_MAX_CLIENTS", "100000", "addresses, and callers, that are remembered"),
    setting("WORKERS", "one a core", "threads that serve requests"),
    setting("MAX_CONNECTIONS", "10000", "open connections for each worker"),
    setting("MAX_CONCURRENT_REQUESTS", "4000", "requests under way; a further one is 503"),
    setting("MAX_WORKER_LAG", "200ms", "for a worker to come to a request; then it is 503"),
    setting(
        "QUEUE_TIMEOUT",
        "2s",
        "for a turn at the database or the chat service; then it is 503",
    ),
    setting("MAX_URI_BYTES", "8KiB", "a request's path and query"),
    setting("REQUEST_TIMEOUT", "10s", "for a request's head to arrive"),
    setting("BODY_TIMEOUT", "30s", "for a request's body to arrive"),
    setting("KEEP_ALIVE", "75s", "how long an idle connection is kept"),
    setting("SHUTDOWN_TIMEOUT", "30s", "from SIGTERM to the end, for what is under way"),
    setting(
        "SHUTDOWN_DELAY",
        "0",
        "how long of that it still accepts, no longer ready, for proxies to notice",
    ),
    setting("LOG_FORMAT", "human", "human or json"),
    setting("RUST_LOG", "info", "what is logged (tracing's filter syntax)"),
    setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "off",
        "where traces go (OTLP over HTTP); OpenTelemetry's other variables hold too",
    ),
];

/// The table as text.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("Settings, from the environment (an empty one is not set):\n");
    for setting in SETTINGS {
        let file = if setting.is_secret { "; or from the file that …_FILE names" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  {:<29} {} [{}]{file}",
            setting.name, setting.meaning, setting.default
        );
    }
    text
}
