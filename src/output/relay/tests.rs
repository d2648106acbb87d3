//! Tests of the relay with misbehaving sinks. No test sleeps; every wait has a deadline.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Wake;
use std::time::Duration;

use futures_lite::future::{block_on, or};
use futures_timer::Delay;

mod direct;

use super::*;
use crate::machine::NoticeKind;
use crate::output::queue::{LIMIT, MOST_NOTICES, NOTICE_PATIENCE};
use crate::output::{Batch, WriterSink};

/// Records what is delivered, in order: rendered lines, flushes and notices.
#[derive(Clone, Default)]
struct Recording(Arc<Mutex<Vec<String>>>);

impl Recording {
    fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        mem::take(&mut self.0.lock().unwrap())
    }

    fn callback(&self) -> NoticeCallback {
        let recording = self.clone();
        Box::new(move |notice| recording.add(notice.to_string()))
    }
}

impl Sink for Recording {
    fn lines(&mut self, batch: &Batch<'_>) {
        let mut text = Vec::new();
        batch.render(&mut text);
        String::from_utf8(text).unwrap().lines().for_each(|line| self.add(line));
    }

    fn flush(&mut self) {
        self.add("flush");
    }
}

/// A sink that reports each call and then blocks until `gate` is closed.
struct Blocking {
    called: Sender<()>,
    gate: Receiver<()>,
}

fn blocking() -> (Blocking, Receiver<()>, Sender<()>) {
    let ((called, was_called), (open, gate)) = (mpsc::channel(), mpsc::channel());
    (Blocking { called, gate }, was_called, open)
}

impl Sink for Blocking {
    fn lines(&mut self, _: &Batch<'_>) {
        let _ = self.called.send(());
        let _ = self.gate.recv();
    }
}

struct Panics(Arc<AtomicUsize>);

impl Sink for Panics {
    fn lines(&mut self, _: &Batch<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("a test panic in a sink");
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("a test panic in a destructor");
    }
}

struct WakeCount(AtomicUsize);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn relay(sinks: Vec<Box<dyn Sink>>, callback: NoticeCallback, threads: bool) -> Relay {
    Relay::new(sinks, callback, LineFormat::default(), threads)
}

fn print(relay: &mut Relay, run: u64, bytes: &[u8]) {
    relay.scratch()[..bytes.len()].copy_from_slice(bytes);
    relay.push(RunId::unmanaged(run), &name(), Stream::Stdout, bytes.len());
    relay.commit();
}

fn name() -> Name {
    "web".parse().unwrap()
}

fn killed(run: u64) -> Notice {
    Notice { at: epoch(), name: name(), run: Some(RunId::unmanaged(run)), kind: NoticeKind::Killed }
}

/// Returns the instant at which all notices of these tests happen.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
    *EPOCH.get_or_init(Instant::now)
}

const PATIENCE: Duration = Duration::from_secs(30);

fn within_patience(future: impl Future<Output = ()>) {
    block_on(or(future, async {
        Delay::new(PATIENCE).await;
        panic!("not ready in time");
    }));
}

fn idle(relay: &Relay) {
    within_patience(poll_fn(|cx| relay.poll_idle(cx)));
}

/// Returns what was delivered, without the flushes.
fn delivered(relay: &Relay, recording: &Recording) -> Vec<String> {
    idle(relay);
    let mut delivered = recording.take();
    delivered.retain(|line| line != "flush");
    delivered
}

fn has_thread(relay: &Relay) -> bool {
    matches!(relay.delivery, Delivery::Threaded { has_thread: true, .. })
}

fn cost(relay: &Relay) -> usize {
    match &relay.delivery {
        Delivery::Inline(..) => 0,
        Delivery::Threaded { shared, .. } => shared.queue.cost(),
    }
}

#[test]
fn f_57_an_exit_is_published_after_the_last_line_of_its_run() {
    for threads in [false, true] {
        let recording = Recording::default();
        let mut relay = relay(vec![Box::new(recording.clone())], recording.callback(), threads);
        print(&mut relay, 1, b"one\ntwo");
        relay.publish(killed(1));
        relay.commit();
        print(&mut relay, 1, b"!\nhalf");
        relay.end(RunId::unmanaged(1));
        relay.commit();
        relay.publish(killed(1));
        relay.commit();
        print(&mut relay, 2, b"new\n");
        relay.end(RunId::unmanaged(2));
        relay.commit();
        let expected = ["[web] one", "web#1 killed", "[web] two!", "[web] half", "web#1 killed", "[web] new"];
        assert_eq!(delivered(&relay, &recording), expected, "threads: {threads}");
    }
}

#[test]
fn f_53_a_blocked_sink_does_not_block_the_driver() {
    let (sink, was_called, open) = blocking();
    let recording = Recording::default();
    let mut relay = relay(vec![Box::new(sink), Box::new(recording.clone())], recording.callback(), true);
    let wakes = Arc::new(WakeCount(AtomicUsize::new(0)));
    let waker = Arc::clone(&wakes).into();
    let cx = Context::from_waker(&waker);

    let mut pushed = 0;
    while relay.poll_ready(&cx).is_ready() {
        // Small reads are copied and large ones are not; both count against the limit.
        let size = if pushed % 2 == 0 { 100 } else { LARGE };
        print(&mut relay, 1, &[&vec![b'x'; size - 1][..], b"\n"].concat());
        pushed += 1;
        assert!(pushed < 100, "the queue is not bounded");
    }
    was_called.recv_timeout(PATIENCE).expect("the sink was not called");
    assert!(cost(&relay) < LIMIT + SCRATCH + 1024, "{} bytes are queued", cost(&relay));
    relay.publish(killed(1));
    relay.commit();
    relay.end(RunId::unmanaged(1));
    relay.commit();
    relay.publish(killed(2));
    relay.commit();
    assert!(relay.poll_ready(&cx).is_pending());
    assert!(relay.poll_idle(&cx).is_pending());
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);

    drop(open);
    within_patience(poll_fn(|cx| relay.poll_ready(cx)));
    let delivered = delivered(&relay, &recording);
    assert_eq!(delivered[delivered.len() - 2..], ["web#1 killed", "web#2 killed"], "behind all output");
    assert_eq!(cost(&relay), 0);
}

#[test]
fn f_53_the_driver_is_woken_when_there_is_room_again() {
    let (sink, was_called, open) = blocking();
    let mut relay = relay(vec![Box::new(sink)], Box::new(drop), true);
    let wakes = Arc::new(WakeCount(AtomicUsize::new(0)));
    let waker = Arc::clone(&wakes).into();
    let cx = Context::from_waker(&waker);
    let line = [&vec![b'x'; SCRATCH - 1][..], b"\n"].concat();
    while relay.poll_ready(&cx).is_ready() {
        print(&mut relay, 1, &line);
    }
    was_called.recv_timeout(PATIENCE).expect("the sink was not called");
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    drop(open);
    idle(&relay);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert!(relay.poll_ready(&cx).is_ready());
}

#[test]
fn f_53_waiting_notices_are_bounded_and_the_newest_are_kept() {
    let (sink, was_called, open) = blocking();
    let recording = Recording::default();
    let mut relay = relay(vec![Box::new(sink)], recording.callback(), true);
    print(&mut relay, 1, b"stuck\n");
    was_called.recv_timeout(PATIENCE).expect("the sink was not called");
    let most = MOST_NOTICES as u64;
    (1..=most + 10).for_each(|run| relay.publish(killed(run)));
    relay.commit();
    drop(open);
    let delivered = delivered(&relay, &recording);
    assert_eq!(delivered.len(), MOST_NOTICES);
    assert_eq!(delivered[0], "web#11 killed");
    assert_eq!(delivered[MOST_NOTICES - 1], format!("web#{} killed", most + 10));
    relay.publish(killed(1));
    relay.commit();
    assert_eq!(self::delivered(&relay, &recording), ["web#1 killed"], "there is room again");
}

#[test]
fn f_48_a_sink_that_panics_is_dropped_and_the_others_go_on() {
    for threads in [false, true] {
        let (recording, calls) = (Recording::default(), Arc::new(AtomicUsize::new(0)));
        let sinks: Vec<Box<dyn Sink>> = vec![
            Box::new(Panics(Arc::clone(&calls))),
            Box::new(recording.clone()),
            Box::new(Panics(Arc::clone(&calls))),
        ];
        let mut relay = relay(sinks, recording.callback(), threads);
        print(&mut relay, 1, b"one\nhalf");
        print(&mut relay, 1, b" two\n");
        relay.publish(killed(1));
        relay.commit();
        let expected = ["[web] one", "[web] half two", "web#1 killed"];
        assert_eq!(delivered(&relay, &recording), expected, "threads: {threads}");
        assert_eq!(calls.load(Ordering::SeqCst), 2, "each sink is called once");
    }
}

#[test]
fn f_48_a_notice_callback_may_panic_and_output_goes_on() {
    for threads in [false, true] {
        let (recording, calls) = (Recording::default(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&calls);
        let callback: NoticeCallback = Box::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            panic!("a test panic in a callback");
        });
        let mut relay = relay(vec![Box::new(recording.clone())], callback, threads);
        relay.publish(killed(1));
        relay.commit();
        relay.publish(killed(2));
        relay.commit();
        print(&mut relay, 1, b"one\n");
        assert_eq!(delivered(&relay, &recording), ["[web] one"]);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn sinks_are_flushed_when_nothing_is_waiting() {
    for threads in [false, true] {
        let recording = Recording::default();
        let mut relay = relay(vec![Box::new(recording.clone())], Box::new(drop), threads);
        print(&mut relay, 1, b"one\n");
        idle(&relay);
        assert_eq!(recording.take(), ["[web] one", "flush"], "threads: {threads}");
    }
}

#[test]
fn a_quiet_relay_has_no_thread_no_buffer_and_no_state_of_ended_runs() {
    let mut relay = relay(Vec::new(), Box::new(drop), true);
    relay.end(RunId::unmanaged(1));
    relay.commit();
    relay.push(RunId::unmanaged(1), &name(), Stream::Stdout, 0);
    idle(&relay);
    assert!(!has_thread(&relay) && relay.scratch.capacity() == 0);
    print(&mut relay, 2, &[b'x'; LARGE]);
    assert!(has_thread(&relay));
    relay.end(RunId::unmanaged(2));
    relay.commit();
    assert!(relay.open.is_empty());
}

#[test]
fn f_53_dropping_the_relay_does_not_wait_and_loses_nothing() {
    struct Done(Sender<Vec<u8>>, Vec<u8>);
    impl Sink for Done {
        fn lines(&mut self, batch: &Batch<'_>) {
            batch.render(&mut self.1);
        }
    }
    impl Drop for Done {
        fn drop(&mut self) {
            let _ = self.0.send(mem::take(&mut self.1));
        }
    }
    let (sink, was_called, open) = blocking();
    let (sender, done) = mpsc::channel();
    let mut relay = relay(vec![Box::new(sink), Box::new(Done(sender, Vec::new()))], Box::new(drop), true);
    print(&mut relay, 1, b"one\n");
    print(&mut relay, 1, b"two");
    relay.end(RunId::unmanaged(1));
    relay.commit();
    was_called.recv_timeout(PATIENCE).expect("the sink was not called");
    drop(relay);
    drop(open);
    assert_eq!(done.recv_timeout(PATIENCE).expect("the thread did not end"), b"[web] one\n[web] two\n");
}

#[test]
fn f_58_a_burst_arrives_whole_and_in_order() {
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    use std::fmt::Write as _;
    let count = 200_000;
    let burst = (0..count).fold(String::new(), |mut burst, number| {
        writeln!(burst, "{number}").expect("writing to a string");
        burst
    });
    let written = Arc::new(Mutex::new(Vec::new()));
    let mut relay =
        relay(vec![Box::new(WriterSink::new(Shared(Arc::clone(&written))))], Box::new(drop), true);
    for (turn, chunk) in burst.as_bytes().chunks(60_001).enumerate() {
        // Every other read is small, so that copied and swapped buffers alternate.
        for part in chunk.chunks(if turn % 2 == 0 { 60_001 } else { 3_333 }) {
            within_patience(poll_fn(|cx| relay.poll_ready(cx)));
            print(&mut relay, 1, part);
        }
    }
    idle(&relay);
    let written = String::from_utf8(mem::take(&mut written.lock().unwrap())).unwrap();
    assert_eq!(written.lines().count(), count);
    assert!(written.lines().enumerate().all(|(number, line)| line == format!("[web] {number}")));
}

/// Waits until `recording` contains as many items as `expected`, and compares them.
fn assert_recorded(recording: &Recording, expected: &[&str]) {
    within_patience(async {
        while recording.0.lock().unwrap().len() < expected.len() {
            Delay::new(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(*recording.0.lock().unwrap(), expected);
}

#[test]
fn r2_12_notices_overtake_the_output_of_a_blocked_sink_in_their_own_order() {
    let (sink, was_called, open) = blocking();
    let (lines, notices) = (Recording::default(), Recording::default());
    let mut relay = relay(vec![Box::new(sink), Box::new(lines.clone())], notices.callback(), true);
    print(&mut relay, 1, b"one\n");
    was_called.recv_timeout(PATIENCE).expect("the sink was not called");
    print(&mut relay, 1, b"two\n");
    relay.publish(killed(1));
    relay.publish(killed(2));
    relay.commit();
    let due = epoch() + NOTICE_PATIENCE;
    assert_eq!(relay.poll_timeout(epoch), Some(due));
    relay.handle_timeout(due - Duration::from_millis(1));
    assert_eq!(notices.take(), [""; 0], "they wait for the output first");
    relay.handle_timeout(due);
    assert_recorded(&notices, &["web#1 killed", "web#2 killed"]);
    assert_eq!(relay.poll_timeout(epoch), None);
    relay.publish(killed(3));
    relay.commit();
    relay.handle_timeout(due);
    assert_recorded(&notices, &["web#1 killed", "web#2 killed", "web#3 killed"]);
    relay.publish(killed(4));
    relay.commit();
    drop(open);
    idle(&relay);
    assert_recorded(&notices, &["web#1 killed", "web#2 killed", "web#3 killed", "web#4 killed"]);
    assert_eq!(delivered(&relay, &lines), ["[web] one", "[web] two"]);
}

#[test]
fn r2_12_output_that_is_not_delivered_is_counted() {
    let (sink, was_called, _open) = blocking();
    let mut relay = relay(vec![Box::new(sink)], Box::new(drop), true);
    print(&mut relay, 1, b"one\n");
    was_called.recv_timeout(PATIENCE).expect("the sink was not called");
    print(&mut relay, 1, b"three");
    let Delivery::Threaded { shared, has_thread: true } = &relay.delivery else {
        panic!("there is no thread")
    };
    assert_eq!(shared.queue.undelivered(), 9);
    relay.report_undelivered();
}

#[test]
fn an_unfinished_line_is_shown_after_a_pause_and_its_rest_when_it_comes() {
    for threads in [false, true] {
        let recording = Recording::default();
        let mut relay = relay(vec![Box::new(recording.clone())], Box::new(drop), threads);
        print(&mut relay, 1, b"whole\n");
        assert_eq!(relay.poll_timeout(|| panic!("nothing is timed")), None);
        print(&mut relay, 1, b"continue? [y/N] ");
        let due = epoch() + PAUSE;
        assert_eq!(relay.poll_timeout(epoch), Some(due));
        relay.handle_timeout(due - Duration::from_nanos(1));
        assert_eq!(delivered(&relay, &recording), ["[web] whole"], "threads: {threads}");
        relay.handle_timeout(due);
        assert_eq!(delivered(&relay, &recording), ["[web~] continue? [y/N] "], "threads: {threads}");
        assert_eq!(relay.poll_timeout(epoch), None, "an idle process costs nothing");
        print(&mut relay, 1, b"yes\nnext");
        relay.poll_timeout(epoch);
        print(&mut relay, 1, b" line\n");
        relay.handle_timeout(due);
        assert_eq!(delivered(&relay, &recording), ["[web+] yes", "[web] next line"], "threads: {threads}");
        print(&mut relay, 1, b"last");
        relay.poll_timeout(epoch);
        relay.end(RunId::unmanaged(1));
        relay.commit();
        relay.handle_timeout(due);
        assert_eq!(delivered(&relay, &recording), ["[web] last"], "threads: {threads}");
        assert_eq!(relay.poll_timeout(epoch), None);
    }
}
