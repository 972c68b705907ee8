//! Audit records of refusals. Which refusals of a call are audited is declared at the call
//! ([`Audited`]).

use actix_web::{HttpMessage, HttpRequest, dev::ServiceResponse, web};

use crate::{
    http::{
        State,
        call::Audited,
        endpoint::Calls,
        error::{ApiError, ErrorType},
        extract::context::{AuditedChat, AuthenticatedAs, client_info},
        extract::credentials::OptionalCaller,
    },
    model::{Actor, AuditRecord, ChatSessionId, ShareId},
    sharing::log_audit_record,
    telemetry,
};

/// Logs and counts a response that is a refusal. A flood of refusals makes as many lines as in the
/// access log.
pub fn log_refusal(response: &ServiceResponse) {
    let request = response.request();
    let Some(state) = request.app_data::<web::Data<State>>() else { return };
    let audited = Calls::audited(request);
    let Some(action) = audited.action(response.status()) else { return };
    let Some(error_type) = error_type(response) else { return };
    let now = state.sharing.now();
    let mut record = AuditRecord::of(action, actor(request), client_info(request), now);
    record.result = error_type.name();
    let id = request.match_info().get("id");
    match audited {
        Audited::AttemptsAtChat(_) => {
            let chat = id.and_then(|id| ChatSessionId::parse(id).ok());
            record.chat = chat.map(|chat| chat.short());
        }
        Audited::Attempts(_) | Audited::PrivateLinks(_) | Audited::None => {
            record.link = id.and_then(ShareId::parse).map(|id| id.short());
            record.chat = request.extensions().get::<AuditedChat>().map(|chat| chat.0.short());
        }
    }
    telemetry::refused(action.name(), record.result.clone());
    log_audit_record(&record);
}

fn error_type(response: &ServiceResponse) -> Option<ErrorType> {
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
    // An error page keeps its error type in the response's extensions.
    let of_page = || response.response().extensions().get::<ErrorType>().copied();
    error.map(ApiError::error_type).or_else(of_page)
}

fn actor(request: &HttpRequest) -> Actor {
    let caller = request.extensions().get::<AuthenticatedAs>().map(|caller| caller.0.clone());
    // Views take an `OptionalCaller`, which is verified on private links.
    let viewer = || OptionalCaller::of(request).ok()?.verified().map(|caller| caller.identity);
    match caller.or_else(viewer) {
        None => Actor::Anonymous,
        Some(identity) if identity.is_chat_service => Actor::ChatService(identity.user_id.clone()),
        Some(identity) => Actor::User(identity.user_id.clone()),
    }
}
