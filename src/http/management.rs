//! The endpoints of `MANAGEMENT_ADDRESS` (docs/API.md 7).

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use actix_web::web::{self, ServiceConfig};

use crate::http::endpoint::{at, register};
use crate::http::{State, call::Plain, health, routes::nowhere};
use crate::telemetry::Metrics;

/// The Prometheus text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Registers all endpoints of the management port.
pub fn routes(state: &web::Data<State>, metrics: &Metrics) -> impl FnOnce(&mut ServiceConfig) {
    let (state, metrics) = (state.clone(), web::Data::new(metrics.clone()));
    move |config| {
        let endpoints = vec![
            at("/metrics").on(Method::GET, Plain, text),
            at("/health/live").on(Method::GET, Plain, health::live),
            at("/health/ready").on(Method::GET, health::Ready, health::ready),
        ];
        register(endpoints, config);
        config.app_data(state).app_data(metrics).default_service(web::to(nowhere));
    }
}

async fn text(state: web::Data<State>, metrics: web::Data<Metrics>) -> HttpResponse {
    state.report().await;
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(TEXT)
        .body(metrics.text())
}
