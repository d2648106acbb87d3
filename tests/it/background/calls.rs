//! Calls, which return a value or an error.

use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use childminder::background::CallError;
use childminder::machine::NoticeKind;
use childminder::{Background, Exit, Host, ProcessMonitor, Spec, System};
use futures_lite::StreamExt;
use futures_lite::future::{or, yield_now};

use super::{Block, SOON, drop_reporter, thread_of};
use crate::support::{Census, PATIENCE, alone};

#[test]
fn rx_1_reactor_running_in_a_separate_thread() {
    // Upstream: test_reactor_running, test_separate_thread.
    let background = Background::start().unwrap();
    let name = background.call(PATIENCE, async { thread::current().name().map(str::to_owned) }).unwrap();
    assert_eq!(name.as_deref(), Some("childminder-background"));
    assert_ne!(thread_of(&background), thread::current().id());
    assert_eq!(thread_of(&background), thread_of(&background), "one thread runs all calls");
}

#[test]
fn rx_2_install_sigchld_waker_is_not_needed_to_see_a_child_exit() {
    let background = Background::start().unwrap();
    let exit = background.call(PATIENCE, async {
        let mut process = System::new().spawn(&Spec::new("sh").args(["-c", "exit 7"])).unwrap();
        poll_fn(|cx| process.poll_exit(cx)).await
    });
    assert_eq!(exit, Ok(Exit::Code(7)));

    let pid = background.call(PATIENCE, async {
        let (monitor, driver) = ProcessMonitor::new(System::new());
        let body = async {
            let mut notices = monitor.notices();
            monitor.add_process("web", Spec::new("sleep").arg("1000")).unwrap();
            monitor.start_process("web").unwrap();
            let added = notices.next().await.unwrap().unwrap();
            assert!(matches!(added.kind, NoticeKind::Added), "{added}");
            let started = notices.next().await.unwrap().unwrap();
            assert!(matches!(started.kind, NoticeKind::Started { .. }), "{started}");
            monitor.stop_process("web").unwrap().await.unwrap();
            monitor.status("web").unwrap().pid
        };
        or(body, async {
            driver.await;
            panic!("the driver ended too early")
        })
        .await
    });
    assert_eq!(pid, Ok(None));
}

#[test]
fn rx_4_any_thread_starts_it_and_all_threads_call_it_at_once() {
    let background = thread::spawn(|| Background::start().unwrap()).join().unwrap();
    let barrier = std::sync::Barrier::new(20);
    thread::scope(|scope| {
        for number in 0..20 {
            let (background, barrier) = (&background, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let (sender, receiver) = async_channel::bounded(1);
                // The calls overlap: each yields between sending and receiving.
                let answer = background.call(PATIENCE, async move {
                    sender.send(number).await.unwrap();
                    yield_now().await;
                    receiver.recv().await.unwrap() * 2
                });
                assert_eq!(answer, Ok(number * 2));
            });
        }
    });
    thread::spawn(|| drop(background)).join().unwrap();
}

#[test]
fn rx_5_call_success_returns_the_value() {
    // Upstream: test_call (unit and integration), test_success.
    let background = Background::start().unwrap();
    assert_eq!(background.call(PATIENCE, async { "value" }), Ok("value"));
    let waited = background.call(PATIENCE, async {
        async_io::Timer::after(Duration::from_millis(1)).await;
        "later"
    });
    assert_eq!(waited, Ok("later"));
    assert_eq!(background.call(Duration::MAX, async {}), Ok(()), "without a timeout");
}

#[test]
fn rx_5_call_fail_returns_the_error_as_it_is() {
    // Upstream: test_fail.
    let background = Background::start().unwrap();
    let failed = background.call(PATIENCE, async { "seven".parse::<u8>() }).unwrap();
    assert_eq!(failed.unwrap_err().to_string(), "invalid digit found in string");
}

#[test]
fn rx_5_a_future_that_is_not_send_is_made_on_the_thread() {
    let background = Background::start().unwrap();
    let outcome = background.call_with(PATIENCE, || {
        let local = Rc::new(6);
        async move {
            yield_now().await;
            *local * 7
        }
    });
    assert_eq!(outcome, Ok(42));
}

#[test]
fn rx_5_a_panic_is_an_error_and_the_thread_keeps_running() {
    let background = Background::start().unwrap();
    let before = thread_of(&background);
    let panicked = |message: &str| Err::<(), _>(CallError::Panicked(message.to_owned()));
    assert_eq!(background.call(PATIENCE, async { panic!("plain") }), panicked("plain"));
    let late = async {
        yield_now().await;
        assert_eq!(1, 2, "number {}", 3);
    };
    let message = "assertion `left == right` failed: number 3\n  left: 1\n right: 2";
    assert_eq!(background.call(PATIENCE, late), panicked(message));
    let odd = background.call(PATIENCE, async { std::panic::panic_any(7) });
    assert_eq!(odd, panicked("a panic without a message"));
    let made = background.call_with(PATIENCE, || {
        assert!(thread::current().name().is_none(), "no future");
        async {}
    });
    assert_eq!(made, panicked("no future"));
    assert_eq!(thread_of(&background), before);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn rx_6_a_panicking_destructor_affects_neither_the_thread_nor_the_stop() {
    let background = Background::start().unwrap();
    let before = thread_of(&background);
    let after = Duration::from_millis(1);
    let timed_out = background.call(after, async {
        let _bomb = Bomb;
        pending::<()>().await;
    });
    assert_eq!(timed_out, Err(CallError::TimedOut { after }));
    assert_eq!(thread_of(&background), before);
    thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let call = scope.spawn(|| {
            background.call(PATIENCE, async move {
                let _bomb = Bomb;
                begun.send(()).unwrap();
                pending::<()>().await;
            })
        });
        has_begun.recv().unwrap();
        background.stop().unwrap();
        assert_eq!(call.join().unwrap(), Err(CallError::Stopped));
    });
}

#[test]
fn rx_6_timeout_drops_the_future_on_its_thread_before_the_call_returns() {
    // Upstream: test_timeout.
    let background = Background::start().unwrap();
    let home = thread_of(&background);
    for after in [Duration::ZERO, Duration::from_millis(20)] {
        let (reporter, dropped_on) = drop_reporter();
        let (go_on, may_go_on) = async_channel::bounded::<()>(1);
        let (landed, effects) = mpsc::channel();
        let outcome = background.call(after, async move {
            let _reporter = reporter;
            let _ = may_go_on.recv().await;
            landed.send("an effect").unwrap();
        });
        assert_eq!(outcome, Err(CallError::TimedOut { after }));
        assert_eq!(dropped_on.try_recv(), Ok(home), "dropped on the thread, before the call returns");
        go_on.try_send(()).expect_err("the receiver is dropped");
        // Another call shows that the thread has run since.
        thread_of(&background);
        assert_eq!(effects.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}

#[test]
fn rx_6_a_future_that_blocks_is_reported_as_such_and_never_polled_again() {
    let background = Background::builder().timeout(SOON).start().unwrap();
    let home = thread_of(&background);
    let (reporter, dropped_on) = drop_reporter();
    let (unblock, blocked) = mpsc::channel::<()>();
    let (landed, effects) = mpsc::channel();
    let after = Duration::from_millis(20);
    let hung = background.call(after, async move {
        let _reporter = reporter;
        let _ = blocked.recv();
        yield_now().await;
        landed.send("an effect").unwrap();
    });
    assert_eq!(hung, Err(CallError::Hung { after }));
    // A call behind it has its own timeout, and never begins.
    let (begun, has_begun) = mpsc::channel();
    let behind = background.call(after, async move { begun.send(()).unwrap() });
    assert_eq!(behind, Err(CallError::Hung { after }));
    drop(unblock);
    assert_eq!(thread_of(&background), home);
    assert_eq!(dropped_on.recv(), Ok(home));
    assert_eq!(effects.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    assert_eq!(has_begun.recv(), Err(mpsc::RecvError));
}

#[test]
fn rx_7_a_call_after_the_stop_fails_at_once() {
    let background = Background::start().unwrap();
    background.stop().unwrap();
    // Waiting would be a timeout.
    assert_eq!(background.call(PATIENCE, pending::<()>()), Err(CallError::Stopped));
}

#[test]
fn rx_7_a_stop_ends_calls_in_progress() {
    let background = Background::start().unwrap();
    let home = thread_of(&background);
    let (reporter, dropped_on) = drop_reporter();
    let (begun, has_begun) = mpsc::channel();
    thread::scope(|scope| {
        let call = scope.spawn(|| {
            background.call(PATIENCE, async move {
                let _reporter = reporter;
                begun.send(()).unwrap();
                pending::<()>().await;
            })
        });
        has_begun.recv().unwrap();
        background.stop().unwrap();
        assert_eq!(dropped_on.try_recv(), Ok(home));
        assert_eq!(call.join().unwrap(), Err(CallError::Stopped));
    });
}

#[test]
fn rx_7_a_call_while_a_stop_is_waiting_does_not_wait_with_it() {
    let patience = 2 * SOON;
    let background = Arc::new(Background::builder().timeout(patience).start().unwrap());
    let block = Block::put(&background);
    thread::scope(|scope| {
        let (stopping, is_stopping) = mpsc::channel();
        let background = &background;
        scope.spawn(move || {
            stopping.send(()).unwrap();
            // A hang, unless the block is removed in time.
            let _ = background.stop();
        });
        is_stopping.recv().unwrap();
        // A call that is queued before the stop is reported as hung instead.
        (0..1000).for_each(|_| thread::yield_now());
        let took = loop {
            let begin = Instant::now();
            if background.call(Duration::ZERO, async {}) == Err(CallError::Stopped) {
                break begin.elapsed();
            }
        };
        assert!(took < patience / 2, "{took:?}");
        block.remove();
    });
}

#[test]
fn rx_7_a_call_from_the_thread_itself_is_detected() {
    let background = Arc::new(Background::start().unwrap());
    let itself = background.clone();
    let nested = background.call(PATIENCE, async move { itself.call(PATIENCE, async {}) });
    assert_eq!(nested, Ok(Err(CallError::FromItself)));
    // A call to a different `Background` works.
    let other = Background::start().unwrap();
    assert_eq!(background.call(PATIENCE, async move { other.call(PATIENCE, async { 1 }) }), Ok(Ok(1)));
}

#[test]
fn rx_6_calls_leave_no_descriptor_and_no_thread() {
    alone("background::calls::rx_6_calls_leave_no_descriptor_and_no_thread", || {
        let background = Background::start().unwrap();
        let mut before = None;
        for _ in 0..50 {
            background.call(PATIENCE, async { Ok::<_, ()>(1) }).unwrap().unwrap();
            background.call(Duration::ZERO, pending::<()>()).unwrap_err();
            background.call(PATIENCE, async { panic!("again") }).unwrap_err();
            before.get_or_insert_with(Census::take);
        }
        Census::take().assert_unchanged_since(&before.unwrap());
    });
}
