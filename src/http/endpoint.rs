//! Endpoints: a path with the calls of its methods, and how their refusals are audited.

use std::{collections::HashMap, sync::Arc};

use actix_web::guard::{Any, Get, Head};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, Resource, Responder, http::Method};

use crate::http::call::{Audited, Call};
use crate::http::error::ApiError;
use crate::telemetry::Route;

/// A path, and a call for each of its methods.
pub struct Endpoint {
    path: String,
    resource: Resource,
    calls: Vec<(Method, Audited)>,
}

/// An endpoint without methods yet.
pub fn at(path: &str) -> Endpoint {
    let resource = web::resource(path).app_data(Route::new(path));
    Endpoint { path: path.to_owned(), resource, calls: Vec::new() }
}

impl Endpoint {
    /// Adds a call. `HEAD` is `GET` without the body.
    pub fn on<C: Call, F, Args>(mut self, method: Method, _: C, handler: F) -> Self
    where
        F: Handler<Args>,
        F::Output: Responder + 'static,
        Args: FromRequest + 'static,
    {
        let mut route = web::method(method.clone());
        if method == Method::GET {
            route = web::route().guard(Any(Get()).or(Head()));
            self.calls.push((Method::HEAD, C::AUDITED));
        }
        self.calls.push((method, C::AUDITED));
        self.resource = self.resource.route(route.to(handler));
        self
    }
}

/// Registers endpoints in this order. Other methods of their paths are 405 with `Allow`.
pub fn register(endpoints: Vec<Endpoint>, config: &mut ServiceConfig) {
    let mut audited = Calls::default();
    for Endpoint { path, resource, calls } in endpoints {
        let mut methods: Vec<&str> = calls.iter().map(|(method, _)| method.as_str()).collect();
        methods.sort_unstable();
        let allow: Arc<str> = methods.join(", ").into();
        let not_allowed = move || {
            let error = ApiError::method_not_allowed(&allow);
            async move { Err::<&str, _>(error) }
        };
        config.service(resource.default_service(web::to(not_allowed)));
        audited.0.insert(path, calls);
    }
    config.app_data(audited);
}

/// How the refusals of each call are audited, by route pattern and method. It does not rely on the
/// route itself, since a request that is refused before routing (429) is audited too.
#[derive(Default)]
pub struct Calls(HashMap<String, Vec<(Method, Audited)>>);

impl Calls {
    pub fn audited(request: &HttpRequest) -> Audited {
        let find = |calls: &Self| {
            let calls = calls.0.get(&request.match_pattern()?)?;
            calls.iter().find(|(method, _)| method == request.method()).map(|(_, audited)| *audited)
        };
        request.app_data().and_then(find).unwrap_or(Audited::None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::{http::routes::endpoints, model::Action, sharing::SharePath};

    /// Calls that need no credential, and the policy, which every user may read.
    const UNAUDITED: [&str; 11] = [
        "GET /api/v1/policy",
        "GET /api/v1/shared_chats/{id}/qr_code",
        "GET /docs",
        "GET /docs/{file:.*}",
        "GET /favicon.ico",
        "GET /health/live",
        "GET /health/ready",
        "GET /openapi.json",
        "GET /openapi.yaml",
        "GET /shared/{id}/",
        "GET /ui/{file:.*}",
    ];

    /// Routes for browsers. They are not part of the API.
    const UNDOCUMENTED: [&str; 5] = [
        "GET /docs",
        "GET /docs/{file:.*}",
        "GET /favicon.ico",
        "GET /shared/{id}/",
        "GET /ui/{file:.*}",
    ];

    fn calls() -> BTreeMap<String, Audited> {
        let path = SharePath::parse("/shared/{id}").unwrap();
        let mut found = BTreeMap::new();
        for endpoint in endpoints(Some(&path), true) {
            for (method, audited) in &endpoint.calls {
                if method != Method::HEAD {
                    found.insert(format!("{method} {}", endpoint.path), *audited);
                }
            }
        }
        found
    }

    #[test]
    fn only_listed_calls_are_unaudited() {
        let (unaudited, audited): (Vec<_>, Vec<_>) =
            calls().into_iter().partition(|(_, audited)| *audited == Audited::None);
        assert_eq!(unaudited.into_iter().map(|(call, _)| call).collect::<Vec<_>>(), UNAUDITED);
        let page = ("GET /shared/{id}".to_owned(), Audited::PrivateLinks(Action::View));
        assert!(audited.contains(&page), "{audited:?}");
    }

    #[test]
    fn every_route_is_in_openapi_yaml() {
        let document: serde_json::Value =
            yaml_serde::from_str(crate::http::openapi_yaml()).unwrap();
        let mut documented: BTreeSet<String> = UNDOCUMENTED.map(str::to_owned).into();
        for (path, operations) in document["paths"].as_object().unwrap() {
            let pattern = path
                .replace("{shared_chat_id}", "{id}")
                .replace("{chat_session_id}", "{id}")
                .replace("{owner_id}", "{owner_id:[^/]*}")
                .replace("{user_id}", "{user_id:[^/]*}");
            let methods = operations.as_object().unwrap().keys();
            documented.extend(methods.map(|m| format!("{} {pattern}", m.to_ascii_uppercase())));
        }
        assert_eq!(calls().into_keys().collect::<BTreeSet<_>>(), documented);
    }
}
