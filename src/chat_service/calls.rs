//! How many operations may be at the chat service at a time, and how many of them one user or one
//! chat may have: what is slow for one leaves permits to the others.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::ChatServiceError;
use crate::{
    limit::{KeyedLimiter, KeyedPermit, Limiter, Timeout},
    model::{ChatSessionId, UserId},
};

/// One user, or one chat that is read for viewers, has at most one permit in so many.
const ONE_IN: usize = 4;
/// All reads for viewers together have at most one permit in so many: clients without a credential
/// cause them.
const FOR_VIEWERS_ONE_IN: usize = 2;
/// Operations of one user, or one chat, that may wait for those before them. Each takes a place of
/// `MAX_CONCURRENT_REQUESTS`.
const MAX_WAITING: usize = 256;
/// How long they wait. With the queue time-out and `CHAT_SERVICE_TIMEOUT` it is less than the
/// minute after which proxies give a request up.
const OWN_WAIT: Duration = Duration::from_secs(25);

/// Whom an operation counts for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Payer {
    User(UserId),
    /// Viewers of live links share what is read.
    ViewersOf(ChatSessionId),
}

/// The permits, `CHAT_SERVICE_MAX_CALLS` in all.
#[derive(Debug)]
pub(super) struct Calls {
    of_each: KeyedLimiter<Payer>,
    for_viewers: Limiter,
    all: Limiter,
    queue_timeout: Duration,
}

/// Allows one operation.
#[derive(Debug)]
pub(super) struct Permit {
    _own: KeyedPermit<Payer>,
    _for_viewers: Option<OwnedSemaphorePermit>,
    _one_of_all: OwnedSemaphorePermit,
}

impl Calls {
    /// An operation waits at most `queue_timeout` for those of others.
    pub(super) fn new(max_calls: usize, queue_timeout: Duration) -> Self {
        Self {
            of_each: KeyedLimiter::new(max_calls.div_ceil(ONE_IN), MAX_WAITING),
            for_viewers: Limiter::new(max_calls.div_ceil(FOR_VIEWERS_ONE_IN), queue_timeout),
            all: Limiter::new(max_calls, queue_timeout),
            queue_timeout,
        }
    }

    /// A permit for an operation of this user, or for the chat's viewers. It waits for the user's
    /// own operations up to [`OWN_WAIT`], so that a batch is done in turn rather than refused, and
    /// for anything else for the queue time-out.
    ///
    /// # Errors
    /// [`ChatServiceError::Busy`] when no permit became free in time.
    pub(super) async fn permit(
        &self,
        user: Option<&UserId>,
        chat: &ChatSessionId,
    ) -> Result<Permit, ChatServiceError> {
        let (payer, wait) = match user {
            Some(user) => (Payer::User(user.clone()), OWN_WAIT),
            None => (Payer::ViewersOf(chat.clone()), self.queue_timeout),
        };
        let busy = |Timeout| ChatServiceError::Busy;
        let own = self.of_each.acquire(&payer, wait).await.map_err(busy)?;
        let for_viewers = match user {
            Some(_) => None,
            None => Some(self.for_viewers.acquire().await.map_err(busy)?),
        };
        let one_of_all = self.all.acquire().await.map_err(busy)?;
        Ok(Permit { _own: own, _for_viewers: for_viewers, _one_of_all: one_of_all })
    }
}
