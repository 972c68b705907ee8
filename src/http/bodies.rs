//! What views send, made once and kept. A body is bound to a link's id and revision, and that of a live
//! link to what its chat held, so it is immutable and never stale; whether the link still stands, and
//! what its chat holds now, is asked elsewhere, each time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use actix_web::web::Bytes;
use moka::sync::Cache;
use tokio::sync::SetOnce;
use tracing::Instrument;

use super::{error::ApiError, representation::Variant};
use crate::{
    model::ShareId,
    queue::{TooLong, Turns},
    relay,
    sharing::{KnownBy, SharingError},
    telemetry::{self, Cache as Cached},
};

/// A link's representation, by all that it depends on: the link, its revision, what a live chat holds.
pub type Key = (ShareId, i64, Option<KnownBy>, Variant);

/// Why there is no body.
#[derive(Debug, Clone)]
pub enum NotMade {
    /// The link was changed before all was read that belongs to its revision, or whoever made the body
    /// came to an end: it is to be made anew.
    Moved,
    Failed(ApiError),
}

impl From<ApiError> for NotMade {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<SharingError> for NotMade {
    fn from(error: SharingError) -> Self {
        match error {
            SharingError::Unsettled => Self::Moved,
            other => Self::Failed(other.into()),
        }
    }
}

/// The bodies of links: those kept, bounded in bytes, and those that are being made or sent.
/// However many ask for one, it is made once and held once, so slow readers of a large chat cost a
/// connection each and not a copy.
#[derive(Clone)]
pub struct Bodies {
    /// The last one of each link's representations: nobody asks for those before it any more.
    kept: Cache<(ShareId, Variant), Kept>,
    in_use: Arc<Mutex<HashMap<Key, Weak<Body>>>>,
    /// Bounds how many are made at the same time.
    makers: Turns,
}

/// A body, from the moment somebody asks for it.
#[derive(Default)]
struct Body(SetOnce<Result<Vec<u8>, NotMade>>);

impl Body {
    fn text(&self) -> &[u8] {
        self.0.get().and_then(|made| made.as_ref().ok()).map_or(&[], Vec::as_slice)
    }
}

/// A body that is kept, and what it is of.
#[derive(Clone)]
struct Kept {
    revision: i64,
    known_by: Option<KnownBy>,
    body: Arc<Body>,
}

/// Keeps its body in use for as long as it is being sent.
struct Sending(Arc<Body>);

impl AsRef<[u8]> for Sending {
    fn as_ref(&self) -> &[u8] {
        self.0.text()
    }
}

fn to_send(body: Arc<Body>) -> Bytes {
    Bytes::from_owner(Sending(body))
}

impl Bodies {
    /// Keeps at most `capacity` bytes, and none for more than ten minutes after its last use: what
    /// was deleted is never shown, and does not stay around either. Whoever waits for longer than
    /// `queue_timeout` until one can be made is told to come back.
    #[must_use]
    pub fn new(capacity: u64, queue_timeout: Duration) -> Self {
        let makers = std::thread::available_parallelism().map_or(2, |cores| 2 * cores.get());
        Self::with_makers(makers, capacity, queue_timeout)
    }

    fn with_makers(makers: usize, capacity: u64, queue_timeout: Duration) -> Self {
        let kept = Cache::builder()
            .max_capacity(capacity)
            .time_to_idle(Duration::from_secs(600))
            // The key and the cache's own bookkeeping count as well, or empty chats were free.
            .weigher(|_, kept: &Kept| {
                u32::try_from(kept.body.text().len() + 256).unwrap_or(u32::MAX)
            })
            .build();
        Self { kept, in_use: Arc::default(), makers: Turns::new(makers, queue_timeout) }
    }

    /// The body, if it is kept.
    #[must_use]
    pub fn get(
        &self,
        id: &ShareId,
        revision: i64,
        known_by: Option<&KnownBy>,
        variant: Variant,
    ) -> Option<Bytes> {
        let kept = self.kept.get(&(id.clone(), variant));
        let kept =
            kept.filter(|kept| kept.revision == revision && kept.known_by.as_ref() == known_by);
        let body = kept.map(|kept| to_send(kept.body));
        telemetry::cache_asked(Cached::Views, body.is_some());
        body
    }

    /// Makes known how much is kept.
    pub fn report(&self) {
        // The numbers are those of the last time that this was done.
        self.kept.run_pending_tasks();
        let bytes = Some(self.kept.weighted_size());
        telemetry::set_cache(Cached::Views, self.kept.entry_count(), bytes);
    }

    /// The body, made unless it is at hand. It is made in a task of its own: who goes away takes
    /// nothing with them, and leaves nothing behind that is done once more for the next one.
    ///
    /// # Errors
    /// Those of `make`, for all who waited for it; the next one to ask tries again. 503 when it was not
    /// its turn for too long.
    pub async fn get_or_make<F>(
        &self,
        key: Key,
        make: impl FnOnce() -> F + 'static,
    ) -> Result<Bytes, NotMade>
    where
        F: Future<Output = Result<Bytes, NotMade>> + 'static,
    {
        let (body, attempt) = self.in_use(key);
        if let Some(attempt) = attempt {
            // A part of the trace of whoever asked first.
            let making = relay::from_afar(attempt.make(make)).in_current_span();
            actix_web::rt::spawn(making);
        }
        if let Err(error) = relay::from_afar(body.0.wait()).await {
            return Err(error.clone());
        }
        Ok(to_send(body))
    }

    /// The body that is being made or sent; else one that is to be made.
    fn in_use(&self, key: Key) -> (Arc<Body>, Option<Attempt>) {
        let mut in_use = self.bodies_in_use();
        if let Some(body) = in_use.get(&key).and_then(Weak::upgrade) {
            return (body, None);
        }
        // Before it grows, entries of bodies that are gone make room.
        if in_use.len() == in_use.capacity() {
            in_use.retain(|_, body| body.strong_count() > 0);
        }
        let body = Arc::<Body>::default();
        in_use.insert(key.clone(), Arc::downgrade(&body));
        (body.clone(), Some(Attempt { bodies: self.clone(), key, body }))
    }

    fn bodies_in_use(&self) -> MutexGuard<'_, HashMap<Key, Weak<Body>>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The making of a body, which all who ask for it wait for.
struct Attempt {
    bodies: Bodies,
    key: Key,
    body: Arc<Body>,
}

impl Attempt {
    async fn make<F>(self, make: impl FnOnce() -> F)
    where
        F: Future<Output = Result<Bytes, NotMade>>,
    {
        let turn = self.bodies.makers.take().await;
        if self.is_for_nobody() {
            return;
        }
        let made = match turn {
            Ok(_turn) => make().await.map(Vec::from),
            Err(TooLong) => Err(ApiError::overloaded("too many views are being made").into()),
        };
        let is_made = made.is_ok();
        // Only this sets it.
        let _ = self.body.0.set(made);
        if is_made {
            let (id, revision, known_by, variant) = self.key.clone();
            let kept = Kept { revision, known_by, body: self.body.clone() };
            self.bodies.kept.insert((id, variant), kept);
        }
    }

    /// Whether all who waited have left; then nobody can join any more.
    fn is_for_nobody(&self) -> bool {
        let mut in_use = self.bodies.bodies_in_use();
        let is_alone = Arc::strong_count(&self.body) == 1;
        if is_alone {
            in_use.remove(&self.key);
        }
        is_alone
    }
}

impl Drop for Attempt {
    /// Nobody waits for what is not going on any more, and who comes later tries again; so do those who
    /// wait, if it is because this worker ends before theirs.
    fn drop(&mut self) {
        let stopped = match std::thread::panicking() {
            true => SharingError::defect("the making of a view panicked").into(),
            false => NotMade::Moved,
        };
        let _ = self.body.0.set(Err(stopped));
        if !self.body.0.get().is_some_and(Result::is_ok) {
            let mut in_use = self.bodies.bodies_in_use();
            if in_use.get(&self.key).is_some_and(|body| body.as_ptr() == Arc::as_ptr(&self.body)) {
                in_use.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
