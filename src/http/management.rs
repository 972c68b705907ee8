//! What is served on `MANAGEMENT_ADDRESS` alone (contract 7).

use actix_web::{
    HttpResponse,
    http::{Method, header},
    web::{self, ServiceConfig},
};

use crate::{
    http::{State, call::Plain, endpoint::Endpoints, health, routes::nowhere},
    telemetry::Metrics,
};

/// The text format that Prometheus has read since 2014.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every address that there is there.
pub fn routes(state: &web::Data<State>, metrics: &Metrics) -> impl FnOnce(&mut ServiceConfig) {
    let (state, metrics) = (state.clone(), web::Data::new(metrics.clone()));
    move |config| {
        let mut endpoints = Endpoints::default();
        endpoints.add(Method::GET, "/metrics", Plain, text);
        endpoints.add(Method::GET, "/health/live", Plain, health::live);
        endpoints.add(Method::GET, "/health/ready", health::Ready, health::ready);
        endpoints.register(config);
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
