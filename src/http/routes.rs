//! The table of contents: every path, and the call behind each of its methods.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, http::Method as M};

use crate::http::call::Plain;
use crate::http::endpoint::{Endpoint, at, register};
use crate::http::error::{ApiError, ErrorType};
use crate::http::links::{
    activity, artifact, batch_delete, change, create, delete, events, list, qr_code, view,
};
use crate::http::{chats, health, openapi, page::open, state::State};
use crate::sharing::SharePath;

/// Registers all endpoints of the service port.
pub fn routes(state: &State) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let viewer = state.settings.viewer.clone();
    move |config| {
        register(endpoints(viewer.as_ref()), config);
        config.default_service(web::to(nowhere));
    }
}

pub fn endpoints(viewer: Option<&SharePath>) -> Vec<Endpoint> {
    let mut all = vec![
        at("/api/v1/shared_chats").on(M::GET, list::List, list::list).on(
            M::POST,
            create::Create,
            create::create,
        ),
        at("/api/v1/shared_chats/batch_delete").on(
            M::POST,
            batch_delete::BatchDelete,
            batch_delete::batch_delete,
        ),
        at("/api/v1/shared_chats/{id}")
            .on(M::GET, view::View, view::view)
            .on(M::PATCH, change::Change, change::change)
            .on(M::DELETE, delete::Delete, delete::delete),
        at("/api/v1/shared_chats/{id}/qr_code").on(M::GET, qr_code::DrawQrCode, qr_code::qr_code),
        at("/api/v1/shared_chats/{id}/activity").on(
            M::GET,
            activity::ViewActivity,
            activity::activity,
        ),
        at("/api/v1/shared_chats/{id}/artifacts/{artifact_id}").on(
            M::GET,
            artifact::Download,
            artifact::artifact,
        ),
        at("/api/v1/shared_chats/{id}/events").on(M::GET, events::Watch, events::events),
        at("/api/v1/chats/{id}/changes").on(M::POST, chats::ChangeOfChat, chats::changed),
        at("/api/v1/chats/{id}/shared_chats").on(M::GET, chats::ListOfChat, chats::links).on(
            M::DELETE,
            chats::DeleteOfChat,
            chats::delete_links,
        ),
        at("/health/live").on(M::GET, Plain, health::live),
        at("/health/ready").on(M::GET, health::Ready, health::ready),
        at("/openapi.json").on(M::GET, Plain, openapi::json),
        at("/openapi.yaml").on(M::GET, Plain, openapi::yaml),
        at("/docs").on(M::GET, Plain, openapi::to_index),
        at("/docs/{file:.*}").on(M::GET, Plain, openapi::browse),
    ];
    if let Some(path) = viewer {
        all.push(at("/favicon.ico").on(M::GET, Plain, open::favicon));
        all.push(at(&path.route()).on(M::GET, view::View, open::open));
    }
    all
}

pub async fn nowhere(request: HttpRequest) -> Result<&'static str, ApiError> {
    let message = match *request.method() {
        M::GET | M::HEAD => "There is nothing at this address.",
        _ => "There is nothing at this address to do that to.",
    };
    Err(ApiError::new(ErrorType::NotFound, message))
}
