//! Reconciliation: deletes the links that the chat service did not report: of chats that were
//! deleted, and of owners who may not share a chat any more.
//!
//! A fault of the chat service must not cost anyone a link. So only a plain 404 means that a chat
//! is gone, and only a 403 that names the owner, beside a 200 for the same chat, that an owner lost
//! the right; all are asked about before anything is deleted, and nothing is if too many of them
//! seem gone; and each is asked about again right before its links are deleted.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, stream};

use super::{Sharing, SharingError};
use crate::{
    chat_service::{Access, ChatServiceError, OwnerRight},
    model::{Action, Actor, ChatSessionId, ClientInfo, UserId},
    telemetry::{self, Reconciliation},
};

/// Chats that are asked about at the same time.
const AT_ONCE: usize = 4;
/// Chats that are taken from the database at a time.
const PAGE: usize = 500;
/// After this many questions in a row without a clear answer the chat service counts as down.
const GIVE_UP_AFTER: usize = 20;

/// What was found, and what was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// All chats that have links.
    pub chats: Tally,
    /// The owners of links, once for each chat; none where the chat service does not answer for
    /// owners.
    pub owners: Tally,
    pub links_removed: usize,
    /// Why the last answer was unclear, for the log.
    pub last_error: Option<String>,
    /// Why nothing was removed although chats seem gone, or nothing of owners.
    pub refused: Option<Refusal>,
}

/// Questions of one kind, by their answers. Links of what is gone are removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub asked: usize,
    pub there: usize,
    /// Answered with 404, or with 403 for an owner.
    pub gone: usize,
    /// Without a clear answer: the links stay.
    pub unclear: usize,
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
    #[error("by the chat service no owner may share a chat: no owner's links were removed")]
    NoOwnerLeft,
    #[error(
        "more owners lost a chat than RECONCILE_MAX_GONE allows ({max_percent} %): no owner's \
         links were removed"
    )]
    TooManyOwnersLost { max_percent: u8 },
}

/// Whether so many are gone that a fault of the chat service is more likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Implausible {
    AllGone,
    TooMany,
}

impl Tally {
    fn add(&mut self, is_there: Option<bool>) {
        self.asked += 1;
        match is_there {
            Some(true) => self.there += 1,
            Some(false) => self.gone += 1,
            None => self.unclear += 1,
        }
    }

    /// What seemed gone was asked about again, with this answer.
    fn correct(&mut self, is_there: Option<bool>) {
        self.asked -= 1;
        self.gone -= 1;
        self.add(is_there);
    }

    /// What has no clear answer counts for neither side.
    fn implausible(&self, max_percent: u8) -> Option<Implausible> {
        let clear = self.there + self.gone;
        // A single one cannot be told from a chat service that lost all of them, so its links are
        // removed only where all may be gone.
        let is_alone_and_may_go = self.asked == 1 && max_percent == 100;
        if self.gone == 0 || is_alone_and_may_go {
            None
        } else if self.there == 0 {
            Some(Implausible::AllGone)
        } else if self.gone * 100 > clear * usize::from(max_percent) {
            Some(Implausible::TooMany)
        } else {
            None
        }
    }
}

/// What is there, by an answer; an error is no clear answer.
type Answer = Result<bool, ChatServiceError>;

impl Reconciled {
    /// Chats and owners without a clear answer.
    #[must_use]
    pub fn unclear(&self) -> usize {
        self.chats.unclear + self.owners.unclear
    }

    /// Whether it is there, for a tally; an error is kept for the log.
    fn clear(&mut self, answer: Answer) -> Option<bool> {
        answer.map_err(|error| self.last_error = Some(error.to_string())).ok()
    }

    fn chats_refusal(&self, max_percent: u8) -> Option<Refusal> {
        Some(match self.chats.implausible(max_percent)? {
            Implausible::AllGone => Refusal::KnowsNone,
            Implausible::TooMany => Refusal::TooManyGone { max_percent },
        })
    }

    fn owners_refusal(&self, max_percent: u8) -> Option<Refusal> {
        Some(match self.owners.implausible(max_percent)? {
            Implausible::AllGone => Refusal::NoOwnerLeft,
            Implausible::TooMany => Refusal::TooManyOwnersLost { max_percent },
        })
    }
}

/// What seems gone.
#[derive(Default)]
struct Gone {
    chats: Vec<ChatSessionId>,
    owners: Vec<(ChatSessionId, UserId)>,
}

impl Sharing {
    /// Asks the chat service about every chat that has links, and deletes the links of those that
    /// are gone, as [`Sharing::chat_deleted`] does; where it answers for owners, also about each
    /// owner of links to a chat, as [`Sharing::owner_removed`] does. `by` is for the audit records.
    /// If more than `max_gone_percent` of the chats are gone, or all of them, it counts as a fault
    /// of the chat service; one that is the only one goes at 100. The same holds for the owners.
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
            Ok(found) if found.refused.is_some() => (Reconciliation::Refused, found.links_removed),
            Ok(found) if found.unclear() > 0 => (Reconciliation::Unclear, found.links_removed),
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
        found.refused = found.refused.or_else(|| found.chats_refusal(max_gone_percent));
        if found.refused.is_some() {
            return Ok(found);
        }
        let (action, origin) = (Action::Reconcile, ClientInfo::default());
        for chat in gone.chats {
            // The 404 may have been a passing fault, or the chat is back.
            let answer = self.exists(&chat).await;
            let answer = found.clear(answer);
            found.chats.correct(answer);
            if answer == Some(false) {
                found.links_removed +=
                    self.end_links_of(&chat, action, by.clone(), origin.clone()).await?;
            }
        }
        found.refused = found.owners_refusal(max_gone_percent);
        if found.refused.is_some() {
            return Ok(found);
        }
        for (chat, owner) in gone.owners {
            let answer = match self.owner_right(&chat, &owner).await {
                // It counts only beside a 200 for the chat itself.
                Ok(OwnerRight::Lost) => self.exists(&chat).await.map(|is_there| !is_there),
                Ok(OwnerRight::Kept | OwnerRight::Unsupported) => Ok(true),
                Err(error) => Err(error),
            };
            let answer = found.clear(answer);
            found.owners.correct(answer);
            if answer == Some(false) {
                let origin = origin.clone();
                found.links_removed +=
                    self.end_links_of_owner(&chat, &owner, action, by.clone(), origin).await?;
            }
        }
        Ok(found)
    }

    async fn find_gone(&self, found: &mut Reconciled) -> Result<Gone, SharingError> {
        let mut gone = Gone::default();
        let answers_for_owners = AtomicBool::new(true);
        let mut unclear_in_a_row = 0;
        let mut after: Option<ChatSessionId> = None;
        loop {
            let now = self.clock.now();
            let page = self.store.chats_with_links(after.as_ref(), PAGE as i64, now).await?;
            let Some(last) = page.last() else { return Ok(gone) };
            after = Some(last.clone());
            let asking = page.into_iter().map(|chat| async {
                let answer = self.exists(&chat).await;
                let owners = match answer {
                    Ok(true) => self.ask_about_owners(&chat, &answers_for_owners).await,
                    _ => Ok(Vec::new()),
                };
                (chat, answer, owners)
            });
            let mut answers = stream::iter(asking).buffered(AT_ONCE);
            while let Some((chat, answer, owners)) = answers.next().await {
                let mut count = |is_there: Option<bool>| {
                    unclear_in_a_row = if is_there.is_none() { unclear_in_a_row + 1 } else { 0 };
                    is_there
                };
                let is_there = count(found.clear(answer));
                found.chats.add(is_there);
                for (owner, answer) in owners? {
                    let may_share = count(found.clear(answer));
                    found.owners.add(may_share);
                    if may_share == Some(false) {
                        gone.owners.push((chat.clone(), owner));
                    }
                }
                if is_there == Some(false) {
                    gone.chats.push(chat);
                }
                if unclear_in_a_row >= GIVE_UP_AFTER {
                    found.refused = Some(Refusal::NoClearAnswers);
                    return Ok(gone);
                }
            }
        }
    }

    /// What the chat service answers about each owner of links to the chat. The first answer that
    /// does not echo the owner ends all such questions of this run.
    async fn ask_about_owners(
        &self,
        chat: &ChatSessionId,
        answers_for_owners: &AtomicBool,
    ) -> Result<Vec<(UserId, Answer)>, SharingError> {
        let mut answers = Vec::new();
        if !answers_for_owners.load(Ordering::Relaxed) {
            return Ok(answers);
        }
        for owner in self.store.owners_of_chat(chat, self.clock.now()).await? {
            let answer = match self.owner_right(chat, &owner).await {
                Ok(OwnerRight::Unsupported) => {
                    answers_for_owners.store(false, Ordering::Relaxed);
                    break;
                }
                Ok(right) => Ok(right == OwnerRight::Kept),
                Err(error) => Err(error),
            };
            answers.push((owner, answer));
        }
        Ok(answers)
    }

    async fn owner_right(
        &self,
        chat: &ChatSessionId,
        owner: &UserId,
    ) -> Result<OwnerRight, ChatServiceError> {
        self.chat_service.read(Access::Service, chat).owner_right(owner).await
    }

    async fn exists(&self, chat: &ChatSessionId) -> Answer {
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
    fn too_many_gone_are_implausible() {
        let judge = |asked, there, gone, max| {
            Tally { asked, there, gone, unclear: asked - there - gone }.implausible(max)
        };
        assert_eq!(judge(3, 3, 0, 50), None);
        assert_eq!(judge(1, 0, 1, 99), Some(Implausible::AllGone));
        assert_eq!(judge(1, 0, 1, 100), None);
        assert_eq!(judge(2, 1, 1, 50), None);
        assert_eq!(judge(2, 0, 2, 100), Some(Implausible::AllGone));
        // One is gone and the other did not answer: that one proves nothing.
        assert_eq!(judge(2, 0, 1, 100), Some(Implausible::AllGone));
        assert_eq!(judge(3, 1, 2, 50), Some(Implausible::TooMany));
        assert_eq!(judge(3, 1, 2, 100), None);
        assert_eq!(judge(200, 197, 3, 1), Some(Implausible::TooMany));
        assert_eq!(judge(200, 198, 2, 1), None);
    }
}
