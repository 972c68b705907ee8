//! Watching a live link.

use std::sync::Arc;

use futures_util::FutureExt;

use super::{Sharing, SharingError};
use crate::{
    chat_service::ChatServiceError,
    clock::Clock,
    events::{Next, Seat, TooSlow},
    model::SharedChat,
};

/// Somebody who watches. Dropping it ends that.
pub struct Watching {
    sharing: Sharing,
    seat: Seat,
    link: Arc<SharedChat>,
}

impl Sharing {
    /// Takes a place to watch a live link from: with a cursor from the message of that id on, else
    /// from now on. The chat may have to be fetched for it, which may take long; whoever calls it
    /// asks for [`Watching::standing`] before sending anything.
    ///
    /// # Errors
    /// [`SharingError::Invalid`] for a frozen link; [`SharingError::Full`] when there is no place;
    /// [`SharingError::NotFound`] when the chat is gone; [`SharingError::ChatService`] when the chat
    /// service does not answer well and nobody else's stream knows what the client asks for.
    pub async fn watch(
        &self,
        link: SharedChat,
        cursor: Option<&str>,
    ) -> Result<Watching, SharingError> {
        if link.is_frozen() {
            let message = "a frozen link does not change; events are for live ones".to_owned();
            return Err(SharingError::Invalid { field: "shared_chat_id", message });
        }
        let id = link.chat_session_id.clone().ok_or(SharingError::NotFound)?;
        let mut seat = self.events.sit_down(&link.id, &id).map_err(SharingError::Full)?;
        // What others were shown a moment ago is not news to whoever begins now.
        let read = self.live.get(&id).await.map(|live| seat.take(live.fetched()));
        if read == Err(ChatServiceError::NotFound) {
            return Err(SharingError::NotFound);
        }
        if !seat.begin(cursor) {
            read.map_err(gone)?;
            // Perhaps another instance has shown it already.
            let live = self.live.get_anew(&id).await.map_err(gone)?;
            seat.take(live.fetched());
            if !seat.begin(cursor) && !seat.begin_anew() {
                return Err(SharingError::defect("a chat that was read is not known"));
            }
        }
        Ok(Watching { sharing: self.clone(), seat, link: Arc::new(link) })
    }
}

/// A link whose chat is gone is no link any more.
pub(super) fn gone(error: ChatServiceError) -> SharingError {
    match error {
        ChatServiceError::NotFound => SharingError::NotFound,
        other => SharingError::ChatService(other),
    }
}

impl Watching {
    /// Completes when something may have happened.
    pub async fn woken(&mut self) {
        self.seat.woken().await;
    }

    /// Whether the stream has to end now because the service stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.seat.is_stopping()
    }

    /// The link as it was last known.
    #[must_use]
    pub fn link(&self) -> &SharedChat {
        &self.link
    }

    /// The link as it is now. Streams of one link share an answer of the database for a tenth of a
    /// second, unless a notice came.
    ///
    /// # Errors
    /// [`SharingError::NotFound`] when it is deleted or expired; [`SharingError::Unavailable`] when the
    /// database is out of reach.
    pub async fn standing(&mut self) -> Result<&SharedChat, SharingError> {
        let now = self.sharing.clock.now();
        let ask = || self.sharing.store.link(&self.link.id, now).boxed();
        let found = self.seat.standing(ask).await?;
        let found = found.filter(|link| link.expires_at.is_none_or(|at| now < at));
        self.link = found.ok_or(SharingError::NotFound)?;
        Ok(&self.link)
    }

    /// What time it is here.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.sharing.clock.clone()
    }

    /// Whether there is something to be sent already.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.seat.has_more()
    }

    /// What comes next.
    ///
    /// # Errors
    /// [`TooSlow`] when it is not kept any more.
    pub fn read(&mut self) -> Result<Next, TooSlow> {
        self.seat.read()
    }
}
