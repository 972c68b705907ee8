//! Which lookups share a query, and what happens to it when some of them are cancelled.

use futures_util::future::join_all;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::store::batcher::*;

type TestRows = Result<Vec<(String, u32)>, StoreError>;

/// A query that finds every key once `go_on` allows it. Each row is the number of the query.
fn query(
    number: u32,
    go_on: oneshot::Receiver<()>,
) -> impl FnOnce(Vec<String>) -> BoxFuture<'static, TestRows> {
    move |keys| {
        async move {
            go_on.await.map_err(StoreError::unavailable)?;
            Ok(keys.into_iter().map(|key| (key, number)).collect())
        }
        .boxed()
    }
}

/// Polls it twice: the query begins after the first turn.
fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    future.now_or_never().or_else(|| future.now_or_never())
}

#[test]
fn a_lookup_after_the_query_began_starts_a_new_query() {
    let batcher = Batcher::default();
    let (first_goes_on, first_may) = oneshot::channel();
    let (second_goes_on, second_may) = oneshot::channel();
    let mut first = batcher.join("a".to_owned(), query(1, first_may));
    assert!(poll(&mut first).is_none());
    let mut second = batcher.join("a".to_owned(), query(2, second_may));
    assert!(poll(&mut second).is_none());
    first_goes_on.send(()).unwrap();
    second_goes_on.send(()).unwrap();
    assert_eq!(poll(&mut first).unwrap().unwrap()["a"], 1);
    assert_eq!(poll(&mut second).unwrap().unwrap()["a"], 2);
}

/// Looks up `count` keys in separate tasks. Returns how many keys each query had.
async fn batches(batcher: Arc<Batcher<u32>>, count: u32) -> Vec<usize> {
    let queries = Arc::new(Mutex::new(Vec::new()));
    let lookups = (0..count).map(|number| {
        let (batcher, queries) = (batcher.clone(), queries.clone());
        tokio::spawn(async move {
            let query = async move |keys: Vec<String>| {
                queries.lock().push(keys.len());
                yield_now().await;
                Ok(keys.into_iter().map(|key| (key, 1)).collect())
            };
            batcher.get(number.to_string(), query).await
        })
    });
    let lookups: Vec<_> = lookups.collect();
    for lookup in join_all(lookups).await {
        assert_eq!(lookup.unwrap().unwrap(), Some(1));
    }
    Arc::into_inner(queries).unwrap().into_inner()
}

#[tokio::test]
async fn lookups_of_one_turn_share_a_query() {
    let batcher = Arc::new(Batcher::default());
    assert_eq!(batches(batcher.clone(), 5).await, [5]);
    // tokio polls timers and sockets after 61 tasks.
    assert_eq!(batches(batcher, 60).await, [60]);
}

#[test]
fn a_query_continues_when_one_of_its_lookups_is_cancelled() {
    let batcher = Batcher::default();
    let (goes_on, may) = oneshot::channel();
    let mut cancelled = batcher.join("a".to_owned(), query(1, may));
    assert!((&mut cancelled).now_or_never().is_none());
    let mut other = batcher.join("b".to_owned(), query(2, oneshot::channel().1));
    assert!(poll(&mut cancelled).is_none());
    drop(cancelled);
    goes_on.send(()).unwrap();
    assert_eq!(poll(&mut other).unwrap().unwrap()["b"], 1);
}

#[test]
fn a_query_is_dropped_with_its_last_lookup() {
    let batcher = Batcher::<u32>::default();
    let mutex = Arc::new(AsyncMutex::new(()));
    let locked = mutex.clone();
    let locking = move |_| {
        async move {
            let _guard = locked.lock().await;
            std::future::pending::<TestRows>().await
        }
        .boxed()
    };
    let mut first = batcher.join("a".to_owned(), locking);
    let second = batcher.join("b".to_owned(), |_| std::future::pending::<TestRows>());
    assert!(poll(&mut first).is_none());
    drop(first);
    assert!(mutex.try_lock().is_err(), "the second lookup still waits");
    drop(second);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_failure_reaches_its_own_batch_only() {
    let batcher = Batcher::default();
    let (fails, may) = oneshot::channel();
    let mut first = batcher.join("a".to_owned(), query(1, may));
    let mut second = batcher.join("b".to_owned(), query(2, oneshot::channel().1));
    assert!(poll(&mut first).is_none());
    drop(fails);
    assert!(matches!(poll(&mut first), Some(Err(StoreError::Unavailable(_)))));
    assert!(matches!(poll(&mut second), Some(Err(StoreError::Unavailable(_)))));
    let (goes_on, may) = oneshot::channel();
    let mut later = batcher.join("a".to_owned(), query(3, may));
    goes_on.send(()).unwrap();
    assert_eq!(poll(&mut later).unwrap().unwrap()["a"], 3);
}

#[tokio::test]
async fn a_panic_in_a_query_does_not_stop_the_next_one() {
    let batcher = Arc::new(Batcher::<u32>::default());
    let panicking = batcher.clone();
    let panicked = tokio::spawn(async move {
        panicking.get("a".to_owned(), |_| async { panic!("a defect") }).await
    });
    assert!(panicked.await.is_err());
    assert_eq!(batches(batcher, 1).await, [1]);
}
