//! What a viewer may see.

use std::collections::HashSet;

use super::{
    Available, KnownBy, Sharing, SharingError, artifacts::remembered, snapshot::Messages,
    watch::gone,
};
use crate::model::{ChatFile, Identity, Message, ShareId, SharedChat, Standing, Visibility};

/// A link that was found, and whose content nobody has been admitted to yet.
#[derive(Debug)]
pub struct Found(SharedChat);

impl Found {
    /// Whether only somebody who is signed in may go on.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.0.is_private()
    }

    /// Admits a viewer: anyone to a public link, whatever credential they hold; to a private one
    /// a user who is signed in.
    ///
    /// # Errors
    /// [`SharingError::SignInRequired`] when nobody is; [`SharingError::WrongCaller`] for the chat
    /// service, which is nobody's reader.
    pub fn admit(self, viewer: Option<&Identity>) -> Result<SharedChat, SharingError> {
        may_view(self.0.visibility, viewer)?;
        Ok(self.0)
    }
}

/// Whether the link is this viewer's to see: see [`Found::admit`].
///
/// # Errors
/// Those of [`Found::admit`].
pub fn may_view(link: Visibility, viewer: Option<&Identity>) -> Result<(), SharingError> {
    match viewer {
        _ if link == Visibility::Public => Ok(()),
        None => Err(SharingError::SignInRequired),
        Some(identity) if identity.is_chat_service => {
            Err(SharingError::WrongCaller("the chat service is not a viewer"))
        }
        Some(_) => Ok(()),
    }
}

/// What a link shows.
#[derive(Debug, Clone)]
pub struct Content {
    pub name: Option<String>,
    pub messages: Messages,
    pub files: Vec<ChatFile>,
    /// Those of them whose bytes can be had.
    pub available: Available,
    /// Of a live link; what a frozen one shows is known by its revision.
    pub known_by: Option<KnownBy>,
}

impl Content {
    /// The messages, one by one.
    ///
    /// # Errors
    /// [`SharingError::Defect`] when a stored row is damaged.
    pub fn parse_messages(&self) -> Result<Vec<Message>, SharingError> {
        serde_json::from_slice(&self.messages.json()?).map_err(SharingError::defect)
    }
}

impl Sharing {
    /// The link, if there is one. It asks the database each time: what was revoked is gone at once.
    ///
    /// # Errors
    /// [`SharingError::NotFound`] when there is none, or it is deleted or expired.
    pub async fn open(&self, id: &ShareId) -> Result<Found, SharingError> {
        let found = self.store.link(id, self.clock.now()).await?;
        // The database may have taken its time, and the link's end come meanwhile.
        let now = self.clock.now();
        let found = found.filter(|chat| chat.expires_at.is_none_or(|end| end > now));
        found.map(Found).ok_or(SharingError::NotFound)
    }

    /// How the link stands: what there is to ask before each view of something that is at hand.
    ///
    /// # Errors
    /// As [`Sharing::open`].
    pub async fn standing(&self, id: &ShareId) -> Result<Standing, SharingError> {
        let found = self.store.standing(id, self.clock.now()).await?;
        // The database may have taken its time, and the link's end come meanwhile.
        let now = self.clock.now();
        found.filter(|standing| !standing.is_expired(now)).ok_or(SharingError::NotFound)
    }

    /// What the link shows: for a frozen one what was stored with it, at exactly this revision; for a
    /// live one what the chat service says now, asked with the service credential. This may take
    /// long; whoever calls it opens the link again before showing anything.
    ///
    /// # Errors
    /// [`SharingError::NotFound`] when the link, or the chat of a live one, is gone by now;
    /// [`SharingError::Unsettled`] when a frozen one that includes files is at another revision by now;
    /// [`SharingError::ChatService`] when the chat service does not answer well.
    pub async fn content(&self, chat: &SharedChat) -> Result<Content, SharingError> {
        if chat.is_frozen() { self.frozen(chat).await } else { self.live(chat).await }
    }

    async fn frozen(&self, chat: &SharedChat) -> Result<Content, SharingError> {
        // First, as it is the one thing here that changes.
        let available = match chat.includes_artifacts {
            true => self.store.kept_files(&chat.id, chat.revision).await?,
            false => Some(HashSet::new()),
        };
        let available = available.ok_or(SharingError::Unsettled)?;
        let stored = self.store.snapshot(&chat.id).await?.ok_or(SharingError::NotFound)?;
        Ok(Content {
            name: chat.name.clone(),
            messages: Messages::Compressed(stored.messages),
            files: remembered(&stored.files)?,
            available: Available::Only(available),
            known_by: None,
        })
    }

    async fn live(&self, chat: &SharedChat) -> Result<Content, SharingError> {
        let id = chat.chat_session_id.as_ref().ok_or(SharingError::NotFound)?;
        let live = self.live.get(id, chat.includes_artifacts).await.map_err(gone)?;
        Ok(Content {
            name: live.transcript.name().map(str::to_owned),
            messages: Messages::Plain(live.transcript.json().clone()),
            files: live.files.clone(),
            available: Available::All,
            known_by: Some(live.known_by.clone()),
        })
    }
}
