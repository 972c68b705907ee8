//! Reconciliation: the links of chats that are gone at the chat service, which did not tell, go.
//!
//! A chat service that is out of order must not cost anyone a link. So only a plain 404 says that a
//! chat is gone; all chats are asked about before anything is deleted, and nothing is if too many
//! of them seem gone; and each is asked about again right before its links are deleted.

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
/// After this many chats in a row without a clear answer the chat service is out of order, and
/// asking on would only be a burden to it.
const GIVE_UP_AFTER: usize = 20;

/// What was found, and what was done. In chats, but for `links_removed`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Chats that have links and were asked about.
    pub asked: usize,
    pub there: usize,
    /// Clearly gone.
    pub gone: usize,
    /// Gone chats whose links were removed.
    pub removed: usize,
    pub links_removed: usize,
    /// Without a clear answer: their links stay.
    pub unclear: usize,
    /// Why one of them was unclear: the last one's cause, for our own log.
    pub last_error: Option<String>,
    /// Why nothing was removed although chats seem gone.
    pub refused: Option<Refusal>,
}

/// Why the chat service's word was not taken.
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

enum Answer {
    There,
    Gone,
    Unclear(ChatServiceError),
}

impl Sharing {
    /// Asks the chat service about every chat that has links, and deletes the links of those that
    /// are gone, as [`Sharing::chat_deleted`] does; `by` is for the audit records. More than `max_gone_percent` of the chats being
    /// gone, or all of them, is taken for a fault of the chat service; a chat that is the only one
    /// goes at 100.
    ///
    /// # Errors
    /// [`SharingError::ChatService`] without a credential for the chat service;
    /// [`SharingError::Unavailable`] when the database is out of reach. What was removed before stays so.
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
        found.refused = found.refused.or_else(|| refusal(&found, max_gone_percent));
        if found.refused.is_some() {
            return Ok(found);
        }
        for chat in gone {
            // It may have been a passing fault, or the chat is back.
            match self.ask(&chat).await {
                Answer::Gone => {
                    let action = Action::Reconcile;
                    let ended = self.end_links_of(&chat, action, by.clone(), ClientInfo::default());
                    found.links_removed += ended.await?;
                    found.removed += 1;
                }
                Answer::There => {
                    found.gone -= 1;
                    found.there += 1;
                }
                Answer::Unclear(error) => {
                    found.gone -= 1;
                    found.unclear += 1;
                    found.last_error = Some(error.to_string());
                }
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
                let answer = self.ask(&chat).await;
                (chat, answer)
            });
            let mut answers = stream::iter(asking).buffered(AT_ONCE);
            while let Some((chat, answer)) = answers.next().await {
                found.asked += 1;
                unclear_in_a_row += 1;
                match answer {
                    Answer::There => (found.there, unclear_in_a_row) = (found.there + 1, 0),
                    Answer::Gone => {
                        (found.gone, unclear_in_a_row) = (found.gone + 1, 0);
                        gone.push(chat);
                    }
                    Answer::Unclear(error) => {
                        found.unclear += 1;
                        found.last_error = Some(error.to_string());
                    }
                }
                if unclear_in_a_row == GIVE_UP_AFTER {
                    found.refused = Some(Refusal::NoClearAnswers);
                    return Ok(gone);
                }
            }
        }
    }

    async fn ask(&self, chat: &ChatSessionId) -> Answer {
        match self.chat_service.read(Access::Service, chat).chat().await {
            Ok(_) => Answer::There,
            Err(ChatServiceError::NotFound) => Answer::Gone,
            Err(
                error @ (ChatServiceError::Unauthorized
                | ChatServiceError::Forbidden
                | ChatServiceError::TooLarge { .. }
                | ChatServiceError::Unreachable(_)
                | ChatServiceError::BadAnswer(_)
                | ChatServiceError::TimedOut
                | ChatServiceError::Busy
                | ChatServiceError::NoServiceCredential
                | ChatServiceError::CredentialUnavailable),
            ) => Answer::Unclear(error),
        }
    }
}

/// Whether so much is gone that it is rather the chat service that is wrong. Chats without a clear
/// answer say nothing, either way.
fn refusal(found: &Reconciled, max_percent: u8) -> Option<Refusal> {
    let clear = found.there + found.gone;
    // One chat alone may well be gone, but nothing tells that from a chat service that has lost all:
    // whoever wants it removed says that all may be gone.
    let is_alone_and_may_go = found.asked == 1 && max_percent == 100;
    if found.gone == 0 || is_alone_and_may_go {
        None
    } else if found.there == 0 {
        Some(Refusal::KnowsNone)
    } else if found.gone * 100 > clear * usize::from(max_percent) {
        Some(Refusal::TooManyGone { max_percent })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_service_that_has_lost_too_much_is_not_believed() {
        let judge = |asked, there, gone, max| {
            refusal(&Reconciled { asked, there, gone, ..Reconciled::default() }, max)
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
