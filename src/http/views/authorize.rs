//! Who may see a link. Proving who the viewer is may take long (keys may have to be fetched), and the
//! link may change meanwhile, so it is read again before anything is shown.

use crate::{
    http::{
        State,
        error::{ApiError, ErrorType},
        extract::credentials::OptionalCaller,
    },
    model::{ShareId, SharedChat, Visibility},
    sharing::{SharingError, may_view},
};

/// How often the link is read again because proving who the viewer is took time: once, unless the
/// key that proved it is dropped in between.
const TRIES: usize = 4;

/// Whether this viewer may see a link of this visibility. `false` when the token had to be verified
/// first: then the link is to be read again.
///
/// # Errors
/// 401 on a private link without a valid credential; 403 for the chat service; 503 when the token
/// cannot be verified at the moment.
pub async fn is_admitted(
    visibility: Visibility,
    viewer: &OptionalCaller,
) -> Result<bool, ApiError> {
    if visibility == Visibility::Public {
        viewer.count_as_anyone()?;
        return Ok(true);
    }
    if let Some(caller) = viewer.verified() {
        viewer.count_as(&caller)?;
        may_view(visibility, Some(&caller.identity))?;
        return Ok(true);
    }
    // On the heap, as it is rare: it would make every view's future some kilobytes larger.
    Box::pin(viewer.require()).await.map_err(sign_in_first)?;
    Ok(false)
}

/// The link, for a viewer who may see it as it is at this moment.
///
/// # Errors
/// 404 when there is no such link, then those of [`is_admitted`].
pub async fn admitted(
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
) -> Result<SharedChat, ApiError> {
    for _ in 0..TRIES {
        let chat = state.sharing.open(id).await?;
        if is_admitted(chat.visibility, viewer).await? {
            return Ok(chat);
        }
    }
    Err(SharingError::Unsettled.into())
}

/// Says of a private link that it is private, where no credential was sent.
fn sign_in_first(error: ApiError) -> ApiError {
    match error.error_type() {
        ErrorType::LoginRequired => SharingError::SignInRequired.into(),
        _ => error,
    }
}
