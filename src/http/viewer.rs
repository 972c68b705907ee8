//! Whether somebody may see a link. Telling who it is may take long (keys are fetched, say), and the
//! link may have changed by then, so it is asked for again before anything is shown.

use super::{
    State,
    credentials::OptionalCaller,
    error::{ApiError, ErrorType},
};
use crate::{
    model::{ShareId, SharedChat, Standing},
    sharing::{Found, SharingError, may_view},
};

/// How often the link is asked for again because telling who the viewer is took its time: once, unless
/// the key that proved them is given up in between.
const TRIES: usize = 4;

/// Whether this viewer may see a link that stands so, for what is at hand already. `false` when telling
/// who it is took its time: then the link is to be asked for again.
///
/// # Errors
/// As [`admit`].
pub async fn is_admitted(standing: Standing, viewer: &OptionalCaller) -> Result<bool, ApiError> {
    if !standing.is_private() {
        viewer.count_as_anyone()?;
        return Ok(true);
    }
    if let Some(caller) = viewer.verified() {
        viewer.count_as(&caller)?;
        may_view(standing.visibility, Some(&caller.identity))?;
        return Ok(true);
    }
    Box::pin(viewer.require()).await.map_err(sign_in_first)?;
    Ok(false)
}

/// Whether somebody may see a link.
pub enum Admission {
    Admitted(SharedChat),
    /// Telling who it is took its time; the link may have changed meanwhile.
    AskAgain,
}

/// Admits whoever may see the link.
///
/// # Errors
/// 401 when it is private and nobody is signed in; 403 for the chat service; 503 when it cannot be told.
pub async fn admit(found: Found, viewer: &OptionalCaller) -> Result<Admission, ApiError> {
    if !found.is_private() {
        viewer.count_as_anyone()?;
        return Ok(Admission::Admitted(found.admit(None)?));
    }
    if let Some(caller) = viewer.verified() {
        viewer.count_as(&caller)?;
        return Ok(Admission::Admitted(found.admit(Some(&caller.identity))?));
    }
    Box::pin(viewer.require()).await.map_err(sign_in_first)?;
    Ok(Admission::AskAgain)
}

/// The link, for a viewer who may see it as it is at this moment.
///
/// # Errors
/// 404 when there is no such link, then 401 when it is private and nobody is signed in.
pub async fn admitted(
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
) -> Result<SharedChat, ApiError> {
    for _ in 0..TRIES {
        if let Admission::Admitted(chat) = admit(state.sharing.open(id).await?, viewer).await? {
            return Ok(chat);
        }
    }
    Err(SharingError::Unsettled.into())
}

/// Says of a private link that it is private, where nothing was presented.
fn sign_in_first(error: ApiError) -> ApiError {
    match error.error_type() {
        ErrorType::LoginRequired => SharingError::SignInRequired.into(),
        _ => error,
    }
}
