//! What handlers work with.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, http::header::HeaderValue};
use tokio::sync::Semaphore;
use url::Url;

use crate::{
    auth::Authenticator,
    http::{
        lifecycle::Lifecycle,
        rate_limits::{RateLimits, RateSettings},
        trusted_proxies::TrustedProxies,
        views::{bodies::Bodies, qr_codes::QrCodes},
    },
    sharing::{SharePath, Sharing, Urls},
    telemetry::RequestsInFlight,
};

/// What handlers work with.
pub struct State {
    pub sharing: Sharing,
    pub authenticator: Authenticator,
    pub urls: Urls,
    pub lifecycle: Lifecycle,
    pub settings: HttpSettings,
    /// `RATE_LIMIT_…`, if any is set.
    pub rate_limits: Option<Arc<RateLimits>>,
    /// A permit for each of `MAX_CONCURRENT_REQUESTS`.
    pub requests: Semaphore,
    pub bodies: Bodies,
    pub qr_codes: QrCodes,
}

/// How requests are answered; a part of [`Config`](crate::config::Config).
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where the page is served, if it is.
    pub viewer: Option<SharePath>,
    pub auth_cookie: Option<String>,
    pub login_url: Option<Url>,
    pub trusted_proxies: TrustedProxies,
    pub rates: RateSettings,
    pub max_concurrent_requests: usize,
    /// Of a path and query.
    pub max_uri_bytes: usize,
    pub max_body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a view waits for its turn to be made.
    pub queue_timeout: Duration,
    /// Views and QR codes that are kept in memory: four fifths and a fifth of it.
    pub cache_bytes: u64,
}

impl State {
    #[must_use]
    pub fn new(
        sharing: Sharing,
        authenticator: Authenticator,
        urls: Urls,
        lifecycle: Lifecycle,
        settings: HttpSettings,
    ) -> Self {
        let of_qr_codes = settings.cache_bytes / 5;
        let of_views = settings.cache_bytes - of_qr_codes;
        Self {
            sharing,
            authenticator,
            urls,
            lifecycle,
            rate_limits: RateLimits::new(settings.rates).map(Arc::new),
            requests: Semaphore::new(settings.max_concurrent_requests),
            bodies: Bodies::new(of_views, settings.queue_timeout),
            qr_codes: QrCodes::new(of_qr_codes),
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

    /// What a view depends on beside its address.
    #[must_use]
    pub fn vary(&self, request: &HttpRequest) -> HeaderValue {
        let is_api = request.path().starts_with("/api/");
        HeaderValue::from_static(match (self.settings.auth_cookie.is_some(), is_api) {
            (false, true) => "Authorization, Accept-Encoding",
            (false, false) => "Authorization, Accept-Encoding, Accept",
            (true, true) => "Authorization, Accept-Encoding, Cookie",
            (true, false) => "Authorization, Accept-Encoding, Accept, Cookie",
        })
    }
}
