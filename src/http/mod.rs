//! HTTP: routes, credentials, bodies, errors. Handlers are short; the rules are in `sharing`.
//!
//! To add an endpoint: a handler with its `#[utoipa::path]`, its route in [`routes`], its answers in
//! `openapi`, and a file in `tests/api/`.

mod accept;
mod admission;
mod audit;
mod bodies;
mod body;
mod bots;
mod chats;
pub mod client_address;
pub mod coding;
mod credentials;
mod disposition;
mod docs;
mod documents;
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
    HttpRequest, Resource,
    http::{Method, header::HeaderValue},
    web::{self, ServiceConfig},
};
use url::Url;

pub use admission::admit;
pub use docs::yaml_text as openapi_yaml;
pub use lifecycle::Lifecycle;
pub use management::routes as management_routes;
pub use rate_limits::{RATE_LIMIT, RATE_LIMIT_POLICY};
pub use request::observe;

use crate::{
    auth::Authenticator,
    sharing::{Links, SharePath, Sharing},
    telemetry::{RequestsInFlight, Route},
};
use admission::ConcurrencyLimit;
use bodies::Bodies;
use client_address::TrustedProxies;
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
        config
            .service(
                resource("/api/v1/shared_chats", "GET, HEAD, POST")
                    .route(get().to(list::list))
                    .route(web::post().to(create::create)),
            )
            .service(
                resource("/api/v1/shared_chats/batch_delete", "POST")
                    .route(web::post().to(batch_delete::batch_delete)),
            )
            .service(
                resource("/api/v1/shared_chats/{id}", "DELETE, GET, HEAD, PATCH")
                    .route(get().to(view::view))
                    .route(web::patch().to(change::change))
                    .route(web::delete().to(delete::delete)),
            )
            .service(
                resource("/api/v1/shared_chats/{id}/qr_code", "GET, HEAD")
                    .route(get().to(qr_code::qr_code)),
            )
            .service(
                resource("/api/v1/shared_chats/{id}/activity", "GET, HEAD")
                    .route(get().to(activity::activity)),
            )
            .service(
                resource("/api/v1/shared_chats/{id}/artifacts/{artifact_id}", "GET, HEAD")
                    .route(get().to(artifact::artifact)),
            )
            .service(
                resource("/api/v1/shared_chats/{id}/events", "GET, HEAD")
                    .route(get().to(events::events)),
            )
            .service(
                resource("/api/v1/chats/{id}/changes", "POST")
                    .route(web::post().to(chats::changed)),
            )
            .service(
                resource("/api/v1/chats/{id}/shared_chats", "DELETE, GET, HEAD")
                    .route(get().to(chats::links))
                    .route(web::delete().to(chats::delete_links)),
            )
            .service(resource("/health/live", "GET, HEAD").route(get().to(health::live)))
            .service(resource("/health/ready", "GET, HEAD").route(get().to(health::ready)))
            .service(resource("/openapi.json", "GET, HEAD").route(get().to(docs::json)))
            .service(resource("/openapi.yaml", "GET, HEAD").route(get().to(docs::yaml)))
            .service(resource("/docs", "GET, HEAD").route(get().to(docs::to_index)))
            .service(resource("/docs/{file:.*}", "GET, HEAD").route(get().to(docs::browse)));
        if let Some(path) = viewer {
            config
                .service(resource("/favicon.ico", "GET, HEAD").route(get().to(link::favicon)))
                .service(resource(&path.route(), "GET, HEAD").route(get().to(link::open)));
        }
        config.default_service(web::to(nowhere));
    }
}

/// A path, and what it answers to a method that it does not have.
fn resource(path: &str, allow: &'static str) -> Resource {
    web::resource(path).app_data(Route::new(path)).default_service(web::to(move || async move {
        Err::<&str, _>(ApiError::method_not_allowed(allow))
    }))
}

/// `GET`, and `HEAD`, which is the same without the body.
fn get() -> actix_web::Route {
    use actix_web::guard::{Any, Get, Head};
    web::route().guard(Any(Get()).or(Head()))
}

async fn nowhere(request: HttpRequest) -> Result<&'static str, ApiError> {
    let message = match *request.method() {
        Method::GET | Method::HEAD => "There is nothing at this address.",
        _ => "There is nothing at this address to do that to.",
    };
    Err(ApiError::new(error::ErrorType::NotFound, message))
}
