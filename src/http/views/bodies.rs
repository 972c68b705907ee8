//! The cache of the views' bodies. An entry says of which version of the link it is, so a cached
//! body is never stale. Every view is authorized by what it reads from the database.

use std::time::Duration;

use actix_web::web::Bytes;
use moka::future::Cache;

use crate::{
    http::{error::ApiError, views::representation::Representation},
    limit::Limiter,
    model::ShareId,
    sharing::{ContentHash, SharingError},
    telemetry::{self, Cache as Cached},
};

pub type Key = (ShareId, Representation);

/// What a body depends on beside its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The link's.
    pub revision: i64,
    /// The revision of the policy.
    pub policy: i64,
    /// Of a live chat.
    pub hash: Option<ContentHash>,
}

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
    cache: Cache<Key, Made>,
    /// Bounds how many bodies and QR codes are made on blocking threads at the same time.
    pub makers: Limiter,
}

#[derive(Clone)]
struct Made {
    version: Version,
    /// An error is for the requests that waited for it, not for later ones.
    body: Result<Bytes, MakeError>,
}

impl Bodies {
    /// Keeps at most `capacity` bytes. A request that waits longer than `queue_timeout` for a
    /// permit to make its body is refused.
    pub fn new(capacity: u64, queue_timeout: Duration) -> Self {
        let makers = std::thread::available_parallelism().map_or(2, |cores| 2 * cores.get());
        Self::with_makers(makers, capacity, queue_timeout)
    }

    fn with_makers(makers: usize, capacity: u64, queue_timeout: Duration) -> Self {
        let bytes = |made: &Made| made.body.as_ref().map_or(0, Bytes::len) + ENTRY_BYTES;
        let cache = Cache::builder()
            .max_capacity(capacity)
            .time_to_idle(TIME_TO_IDLE)
            .weigher(move |_, made| u32::try_from(bytes(made)).unwrap_or(u32::MAX))
            .build();
        Self { cache, makers: Limiter::new(makers, queue_timeout) }
    }

    /// The cached body, and of which version it is.
    pub async fn get(&self, key: &Key) -> Option<(Version, Bytes)> {
        let made = self.cache.get(key).await.and_then(|made| Some((made.version, made.body.ok()?)));
        telemetry::cache_asked(Cached::Views, made.is_some());
        made
    }

    pub async fn insert(&self, key: Key, version: Version, body: Bytes) {
        self.cache.insert(key, Made { version, body: Ok(body) }).await;
    }

    /// The cached body of this version, or the one that `make` makes. An error of `make` is given
    /// to all requests that wait for it; later requests try again.
    pub async fn get_or_make(
        &self,
        key: Key,
        version: Version,
        make: impl Future<Output = Result<Bytes, MakeError>>,
    ) -> Result<Bytes, MakeError> {
        let of_this_version = version.clone();
        let make = async { Made { version: of_this_version, body: make.await } };
        let is_of_no_use = |made: &Made| made.version != version || made.body.is_err();
        let made = self.cache.entry(key).or_insert_with_if(make, is_of_no_use).await.into_value();
        // It may be the one that another request was making.
        if made.version == version { made.body } else { Err(MakeError::LinkChanged) }
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
        (ShareId::random(), Representation { format: Format::Json, coding: Coding::Identity })
    }

    fn version() -> Version {
        Version { revision: 1, policy: 0, hash: None }
    }

    async fn made_at_once(bodies: &Bodies, key: &Key) -> Result<Bytes, MakeError> {
        bodies.get_or_make(key.clone(), version(), async { Ok(Bytes::from_static(b"text")) }).await
    }

    #[tokio::test]
    async fn concurrent_requests_for_a_body_make_it_once() {
        let (bodies, key, made) = (bodies(1), some_key(), AtomicUsize::new(0));
        let asking = (0..10).map(|_| {
            bodies.get_or_make(key.clone(), version(), async {
                made.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
                Ok(Bytes::from_static(b"body"))
            })
        });
        let found = join_all(asking).await;
        assert!(found.into_iter().all(|body| body.unwrap() == "body"));
        assert_eq!(made.into_inner(), 1);
        assert_eq!(bodies.get(&key).await.unwrap().1, "body");
    }

    #[tokio::test]
    async fn an_error_is_given_to_all_waiting_requests_and_the_next_one_tries_again() {
        let (bodies, key) = (bodies(1), some_key());
        let failing = async {
            yield_now().await;
            Err(MakeError::LinkChanged)
        };
        let first = bodies.get_or_make(key.clone(), version(), failing);
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
            let first = spawn_local(async move {
                first.get_or_make(first_key, version(), std::future::pending()).await
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
    async fn a_body_of_another_key_or_version_is_not_given() {
        let (bodies, key) = (bodies(1), some_key());
        made_at_once(&bodies, &key).await.unwrap();
        let page = Representation { format: Format::Page, ..key.1 };
        for other in [(ShareId::random(), key.1), (key.0.clone(), page)] {
            assert!(bodies.get(&other).await.is_none(), "{other:?}");
        }
        for version in [
            Version { revision: 2, policy: 0, hash: None },
            Version { revision: 2, policy: 0, hash: Some(ContentHash::from("hash")) },
        ] {
            let new = async { Ok(Bytes::from_static(b"new")) };
            let body = bodies.get_or_make(key.clone(), version.clone(), new).await.unwrap();
            assert_eq!(body, "new", "{version:?}");
            assert_eq!(bodies.get(&key).await.unwrap().0, version);
        }
    }

    #[tokio::test]
    async fn a_request_that_waits_for_a_body_of_another_version_reads_the_link_again() {
        let (bodies, key) = (bodies(1), some_key());
        let other = async {
            yield_now().await;
            Ok(Bytes::from_static(b"new"))
        };
        let other =
            bodies.get_or_make(key.clone(), Version { revision: 2, policy: 0, hash: None }, other);
        let (other, this) = tokio::join!(other, made_at_once(&bodies, &key));
        assert_eq!(other.unwrap(), "new");
        assert!(matches!(this, Err(MakeError::LinkChanged)));
        assert_eq!(made_at_once(&bodies, &key).await.unwrap(), "text");
    }
}
