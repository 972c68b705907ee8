//! The bodies of views, made once and cached. A body is of one revision of a link, and that of a live
//! link of one state of its chat, so a cached body is never stale. Whether the link may still be seen
//! is asked elsewhere, at every view.

use std::{sync::Arc, time::Duration};

use actix_web::web::Bytes;
use moka::{future::Cache, policy::EvictionPolicy};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    http::{error::ApiError, views::representation::Representation},
    limit::{Limiter, Timeout},
    model::ShareId,
    sharing::{ContentHash, SharingError},
    telemetry::{self, Cache as Cached},
};

/// All that a body depends on: the link, its revision, what a live chat holds, and the form.
pub type Key = (ShareId, i64, Option<ContentHash>, Representation);

/// How long a body stays after its last use, so that what was deleted does not stay in memory.
const TIME_TO_IDLE: Duration = Duration::from_secs(600);

/// Bytes that an entry takes beside its body.
const ENTRY_BYTES: usize = 256;

/// Why there is no body.
#[derive(Debug, Clone)]
pub enum NotMade {
    /// The link was changed before all was read that belongs to its revision: it is to be made anew.
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

/// The cache. However many requests ask for a body at the same time, it is made once.
#[derive(Clone)]
pub struct Bodies {
    cache: Cache<Key, Bytes>,
    /// Bounds how many are made at the same time.
    makers: Limiter,
}

impl Bodies {
    /// Keeps at most `capacity` bytes. A request that waits for longer than `queue_timeout` until
    /// its body can be made is refused.
    #[must_use]
    pub fn new(capacity: u64, queue_timeout: Duration) -> Self {
        let makers = std::thread::available_parallelism().map_or(2, |cores| 2 * cores.get());
        Self::with_makers(makers, capacity, queue_timeout)
    }

    fn with_makers(makers: usize, capacity: u64, queue_timeout: Duration) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .time_to_idle(TIME_TO_IDLE)
            // A live chat's new body is admitted at once, however popular its last one was.
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, body: &Bytes| u32::try_from(body.len() + ENTRY_BYTES).unwrap_or(u32::MAX))
            .build();
        Self { cache, makers: Limiter::new(makers, queue_timeout) }
    }

    /// The body, if it is cached.
    pub async fn get(&self, key: &Key) -> Option<Bytes> {
        let body = self.cache.get(key).await;
        telemetry::cache_asked(Cached::Views, body.is_some());
        body
    }

    /// The cached body, or the one that `make` makes while it holds the permit.
    ///
    /// # Errors
    /// Those of `make`, for all requests that waited for it; the next one tries again. 503 when no
    /// permit became free in time.
    pub async fn get_or_make<F>(
        &self,
        key: Key,
        make: impl FnOnce(OwnedSemaphorePermit) -> F,
    ) -> Result<Bytes, NotMade>
    where
        F: Future<Output = Result<Bytes, NotMade>>,
    {
        let making = async {
            match self.makers.acquire().await {
                Ok(permit) => make(permit).await,
                Err(Timeout) => Err(ApiError::overloaded("too many views are being made").into()),
            }
        };
        let made = self.cache.try_get_with(key, making).await;
        made.map_err(|error: Arc<NotMade>| NotMade::clone(&error))
    }

    /// Updates the gauges.
    pub async fn report(&self) {
        // The numbers are those of the last time that this was done.
        self.cache.run_pending_tasks().await;
        let bytes = Some(self.cache.weighted_size());
        telemetry::set_cache(Cached::Views, self.cache.entry_count(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt, future::join_all};
    use tokio::{
        sync::oneshot,
        task::{LocalSet, spawn_local, yield_now},
    };

    use super::*;
    use crate::http::{headers::coding::Coding, views::representation::Format};

    fn bodies(makers: usize) -> Bodies {
        Bodies::with_makers(makers, 1024 * 1024, Duration::from_millis(50))
    }

    fn some_key() -> Key {
        let representation = Representation { format: Format::Json, coding: Coding::Identity };
        (ShareId::random(), 1, None, representation)
    }

    async fn made_at_once(bodies: &Bodies, key: &Key) -> Result<Bytes, NotMade> {
        let body = async |_| Ok(Bytes::from_static(b"text"));
        bodies.get_or_make(key.clone(), body).await
    }

    #[tokio::test]
    async fn a_body_that_many_ask_for_is_made_once() {
        let (bodies, key, made) = (bodies(1), some_key(), AtomicUsize::new(0));
        let asking = (0..10).map(|_| {
            bodies.get_or_make(key.clone(), async |_| {
                made.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
                Ok(Bytes::from_static(b"body"))
            })
        });
        let found = join_all(asking).await;
        assert!(found.into_iter().all(|body| body.unwrap() == "body"));
        assert_eq!(made.into_inner(), 1);
        assert_eq!(bodies.get(&key).await.unwrap(), "body");
    }

    #[tokio::test]
    async fn a_failure_is_that_of_all_who_waited_and_the_next_one_tries_again() {
        let (bodies, key) = (bodies(1), some_key());
        let failing = async |_| {
            yield_now().await;
            Err(NotMade::Moved)
        };
        let first = bodies.get_or_make(key.clone(), failing);
        let others = join_all((0..10).map(|_| made_at_once(&bodies, &key)));
        let (first, others) = tokio::join!(first, others);
        assert!(matches!(first, Err(NotMade::Moved)));
        assert!(others.iter().all(|other| matches!(other, Err(NotMade::Moved))));
        assert_eq!(made_at_once(&bodies, &key).await.unwrap(), "text");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_too_long_to_make_its_body_is_503() {
        let bodies = bodies(1);
        let _permit = bodies.makers.acquire().await.unwrap();
        let refused = made_at_once(&bodies, &some_key()).await;
        assert!(matches!(refused, Err(NotMade::Failed(_))));
    }

    #[tokio::test]
    async fn when_the_request_that_makes_a_body_is_cancelled_another_one_makes_it() {
        let (bodies, key) = (bodies(1), some_key());
        let waiting = async {
            let (first, second) = (bodies.clone(), bodies.clone());
            let (first_key, second_key) = (key.clone(), key.clone());
            let (_, never) = oneshot::channel::<()>();
            let first = spawn_local(async move {
                let pending = async |_| {
                    let _ = never.await;
                    std::future::pending().await
                };
                first.get_or_make(first_key, pending).await
            });
            yield_now().await;
            let second = spawn_local(async move { made_at_once(&second, &second_key).await });
            yield_now().await;
            first.abort();
            assert_eq!(second.await.unwrap().unwrap(), "text");
        };
        LocalSet::new().run_until(waiting).await;
    }

    #[tokio::test]
    async fn the_permit_lasts_as_long_as_the_work_that_holds_it() {
        let bodies = bodies(1);
        let (done, work) = oneshot::channel::<()>();
        let cancelled = bodies.get_or_make(some_key(), async |permit| {
            tokio::spawn(async move {
                let _permit = permit;
                let _ = work.await;
            });
            std::future::pending().await
        });
        assert!(cancelled.now_or_never().is_none());
        assert!(matches!(made_at_once(&bodies, &some_key()).await, Err(NotMade::Failed(_))));
        drop(done);
        assert_eq!(made_at_once(&bodies, &some_key()).await.unwrap(), "text");
    }

    #[tokio::test]
    async fn a_body_is_found_by_all_that_it_depends_on() {
        let (bodies, key) = (bodies(1), some_key());
        made_at_once(&bodies, &key).await.unwrap();
        let (id, revision, _, representation) = key.clone();
        let page = Representation { format: Format::Page, ..representation };
        for other in [
            (ShareId::random(), revision, None, representation),
            (id.clone(), revision + 1, None, representation),
            (id.clone(), revision, Some(ContentHash::from("hash")), representation),
            (id, revision, None, page),
        ] {
            assert!(bodies.get(&other).await.is_none(), "{other:?}");
        }
        assert!(bodies.get(&key).await.is_some());
    }
}
