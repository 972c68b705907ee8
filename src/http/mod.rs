//! HTTP: routes, credentials, bodies, errors. Handlers are short; the rules are in `sharing`.
//!
//! To add an endpoint: a handler with its [`call::Call`] and its `#[utoipa::path]`, which `openapi` lists,
//! its route in [`endpoints`], and a file in `tests/api/`.

mod accept;
mod admission;
mod audit;
mod bodies;
mod body;
mod bots;
mod call;
mod chats;
pub mod client_address;
pub mod coding;
mod credentials;
mod disposition;
mod documents;
mod endpoint;
mod error;
mod etag;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod health;
mod lifecycle;
mod link;
mod management;
mod openapi;
pub mod page;
mod ranges;
pub mod rate_limits;
mod refusals;
pub mod representation;
mod request;
mod shared_chats;
mod view;
mod viewer;
mod watched;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest,
    http::{Method, header::HeaderValue},
    web::{self, ServiceConfig},
};
use url::Url;

pub use admission::admit;
pub use lifecycle::Lifecycle;
pub use management::routes as management_routes;
pub use openapi::yaml_text as openapi_yaml;
pub use rate_limits::{RATE_LIMIT, RATE_LIMIT_POLICY};
pub use request::observe;

use crate::{
    auth::Authenticator,
    sharing::{Links, SharePath, Sharing},
    telemetry::RequestsInFlight,
};
use admission::ConcurrencyLimit;
use bodies::Bodies;
use call::Plain;
use client_address::TrustedProxies;
use endpoint::Endpoints;
use error::ApiError;
use rate_limits::{RateLimits, RateSettings};
use shared_chats::{
    activity, artifact, batch_delete, change, create, delete, events, list, qr_code,
};

/// What handlers work with.
pub struct State {
    pub sharing: Sharing,
    pub authenticator: Authenticator,
    pub links: Links,
    pub lifecycle: Lifecycle,
    settings: HttpSettings,
    /// `RATE_LIMIT_…`, if any is set.
    rate_limits: Option<Arc<RateLimits>>,
    /// `MAX_CONCURRENT_REQUESTS`
    requests: ConcurrencyLimit,
    bodies: Bodies,
    qr_codes: qr_code::QrCodes,
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
        links: Links,
        lifecycle: Lifecycle,
        settings: HttpSettings,
    ) -> Self {
        let of_qr_codes = settings.cache_bytes / 5;
        let of_views = settings.cache_bytes - of_qr_codes;
        Self {
            sharing,
            authenticator,
            links,
            lifecycle,
            rate_limits: RateLimits::new(settings.rates).map(Arc::new),
            requests: ConcurrencyLimit::new(settings.max_concurrent_requests),
            bodies: Bodies::new(of_views, settings.queue_timeout),
            qr_codes: qr_code::QrCodes::new(of_qr_codes),
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
    fn vary(&self, request: &HttpRequest) -> HeaderValue {
        let is_api = request.path().starts_with("/api/");
        HeaderValue::from_static(match (self.settings.auth_cookie.is_some(), is_api) {
            (false, true) => "Authorization, Accept-Encoding",
            (false, false) => "Authorization, Accept-Encoding, Accept",
            (true, true) => "Authorization, Accept-Encoding, Cookie",
            (true, false) => "Authorization, Accept-Encoding, Accept, Cookie",
        })
    }
}

/// Every address that there is.
pub fn routes(state: &State) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let viewer = state.settings.viewer.clone();
    move |config| {
        endpoints(viewer.as_ref()).register(config);
        config.default_service(web::to(nowhere));
    }
}

fn endpoints(viewer: Option<&SharePath>) -> Endpoints {
    use Method as M;
    let mut all = Endpoints::default();
    all.add(M::GET, "/api/v1/shared_chats", list::List, list::list);
    all.add(M::POST, "/api/v1/shared_chats", create::Create, create::create);
    let path = "/api/v1/shared_chats/batch_delete";
    all.add(M::POST, path, batch_delete::BatchDelete, batch_delete::batch_delete);
    all.add(M::GET, "/api/v1/shared_chats/{id}", view::View, view::view);
    all.add(M::PATCH, "/api/v1/shared_chats/{id}", change::Change, change::change);
    all.add(M::DELETE, "/api/v1/shared_chats/{id}", delete::Delete, delete::delete);
    let path = "/api/v1/shared_chats/{id}/qr_code";
    all.add(M::GET, path, qr_code::DrawQrCode, qr_code::qr_code);
    let path = "/api/v1/shared_chats/{id}/activity";
    all.add(M::GET, path, activity::ViewActivity, activity::activity);
    let path = "/api/v1/shared_chats/{id}/artifacts/{artifact_id}";
    all.add(M::GET, path, artifact::Download, artifact::artifact);
    all.add(M::GET, "/api/v1/shared_chats/{id}/events", events::Watch, events::events);
    all.add(M::POST, "/api/v1/chats/{id}/changes", chats::ChangeOfChat, chats::changed);
    all.add(M::GET, "/api/v1/chats/{id}/shared_chats", chats::ListOfChat, chats::links);
    all.add(M::DELETE, "/api/v1/chats/{id}/shared_chats", chats::DeleteOfChat, chats::delete_links);
    all.add(M::GET, "/health/live", Plain, health::live);
    all.add(M::GET, "/health/ready", health::Ready, health::ready);
    all.add(M::GET, "/openapi.json", Plain, openapi::json);
    all.add(M::GET, "/openapi.yaml", Plain, openapi::yaml);
    all.add(M::GET, "/docs", Plain, openapi::to_index);
    all.add(M::GET, "/docs/{file:.*}", Plain, openapi::browse);
    if let Some(path) = viewer {
        all.add(M::GET, "/favicon.ico", Plain, link::favicon);
        all.add(M::GET, &path.route(), view::View, link::open);
    }
    all
}

async fn nowhere(request: HttpRequest) -> Result<&'static str, ApiError> {
    let message = match *request.method() {
        Method::GET | Method::HEAD => "There is nothing at this address.",
        _ => "There is nothing at this address to do that to.",
    };
    Err(ApiError::new(error::ErrorType::NotFound, message))
}
