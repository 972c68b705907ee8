//! A small chat product, as an integrator has one: on an origin of its own, with sign-in, chats,
//! and both dialogs of `clients/web/`, which its page takes from the service.
//!
//! `serve` has none of it. Who may call it: [`address`].

mod address;
mod calls;
mod chats;

use std::{io, net::TcpListener};

use actix_web::{
    App, HttpResponse, HttpServer,
    body::{BoxBody, MessageBody},
    dev::{Server, ServiceRequest, ServiceResponse},
    http::header::{self, HeaderName},
    middleware::{DefaultHeaders, Next, from_fn},
    web,
};
use url::Url;

use super::users::{Signer, User};

pub(super) use address::ProductAddress;
pub(super) use chats::Chats;

/// How long a body of a request may be, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// How many connections may be open.
const MAX_CONNECTIONS: usize = 256;

/// What the product is made of.
pub(super) struct Product {
    pub address: ProductAddress,
    /// The service's origin, as a browser on this machine reaches it.
    pub service: String,
    /// What links begin with.
    pub public_url: Url,
    /// Who can sign in: one or two.
    pub users: Vec<User>,
    pub signer: Signer,
    pub chats: Chats,
    pub client: reqwest::Client,
}

impl Product {
    /// Serves it. The server must be awaited to run.
    pub fn serve(self, listener: TcpListener) -> io::Result<Server> {
        let (path, policy) = (self.address.path(), self.policy());
        let product = web::Data::new(self);
        let server = HttpServer::new(move || {
            let headers = DefaultHeaders::new()
                .add((header::CONTENT_SECURITY_POLICY, policy.as_str()))
                .add((header::CACHE_CONTROL, "no-store"))
                .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .add((header::REFERRER_POLICY, "same-origin"))
                .add((HeaderName::from_static("cross-origin-resource-policy"), "same-origin"));
            App::new()
                .app_data(product.clone())
                .app_data(web::JsonConfig::default().limit(MAX_BODY_BYTES))
                .wrap(from_fn(guard))
                .wrap(headers)
                .service(web::scope(&path).configure(calls::routes))
        });
        let server = server.workers(1).max_connections(MAX_CONNECTIONS).disable_signals();
        Ok(server.listen(listener)?.run())
    }

    /// What the integration page lists for a page that has the dialogs.
    fn policy(&self) -> String {
        let service = &self.service;
        format!(
            "default-src 'none'; script-src 'self' {service}; connect-src 'self' {service}; \
             img-src 'self' {service}; style-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        )
    }
}

async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse<BoxBody>> {
    let judged = match request.app_data::<web::Data<Product>>() {
        Some(product) => product.address.judge(request.method(), request.path(), request.headers()),
        None => Err("There is no product."),
    };
    match judged {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(why) => Ok(request.into_response(HttpResponse::Forbidden().body(why))),
    }
}
