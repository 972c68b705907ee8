//! Bodies that many ask for: made once, whoever leaves and whatever fails.

use std::{cell::Cell, rc::Rc};

use actix_web::rt::task::{JoinHandle, yield_now};
use futures_util::{FutureExt, future::join_all};
use tokio::{sync::oneshot, task::LocalSet, time::Instant};

use super::*;
use crate::http::{coding::Coding, representation::Medium};

const MOST: Duration = Duration::from_millis(50);

fn bodies(makers: usize) -> Bodies {
    Bodies::with_makers(makers, 1024 * 1024, MOST)
}

fn some_key() -> Key {
    let variant = Variant { medium: Medium::Json, coding: Coding::Identity };
    (ShareId::random(), 1, None, variant)
}

/// What is made when it is let go; how often that was begun.
fn made_when(
    let_go: oneshot::Receiver<Result<Bytes, NotMade>>,
    begun: &Rc<Cell<u32>>,
) -> impl FnOnce() -> futures_util::future::LocalBoxFuture<'static, Result<Bytes, NotMade>> + use<>
{
    let begun = begun.clone();
    move || {
        begun.set(begun.get() + 1);
        async move { let_go.await.unwrap() }.boxed_local()
    }
}

async fn at_once(bodies: &Bodies, key: &Key) -> Result<Bytes, NotMade> {
    bodies.get_or_make(key.clone(), || async { Ok(Bytes::from_static(b"text")) }).await
}

fn kept(bodies: &Bodies, (id, revision, known_by, variant): &Key) -> Option<Bytes> {
    bodies.get(id, *revision, known_by.as_ref(), *variant)
}

/// Somebody who asks, and waits by now.
async fn asking<F>(
    bodies: &Bodies,
    key: &Key,
    make: impl FnOnce() -> F + 'static,
) -> JoinHandle<Result<Bytes, NotMade>>
where
    F: Future<Output = Result<Bytes, NotMade>> + 'static,
{
    let (bodies, key) = (bodies.clone(), key.clone());
    let asking = actix_web::rt::spawn(async move { bodies.get_or_make(key, make).await });
    for _ in 0..5 {
        yield_now().await;
    }
    asking
}

async fn leave(asking: JoinHandle<Result<Bytes, NotMade>>) {
    asking.abort();
    assert!(asking.await.is_err());
}

#[actix_web::test]
async fn however_many_ask_it_is_made_and_held_once() {
    let (bodies, key, begun) = (bodies(1), some_key(), Rc::default());
    let (let_go, may) = oneshot::channel();
    let first = bodies.get_or_make(key.clone(), made_when(may, &begun));
    let others = join_all((0..10).map(|_| at_once(&bodies, &key)));
    let send = async { let_go.send(Ok(Bytes::from_static(b"body"))).unwrap() };
    let (first, others, ()) = tokio::join!(first, others, send);
    let first = first.unwrap();
    assert_eq!(first, "body");
    assert!(others.into_iter().all(|other| other.unwrap().as_ptr() == first.as_ptr()));
    assert_eq!(kept(&bodies, &key).unwrap().as_ptr(), first.as_ptr());
    assert_eq!(begun.get(), 1);
}

#[actix_web::test]
async fn a_failure_is_told_to_all_who_waited_and_the_next_one_tries_again() {
    let (bodies, key, begun) = (bodies(1), some_key(), Rc::default());
    let (let_go, may) = oneshot::channel();
    let first = bodies.get_or_make(key.clone(), made_when(may, &begun));
    let others = join_all((0..10).map(|_| at_once(&bodies, &key)));
    let send = async { let_go.send(Err(NotMade::Moved)).unwrap() };
    let (first, others, ()) = tokio::join!(first, others, send);
    assert!(matches!(first, Err(NotMade::Moved)));
    assert!(others.iter().all(|other| matches!(other, Err(NotMade::Moved))));
    assert_eq!(at_once(&bodies, &key).await.unwrap(), "text");
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_a_turn_in_vain_are_told_so_together() {
    let waiting = async {
        let (bodies, key, begun) = (bodies(1), some_key(), Rc::default());
        let (_let_go, may) = oneshot::channel();
        let _busy = asking(&bodies, &some_key(), made_when(may, &begun)).await;
        let began = Instant::now();
        let all = join_all((0..100).map(|_| at_once(&bodies, &key))).await;
        assert!(all.iter().all(|one| matches!(one, Err(NotMade::Failed(_)))));
        assert!(began.elapsed() < 2 * MOST, "{:?}", began.elapsed());
    };
    LocalSet::new().run_until(waiting).await;
}

#[actix_web::test]
async fn who_goes_away_ends_neither_the_making_nor_its_turn() {
    let (bodies, key, begun) = (bodies(1), some_key(), Rc::default());
    let (let_go, may) = oneshot::channel();
    leave(asking(&bodies, &key, made_when(may, &begun)).await).await;
    let other = at_once(&bodies, &some_key()).await;
    assert!(matches!(other, Err(NotMade::Failed(_))), "it is still being made");
    let_go.send(Ok(Bytes::from_static(b"body"))).unwrap();
    assert_eq!(at_once(&bodies, &key).await.unwrap(), "body");
}

#[actix_web::test]
async fn what_nobody_waits_for_any_more_is_not_made() {
    let (bodies, key, begun) = (bodies(1), some_key(), Rc::default());
    let (let_go, may) = oneshot::channel();
    let busy = asking(&bodies, &some_key(), made_when(may, &begun)).await;
    let (_, never) = oneshot::channel();
    leave(asking(&bodies, &key, made_when(never, &begun)).await).await;
    let_go.send(Ok(Bytes::from_static(b"body"))).unwrap();
    assert_eq!(busy.await.unwrap().unwrap(), "body");
    assert_eq!(at_once(&bodies, &key).await.unwrap(), "text");
    assert_eq!(begun.get(), 1);
}

#[actix_web::test]
async fn a_making_that_panics_is_a_failure_and_the_next_one_is_none() {
    let (bodies, key) = (bodies(1), some_key());
    let broken = bodies.get_or_make(key.clone(), || async { panic!("a defect") }).await;
    assert!(matches!(broken, Err(NotMade::Failed(_))));
    assert_eq!(at_once(&bodies, &key).await.unwrap(), "text");
}

#[actix_web::test]
async fn one_body_is_kept_for_each_representation_and_nothing_else_is_shown_for_it() {
    let (bodies, old) = (bodies(1), some_key());
    let new = (old.0.clone(), old.1, Some(KnownBy::from("hash")), old.3);
    let other = (old.0.clone(), old.1, Some(KnownBy::from("other")), old.3);
    let later = (old.0.clone(), old.1 + 1, new.2.clone(), old.3);
    at_once(&bodies, &old).await.unwrap();
    at_once(&bodies, &new).await.unwrap();
    assert!(kept(&bodies, &new).is_some());
    for key in [&old, &other, &later] {
        assert!(kept(&bodies, key).is_none(), "{key:?}");
    }
    bodies.kept.run_pending_tasks();
    assert_eq!(bodies.kept.entry_count(), 1);
}

#[actix_web::test]
async fn who_waits_for_a_worker_that_ends_has_it_made_anew() {
    let (bodies, key, begun) = (bodies(1), some_key(), Rc::default());
    let (body, attempt) = bodies.in_use(key.clone());
    let (_let_go, may) = oneshot::channel();
    let mut making = Box::pin(attempt.unwrap().make(made_when(may, &begun)));
    assert!((&mut making).now_or_never().is_none());
    drop(making);
    assert!(matches!(body.0.get(), Some(Err(NotMade::Moved))));
    assert_eq!(at_once(&bodies, &key).await.unwrap(), "text");
}
