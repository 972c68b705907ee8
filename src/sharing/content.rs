//! What a viewer may see.

use std::{borrow::Cow, collections::HashSet};

use super::{Available, ContentHash, Sharing, SharingError, snapshot::Messages};
use crate::{
    chat_service::ChatServiceError,
    live::{Scope, SubscribeError, Subscription},
    model::{
        Audience, ChatFile, Client, Identity, LinkState, Message, ShareId, SharedChat, UserId,
        Visibility,
    },
    store::Snapshot,
};

/// Whether a viewer may see a link: a public one without a credential or with any; a private one as
/// a user who is signed in, and if it has an audience, who is in it or the owner.
///
/// # Errors
/// [`SharingError::SignInRequired`] without a credential; [`SharingError::WrongCaller`] for the
/// chat service; [`SharingError::NotInAudience`], also if `owner` is not known.
pub fn may_view(
    visibility: Visibility,
    audience: Option<&Audience>,
    owner: Option<&UserId>,
    viewer: Option<&Identity>,
) -> Result<(), SharingError> {
    if visibility == Visibility::Public {
        return Ok(());
    }
    let viewer = viewer.ok_or(SharingError::SignInRequired)?;
    if viewer.is_chat_service {
        return Err(SharingError::WrongCaller("the chat service is not a viewer"));
    }
    match audience {
        Some(audience) if owner != Some(&viewer.user_id) && !audience.has(viewer) => {
            Err(SharingError::NotInAudience)
        }
        Some(_) | None => Ok(()),
    }
}

/// What a link shows.
#[derive(Debug, Clone)]
pub struct Content {
    pub name: Option<String>,
    pub messages: Messages,
    pub files: Files,
    /// Those of them that can be downloaded.
    pub available: Available,
    /// Of a live link; the content of a frozen one is identified by its revision.
    pub content_hash: Option<ContentHash>,
}

/// The files that a link lists.
#[derive(Debug, Clone)]
pub enum Files {
    Listed(Vec<ChatFile>),
    /// JSON, as it is stored.
    Stored(String),
}

impl Files {
    /// A stored list may have thousands of files: to be called on a blocking thread.
    pub fn parse(&self) -> Result<Cow<'_, [ChatFile]>, SharingError> {
        match self {
            Self::Listed(files) => Ok(Cow::Borrowed(files)),
            Self::Stored(json) => {
                serde_json::from_str(json).map(Cow::Owned).map_err(SharingError::defect)
            }
        }
    }
}

impl Content {
    pub fn parse_messages(&self) -> Result<Vec<Message>, SharingError> {
        serde_json::from_slice(&self.messages.json()?).map_err(SharingError::defect)
    }
}

impl Sharing {
    /// The link as viewers see it, or [`SharingError::NotFound`]. It reads the database each time,
    /// so that a revoked link is gone at once.
    pub async fn open(&self, id: &ShareId) -> Result<SharedChat, SharingError> {
        let found = self.store.viewed_link(id, self.clock.now()).await?;
        // It may have expired while the database was read.
        let now = self.clock.now();
        found.filter(|chat| !chat.is_expired(now)).ok_or(SharingError::NotFound)
    }

    /// The link, and a frozen one's content if that is small, read together; otherwise as
    /// [`Sharing::open`].
    pub async fn open_with_small_snapshot(
        &self,
        id: &ShareId,
    ) -> Result<(SharedChat, Option<Snapshot>), SharingError> {
        let found = self.store.link_with_small_snapshot(id, self.clock.now()).await?;
        let now = self.clock.now();
        found.filter(|(chat, _)| !chat.is_expired(now)).ok_or(SharingError::NotFound)
    }

    /// What access to the link depends on; otherwise as [`Sharing::open`].
    pub async fn link_state(&self, id: &ShareId) -> Result<LinkState, SharingError> {
        let found = self.store.link_state(id, self.clock.now()).await?;
        let now = self.clock.now();
        found.filter(|link| !link.is_expired(now)).ok_or(SharingError::NotFound)
    }

    /// What the link shows: a frozen one its snapshot, at exactly this revision; a live one what
    /// the chat service answers now to the service credential. `small` is what was read together
    /// with the link. If this waits, the caller has to open the link again before it shows
    /// anything.
    ///
    /// # Errors
    /// [`SharingError::NotFound`] when the link, or the chat of a live one, is gone by now;
    /// [`SharingError::Unsettled`] when a frozen link is at another revision by now;
    /// [`SharingError::ChatService`] when the chat service fails.
    pub async fn content(
        &self,
        chat: &SharedChat,
        small: Option<Snapshot>,
    ) -> Result<Content, SharingError> {
        if chat.is_frozen() { self.frozen(chat, small).await } else { self.live(chat).await }
    }

    async fn frozen(
        &self,
        chat: &SharedChat,
        small: Option<Snapshot>,
    ) -> Result<Content, SharingError> {
        // Read before the snapshot, which never changes.
        let available = if chat.includes_artifacts {
            let kept = self.store.kept_files(&chat.id, chat.revision).await?;
            kept.ok_or(SharingError::Unsettled)?
        } else {
            HashSet::new()
        };
        let stored = match small {
            Some(snapshot) => snapshot,
            None => self.store.snapshot(&chat.id).await?.ok_or(SharingError::NotFound)?,
        };
        let files = if chat.includes_artifacts {
            Files::Stored(stored.files)
        } else {
            Files::Listed(Vec::new())
        };
        Ok(Content {
            name: chat.name.clone(),
            messages: Messages::Compressed(stored.messages),
            files,
            available: Available::Only(available),
            content_hash: None,
        })
    }

    async fn live(&self, chat: &SharedChat) -> Result<Content, SharingError> {
        let id = chat.chat_session_id.as_ref().ok_or(SharingError::NotFound)?;
        let scope = if chat.includes_artifacts { Scope::Both } else { Scope::Messages };
        let live = self.live_chats.get_for_view(id, scope).await.map_err(gone)?;
        Ok(Content {
            name: live.transcript.name().map(str::to_owned),
            messages: Messages::Plain(live.transcript.json().clone()),
            files: Files::Listed(live.files.clone()),
            available: Available::All,
            content_hash: Some(live.content_hash.clone()),
        })
    }

    /// Opens an event stream of a live link, for this client: see [`Subscriptions::subscribe`].
    ///
    /// # Errors
    /// [`SharingError::Invalid`] for a frozen link; [`SharingError::Full`] when there are too many
    /// streams; [`SharingError::NotFound`] when the chat is gone; [`SharingError::ChatService`]
    /// when the chat service fails.
    ///
    /// [`Subscriptions::subscribe`]: crate::live::Subscriptions::subscribe
    pub async fn subscribe(
        &self,
        link: SharedChat,
        client: Option<Client>,
        cursor: Option<&str>,
    ) -> Result<Subscription, SharingError> {
        if link.is_frozen() {
            let message = "a frozen link does not change; events are for live ones";
            return Err(SharingError::invalid("shared_chat_id", message));
        }
        let chat = link.chat_session_id.clone().ok_or(SharingError::NotFound)?;
        let subscribed = self.subscriptions.subscribe(link, chat, client, cursor).await;
        subscribed.map_err(|error| match error {
            SubscribeError::Full(full) => SharingError::Full(full),
            SubscribeError::ChatService(error) => gone(error),
        })
    }
}

/// A live link whose chat is gone answers as one that does not exist.
fn gone(error: ChatServiceError) -> SharingError {
    match error {
        ChatServiceError::NotFound => SharingError::NotFound,
        other => SharingError::ChatService(other),
    }
}
