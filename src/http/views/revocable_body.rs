//! A download that ends when its viewer loses access (docs/API.md 3, "Narrowing is strict").

use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{http::error::ApiError, sharing::ArtifactBytes};

/// How often access is checked; with the check itself that stays within one second.
const CHECK_INTERVAL: Duration = Duration::from_millis(400);

/// Passes the bytes on while `check_access`, which is called at every tick, succeeds. No byte
/// passes during a check or after a failed one: then the body ends in an error, so that the client
/// sees that the rest is missing. After a pause of the source or of the client, the check that is
/// due comes before the next bytes.
pub fn watched<F>(
    bytes: ArtifactBytes,
    check_access: impl FnMut() -> F + 'static,
) -> impl Stream<Item = Result<Bytes, ApiError>>
where
    F: Future<Output = Result<(), ApiError>>,
{
    let mut ticks = interval_at(Instant::now() + CHECK_INTERVAL, CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(Some((bytes, check_access, ticks)), |state| async move {
        let (mut bytes, mut check_access, mut ticks) = state?;
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    if let Err(error) = check_access().await {
                        tracing::debug!(%error, "a download was cut off");
                        return Some((Err(error), None));
                    }
                }
                chunk = bytes.next() => return match chunk? {
                    Ok(chunk) => Some((Ok(chunk), Some((bytes, check_access, ticks)))),
                    Err(error) => {
                        // The response has begun: its error cannot tell the cause.
                        tracing::warn!(%error, "a download broke off");
                        Some((Err(error.into()), None))
                    }
                },
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::http::error::ErrorType;

    fn switch() -> (Arc<AtomicBool>, impl FnMut() -> std::future::Ready<Result<(), ApiError>>) {
        let allowed = Arc::new(AtomicBool::new(true));
        let asked = allowed.clone();
        let check_access = move || {
            let allowed = asked.load(Ordering::SeqCst);
            std::future::ready(if allowed { Ok(()) } else { Err(ErrorType::NotFound.into()) })
        };
        (allowed, check_access)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_source_is_cut_off_within_a_second() {
        let (allowed, check_access) = switch();
        let mut body = std::pin::pin!(watched(stream::pending().boxed(), check_access));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            allowed.store(false, Ordering::SeqCst);
        });
        let started = Instant::now();
        assert!(body.next().await.unwrap().is_err());
        let took = started.elapsed();
        assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(6), "{took:?}");
        assert!(body.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn no_bytes_after_a_pause_without_access() {
        let (allowed, check_access) = switch();
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"x"))).boxed();
        let mut body = std::pin::pin!(watched(endless, check_access));
        assert!(body.next().await.unwrap().is_ok());
        allowed.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(body.next().await.unwrap().is_err());
    }
}
