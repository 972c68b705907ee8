//! A query for many views: who is part of it, and how long anybody waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{sync::oneshot, time::advance};

use super::*;

const MOST: Duration = Duration::from_secs(2);

type Found = Result<Vec<(String, u32)>, StoreError>;

/// A query that finds all it is asked for, each row with the number of the query, and waits to be
/// let go.
fn query(
    number: u32,
    go: oneshot::Receiver<()>,
    asked: Arc<AtomicUsize>,
) -> impl FnOnce(Vec<String>, Instant) -> BoxFuture<'static, Found> {
    move |keys, _| {
        asked.fetch_add(1, Ordering::SeqCst);
        async move {
            go.await.map_err(StoreError::unavailable)?;
            Ok(keys.into_iter().map(|key| (key, number)).collect())
        }
        .boxed()
    }
}

/// Polls it, and once more after its turn of waiting for others.
fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    future.now_or_never().or_else(|| future.now_or_never())
}

/// The same on a runtime, where that turn is the thread's.
async fn soon<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    let at_once = future.now_or_never();
    yield_now().await;
    at_once.or_else(|| future.now_or_never())
}

#[test]
fn who_comes_while_a_query_is_under_way_is_answered_by_the_next_one() {
    let batcher = Batcher::new(MOST);
    let asked = Arc::new(AtomicUsize::new(0));
    let (let_first_go, first_may) = oneshot::channel();
    let (let_second_go, second_may) = oneshot::channel();
    let mut first = batcher.join("a".to_owned(), query(1, first_may, asked.clone())).unwrap();
    assert!(poll(&mut first).is_none());
    let mut second = batcher.join("a".to_owned(), query(2, second_may, asked.clone())).unwrap();
    let (_, never) = oneshot::channel();
    let mut third = batcher.join("b".to_owned(), query(3, never, asked.clone())).unwrap();
    assert!(poll(&mut second).is_none());
    assert!(poll(&mut third).is_none());
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the second waits for the first");

    let_first_go.send(()).unwrap();
    assert_eq!(poll(&mut first).unwrap().unwrap()["a"], 1);
    assert!(poll(&mut third).is_none());
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one query for both who waited");
    let_second_go.send(()).unwrap();
    let rows = poll(&mut second).unwrap().unwrap();
    assert_eq!((rows["a"], rows["b"]), (2, 2));
    assert_eq!(poll(&mut third).unwrap().unwrap()["b"], 2);
}

#[test]
fn all_whose_requests_are_at_hand_are_one_query() {
    let batcher = Batcher::new(MOST);
    let asked = Arc::new(AtomicUsize::new(0));
    let (let_go, may) = oneshot::channel();
    let mut first = batcher.join("a".to_owned(), query(1, may, asked.clone())).unwrap();
    assert!((&mut first).now_or_never().is_none());
    assert_eq!(asked.load(Ordering::SeqCst), 0, "the others of this turn may ask as well");
    let (_, never) = oneshot::channel();
    let mut second = batcher.join("b".to_owned(), query(2, never, asked.clone())).unwrap();
    assert!(poll(&mut second).is_none());
    let_go.send(()).unwrap();
    assert_eq!(poll(&mut first).unwrap().unwrap()["b"], 1);
    assert_eq!(poll(&mut second).unwrap().unwrap()["b"], 1);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// So many who ask at the same moment, each in a task of its own. Gives back how many each query was for.
async fn asked_at_once(batcher: Arc<Batcher<u32>>, count: u32) -> Vec<usize> {
    let queries = Arc::new(Mutex::new(Vec::new()));
    let asking: Vec<_> = (0..count)
        .map(|number| {
            let (batcher, queries) = (batcher.clone(), queries.clone());
            tokio::spawn(async move {
                let query = async move |keys: Vec<String>, _| {
                    lock(&queries).push(keys.len());
                    yield_now().await;
                    Ok(keys.into_iter().map(|key| (key, 1)).collect())
                };
                batcher.ask(number.to_string(), query).await
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap(), Some(1));
    }
    Arc::into_inner(queries).unwrap().into_inner().unwrap()
}

#[tokio::test]
async fn all_whose_tasks_are_ready_are_one_query() {
    let batcher = Arc::new(Batcher::new(MOST));
    assert_eq!(asked_at_once(batcher.clone(), 5).await, [5]);
    // tokio looks up after 61 tasks.
    assert_eq!(asked_at_once(batcher, 60).await, [60]);
}

#[test]
fn whoever_goes_away_leaves_the_others_their_answer() {
    let batcher = Batcher::new(MOST);
    let asked = Arc::new(AtomicUsize::new(0));
    let (let_go, may) = oneshot::channel();
    let mut leaving = batcher.join("a".to_owned(), query(1, may, asked.clone())).unwrap();
    assert!(poll(&mut leaving).is_none());
    let (let_next_go, next_may) = oneshot::channel();
    let mut staying = batcher.join("a".to_owned(), query(2, next_may, asked.clone())).unwrap();
    assert!(poll(&mut staying).is_none());
    drop(leaving);
    let_go.send(()).unwrap();
    let_next_go.send(()).unwrap();
    assert_eq!(poll(&mut staying).unwrap().unwrap()["a"], 2);
}

/// A query that holds the lock for as long as it lasts.
fn holding(
    lock: &Arc<tokio::sync::Mutex<()>>,
) -> impl FnOnce(Vec<String>, Instant) -> BoxFuture<'static, Found> + use<> {
    let lock = lock.clone();
    move |_, _| {
        async move {
            let _held = lock.lock().await;
            std::future::pending().await
        }
        .boxed()
    }
}

#[test]
fn what_a_query_held_is_free_when_all_who_waited_for_it_have_left() {
    let batcher = Batcher::<u32>::new(MOST);
    let lock = Arc::default();
    let mut first = batcher.join("a".to_owned(), holding(&lock)).unwrap();
    let mut second = batcher.join("b".to_owned(), holding(&lock)).unwrap();
    assert!(poll(&mut first).is_none());
    assert!(poll(&mut second).is_none());
    // One came too late for that query, and waits for it.
    let mut third = batcher.join("c".to_owned(), holding(&lock)).unwrap();
    assert!(poll(&mut third).is_none());
    drop((first, second));
    assert!(lock.try_lock().is_err(), "the third drives it on");
    drop(third);
    assert!(lock.try_lock().is_ok());
}

#[test]
fn a_query_that_panics_is_a_failure_and_the_next_one_is_asked() {
    let batcher = Batcher::new(MOST);
    let broken = |_, _| async { panic!("a defect") };
    let mut first = batcher.join("a".to_owned(), broken).unwrap();
    let found: Rows<u32> = poll(&mut first).unwrap();
    assert!(matches!(found, Err(StoreError::Failed(_))));
    let (let_go, may) = oneshot::channel();
    let mut next = batcher.join("a".to_owned(), query(2, may, Arc::default())).unwrap();
    let_go.send(()).unwrap();
    assert_eq!(poll(&mut next).unwrap().unwrap()["a"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_query_is_told_since_when_somebody_waits_for_it() {
    let batcher = Batcher::new(MOST);
    let (_first, let_go) = under_way(&batcher, Duration::ZERO).await;
    let came = Instant::now();
    let (told, since) = oneshot::channel();
    let query = move |_, since| {
        told.send(since).unwrap();
        std::future::pending::<Found>()
    };
    let mut next = batcher.join("b".to_owned(), query).unwrap();
    advance(MOST / 2).await;
    let later = |_, _| std::future::pending::<Found>();
    let _other = batcher.join("c".to_owned(), later).unwrap();
    advance(MOST).await;
    let_go.send(()).unwrap();
    soon(&mut next).await;
    assert_eq!(since.await.unwrap(), came);
}

#[test]
fn a_failure_is_told_to_all_who_waited_and_to_nobody_later() {
    let batcher = Batcher::new(MOST);
    let asked = Arc::new(AtomicUsize::new(0));
    let (abandon, may) = oneshot::channel();
    let mut first = batcher.join("a".to_owned(), query(1, may, asked.clone())).unwrap();
    let mut second =
        batcher.join("b".to_owned(), query(2, oneshot::channel().1, asked.clone())).unwrap();
    assert!(poll(&mut first).is_none());
    drop(abandon);
    assert!(matches!(poll(&mut first), Some(Err(StoreError::Unavailable(_)))));
    assert!(matches!(poll(&mut second), Some(Err(StoreError::Unavailable(_)))));
    let (let_go, may) = oneshot::channel();
    let mut later = batcher.join("a".to_owned(), query(3, may, asked)).unwrap();
    let_go.send(()).unwrap();
    assert_eq!(poll(&mut later).unwrap().unwrap()["a"], 3);
}

/// Those who are let in at once while a query is under way, of so many.
fn let_in(batcher: &Batcher<u32>, of: usize) -> Vec<Asking<u32>> {
    let asked = Arc::new(AtomicUsize::new(0));
    let came = (0..of).map(|number| {
        let never = oneshot::channel().1;
        batcher.join(number.to_string(), query(9, never, asked.clone())).ok()
    });
    came.flatten().collect()
}

/// A query that is under way for so long, and what lets it go.
async fn under_way(batcher: &Batcher<u32>, took: Duration) -> (Asking<u32>, oneshot::Sender<()>) {
    let (let_go, may) = oneshot::channel();
    let asked = Arc::new(AtomicUsize::new(0));
    let mut rows = batcher.join("a".to_owned(), query(1, may, asked)).unwrap();
    assert!(soon(&mut rows).await.is_none());
    advance(took).await;
    (rows, let_go)
}

#[tokio::test(start_paused = true)]
async fn while_a_query_takes_too_long_a_few_wait_for_the_next_and_the_others_are_told() {
    let batcher = Batcher::new(MOST);
    let (mut first, let_go) = under_way(&batcher, MOST).await;
    let waiting = let_in(&batcher, 1000);
    assert_eq!(waiting.len(), 1000);
    advance(Duration::from_millis(1)).await;
    assert_eq!(let_in(&batcher, 1000).len(), 0);
    let_go.send(()).unwrap();
    assert!(soon(&mut first).await.is_some());
    assert_eq!(let_in(&batcher, 1000).len(), 1000, "it is over");
    drop(waiting);

    let batcher = Batcher::new(MOST);
    let (_first, _let_go) = under_way(&batcher, 2 * MOST).await;
    assert_eq!(let_in(&batcher, 1000).len(), WAIT_ANYWAY);
}

#[tokio::test(start_paused = true)]
async fn where_queries_always_take_long_less_is_too_long_until_one_does_not() {
    let batcher = Batcher::new(MOST);
    let few = Duration::from_millis(150);
    for _ in 0..20 {
        let (mut rows, let_go) = under_way(&batcher, few).await;
        let_go.send(()).unwrap();
        assert!(soon(&mut rows).await.is_some());
    }
    let (mut rows, let_go) = under_way(&batcher, few).await;
    assert_eq!(let_in(&batcher, 1000).len(), WAIT_ANYWAY);
    let_go.send(()).unwrap();
    assert!(soon(&mut rows).await.is_some());
    let (mut rows, let_go) = under_way(&batcher, Duration::ZERO).await;
    let_go.send(()).unwrap();
    assert!(soon(&mut rows).await.is_some());
    let (_rows, _let_go) = under_way(&batcher, few).await;
    assert_eq!(let_in(&batcher, 1000).len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_given_up_is_under_way_no_more() {
    let batcher = Batcher::new(MOST);
    let (first, _let_go) = under_way(&batcher, 2 * MOST).await;
    drop(first);
    assert_eq!(let_in(&batcher, 1000).len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn one_slow_query_of_long_ago_does_not_make_the_next_one_too_slow() {
    let batcher = Batcher::new(MOST);
    let few = Duration::from_millis(150);
    let (mut rows, let_go) = under_way(&batcher, few).await;
    let_go.send(()).unwrap();
    assert!(soon(&mut rows).await.is_some());
    advance(100 * MOST).await;
    let (_rows, _let_go) = under_way(&batcher, few).await;
    assert_eq!(let_in(&batcher, 1000).len(), 1000);
}
