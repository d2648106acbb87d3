//! The end of the thread, on request or by a failure, and restarting it.

use std::future::pending;
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use async_channel::Receiver;
use childminder::Background;
use childminder::background::{BackgroundError, CallError, WorkFuture};
use futures_lite::future::{block_on, or};

use super::{Block, SOON, thread_of};
use crate::support::{Census, PATIENCE, alone};

/// Returns an executor that fails in a given way on command.
fn failing(commands: Receiver<End>) -> impl Fn(WorkFuture) + Send + Sync + 'static {
    move |mut work| {
        let done = async {
            (&mut work).await;
            None
        };
        let end = block_on(or(done, async { commands.recv().await.ok() }));
        match end {
            None | Some(End::Return) => {}
            Some(End::Panic) => panic!("the executor fails"),
            Some(End::Linger(gate)) => {
                drop(work);
                gate.pass();
            }
            Some(End::Ignore(gate)) => {
                gate.pass();
                drop(work);
            }
        }
    }
}

enum End {
    Return,
    Panic,
    /// Drops its work, but does not return.
    Linger(Gate),
    /// Keeps its work, but does not poll it.
    Ignore(Gate),
}

/// A place where a thread waits for the test.
struct Gate(mpsc::Receiver<()>);

impl Gate {
    /// Returns a sender that keeps the gate closed, and the gate. A send returns when the thread has reached
    /// the gate.
    fn new() -> (mpsc::SyncSender<()>, Self) {
        let (hold, held) = mpsc::sync_channel(0);
        (hold, Self(held))
    }

    fn pass(self) {
        while self.0.recv().is_ok() {}
    }
}

/// Waits until calls are no longer accepted.
fn wait_for_death(background: &Background) {
    while background.call(PATIENCE, async {}) != Err(CallError::Stopped) {}
}

/// Collects warnings.
struct Log(Mutex<Vec<String>>);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "childminder::background" {
            self.0.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}

static LOG: Log = Log(Mutex::new(Vec::new()));

#[test]
fn rx_8_reset_thread_and_reactor_died() {
    alone("background::ends::rx_8_reset_thread_and_reactor_died", || {
        log::set_logger(&LOG).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
        let (kill, commands) = async_channel::unbounded();
        let background = Background::with(failing(commands)).unwrap();
        let first = thread_of(&background);
        background.reset().unwrap();
        assert_eq!(thread_of(&background), first, "a living thread is kept");
        kill.try_send(End::Panic).unwrap();
        wait_for_death(&background);
        background.reset().unwrap();
        assert_ne!(thread_of(&background), first);
        background.stop().unwrap();
        background.reset().unwrap();
        let warnings = LOG.0.lock().unwrap();
        assert_eq!(
            *warnings,
            ["WARN the background thread has died; starting another"],
            "a stop is not a failure"
        );
    });
}

#[test]
fn rx_8_reset_thread_died_but_reactor_is_running() {
    // The end of the thread ends the calls that wait for it.
    let (kill, commands) = async_channel::unbounded();
    let background = Background::with(failing(commands)).unwrap();
    let (begun, has_begun) = mpsc::channel();
    thread::scope(|scope| {
        let call = scope.spawn(|| {
            background.call(PATIENCE, async move {
                begun.send(()).unwrap();
                pending::<()>().await;
            })
        });
        has_begun.recv().unwrap();
        kill.try_send(End::Return).unwrap();
        assert_eq!(call.join().unwrap(), Err(CallError::Stopped));
    });
    background.reset().unwrap();
    assert_eq!(background.call(PATIENCE, async { 1 }), Ok(1));
}

#[test]
fn rx_8_reset_hung_thread() {
    let background = Arc::new(Background::builder().timeout(SOON).start().unwrap());
    let before = thread_of(&background);
    let block = Block::put(&background);
    let error = background.reset().unwrap_err();
    assert!(matches!(error, BackgroundError::Hung { after: SOON }), "{error:?}");
    assert_eq!(error.to_string(), "the background thread is blocked: no reaction within 1s");
    block.remove();
    background.reset().unwrap();
    assert_eq!(thread_of(&background), before);
}

#[test]
fn rx_8_reset_thread_alive_but_reactor_is_not_running() {
    let (kill, commands) = async_channel::unbounded();
    let background = Background::builder().timeout(SOON).drive(failing(commands)).start().unwrap();
    let (hold, gate) = Gate::new();
    kill.try_send(End::Linger(gate)).unwrap();
    hold.send(()).unwrap();
    let error = background.reset().unwrap_err();
    assert!(matches!(error, BackgroundError::Lingers { after: SOON }), "{error:?}");
    drop(hold);
    background.reset().unwrap();
    assert_eq!(background.call(PATIENCE, async { 1 }), Ok(1));
}

#[test]
fn rx_8_reset_by_a_future_on_the_thread_finds_it_alive() {
    let background = Arc::new(Background::start().unwrap());
    let itself = background.clone();
    background.call(PATIENCE, async move { itself.reset() }).unwrap().unwrap();
}

#[test]
fn rx_9_a_restart_adds_no_second_stop() {
    let (began, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (began.clone(), ended.clone());
    let background = Background::with(move |work| {
        counts.0.fetch_add(1, Ordering::SeqCst);
        block_on(work);
        counts.1.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    for round in 1..=3 {
        assert_eq!(began.load(Ordering::SeqCst), round);
        background.stop().unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), round);
        background.stop().unwrap();
        background.reset().unwrap();
    }
    drop(background);
    assert_eq!([began, ended].map(|count| count.load(Ordering::SeqCst)), [4, 4]);
}

#[test]
fn rx_10_cleanup_stops_thread_and_reactor() {
    alone("background::ends::rx_10_cleanup_stops_thread_and_reactor", || {
        let mut before = None;
        for _ in 0..5 {
            let background = Background::start().unwrap();
            assert!(Census::take().has_thread("childminder-bac"));
            background.stop().unwrap();
            assert!(!Census::take().has_thread("childminder-bac"));
            drop(background);
            // By a drop, and by a panic.
            drop(Background::start().unwrap());
            let panic = catch_unwind(AssertUnwindSafe(|| {
                let _background = Background::start().unwrap();
                panic!("a test fails");
            }));
            assert!(panic.is_err());
            // The event loop of `async-io` starts with the first one, and stays.
            before.get_or_insert_with(Census::take);
        }
        Census::take().assert_unchanged_since(&before.unwrap());
    });
}

#[test]
fn rx_10_cleanup_thread_not_alive() {
    let (kill, commands) = async_channel::unbounded();
    let background = Background::with(failing(commands)).unwrap();
    kill.try_send(End::Panic).unwrap();
    wait_for_death(&background);
    background.stop().unwrap();
    background.stop().unwrap();
}

#[test]
fn rx_10_cleanup_hung_thread() {
    let background = Arc::new(Background::builder().timeout(SOON).start().unwrap());
    let block = Block::put(&background);
    let error = background.stop().unwrap_err();
    assert!(matches!(error, BackgroundError::Hung { after: SOON }), "{error:?}");
    let error = background.reset().unwrap_err();
    assert!(
        matches!(error, BackgroundError::Hung { after: SOON }),
        "a second thread would run beside it: {error:?}"
    );
    block.remove();
    background.stop().unwrap();
}

#[test]
fn rx_10_cleanup_hung_reactor() {
    let (kill, commands) = async_channel::unbounded();
    let background = Background::builder().timeout(SOON).drive(failing(commands)).start().unwrap();
    let (hold, gate) = Gate::new();
    kill.try_send(End::Ignore(gate)).unwrap();
    hold.send(()).unwrap();
    let error = background.stop().unwrap_err();
    assert!(matches!(error, BackgroundError::Hung { after: SOON }), "{error:?}");
    drop(hold);
    background.stop().unwrap();
}

#[test]
fn rx_10_cleanup_thread_does_not_die() {
    let (hold, held) = async_channel::bounded::<()>(1);
    let drive = move |work| {
        block_on(work);
        let _ = held.recv_blocking();
    };
    let background = Background::builder().timeout(SOON).drive(drive).start().unwrap();
    let error = background.stop().unwrap_err();
    assert!(matches!(error, BackgroundError::Lingers { after: SOON }), "{error:?}");
    let text = "the background thread does not end: its executor did not return within 1s";
    assert_eq!(error.to_string(), text);
    drop(hold);
    background.stop().unwrap();
}

#[test]
fn rx_10_a_stop_by_a_future_on_the_thread_is_an_error() {
    let background = Arc::new(Background::start().unwrap());
    let itself = background.clone();
    let error = background.call(PATIENCE, async move { itself.stop() }).unwrap().unwrap_err();
    assert!(matches!(error, BackgroundError::FromItself), "{error:?}");
    assert_eq!(background.call(PATIENCE, async { 1 }), Ok(1), "nothing has changed");
}

#[test]
fn rx_10_the_last_owner_may_be_a_future_on_the_thread() {
    let (sender, receiver) = async_channel::bounded::<Arc<Background>>(1);
    let (ended, has_ended) = mpsc::channel::<()>();
    let background = Background::with(move |work| {
        let _ended = ended.clone();
        block_on(work);
    })
    .unwrap();
    let background = Arc::new(background);
    let caller = thread::spawn({
        let background = Arc::downgrade(&background);
        move || {
            let strong = background.upgrade().unwrap();
            let outcome = strong.call(PATIENCE, async move { drop(receiver.recv().await) });
            assert_eq!(outcome, Ok(()));
        }
    });
    sender.send_blocking(background).unwrap();
    caller.join().unwrap();
    assert_eq!(has_ended.recv(), Err(mpsc::RecvError), "the thread has ended");
}

#[test]
fn rx_11_a_stop_leaves_no_timer_and_no_socket_and_another_start_works() {
    // In a process of its own: between fork and exec, a child of another test holds a copy of the listening
    // socket.
    alone("background::ends::rx_11_a_stop_leaves_no_timer_and_no_socket_and_another_start_works", || {
        let background = Background::start().unwrap();
        let (here, address) = mpsc::channel();
        let server = async move {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            here.send(server.local_addr().unwrap()).unwrap();
            async_io::Timer::after(PATIENCE).await;
            drop(server);
        };
        thread::scope(|scope| {
            let call = scope.spawn(|| background.call(PATIENCE, server));
            let address = address.recv().unwrap();
            TcpStream::connect(address).unwrap();
            background.stop().unwrap();
            TcpStream::connect(address).expect_err("the server is dropped");
            assert_eq!(call.join().unwrap(), Err(CallError::Stopped));
        });
        background.reset().unwrap();
        assert_eq!(background.call(PATIENCE, async { 1 }), Ok(1));
        let another = Background::start().unwrap();
        assert_eq!(another.call(PATIENCE, async { 2 }), Ok(2));
    });
}
