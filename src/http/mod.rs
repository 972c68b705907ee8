//! HTTP: routes, credentials, bodies, errors. Handlers are short; the rules are in `sharing`.
//!
//! To add an endpoint: see docs/ARCHITECTURE.md, "Where to change what".

mod administration;
mod call;
mod chats;
mod endpoint;
mod error;
mod extract;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod headers;
mod health;
mod lifecycle;
mod links;
mod management;
mod middleware;
mod openapi;
pub mod page;
mod rate_limits;
mod readiness;
mod responses;
mod routes;
mod state;
mod trusted_proxies;
pub(crate) mod ui;
pub mod views;

pub use lifecycle::Lifecycle;
pub use management::routes as management_routes;
pub use middleware::limits::limit;
pub use middleware::observe::{observe, shape_errors};
pub use openapi::yaml_text as openapi_yaml;
pub use rate_limits::{RATE_LIMIT, RATE_LIMIT_POLICY, Rate, RateSettings};
pub use routes::routes;
pub use state::{HttpSettings, State};
pub use trusted_proxies::TrustedProxies;
