//! The cache of the views' bodies. The key holds the link's revision and the content hash of a live
//! chat, so a cached body is never stale. Every view is authorized before it asks the cache.

use std::{sync::Arc, time::Duration};

use actix_web::web::Bytes;
use moka::{future::Cache, policy::EvictionPolicy};

use crate::{
    http::{error::ApiError, views::representation::Representation},
    limit::Limiter,
    model::ShareId,
    sharing::{ContentHash, SharingError},
    telemetry::{self, Cache as Cached},
};

/// The link, its revision, the content hash of a live chat, and the representation.
pub type Key = (ShareId, i64, Option<ContentHash>, Representation);

/// How long a body stays after its last use, so that deleted content does not stay in memory.
const TIME_TO_IDLE: Duration = Duration::from_secs(600);

/// The overhead of an entry beside its body.
const ENTRY_BYTES: usize = 256;

/// Why no body was made.
#[derive(Debug, Clone)]
pub enum MakeError {
    /// The link was changed while its content was read: read it again.
    LinkChanged,
    Failed(ApiError),
}

impl From<ApiError> for MakeError {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<SharingError> for MakeError {
    fn from(error: SharingError) -> Self {
        match error {
            SharingError::Unsettled => Self::LinkChanged,
            other => Self::Failed(other.into()),
        }
    }
}

/// The cache. Concurrent requests for the same body share one make.
#[derive(Clone)]
pub struct Bodies {
    cache: Cache<Key, Bytes>,
    /// Bounds how many bodies are made on blocking threads at the same time. Small JSON is made on
    /// the worker and needs no permit.
    pub makers: Limiter,
}

impl Bodies {
    /// Keeps at most `capacity` bytes. A request that waits longer than `queue_timeout` for a
    /// permit to make its body is refused.
    pub fn new(capacity: u64, queue_timeout: Duration) -> Self {
        let makers = std::thread::available_parallelism().map_or(2, |cores| 2 * cores.get());
        Self::with_makers(makers, capacity, queue_timeout)
    }

    fn with_makers(makers: usize, capacity: u64, queue_timeout: Duration) -> Self {
        let cache = Cache::builder()
            .max_capacity(capacity)
            .time_to_idle(TIME_TO_IDLE)
            // With TinyLFU a live chat's new body might not replace its popular last one.
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, body: &Bytes| u32::try_from(body.len() + ENTRY_BYTES).unwrap_or(u32::MAX))
            .build();
        Self { cache, makers: Limiter::new(makers, queue_timeout) }
    }

    pub async fn get(&self, key: &Key) -> Option<Bytes> {
        let body = self.cache.get(key).await;
        telemetry::cache_asked(Cached::Views, body.is_some());
        body
    }

    /// The cached body, or the one that `make` makes. An error of `make` is given to all requests
    /// that wait for it; later requests try again.
    pub async fn get_or_make(
        &self,
        key: Key,
        make: impl Future<Output = Result<Bytes, MakeError>>,
    ) -> Result<Bytes, MakeError> {
        let made = self.cache.try_get_with(key, make).await;
        made.map_err(|error: Arc<MakeError>| MakeError::clone(&error))
    }

    /// Updates the gauges.
    pub async fn report(&self) {
        // Only this updates the numbers.
        self.cache.run_pending_tasks().await;
        let bytes = Some(self.cache.weighted_size());
        telemetry::set_cache(Cached::Views, self.cache.entry_count(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;
    use crate::http::{headers::coding::Coding, views::representation::Format};

    fn bodies(makers: usize) -> Bodies {
        Bodies::with_makers(makers, 1024 * 1024, Duration::from_millis(50))
    }

    fn some_key() -> Key {
        let representation = Representation { format: Format::Json, coding: Coding::Identity };
        (ShareId::random(), 1, None, representation)
    }

    async fn made_at_once(bodies: &Bodies, key: &Key) -> Result<Bytes, MakeError> {
        bodies.get_or_make(key.clone(), async { Ok(Bytes::from_static(b"text")) }).await
    }

    #[tokio::test]
    async fn concurrent_requests_for_a_body_make_it_once() {
        let (bodies, key, made) = (bodies(1), some_key(), AtomicUsize::new(0));
        let asking = (0..10).map(|_| {
            bodies.get_or_make(key.clone(), async {
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
    async fn an_error_is_given_to_all_waiting_requests_and_the_next_one_tries_again() {
        let (bodies, key) = (bodies(1), some_key());
        let failing = async {
            yield_now().await;
            Err(MakeError::LinkChanged)
        };
        let first = bodies.get_or_make(key.clone(), failing);
        let others = join_all((0..10).map(|_| made_at_once(&bodies, &key)));
        let (first, others) = tokio::join!(first, others);
        assert!(matches!(first, Err(MakeError::LinkChanged)));
        assert!(others.iter().all(|other| matches!(other, Err(MakeError::LinkChanged))));
        assert_eq!(made_at_once(&bodies, &key).await.unwrap(), "text");
    }

    #[tokio::test]
    async fn if_the_making_request_is_cancelled_a_waiting_one_makes_the_body() {
        let (bodies, key) = (bodies(1), some_key());
        let waiting = async {
            let (first, second) = (bodies.clone(), bodies.clone());
            let (first_key, second_key) = (key.clone(), key.clone());
            let first =
                spawn_local(
                    async move { first.get_or_make(first_key, std::future::pending()).await },
                );
            yield_now().await;
            let second = spawn_local(async move { made_at_once(&second, &second_key).await });
            yield_now().await;
            first.abort();
            assert_eq!(second.await.unwrap().unwrap(), "text");
        };
        LocalSet::new().run_until(waiting).await;
    }

    #[tokio::test]
    async fn each_part_of_the_key_matters() {
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
