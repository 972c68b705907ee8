//! What `http` adds to audit records: from where a request came, and what was refused.
//!
//! To have the refusals of another route recorded: its line in [`audited`].

use std::sync::Arc;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::{Payload, ServiceResponse},
    http::{Method, StatusCode},
    web,
};

use serde_json::json;

use super::{
    State,
    client_address::client_address,
    credentials::OptionalCaller,
    error::{ApiError, ErrorType},
    request::RequestId,
};
use crate::model::{Action, Actor, AuditRecord, ChatSessionId, Identity, Origin, ShareId};

impl FromRequest for Origin {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(origin(request)))
    }
}

fn origin(request: &HttpRequest) -> Origin {
    let id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned());
    Origin { client: Some(client_address(request)), request_id: id }
}

/// Who proved to be calling; it stays with the request for whatever is refused later.
pub(super) struct Proven(pub Arc<Identity>);

/// Which chat a create is about, which no path says.
pub(super) struct About(pub ChatSessionId);

/// Which refusals of a route are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recorded {
    /// All that were understood: 400, 405, 413 and 415 were no attempt at anything yet.
    Attempts,
    /// Those of somebody who may not see a private link. A dead link's address tells nothing.
    PrivateLinks,
}

impl Recorded {
    fn has(self, status: StatusCode) -> bool {
        let recorded: &[u16] = match self {
            Self::Attempts => &[401, 403, 404, 409, 412, 422, 429],
            Self::PrivateLinks => &[401, 403],
        };
        recorded.contains(&status.as_u16())
    }
}

/// Whether refusals of this route are recorded, by its pattern.
fn audited(method: &Method, pattern: &str, page: Option<&str>) -> Option<(Action, Recorded)> {
    use Recorded::{Attempts, PrivateLinks};
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let below = pattern.strip_prefix("/api/v1/");
    Some(match (method.as_str(), below) {
        _ if reads && page == Some(pattern) => (Action::View, PrivateLinks),
        ("POST", Some("shared_chats")) => (Action::Create, Attempts),
        ("POST", Some("shared_chats/batch_delete")) => (Action::BatchDelete, Attempts),
        ("PATCH", Some("shared_chats/{id}")) => (Action::Change, Attempts),
        ("DELETE", Some("shared_chats/{id}")) => (Action::Delete, Attempts),
        ("POST", Some("chats/{id}/changes")) => (Action::ChatChanged, Attempts),
        ("DELETE", Some("chats/{id}/shared_chats")) => (Action::ChatDeleted, Attempts),
        (_, Some("shared_chats")) if reads => (Action::List, Attempts),
        (_, Some("chats/{id}/shared_chats")) if reads => (Action::ListOfChat, Attempts),
        (_, Some("shared_chats/{id}/activity")) if reads => (Action::Activity, Attempts),
        (_, Some("shared_chats/{id}")) if reads => (Action::View, PrivateLinks),
        (_, Some("shared_chats/{id}/events")) if reads => (Action::Watch, PrivateLinks),
        (_, Some("shared_chats/{id}/artifacts/{artifact_id}")) if reads => {
            (Action::Download, PrivateLinks)
        }
        _ => return None,
    })
}

/// Notes a response that is a refusal, on its way out. It waits for nothing.
pub(super) fn note_refusal(response: &ServiceResponse) {
    let request = response.request();
    let Some(state) = request.app_data::<web::Data<State>>() else { return };
    let Some(pattern) = request.match_pattern() else { return };
    let page = state.settings.viewer.as_ref().map(|path| path.route());
    let Some((action, recorded)) = audited(request.method(), &pattern, page.as_deref()) else {
        return;
    };
    let Some(error_type) = error_type(response).filter(|_| recorded.has(response.status())) else {
        return;
    };
    let origin = origin(request);
    let mut record = AuditRecord::of(action, actor(request), origin, state.sharing.now());
    record.result = json!(error_type).as_str().unwrap_or_default().to_owned();
    let id = request.match_info().get("id");
    if pattern.starts_with("/api/v1/chats/") {
        let chat = id.and_then(|id| ChatSessionId::parse(id).ok());
        record.chat = chat.map(|chat| chat.short());
    } else {
        record.link = id.and_then(ShareId::parse).map(|id| id.short());
        record.chat = request.extensions().get::<About>().map(|about| about.0.short());
    }
    state.sharing.note_refusal(record);
}

fn error_type(response: &ServiceResponse) -> Option<ErrorType> {
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
    // An error page has left it there.
    let page = || response.response().extensions().get::<ErrorType>().copied();
    error.map(ApiError::error_type).or_else(page)
}

/// Who was proven to be calling.
fn actor(request: &HttpRequest) -> Actor {
    let proven = request.extensions().get::<Proven>().map(|proven| proven.0.clone());
    // Views ask for nobody, but have verified whoever came to a private link.
    let viewer = || OptionalCaller::of(request).ok()?.verified().map(|caller| caller.identity);
    match proven.or_else(viewer) {
        None => Actor::Anonymous,
        Some(identity) if identity.is_chat_service => Actor::ChatService(identity.user_id.clone()),
        Some(identity) => Actor::User(identity.user_id.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations that refuse nobody who could be recorded.
    const OPEN: [&str; 6] = [
        "GET /api/v1/shared_chats/{id}/qr_code",
        "GET /health/live",
        "GET /health/ready",
        "GET /openapi.json",
        "GET /openapi.yaml",
        "GET /shared/{id}",
    ];

    #[test]
    fn refusals_of_every_call_are_recorded_or_left_out_on_purpose() {
        let document: serde_json::Value =
            yaml_serde::from_str(crate::http::openapi_yaml()).unwrap();
        let mut open = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            let pattern =
                path.replace("{shared_chat_id}", "{id}").replace("{chat_session_id}", "{id}");
            for method in operations.as_object().unwrap().keys() {
                let Ok(method) = method.to_ascii_uppercase().parse::<Method>() else { continue };
                if audited(&method, &pattern, None).is_none() {
                    open.push(format!("{method} {pattern}"));
                }
            }
        }
        assert_eq!(open, OPEN);
        let page = audited(&Method::GET, "/shared/{id}", Some("/shared/{id}"));
        assert_eq!(page, Some((Action::View, Recorded::PrivateLinks)));
    }
}
