//! The state that handlers share.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_web::{http::header::HeaderValue, web::Bytes};
use tokio::sync::Semaphore;
use url::Url;

use crate::auth::Authenticator;
use crate::http::page::{self, PageSettings};
use crate::http::rate_limits::{RateLimits, RateSettings};
use crate::http::readiness::DatabaseCheck;
use crate::http::views::{bodies::Bodies, qr_codes::QrCodes};
use crate::http::{lifecycle::Lifecycle, trusted_proxies::TrustedProxies};
use crate::sharing::{SharePath, Sharing, Urls};
use crate::telemetry::RequestsInFlight;

/// The state that handlers share.
pub struct State {
    pub sharing: Sharing,
    pub authenticator: Authenticator,
    pub urls: Urls,
    pub lifecycle: Lifecycle,
    pub settings: HttpSettings,
    /// None if each `RATE_LIMIT_…` is off.
    pub rate_limits: Option<Arc<RateLimits>>,
    /// `MAX_CONCURRENT_REQUESTS` permits.
    pub requests: Semaphore,
    pub bodies: Bodies,
    pub qr_codes: QrCodes,
    pub database_check: DatabaseCheck,
    /// What pages depend on beside their links.
    pub page_version: String,
    /// Made when it is first asked for.
    pub documents: OnceLock<Documents>,
}

/// The OpenAPI document as it is served, whose `servers` hold the path of `PUBLIC_URL`.
pub struct Documents {
    pub json: Bytes,
    pub yaml: Bytes,
}

/// The part of [`Config`](crate::config::Config) that handlers and middleware need.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `SHARE_PATH`, if this service serves the page.
    pub viewer: Option<SharePath>,
    /// Whether the API's description can be browsed at `/docs`.
    pub has_docs: bool,
    pub auth_cookie: Option<String>,
    pub login_url: Option<Url>,
    pub page: PageSettings,
    pub trusted_proxies: TrustedProxies,
    pub rates: RateSettings,
    pub max_concurrent_requests: usize,
    /// Limit of path and query.
    pub max_uri_bytes: usize,
    pub max_body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a view waits until its body can be built.
    pub queue_timeout: Duration,
    /// Size of the caches: four fifths for views, a fifth for QR codes.
    pub cache_bytes: u64,
}

impl State {
    pub fn new(
        sharing: Sharing,
        authenticator: Authenticator,
        urls: Urls,
        lifecycle: Lifecycle,
        settings: HttpSettings,
    ) -> Self {
        let qr_code_bytes = settings.cache_bytes / 5;
        let view_bytes = settings.cache_bytes - qr_code_bytes;
        Self {
            sharing,
            authenticator,
            urls,
            lifecycle,
            rate_limits: RateLimits::new(settings.rates).map(Arc::new),
            requests: Semaphore::new(settings.max_concurrent_requests),
            bodies: Bodies::new(view_bytes, settings.queue_timeout),
            qr_codes: QrCodes::new(qr_code_bytes),
            database_check: DatabaseCheck::default(),
            documents: OnceLock::new(),
            page_version: page::version(&settings.page),
            settings,
        }
    }

    /// Updates the gauges.
    pub async fn report(&self) {
        RequestsInFlight::report();
        self.bodies.report().await;
        self.qr_codes.report();
        self.authenticator.report();
        self.sharing.report();
    }

    /// The `Vary` header of a view.
    pub fn vary(&self) -> HeaderValue {
        HeaderValue::from_static(match self.settings.auth_cookie {
            None => "Authorization, Accept-Encoding, Accept",
            Some(_) => "Authorization, Accept-Encoding, Accept, Cookie",
        })
    }
}
