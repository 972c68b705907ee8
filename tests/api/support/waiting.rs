//! Waiting for what happens inside of the service.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Waits until the condition holds. After 20 seconds the test fails.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < until, "never came true: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Time for what was sent to get to where it waits inside of the service, or for something that
/// must not happen to happen: nothing outside shows either. When this is too short, the test proves
/// less; it does not fail.
pub async fn a_moment() {
    sleep(Duration::from_millis(300)).await;
}
