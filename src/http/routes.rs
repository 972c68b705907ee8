//! The table of contents: every path, and the call behind each of its methods.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, http::Method as M};

use crate::http::administration::links::{self as admin, EndUser, EraseUser, Inventory, TakeDown};
use crate::http::administration::policy::{self, ReadPolicy, SetPolicy};
use crate::http::call::Plain;
use crate::http::chats::{
    ChangeOfChat, DeleteOfChat, DeleteOfOwner, ListOfChat, changed, delete_links,
    delete_links_of_owner, links,
};
use crate::http::endpoint::{Endpoint, at, register};
use crate::http::error::{ApiError, ErrorType};
use crate::http::health::{self, Ready};
use crate::http::links::activity::{ViewActivity, activity};
use crate::http::links::artifact::{Download, artifact};
use crate::http::links::batch_delete::{BatchDelete, batch_delete};
use crate::http::links::change::{Change, change};
use crate::http::links::create::{Create, create};
use crate::http::links::delete::{Delete, delete};
use crate::http::links::events::{Watch, events};
use crate::http::links::list::{List, list};
use crate::http::links::qr_code::{DrawQrCode, qr_code};
use crate::http::links::view::{View, view};
use crate::http::page::open::{self, Open};
use crate::http::{openapi, state::State, ui};
use crate::sharing::SharePath;

/// Registers all endpoints of the service port.
pub fn routes(state: &State) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let (viewer, has_docs) = (state.settings.viewer.clone(), state.settings.has_docs);
    move |config| {
        register(endpoints(viewer.as_ref(), has_docs), config);
        config.default_service(web::to(nowhere));
    }
}

/// `viewer` is the path of the page, if it is served.
pub fn endpoints(viewer: Option<&SharePath>, has_docs: bool) -> Vec<Endpoint> {
    #[rustfmt::skip] // One call per line.
    let mut all = vec![
        at("/api/v1/shared_chats")
            .on(M::GET, List, list)
            .on(M::POST, Create, create),
        at("/api/v1/shared_chats/batch_delete").on(M::POST, BatchDelete, batch_delete),
        at("/api/v1/shared_chats/{id}")
            .on(M::GET, View, view)
            .on(M::PATCH, Change, change)
            .on(M::DELETE, Delete, delete),
        at("/api/v1/shared_chats/{id}/qr_code").on(M::GET, DrawQrCode, qr_code),
        at("/api/v1/shared_chats/{id}/activity").on(M::GET, ViewActivity, activity),
        at("/api/v1/shared_chats/{id}/artifacts/{artifact_id}").on(M::GET, Download, artifact),
        at("/api/v1/shared_chats/{id}/events").on(M::GET, Watch, events),
        at("/api/v1/chats/{id}/changes").on(M::POST, ChangeOfChat, changed),
        at("/api/v1/chats/{id}/shared_chats")
            .on(M::GET, ListOfChat, links)
            .on(M::DELETE, DeleteOfChat, delete_links),
        // An empty user is an error of its own, not a path that does not exist.
        at("/api/v1/chats/{id}/owners/{owner_id:[^/]*}/shared_chats")
            .on(M::DELETE, DeleteOfOwner, delete_links_of_owner),
        at("/api/v1/admin/shared_chats").on(M::GET, Inventory, admin::inventory),
        at("/api/v1/admin/shared_chats/batch_delete").on(M::POST, TakeDown, admin::take_down),
        at("/api/v1/users/{user_id:[^/]*}").on(M::DELETE, EraseUser, admin::erase_user),
        at("/api/v1/users/{user_id:[^/]*}/shared_chats").on(M::DELETE, EndUser, admin::end_user),
        at("/api/v1/policy")
            .on(M::GET, ReadPolicy, policy::read)
            .on(M::PUT, SetPolicy, policy::set),
        at("/health/live").on(M::GET, Plain, health::live),
        at("/health/ready").on(M::GET, Ready, health::ready),
        at("/openapi.json").on(M::GET, Plain, openapi::json),
        at("/openapi.yaml").on(M::GET, Plain, openapi::yaml),
        at(&format!("{}{{file:.*}}", ui::PREFIX)).on(M::GET, Plain, ui::file),
    ];
    if has_docs {
        all.push(at("/docs").on(M::GET, Plain, openapi::to_index));
        all.push(at("/docs/{file:.*}").on(M::GET, Plain, openapi::browse));
    }
    if let Some(path) = viewer {
        all.push(at("/favicon.ico").on(M::GET, Plain, open::favicon));
        all.push(at(&path.route()).on(M::GET, Open, open::open));
        if let Some(path) = path.route_with_slash() {
            all.push(at(&path).on(M::GET, Plain, open::without_slash));
        }
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
