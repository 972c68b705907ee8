//! Who may view a link. Verifying a token may take long (keys may have to be fetched), and the link
//! may change meanwhile, so it is read again before anything is sent.

use crate::{
    http::{
        State,
        error::{ApiError, ErrorType},
        extract::credentials::OptionalCaller,
    },
    model::{Identity, LinkState, ShareId, SharedChat, Visibility},
    sharing::{SharingError, may_view},
};

/// How often the link is read: twice if the token was not verified yet, and again if its key is
/// dropped in between.
const TRIES: usize = 4;

/// Whether this viewer is admitted to the link in this state. `false` if the token had to be
/// verified first: then the link must be read again.
///
/// # Errors
/// 401 on a private link without a valid credential; 403 for the chat service, and for a user whom
/// the link's audience does not have; 503 if the token cannot be verified at the moment.
pub async fn is_admitted(
    state: &State,
    id: &ShareId,
    link: &LinkState,
    viewer: &OptionalCaller,
) -> Result<bool, ApiError> {
    if link.visibility == Visibility::Public {
        viewer.count_as_anyone()?;
        return Ok(true);
    }
    if let Some(caller) = viewer.verified() {
        viewer.count_as(&caller)?;
        let viewer = &caller.identity;
        match may_view(link.visibility, link.audience.as_ref(), None, Some(viewer)) {
            // The state does not say who the owner is. Boxed, as it is rare.
            Err(SharingError::NotInAudience) => Box::pin(admit_owner(state, id, viewer)).await?,
            answer => answer?,
        }
        return Ok(true);
    }
    // Boxed, as it is rare and would make every view's future some kilobytes larger.
    Box::pin(viewer.require()).await.map_err(|error| match error.error_type() {
        ErrorType::LoginRequired => ApiError::from(SharingError::SignInRequired),
        _ => error,
    })?;
    Ok(false)
}

/// Looks at the whole link, for a viewer whom its audience does not have. It admits the owner alone:
/// others may be admitted by now, but not to what was read before.
async fn admit_owner(state: &State, id: &ShareId, viewer: &Identity) -> Result<(), SharingError> {
    let link = state.sharing.open(id).await?;
    if link.owner_id.as_ref() == Some(&viewer.user_id) {
        Ok(())
    } else {
        Err(SharingError::NotInAudience)
    }
}

/// The link, if the viewer is admitted to it as it is now.
///
/// # Errors
/// 404 if there is no such link, then those of [`is_admitted`].
pub async fn admitted(
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
) -> Result<SharedChat, ApiError> {
    for _ in 0..TRIES {
        let chat = state.sharing.open(id).await?;
        if is_admitted(state, id, &chat.state(), viewer).await? {
            return Ok(chat);
        }
    }
    Err(SharingError::Unsettled.into())
}
