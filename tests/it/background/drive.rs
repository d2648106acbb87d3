//! Executors of the user's choice.

use std::future::pending;
use std::thread;
use std::time::Duration;

use childminder::Background;
use childminder::background::{BackgroundError, CallError};
use futures_lite::future::yield_now;

use super::{SOON, thread_of};
use crate::support::PATIENCE;

#[test]
fn rx_13_asyncio_reactor_stands_for_any_other_loop_such_as_tokios() {
    // Upstream: test_asyncio_reactor.
    let background = Background::with(|work| {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
    })
    .unwrap();
    let home = thread_of(&background);
    let spawned = async {
        let task = tokio::spawn(async {
            tokio::task::yield_now().await;
            thread::current().id()
        });
        task.await.unwrap()
    };
    assert_eq!(background.call(PATIENCE, spawned), Ok(home), "everything runs on that thread");
    let after = Duration::from_millis(1);
    assert_eq!(background.call(after, pending::<()>()), Err(CallError::TimedOut { after }));
    background.stop().unwrap();
    background.reset().unwrap();
    assert_ne!(thread_of(&background), home);
    let name = background.call(PATIENCE, async { tokio::runtime::Handle::current().runtime_flavor() });
    assert_eq!(name, Ok(tokio::runtime::RuntimeFlavor::CurrentThread));
}

#[test]
fn rx_13_every_executor_will_do() {
    let drives: [fn(childminder::background::WorkFuture); 5] = [
        |work| async_std::task::block_on(work),
        |work| smol::block_on(work),
        |work| futures_lite::future::block_on(work),
        |work| tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work),
        |work| tokio::runtime::Builder::new_multi_thread().build().unwrap().block_on(work),
    ];
    for drive in drives {
        let background = Background::with(drive).unwrap();
        let answer = background.call(PATIENCE, async {
            yield_now().await;
            async_io::Timer::after(Duration::from_millis(1)).await;
            7
        });
        assert_eq!(answer, Ok(7));
        background.stop().unwrap();
    }
}

#[test]
fn rx_14_a_background_exists_only_after_a_successful_start() {
    // In the original, a reset before setUp fails and a call before it waits. Here the value does not exist
    // yet.
    let message = |error: &std::io::Error| {
        error.get_ref().and_then(|error| error.downcast_ref::<BackgroundError>()).unwrap().to_string()
    };
    let error = Background::with(drop).unwrap_err();
    assert_eq!(message(&error), "the executor of the background thread ended before it did any work");
    let error = Background::with(|_| panic!("no executor today")).unwrap_err();
    assert_eq!(message(&error), "the executor of the background thread ended before it did any work");
    let (hold, held) = async_channel::bounded::<()>(1);
    let lazy = move |work| {
        let _ = held.recv_blocking();
        drop(work);
    };
    let error = Background::builder().timeout(SOON).drive(lazy).start().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(message(&error), "the background thread is blocked: no reaction within 1s");
    drop(hold);
}
