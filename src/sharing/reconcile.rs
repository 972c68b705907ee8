//! Reconciliation: deletes the links of chats that the chat service deleted without a notice.
//!
//! A fault of the chat service must not cost anyone a link. So only a plain 404 means that a chat
//! is gone; all chats are asked about before anything is deleted, and nothing is if too many of
//! them seem gone; and each is asked about again right before its links are deleted.

use futures_util::{StreamExt, stream};

use super::{Sharing, SharingError};
use crate::{
    chat_service::{Access, ChatServiceError},
    model::{Action, Actor, ChatSessionId, ClientInfo},
    telemetry::{self, Reconciliation},
};

/// Chats that are asked about at the same time.
const AT_ONCE: usize = 4;
/// Chats that are taken from the database at a time.
const PAGE: usize = 500;
/// After this many chats in a row without a clear answer the chat service counts as down.
const GIVE_UP_AFTER: usize = 20;

/// What was found, and what was done. In chats, but for `links_removed`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Chats that have links and were asked about.
    pub asked: usize,
    pub there: usize,
    /// Answered with 404.
    pub gone: usize,
    /// Gone chats whose links were removed.
    pub removed: usize,
    pub links_removed: usize,
    /// Without a clear answer: their links stay.
    pub unclear: usize,
    /// Why the last of them was unclear, for the log.
    pub last_error: Option<String>,
    /// Why nothing was removed although chats seem gone.
    pub refused: Option<Refusal>,
}

/// Why the answers of the chat service are not acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the chat service knows none of the chats: nothing was removed")]
    KnowsNone,
    #[error(
        "more chats are gone than RECONCILE_MAX_GONE allows ({max_percent} %): nothing was removed"
    )]
    TooManyGone { max_percent: u8 },
    #[error("the chat service gives no clear answers: nothing was removed")]
    NoClearAnswers,
}

impl Reconciled {
    fn add_unclear(&mut self, error: &ChatServiceError) {
        self.unclear += 1;
        self.last_error = Some(error.to_string());
    }

    /// Whether so many chats are gone that a fault of the chat service is more likely. Chats
    /// without a clear answer count for neither side.
    fn refusal(&self, max_percent: u8) -> Option<Refusal> {
        let clear = self.there + self.gone;
        // A single chat cannot be told from a chat service that lost all of them, so its links are
        // removed only where all may be gone.
        let is_alone_and_may_go = self.asked == 1 && max_percent == 100;
        if self.gone == 0 || is_alone_and_may_go {
            None
        } else if self.there == 0 {
            Some(Refusal::KnowsNone)
        } else if self.gone * 100 > clear * usize::from(max_percent) {
            Some(Refusal::TooManyGone { max_percent })
        } else {
            None
        }
    }
}

impl Sharing {
    /// Asks the chat service about every chat that has links, and deletes the links of those that
    /// are gone, as [`Sharing::chat_deleted`] does; `by` is for the audit records. If more than
    /// `max_gone_percent` of the chats are gone, or all of them, it counts as a fault of the chat
    /// service; a chat that is the only one goes at 100.
    ///
    /// # Errors
    /// [`SharingError::ChatService`] without a credential for the chat service;
    /// [`SharingError::Unavailable`] when the database is out of reach. Links that were removed
    /// before stay removed.
    pub async fn reconcile(
        &self,
        max_gone_percent: u8,
        by: &Actor,
    ) -> Result<Reconciled, SharingError> {
        let found = self.find_and_remove(max_gone_percent, by).await;
        let (outcome, removed) = match &found {
            Err(_) => (Reconciliation::Failed, 0),
            Ok(found) if found.refused.is_some() => (Reconciliation::Refused, 0),
            Ok(found) if found.unclear > 0 => (Reconciliation::Unclear, found.links_removed),
            Ok(found) => (Reconciliation::Clear, found.links_removed),
        };
        telemetry::reconciled(outcome, removed, self.clock.now());
        found
    }

    async fn find_and_remove(
        &self,
        max_gone_percent: u8,
        by: &Actor,
    ) -> Result<Reconciled, SharingError> {
        if !self.chat_service.has_service_access() {
            return Err(ChatServiceError::NoServiceCredential.into());
        }
        let mut found = Reconciled::default();
        let gone = self.find_gone(&mut found).await?;
        found.refused = found.refused.or_else(|| found.refusal(max_gone_percent));
        if found.refused.is_some() {
            return Ok(found);
        }
        for chat in gone {
            // The 404 may have been a passing fault, or the chat is back.
            let answer = self.exists(&chat).await;
            if !matches!(answer, Ok(false)) {
                found.gone -= 1;
            }
            match answer {
                Ok(false) => {
                    let (action, origin) = (Action::Reconcile, ClientInfo::default());
                    found.links_removed +=
                        self.end_links_of(&chat, action, by.clone(), origin).await?;
                    found.removed += 1;
                }
                Ok(true) => found.there += 1,
                Err(error) => found.add_unclear(&error),
            }
        }
        Ok(found)
    }

    /// The chats that seem gone.
    async fn find_gone(&self, found: &mut Reconciled) -> Result<Vec<ChatSessionId>, SharingError> {
        let mut gone = Vec::new();
        let mut unclear_in_a_row = 0;
        let mut after: Option<ChatSessionId> = None;
        loop {
            let now = self.clock.now();
            let page = self.store.chats_with_links(after.as_ref(), PAGE as i64, now).await?;
            let Some(last) = page.last() else { return Ok(gone) };
            after = Some(last.clone());
            let asking = page.into_iter().map(|chat| async {
                let answer = self.exists(&chat).await;
                (chat, answer)
            });
            let mut answers = stream::iter(asking).buffered(AT_ONCE);
            while let Some((chat, answer)) = answers.next().await {
                found.asked += 1;
                unclear_in_a_row = if answer.is_err() { unclear_in_a_row + 1 } else { 0 };
                match answer {
                    Ok(true) => found.there += 1,
                    Ok(false) => {
                        found.gone += 1;
                        gone.push(chat);
                    }
                    Err(error) => found.add_unclear(&error),
                }
                if unclear_in_a_row == GIVE_UP_AFTER {
                    found.refused = Some(Refusal::NoClearAnswers);
                    return Ok(gone);
                }
            }
        }
    }

    /// An error is no clear answer.
    async fn exists(&self, chat: &ChatSessionId) -> Result<bool, ChatServiceError> {
        match self.chat_service.read(Access::Service, chat).chat().await {
            Ok(_) => Ok(true),
            Err(ChatServiceError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_gone_chats_are_a_refusal() {
        let judge = |asked, there, gone, max| {
            Reconciled { asked, there, gone, ..Reconciled::default() }.refusal(max)
        };
        assert_eq!(judge(3, 3, 0, 50), None);
        assert_eq!(judge(1, 0, 1, 99), Some(Refusal::KnowsNone));
        assert_eq!(judge(1, 0, 1, 100), None);
        assert_eq!(judge(2, 1, 1, 50), None);
        assert_eq!(judge(2, 0, 2, 100), Some(Refusal::KnowsNone));
        // One is gone and the other did not answer: that one proves nothing.
        assert_eq!(judge(2, 0, 1, 100), Some(Refusal::KnowsNone));
        let too_many = |max_percent| Some(Refusal::TooManyGone { max_percent });
        assert_eq!(judge(3, 1, 2, 50), too_many(50));
        assert_eq!(judge(3, 1, 2, 100), None);
        assert_eq!(judge(200, 197, 3, 1), too_many(1));
        assert_eq!(judge(200, 198, 2, 1), None);
    }
}
