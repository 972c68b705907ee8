//! Which calls there are: where they are routed, and how their refusals are audited.

use std::{collections::HashMap, sync::Arc};

use actix_web::{
    FromRequest, Handler, HttpRequest, Responder,
    guard::{Any, Get, Head},
    http::Method,
    web::{self, ServiceConfig},
};

use crate::{
    http::{
        call::{Audited, Call},
        error::ApiError,
    },
    telemetry::Route,
};

/// A path, and what it answers to each of its methods.
#[derive(Default)]
struct Endpoint {
    path: String,
    routes: Vec<actix_web::Route>,
    calls: Vec<(Method, Audited)>,
}

/// Endpoints to be routed, in their order.
#[derive(Default)]
pub struct Endpoints(Vec<Endpoint>);

impl Endpoints {
    /// Adds a call. `HEAD` is `GET` without the body.
    pub fn add<C: Call, F, Args>(&mut self, method: Method, path: &str, _: C, handler: F)
    where
        F: Handler<Args>,
        F::Output: Responder + 'static,
        Args: FromRequest + 'static,
    {
        let at = self.0.iter().position(|endpoint| endpoint.path == path);
        let at = at.unwrap_or_else(|| {
            self.0.push(Endpoint { path: path.to_owned(), ..Endpoint::default() });
            self.0.len() - 1
        });
        let Some(endpoint) = self.0.get_mut(at) else { return };
        let route = match method {
            Method::GET => {
                endpoint.calls.push((Method::HEAD, C::AUDITED));
                web::route().guard(Any(Get()).or(Head()))
            }
            _ => web::method(method.clone()),
        };
        endpoint.calls.push((method, C::AUDITED));
        endpoint.routes.push(route.to(handler));
    }

    /// Routes them all.
    pub fn register(self, config: &mut ServiceConfig) {
        let mut audited = Calls::default();
        for Endpoint { path, routes, calls } in self.0 {
            let mut methods: Vec<&str> = calls.iter().map(|(method, _)| method.as_str()).collect();
            methods.sort_unstable();
            let allow: Arc<str> = methods.join(", ").into();
            let not_allowed = move || {
                let error = ApiError::method_not_allowed(allow.clone());
                async move { Err::<&str, _>(error) }
            };
            let resource = web::resource(&*path).app_data(Route::new(&path));
            let resource = routes.into_iter().fold(resource, actix_web::Resource::route);
            config.service(resource.default_service(web::to(not_allowed)));
            audited.0.insert(path, calls);
        }
        config.app_data(audited);
    }
}

/// How refusals of each call are audited, by the pattern of its route. It is asked by the pattern since
/// what is refused before it is routed, such as a client that calls too often, is audited too.
#[derive(Default)]
pub struct Calls(HashMap<String, Vec<(Method, Audited)>>);

impl Calls {
    /// Of the call that this request makes.
    #[must_use]
    pub fn audited(request: &HttpRequest) -> Audited {
        let of = |calls: &Self| {
            let calls = calls.0.get(&request.match_pattern()?)?;
            calls.iter().find(|(method, _)| method == request.method()).map(|(_, audited)| *audited)
        };
        request.app_data().and_then(of).unwrap_or(Audited::None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::{http::routes::endpoints, model::Action, sharing::SharePath};

    /// Calls that ask for no credential.
    const UNAUDITED: [&str; 8] = [
        "GET /api/v1/shared_chats/{id}/qr_code",
        "GET /docs",
        "GET /docs/{file:.*}",
        "GET /favicon.ico",
        "GET /health/live",
        "GET /health/ready",
        "GET /openapi.json",
        "GET /openapi.yaml",
    ];

    fn calls() -> BTreeMap<String, Audited> {
        let path = SharePath::parse("/shared/{id}").unwrap();
        let mut found = BTreeMap::new();
        for endpoint in endpoints(Some(&path)).0 {
            for (method, audited) in &endpoint.calls {
                if method != Method::HEAD {
                    found.insert(format!("{method} {}", endpoint.path), *audited);
                }
            }
        }
        found
    }

    #[test]
    fn refusals_of_every_call_are_recorded_or_left_out_on_purpose() {
        let (unaudited, audited): (Vec<_>, Vec<_>) =
            calls().into_iter().partition(|(_, audited)| *audited == Audited::None);
        assert_eq!(unaudited.into_iter().map(|(call, _)| call).collect::<Vec<_>>(), UNAUDITED);
        let page = ("GET /shared/{id}".to_owned(), Audited::PrivateLinks(Action::View));
        assert!(audited.contains(&page), "{audited:?}");
    }

    #[test]
    fn what_is_routed_is_in_the_document() {
        let document: serde_json::Value =
            yaml_serde::from_str(crate::http::openapi_yaml()).unwrap();
        let mut documented: BTreeSet<String> =
            ["GET /docs", "GET /docs/{file:.*}", "GET /favicon.ico"].map(str::to_owned).into();
        for (path, operations) in document["paths"].as_object().unwrap() {
            let pattern =
                path.replace("{shared_chat_id}", "{id}").replace("{chat_session_id}", "{id}");
            let methods = operations.as_object().unwrap().keys();
            documented.extend(methods.map(|m| format!("{} {pattern}", m.to_ascii_uppercase())));
        }
        assert_eq!(calls().into_keys().collect::<BTreeSet<_>>(), documented);
    }
}
