//! What `http` adds to audit records: from where a request came, and what was refused. Which refusals of
//! a call are audited stands at the call ([`super::call::Audited`]).

use actix_web::{HttpMessage, HttpRequest, dev::ServiceResponse, web};

use crate::{
    http::{
        State,
        call::Audited,
        endpoint::Calls,
        error::{ApiError, ErrorType},
        extract::context::{AuditedChat, AuthenticatedAs, origin},
        extract::credentials::OptionalCaller,
    },
    model::{Actor, AuditRecord, ChatSessionId, ShareId},
    sharing::log_audit_record,
    telemetry,
};

/// Logs and counts a response that is a refusal, on its way out. The log gets one line for each, as
/// it does of every request: a flood of refusals is bounded as the access log is.
pub fn log_refusal(response: &ServiceResponse) {
    let request = response.request();
    let Some(state) = request.app_data::<web::Data<State>>() else { return };
    let audited = Calls::audited(request);
    let Some(action) = audited.action(response.status()) else { return };
    let Some(error_type) = error_type(response) else { return };
    let origin = origin(request);
    let mut record = AuditRecord::of(action, actor(request), origin, state.sharing.now());
    record.result = error_type.name();
    let id = request.match_info().get("id");
    match audited {
        Audited::AttemptsAtChat(_) => {
            let chat = id.and_then(|id| ChatSessionId::parse(id).ok());
            record.chat = chat.map(|chat| chat.short());
        }
        Audited::Attempts(_) | Audited::PrivateLinks(_) | Audited::None => {
            record.link = id.and_then(ShareId::parse).map(|id| id.short());
            record.chat = request.extensions().get::<AuditedChat>().map(|about| about.0.short());
        }
    }
    telemetry::refused(action.name(), record.result.clone());
    log_audit_record(&record);
}

fn error_type(response: &ServiceResponse) -> Option<ErrorType> {
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
    // An error page has left it there.
    let page = || response.response().extensions().get::<ErrorType>().copied();
    error.map(ApiError::error_type).or_else(page)
}

/// Who was proven to be calling.
fn actor(request: &HttpRequest) -> Actor {
    let proven = request.extensions().get::<AuthenticatedAs>().map(|proven| proven.0.clone());
    // Views ask for nobody, but have verified whoever came to a private link.
    let viewer = || OptionalCaller::of(request).ok()?.verified().map(|caller| caller.identity);
    match proven.or_else(viewer) {
        None => Actor::Anonymous,
        Some(identity) if identity.is_chat_service => Actor::ChatService(identity.user_id.clone()),
        Some(identity) => Actor::User(identity.user_id.clone()),
    }
}
