//! What other threads finish for the tasks of a worker.
//!
//! A worker is one thread with a scheduler of its own. Tasks that it wakes itself stand in its own queue;
//! those that another thread wakes (a blocking thread that read from the database, say) stand in a
//! second one, from which tokio takes one in 31 turns for as long as the first is not empty
//! (`global_queue_interval` of the current-thread scheduler, which the server does not let anybody
//! set). When there is too much to do it is never empty: requests that were taken on, and whose
//! answers are there, would wait longest of all.
//!
//! So on a thread with a relay what others finish wakes one task, and that wakes all whose it is, by
//! the worker's own queue.

use std::{
    cell::RefCell,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, ThreadId},
};

use futures_util::{future::poll_fn, task::AtomicWaker};
use tokio::task::{JoinError, spawn_blocking};

thread_local!(static RELAY: RefCell<Option<Arc<Relay>>> = const { RefCell::new(None) });

/// What joins a thread's tasks and those who wake them from elsewhere.
struct Relay {
    thread: ThreadId,
    /// The tasks to wake; `None` when nobody does so any more.
    woken: Mutex<Option<Vec<Waker>>>,
    runner: AtomicWaker,
}

/// The task that wakes the others; it never ends by itself.
#[must_use = "it has to be spawned on the thread that it is for"]
pub struct Runner(Arc<Relay>);

/// Gives this thread a relay.
pub fn begin() -> Runner {
    let relay = Arc::new(Relay {
        thread: thread::current().id(),
        woken: Mutex::new(Some(Vec::new())),
        runner: AtomicWaker::new(),
    });
    RELAY.set(Some(relay.clone()));
    Runner(relay)
}

impl Future for Runner {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // First, so that whatever is woken from here on wakes this again.
        self.0.runner.register(cx.waker());
        self.0.pass_on(Some(Vec::new()));
        Poll::Pending
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.0.pass_on(None);
    }
}

impl Relay {
    /// Wakes all who are to be woken, and leaves `next` in their place.
    fn pass_on(&self, next: Option<Vec<Waker>>) {
        let woken = {
            let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *woken, next)
        };
        woken.into_iter().flatten().for_each(Waker::wake);
    }

    fn wake(&self, task: &Waker) {
        if thread::current().id() == self.thread {
            return task.wake_by_ref();
        }
        let is_first = {
            let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(woken) = &mut *woken else { return task.wake_by_ref() };
            woken.push(task.clone());
            woken.len() == 1
        };
        if is_first {
            self.runner.wake();
        }
    }
}

/// A task, for those who wake it from elsewhere.
struct Afar {
    relay: Arc<Relay>,
    task: Waker,
}

impl Wake for Afar {
    fn wake(self: Arc<Self>) {
        self.relay.wake(&self.task);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.relay.wake(&self.task);
    }
}

/// Waits for what another thread finishes. On a thread without a relay it is the same as waiting for
/// it without this.
pub async fn from_afar<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    // Made when the task is first polled, and anew when it is polled as another one.
    let mut known: Option<(Waker, Waker)> = None;
    poll_fn(|cx| {
        let Some(relay) = RELAY.with_borrow(Clone::clone) else { return future.as_mut().poll(cx) };
        if !known.as_ref().is_some_and(|(task, _)| task.will_wake(cx.waker())) {
            let task = cx.waker().clone();
            known = Some((task.clone(), Waker::from(Arc::new(Afar { relay, task }))));
        }
        let waker = known.as_ref().map_or(cx.waker(), |(_, waker)| waker);
        future.as_mut().poll(&mut Context::from_waker(waker))
    })
    .await
}

/// Does blocking work on a thread for such, and waits for it.
pub fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, JoinError>> {
    from_afar(spawn_blocking(work))
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc, time::Duration};

    use tokio::{
        runtime::{Builder, LocalOptions},
        sync::oneshot,
        task::spawn_local,
    };

    use super::*;

    /// A worker's runtime, as the server makes it.
    fn on_a_worker<T>(work: impl Future<Output = T>) -> T {
        let worker =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        worker.unwrap().block_on(work)
    }

    /// Turns that the worker took until each of a hundred tasks had what another thread gave them all at
    /// once, while it had ten others to do at any time.
    async fn turns_until_all_have_theirs() -> u32 {
        let turns = Rc::new(Cell::new(0));
        for _ in 0..10 {
            let turns = turns.clone();
            spawn_local(poll_fn::<(), _>(move |cx| {
                turns.set(turns.get() + 1);
                cx.waker().wake_by_ref();
                Poll::Pending
            }));
        }
        let (give, given): (Vec<_>, Vec<_>) = (0..100).map(|_| oneshot::channel()).unzip();
        let tasks: Vec<_> = given.into_iter().map(|given| spawn_local(from_afar(given))).collect();
        // They have begun to wait.
        tokio::time::sleep(Duration::from_millis(20)).await;
        // The worker's own thread does nothing until all is given.
        thread::spawn(move || give.into_iter().for_each(|give| give.send(()).unwrap()))
            .join()
            .unwrap();
        let before = turns.get();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        turns.get() - before
    }

    #[test]
    fn what_other_threads_finish_is_taken_up_at_once_however_much_there_is_to_do() {
        let without = on_a_worker(turns_until_all_have_theirs());
        assert!(without > 2000, "the scheduler takes them up by itself: {without}");
        let with = on_a_worker(async {
            spawn_local(begin());
            turns_until_all_have_theirs().await
        });
        assert!(with < 200, "{with}");
    }

    #[test]
    fn when_the_relay_is_over_tasks_are_woken_all_the_same() {
        on_a_worker(async {
            let runner = begin();
            let (give, given) = oneshot::channel();
            let task = spawn_local(from_afar(given));
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (give_first, given_first) = oneshot::channel();
            let first = spawn_local(from_afar(given_first));
            tokio::time::sleep(Duration::from_millis(20)).await;
            thread::spawn(move || give_first.send(()).unwrap()).join().unwrap();
            drop(runner);
            first.await.unwrap().unwrap();
            thread::spawn(move || give.send(()).unwrap()).join().unwrap();
            task.await.unwrap().unwrap();
        });
    }

    #[test]
    fn a_thread_without_one_waits_as_ever() {
        on_a_worker(async {
            let (give, given) = oneshot::channel();
            thread::spawn(move || give.send(7).unwrap());
            assert_eq!(from_afar(given).await, Ok(7));
        });
    }
}
