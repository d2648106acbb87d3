//! The relay against sinks that misbehave. No test sleeps: what has to be awaited is awaited, with a deadline.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::task::Wake;
use std::time::Duration;

use futures_lite::future::{block_on, or};
use futures_timer::Delay;

use super::*;
use crate::machine::NoticeKind;
use crate::output::queue::{LIMIT, MOST_NOTICES};
use crate::output::{Batch, WriterSink};

/// What came out, in order: lines as they are rendered, and notices.
#[derive(Clone, Default)]
struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn told(&self) -> Vec<String> {
        mem::take(&mut self.0.lock().unwrap())
    }

    fn teller(&self) -> Tell {
        let story = self.clone();
        Box::new(move |notice| story.add(notice.to_string()))
    }
}

impl Sink for Story {
    fn lines(&mut self, batch: &Batch<'_>) {
        let mut text = Vec::new();
        batch.render(&mut text);
        String::from_utf8(text).unwrap().lines().for_each(|line| self.add(line));
    }

    fn flush(&mut self) {
        self.add("flush");
    }
}

/// A sink that says when it is called, and then blocks until it is let go.
struct Stuck {
    called: Sender<()>,
    gate: Receiver<()>,
}

fn stuck() -> (Stuck, Receiver<()>, Sender<()>) {
    let ((called, was_called), (open, gate)) = (mpsc::channel(), mpsc::channel());
    (Stuck { called, gate }, was_called, open)
}

impl Sink for Stuck {
    fn lines(&mut self, _: &Batch<'_>) {
        let _ = self.called.send(());
        let _ = self.gate.recv();
    }
}

struct Panics(Arc<AtomicUsize>);

impl Sink for Panics {
    fn lines(&mut self, _: &Batch<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("this sink panics on purpose");
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("and when it is dropped");
    }
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn relay(sinks: Vec<Box<dyn Sink>>, tell: Tell, threads: bool) -> Relay {
    Relay::new(sinks, tell, 16_384, threads)
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
    #[expect(clippy::disallowed_methods, reason = "a notice needs an instant, and nothing looks at it")]
    let at = std::time::Instant::now();
    Notice { at, name: name(), run: RunId::unmanaged(run), kind: NoticeKind::Killed }
}

const PATIENCE: Duration = Duration::from_secs(30);

fn within_patience(future: impl Future<Output = ()>) {
    block_on(or(future, async {
        Delay::new(PATIENCE).await;
        panic!("it should be ready by now");
    }));
}

fn idle(relay: &Relay) {
    within_patience(poll_fn(|cx| relay.poll_idle(cx)));
}

fn told(relay: &Relay, story: &Story) -> Vec<String> {
    idle(relay);
    let mut told = story.told();
    told.retain(|line| line != "flush");
    told
}

fn cost(relay: &Relay) -> usize {
    match &relay.way {
        Way::Inline(_) => 0,
        Way::Queued(queue) => queue.cost(),
    }
}

#[test]
fn f_57_an_exit_is_told_after_the_last_line_of_its_run() {
    for threads in [false, true] {
        let story = Story::default();
        let mut relay = relay(vec![Box::new(story.clone())], story.teller(), threads);
        print(&mut relay, 1, b"one\ntwo");
        relay.tell(killed(1));
        relay.commit();
        print(&mut relay, 1, b"!\nhalf");
        relay.end(RunId::unmanaged(1));
        relay.commit();
        relay.tell(killed(1));
        relay.commit();
        print(&mut relay, 2, b"new\n");
        relay.end(RunId::unmanaged(2));
        relay.commit();
        let expected = ["[web] one", "web#1 killed", "[web] two!", "[web] half", "web#1 killed", "[web] new"];
        assert_eq!(told(&relay, &story), expected, "threads: {threads}");
    }
}

#[test]
fn f_53_a_blocked_sink_holds_up_neither_the_driver_nor_notices() {
    let (sink, was_called, open) = stuck();
    let story = Story::default();
    let mut relay = relay(vec![Box::new(sink), Box::new(story.clone())], story.teller(), true);
    let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
    let waker = Arc::clone(&wakes).into();
    let cx = Context::from_waker(&waker);

    let mut pushed = 0;
    while relay.poll_ready(&cx).is_ready() {
        // Small reads and large ones, so that both ways into the queue count.
        let size = if pushed % 2 == 0 { 100 } else { LARGE };
        print(&mut relay, 1, &[&vec![b'x'; size - 1][..], b"\n"].concat());
        pushed += 1;
        assert!(pushed < 100, "the queue is bounded");
    }
    was_called.recv_timeout(PATIENCE).expect("the sink is called");
    assert!(cost(&relay) < LIMIT + SCRATCH + 1024, "{} bytes are queued", cost(&relay));
    relay.tell(killed(1));
    relay.commit();
    relay.end(RunId::unmanaged(1));
    relay.commit();
    relay.tell(killed(2));
    relay.commit();
    assert!(relay.poll_ready(&cx).is_pending());
    assert!(relay.poll_idle(&cx).is_pending());
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);

    drop(open);
    within_patience(poll_fn(|cx| relay.poll_ready(cx)));
    let told = told(&relay, &story);
    assert_eq!(told[told.len() - 2..], ["web#1 killed", "web#2 killed"], "behind all output");
    assert_eq!(cost(&relay), 0);
}

#[test]
fn f_53_the_driver_is_woken_when_there_is_room_again() {
    let (sink, was_called, open) = stuck();
    let mut relay = relay(vec![Box::new(sink)], Box::new(drop), true);
    let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
    let waker = Arc::clone(&wakes).into();
    let cx = Context::from_waker(&waker);
    let line = [&vec![b'x'; SCRATCH - 1][..], b"\n"].concat();
    while relay.poll_ready(&cx).is_ready() {
        print(&mut relay, 1, &line);
    }
    was_called.recv_timeout(PATIENCE).expect("the sink is called");
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    drop(open);
    idle(&relay);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert!(relay.poll_ready(&cx).is_ready());
}

#[test]
fn f_53_notices_that_nobody_takes_are_bounded_and_the_newest_are_kept() {
    let (sink, was_called, open) = stuck();
    let story = Story::default();
    let mut relay = relay(vec![Box::new(sink)], story.teller(), true);
    print(&mut relay, 1, b"stuck\n");
    was_called.recv_timeout(PATIENCE).expect("the sink is called");
    let most = MOST_NOTICES as u64;
    (1..=most + 10).for_each(|run| relay.tell(killed(run)));
    relay.commit();
    drop(open);
    let told = told(&relay, &story);
    assert_eq!(told.len(), MOST_NOTICES);
    assert_eq!(told[0], "web#11 killed");
    assert_eq!(told[MOST_NOTICES - 1], format!("web#{} killed", most + 10));
    relay.tell(killed(1));
    relay.commit();
    assert_eq!(self::told(&relay, &story), ["web#1 killed"], "there is room again");
}

#[test]
fn f_48_a_sink_that_panics_is_dropped_and_the_others_go_on() {
    for threads in [false, true] {
        let (story, calls) = (Story::default(), Arc::new(AtomicUsize::new(0)));
        let sinks: Vec<Box<dyn Sink>> = vec![
            Box::new(Panics(Arc::clone(&calls))),
            Box::new(story.clone()),
            Box::new(Panics(Arc::clone(&calls))),
        ];
        let mut relay = relay(sinks, story.teller(), threads);
        print(&mut relay, 1, b"one\nhalf");
        print(&mut relay, 1, b" two\n");
        relay.tell(killed(1));
        relay.commit();
        let expected = ["[web] one", "[web] half two", "web#1 killed"];
        assert_eq!(told(&relay, &story), expected, "threads: {threads}");
        assert_eq!(calls.load(Ordering::SeqCst), 2, "each was called once");
    }
}

#[test]
fn f_48_whoever_is_told_may_panic_and_output_goes_on() {
    for threads in [false, true] {
        let (story, calls) = (Story::default(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&calls);
        let tell: Tell = Box::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            panic!("this callback panics on purpose");
        });
        let mut relay = relay(vec![Box::new(story.clone())], tell, threads);
        relay.tell(killed(1));
        relay.commit();
        relay.tell(killed(2));
        relay.commit();
        print(&mut relay, 1, b"one\n");
        assert_eq!(told(&relay, &story), ["[web] one"]);
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn everything_is_flushed_when_nothing_more_is_waiting() {
    for threads in [false, true] {
        let story = Story::default();
        let mut relay = relay(vec![Box::new(story.clone())], Box::new(drop), threads);
        print(&mut relay, 1, b"one\n");
        idle(&relay);
        assert_eq!(story.told(), ["[web] one", "flush"], "threads: {threads}");
    }
}

#[test]
fn a_quiet_relay_has_no_thread_no_buffer_and_no_memory_of_ended_runs() {
    let mut relay = relay(Vec::new(), Box::new(drop), true);
    relay.end(RunId::unmanaged(1));
    relay.commit();
    relay.push(RunId::unmanaged(1), &name(), Stream::Stdout, 0);
    idle(&relay);
    assert!(matches!(relay.way, Way::Inline(_)) && relay.scratch.capacity() == 0);
    print(&mut relay, 2, b"one\n");
    assert!(matches!(relay.way, Way::Queued(_)));
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
    let (sink, was_called, open) = stuck();
    let (sender, done) = mpsc::channel();
    let mut relay = relay(vec![Box::new(sink), Box::new(Done(sender, Vec::new()))], Box::new(drop), true);
    print(&mut relay, 1, b"one\n");
    print(&mut relay, 1, b"two");
    relay.end(RunId::unmanaged(1));
    relay.commit();
    was_called.recv_timeout(PATIENCE).expect("the sink is called");
    drop(relay);
    drop(open);
    assert_eq!(done.recv_timeout(PATIENCE).expect("the thread ends"), b"[web] one\n[web] two\n");
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
        writeln!(burst, "{number}").expect("a string takes all");
        burst
    });
    let written = Arc::new(Mutex::new(Vec::new()));
    let mut relay =
        relay(vec![Box::new(WriterSink::new(Shared(Arc::clone(&written))))], Box::new(drop), true);
    for (turn, chunk) in burst.as_bytes().chunks(60_001).enumerate() {
        // Every other read is small, so that copies and swapped buffers take turns.
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
