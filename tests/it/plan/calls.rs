//! Steps that call a function of the test.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use childminder::plan::PlanErrorKind;
use futures_lite::future::yield_now;

use super::harness::{fails, passes, plan, sh, sleeper};
use crate::real::every_runtime;

const SHORT: Duration = Duration::from_millis(50);

every_runtime!(
    pl_19_a_call_returns,
    pl_19_a_call_returns_an_error,
    pl_19_a_call_panics,
    pl_19_20_a_call_never_returns,
    pl_19_a_future_returns,
    pl_19_a_future_returns_an_error,
    pl_19_a_future_panics,
    pl_19_20_a_future_never_ends,
    pl_10_19_an_exit_during_a_call_fails_at_once,
);

/// It is called once per run, on its own thread, where it may block.
async fn pl_19_a_call_returns() {
    let (threads, called) = (Arc::new(Mutex::new(Vec::new())), Arc::default());
    let mut plan = plan("call");
    let sleeper = plan.spawn(sleeper()).unwrap();
    let seen = Arc::clone(&threads);
    plan.call("look who calls", move || seen.lock().unwrap().push(thread::current().id()));
    let count: Arc<AtomicU32> = Arc::clone(&called);
    plan.call("count", move || -> io::Result<()> {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    plan.kill(sleeper, childminder::Signal::TERM).unwrap();
    passes(&plan).await;
    passes(&plan).await;
    assert_eq!(called.load(Ordering::SeqCst), 2);
    assert!(threads.lock().unwrap().iter().all(|id| *id != thread::current().id()));
}

async fn pl_19_a_call_returns_an_error() {
    let mut plan = plan("call-error");
    plan.spawn(sleeper()).unwrap();
    plan.call("look at the door", || Err(io::Error::other("it is shut")));
    let failed = fails(&plan).await;
    assert_eq!((failed.reason().as_str(), failed.step()), ("it is shut", Some(2)));
    let source = std::error::Error::source(&*failed).expect("a source");
    assert!(source.downcast_ref::<io::Error>().is_some());
}

async fn pl_19_a_call_panics() {
    let mut plan = plan("call-panic");
    plan.spawn(sleeper()).unwrap();
    plan.call("count the plates", || assert_eq!(2 + 2, 5, "a plate is missing"));
    let failed = fails(&plan).await;
    let PlanErrorKind::CallPanicked(words) = failed.kind() else { panic!("{}", *failed) };
    assert!(words.contains("a plate is missing"), "{words}");
}

/// The plan does not wait for the thread.
async fn pl_19_20_a_call_never_returns() {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let mut plan = plan("call-block");
    plan.spawn(sleeper()).unwrap();
    plan.call("wait for a word", move || blocked.lock().unwrap().recv()).within(SHORT).unwrap();
    assert_eq!(fails(&plan).await.reason(), "timed out after 50ms");
    drop(release);
}

async fn pl_19_a_future_returns() {
    let called = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&called);
    let mut plan = plan("future");
    plan.call_async("yield", move || {
        let count = Arc::clone(&count);
        async move {
            for _ in 0..10 {
                yield_now().await;
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    passes(&plan).await;
    passes(&plan).await;
    assert_eq!(called.load(Ordering::SeqCst), 2);
}

async fn pl_19_a_future_returns_an_error() {
    let mut plan = plan("future-error");
    plan.spawn(sleeper()).unwrap();
    plan.call_async("look at the door", || async {
        yield_now().await;
        Err("it is shut")
    });
    assert_eq!(fails(&plan).await.reason(), "it is shut");
}

async fn pl_19_a_future_panics() {
    for early in [true, false] {
        let mut plan = plan("future-panic");
        plan.spawn(sleeper()).unwrap();
        plan.call_async("count the plates", move || {
            assert!(!early, "a plate is missing");
            async move {
                yield_now().await;
                assert!(early, "a plate is missing");
            }
        });
        let failed = fails(&plan).await;
        assert_eq!(failed.reason(), "the call panicked: a plate is missing");
    }
}

/// The future is dropped at the failure, before the cleanup.
async fn pl_19_20_a_future_never_ends() {
    struct Gone(Arc<AtomicBool>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let mut plan = plan("future-block");
    plan.spawn(sleeper()).unwrap();
    plan.call_async("wait for a word", move || {
        let gone = Gone(Arc::clone(&flag));
        async move {
            let _gone = gone;
            pending::<()>().await;
        }
    })
    .within(SHORT)
    .unwrap();
    assert_eq!(fails(&plan).await.reason(), "timed out after 50ms");
    assert!(dropped.load(Ordering::SeqCst));
}

async fn pl_10_19_an_exit_during_a_call_fails_at_once() {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let mut plan = plan("call-exit");
    let server = plan.spawn_as("server", sh("read _; exit 3")).unwrap();
    plan.send_input(server, "end\n").unwrap();
    plan.call("wait for a word", move || blocked.lock().unwrap().recv());
    let failed = fails(&plan).await;
    assert_eq!(failed.reason(), "server ended with code 3, and this step does not expect it to end");
    assert_eq!(failed.step(), Some(3));
    drop(release);
}
