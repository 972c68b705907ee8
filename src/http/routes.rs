//! The contents page: every path, and the call behind each of its methods.

use actix_web::{
    HttpRequest,
    http::Method,
    web::{self, ServiceConfig},
};

use crate::{
    http::{
        call::Plain,
        chats,
        endpoint::Endpoints,
        error::{ApiError, ErrorType},
        health,
        links::{
            activity, artifact, batch_delete, change, create, delete, events, list, qr_code, view,
        },
        openapi,
        page::open,
        state::State,
    },
    sharing::SharePath,
};

/// Registers all of them.
pub fn routes(state: &State) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let viewer = state.settings.viewer.clone();
    move |config| {
        endpoints(viewer.as_ref()).register(config);
        config.default_service(web::to(nowhere));
    }
}

pub fn endpoints(viewer: Option<&SharePath>) -> Endpoints {
    use Method as M;
    let mut all = Endpoints::default();
    all.add(M::GET, "/api/v1/shared_chats", list::List, list::list);
    all.add(M::POST, "/api/v1/shared_chats", create::Create, create::create);
    let path = "/api/v1/shared_chats/batch_delete";
    all.add(M::POST, path, batch_delete::BatchDelete, batch_delete::batch_delete);
    all.add(M::GET, "/api/v1/shared_chats/{id}", view::View, view::view);
    all.add(M::PATCH, "/api/v1/shared_chats/{id}", change::Change, change::change);
    all.add(M::DELETE, "/api/v1/shared_chats/{id}", delete::Delete, delete::delete);
    let path = "/api/v1/shared_chats/{id}/qr_code";
    all.add(M::GET, path, qr_code::DrawQrCode, qr_code::qr_code);
    let path = "/api/v1/shared_chats/{id}/activity";
    all.add(M::GET, path, activity::ViewActivity, activity::activity);
    let path = "/api/v1/shared_chats/{id}/artifacts/{artifact_id}";
    all.add(M::GET, path, artifact::Download, artifact::artifact);
    all.add(M::GET, "/api/v1/shared_chats/{id}/events", events::Watch, events::events);
    all.add(M::POST, "/api/v1/chats/{id}/changes", chats::ChangeOfChat, chats::changed);
    all.add(M::GET, "/api/v1/chats/{id}/shared_chats", chats::ListOfChat, chats::links);
    all.add(M::DELETE, "/api/v1/chats/{id}/shared_chats", chats::DeleteOfChat, chats::delete_links);
    all.add(M::GET, "/health/live", Plain, health::live);
    all.add(M::GET, "/health/ready", health::Ready, health::ready);
    all.add(M::GET, "/openapi.json", Plain, openapi::json);
    all.add(M::GET, "/openapi.yaml", Plain, openapi::yaml);
    all.add(M::GET, "/docs", Plain, openapi::to_index);
    all.add(M::GET, "/docs/{file:.*}", Plain, openapi::browse);
    if let Some(path) = viewer {
        all.add(M::GET, "/favicon.ico", Plain, open::favicon);
        all.add(M::GET, &path.route(), view::View, open::open);
    }
    all
}

pub async fn nowhere(request: HttpRequest) -> Result<&'static str, ApiError> {
    let message = match *request.method() {
        Method::GET | Method::HEAD => "There is nothing at this address.",
        _ => "There is nothing at this address to do that to.",
    };
    Err(ApiError::new(ErrorType::NotFound, message))
}
