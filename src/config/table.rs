//! Every setting, for `--help` and docs/SETTINGS.md.

use std::fmt::Write;

pub(super) struct Group {
    pub title: &'static str,
    /// For docs/SETTINGS.md, in Markdown; may be empty.
    #[cfg_attr(not(test), expect(dead_code, reason = "the page is made by a test"))]
    pub about: &'static str,
    pub settings: &'static [Setting],
}

pub(super) struct Setting {
    pub name: &'static str,
    /// A value, or if it contains a space, a description in Markdown.
    pub default: &'static str,
    /// In Markdown.
    pub meaning: &'static str,
    /// Can be read from the file that `NAME_FILE` names.
    pub is_secret: bool,
}

/// The default of a setting that has none.
pub(super) const UNSET: &str = "–";

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, is_secret: false }
}

const fn secret(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, is_secret: true }
}

pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Addresses",
        about: "Set `PUBLIC_URL` wherever others open links. `TRUSTED_PROXIES` is a list such as \
                `10.0.0.0/8,2001:db8:1::5`; without it a client is known by the address of its \
                connection. `CORS_ALLOWED_ORIGINS` has no `*`: links are secrets.",
        settings: &[
            setting(
                "BIND_ADDRESS",
                "127.0.0.1:8080",
                "where to listen, such as `0.0.0.0:8080` or `[::1]:8080`; port 0 picks a free one",
            ),
            setting(
                "MANAGEMENT_ADDRESS",
                UNSET,
                "where `/metrics` and `/health` are served, for the inner network alone",
            ),
            setting(
                "PUBLIC_URL",
                "`http://` and the bound address",
                "what links start with; a path in it is one that the proxy strips",
            ),
            setting("SHARE_PATH", "/shared/{id}", "the path of a link; `{id}` stands in it once"),
            setting(
                "VIEWER",
                "on while `PUBLIC_URL` is unset",
                "`on` or `off`: serve the page behind a link, at `SHARE_PATH`",
            ),
            setting(
                "CONTINUE_URL",
                UNSET,
                "where the page leads to go on with the chat, with `{id}` for the link's id",
            ),
            setting(
                "LINK_PREVIEW",
                "off",
                "`off`, or `name`: link previews show the chat's name, for public links only",
            ),
            setting("DOCS", "on", "`on` or `off`: serve `/docs`, to browse the API's description"),
            setting(
                "CORS_ALLOWED_ORIGINS",
                UNSET,
                "origins whose pages may call, separated by commas",
            ),
            setting(
                "TRUSTED_PROXIES",
                UNSET,
                "addresses and networks whose `X-Forwarded-For` is believed, separated by commas",
            ),
        ],
    },
    Group {
        title: "Database",
        about: "A PostgreSQL URL is `postgres://USER:PASSWORD@HOST/NAME?sslmode=MODE`, where MODE \
                is `disable`, `prefer`, `require` or `verify-full`. HOST may be several, \
                `HOST:PORT,HOST:PORT`: the one that takes writes is used. A Unix socket is named by \
                its folder: `postgres://USER:PASSWORD@/NAME?host=/FOLDER`.",
        settings: &[
            secret("DATABASE_URL", "sqlite:shared-chats.db", "`sqlite:PATH` or `postgres://…`"),
            setting("DATABASE_POOL_SIZE", "16", "connections for everything but views"),
            setting("DATABASE_TIMEOUT", "10s", "for one operation, waiting included"),
            setting(
                "DATABASE_CA_FILE",
                UNSET,
                "certificates (PEM) to trust for PostgreSQL, beside the system's",
            ),
        ],
    },
    Group {
        title: "Authentication",
        about: "Needed: `AUTH_ISSUER` and `AUTH_AUDIENCE`, or `AUTH_HS256_SECRET`. What common \
                providers need is in [IDENTITY-PROVIDERS.md](IDENTITY-PROVIDERS.md).",
        settings: &[
            setting("AUTH_ISSUER", UNSET, "the OpenID provider: what `iss` must be, byte for byte"),
            setting("AUTH_AUDIENCE", UNSET, "what the claim `AUTH_AUDIENCE_CLAIM` must be or hold"),
            setting("AUTH_AUDIENCE_CLAIM", "aud", "the claim with the audience"),
            setting(
                "AUTH_SCOPE_CLAIMS",
                "`scope scp`",
                "the claims in which `shared_chats:service` and `shared_chats:admin` count, \
                 separated by spaces or commas; users must not be able to obtain those words",
            ),
            setting(
                "AUTH_GROUPS_CLAIM",
                "groups",
                "the claim with a user's groups, which audiences may name; or a JSON Pointer such \
                 as `/realm_access/roles`",
            ),
            setting(
                "AUTH_ADMIN_GROUP",
                UNSET,
                "the group whose members are administrators, beside the scope `shared_chats:admin`",
            ),
            setting("AUTH_JWKS_URL", "by discovery", "the provider's keys"),
            secret(
                "AUTH_HS256_SECRET",
                UNSET,
                "a shared secret of 32 bytes or more, instead of a provider",
            ),
            setting(
                "SSL_CERT_FILE",
                "the system's",
                "certificates (PEM) that are trusted instead, for every TLS connection that the \
                 service makes",
            ),
            setting(
                "AUTH_COOKIE",
                UNSET,
                "a cookie that holds the token, for `GET` and `HEAD` alone",
            ),
            setting("LOGIN_URL", UNSET, "where the page sends people to sign in, with `return_to`"),
        ],
    },
    Group {
        title: "Chat service",
        about: "`CHAT_SERVICE_URL` is needed. The service's own credential there is for live links \
                and for links that are made for an owner: `CHAT_SERVICE_TOKEN`, or a token that is \
                fetched from `AUTH_ISSUER` with `CHAT_SERVICE_CLIENT_ID` and \
                `CHAT_SERVICE_CLIENT_SECRET`, and renewed. `RECONCILE_INTERVAL` needs it too.",
        settings: &[
            setting(
                "CHAT_SERVICE_URL",
                UNSET,
                "the chat service, or `file:PATH` for a JSON file of chats",
            ),
            secret("CHAT_SERVICE_TOKEN", UNSET, "this service's own credential there"),
            setting(
                "CHAT_SERVICE_CLIENT_ID",
                UNSET,
                "instead: this service's client id at `AUTH_ISSUER`, where a token is fetched",
            ),
            secret(
                "CHAT_SERVICE_CLIENT_SECRET",
                UNSET,
                "the secret that goes with `CHAT_SERVICE_CLIENT_ID`",
            ),
            setting("CHAT_SERVICE_SCOPE", UNSET, "the scope to ask for then"),
            setting(
                "CHAT_SERVICE_AUDIENCE",
                UNSET,
                "the audience to ask for then (`audience`, `resource`)",
            ),
            setting("CHAT_SERVICE_TIMEOUT", "30s", "for all that one request asks there"),
            setting(
                "CHAT_SERVICE_MAX_CALLS",
                "32",
                "requests that ask there at a time; one user has at most a quarter of them, viewers of \
                 live links half. The next one waits (docs/OPERATIONS.md), then it is 503",
            ),
            setting("CHAT_SERVICE_PAGE_SIZE", "200", "messages asked for at once"),
            setting(
                "CHAT_SERVICE_FILE_PATH",
                "/api/v1/chats/{id}/agent_server_files/{file_id}/content",
                "where it gives the bytes of a file",
            ),
            setting(
                "LIVE_POLL_INTERVAL",
                "5s",
                "how often a watched chat is asked for without a notice; less often a large or quiet \
                 one",
            ),
            setting(
                "RECONCILE_INTERVAL",
                "off",
                "how often the links of chats that are gone are removed, such as `1d`",
            ),
            setting(
                "RECONCILE_MAX_GONE",
                "50%",
                "if more of the chats, or of the owners asked about, are gone than this, nothing of \
                 that kind is removed",
            ),
        ],
    },
    Group {
        title: "Files",
        about: "By default files are kept in a folder beside the SQLite file, or with PostgreSQL in \
                `artifacts` in the working directory, which several instances would have to share. \
                One store is for one database: what this database does not know is deleted there. \
                S3 is configured by the usual variables: `AWS_ACCESS_KEY_ID`, \
                `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`.",
        settings: &[
            setting(
                "ARTIFACT_STORE_URL",
                "a folder beside the SQLite file",
                "where files are kept: `file:PATH` or `s3://BUCKET/PREFIX`; for one database alone",
            ),
            setting(
                "MAX_ARTIFACT_BYTES",
                "32MiB",
                "one file that is kept; all files of one link may have four times as much",
            ),
        ],
    },
    Group {
        title: "Limits",
        about: "A rate is `COUNT/TIME`: the whole count may come at once, and then one call each \
                COUNTth part of the time. Each instance counts for itself. An IPv6 address counts \
                as its /64. While `RATE_LIMIT_ANONYMOUS` is unset it leaves out requests with \
                `X-Forwarded-For` as long as `TRUSTED_PROXIES` is unset too: to it they are all \
                of one client.",
        settings: &[
            setting("MAX_SNAPSHOT_BYTES", "16MiB", "the messages of one shared chat, as JSON"),
            setting(
                "MAX_STREAMS",
                "10000",
                "open event streams of this instance; one link may have half of them, one user or \
                 address a quarter",
            ),
            setting(
                "CACHE_BYTES",
                "20MiB",
                "what is kept in memory: views (four fifths) and QR codes (a fifth)",
            ),
            setting("AUDIT_RETENTION", "90d", "how long audit records are kept"),
            setting(
                "RATE_LIMIT_ANONYMOUS",
                "12000/1m",
                "calls of one address without a credential that is needed, or `off`",
            ),
            setting("RATE_LIMIT_CALLER", "6000/1m", "calls of one user, or `off`"),
            setting("RATE_LIMIT_CHAT_SERVICE", "60000/1m", "calls of the chat service, or `off`"),
            setting("QUOTA_LINKS", "10000", "links of one owner"),
            setting(
                "QUOTA_BYTES",
                "10GiB",
                "compressed messages and kept files of one owner's links",
            ),
            setting("QUOTA_FILES", "10000", "kept files of one owner's links"),
        ],
    },
    Group {
        title: "Server",
        about: "What ends the process must wait for longer than `SHUTDOWN_TIMEOUT`.",
        settings: &[
            setting("WORKERS", "one a core", "threads that serve requests"),
            setting("MAX_CONNECTIONS", "10000", "open connections for each worker"),
            setting(
                "MAX_CONCURRENT_REQUESTS",
                "4000",
                "requests in flight, streams and downloads apart; the next one is 503",
            ),
            setting("REQUEST_TIMEOUT", "10s", "for a request's head to arrive, and for its body"),
            setting("SHUTDOWN_TIMEOUT", "30s", "from SIGTERM to the end, for requests in flight"),
            setting(
                "SHUTDOWN_DELAY",
                "0",
                "how long of that it still accepts, no longer ready, for proxies to notice",
            ),
        ],
    },
    Group {
        title: "Log",
        about: "",
        settings: &[
            setting("LOG_FORMAT", "human", "`human` or `json`"),
            setting("RUST_LOG", "info", "what is logged (tracing's filter syntax)"),
        ],
    },
];

/// The OpenTelemetry SDK reads its own variables; in Markdown.
pub(super) const TRACES: &str = "Traces are sent by OTLP over HTTP where \
     `OTEL_EXPORTER_OTLP_ENDPOINT` is set; OpenTelemetry's other variables hold too.";

/// The table as plain text.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("Settings, from the environment (an empty one is not set):\n");
    // Writing to a string does not fail.
    for group in GROUPS {
        let _ = writeln!(text, "\n {}", group.title);
        for Setting { name, default, meaning, is_secret } in group.settings {
            let file = if *is_secret { "; or from the file that …_FILE names" } else { "" };
            let _ = writeln!(text, "  {name:<29} {meaning} [{default}]{file}");
        }
    }
    let _ = writeln!(text, "\n{TRACES}");
    text.replace('`', "")
}
