//! A download that ends when the right to it does (docs/API.md 3, "Narrowing is strict").

use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{
    http::error::ApiError,
    sharing::{ArtifactBytes, SharingError},
};

/// How often the right is looked at; with the look itself that stays within the second.
const EVERY: Duration = Duration::from_millis(400);

/// Passes the bytes on while `may_go_on`, which is asked at every tick, says so. No byte passes
/// while it is being asked, and none after it said no: then the body ends in an error, so that the
/// client sees that the rest is missing. Whether the source or the client is slow does not matter:
/// the tick that fell into a pause comes before the next bytes.
pub fn watched<F>(
    bytes: ArtifactBytes,
    may_go_on: impl FnMut() -> F + 'static,
) -> impl Stream<Item = Result<Bytes, ApiError>>
where
    F: Future<Output = Result<(), ApiError>>,
{
    let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(Some((bytes, may_go_on, ticks)), |state| async move {
        let (mut bytes, mut may_go_on, mut ticks) = state?;
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    if let Err(error) = may_go_on().await {
                        tracing::debug!(%error, "a download ended before its time");
                        return Some((Err(error), None));
                    }
                }
                chunk = bytes.next() => return match chunk? {
                    Ok(chunk) => Some((Ok(chunk), Some((bytes, may_go_on, ticks)))),
                    Err(error) => {
                        log(&error);
                        Some((Err(error.into()), None))
                    }
                },
            }
        }
    })
}

/// The response has begun, so this is the one place where the cause can be told.
fn log(error: &SharingError) {
    tracing::warn!(%error, "a download broke off");
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
        let may_go_on = move || {
            let allowed = asked.load(Ordering::SeqCst);
            std::future::ready(if allowed { Ok(()) } else { Err(ErrorType::NotFound.into()) })
        };
        (allowed, may_go_on)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_source_is_cut_within_a_second() {
        let (allowed, may_go_on) = switch();
        let mut body = std::pin::pin!(watched(stream::pending().boxed(), may_go_on));
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
    async fn a_client_that_paused_gets_nothing_more() {
        let (allowed, may_go_on) = switch();
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"x"))).boxed();
        let mut body = std::pin::pin!(watched(endless, may_go_on));
        assert!(body.next().await.unwrap().is_ok());
        allowed.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(body.next().await.unwrap().is_err());
    }
}
