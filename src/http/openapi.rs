//! The API's description. `openapi.yaml` is this, written out; a test compares the two.

use utoipa::OpenApi;

/// The whole API.
#[derive(OpenApi)]
#[openapi(paths(
    super::shared_chats::create::create,
    super::shared_chats::list::list,
    super::view::view,
    super::shared_chats::change::change,
    super::shared_chats::delete::delete,
    super::shared_chats::batch_delete::batch_delete,
    super::shared_chats::qr_code::qr_code,
    super::chats::links,
    super::chats::delete_links,
    super::health::live,
    super::health::ready,
))]
pub struct ApiDoc;
