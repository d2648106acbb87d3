//! Tests of the direct way from the driver to the sinks.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::thread::{self, ThreadId};

use proptest::prelude::*;

use super::*;

/// A sink whose room can be changed. It records its lines, with the thread that has passed them.
#[derive(Clone)]
struct Roomy {
    room: Arc<AtomicUsize>,
    lines: Arc<Mutex<Vec<(String, ThreadId)>>>,
    /// Whether `try_flush` leaves something.
    is_full: Arc<AtomicUsize>,
    flushed_by: Arc<Mutex<Vec<ThreadId>>>,
}

impl Roomy {
    fn new(room: usize) -> Self {
        let room = Arc::new(AtomicUsize::new(room));
        Self { room, lines: Arc::default(), is_full: Arc::default(), flushed_by: Arc::default() }
    }

    /// Returns the lines, each with whether it was passed on this thread.
    fn take(&self) -> Vec<(String, bool)> {
        let own = thread::current().id();
        mem::take(&mut *self.lines.lock().unwrap()).into_iter().map(|(line, by)| (line, by == own)).collect()
    }

    /// Returns for each flush whether it was on this thread.
    fn flushes(&self) -> Vec<bool> {
        let own = thread::current().id();
        mem::take(&mut *self.flushed_by.lock().unwrap()).into_iter().map(|by| by == own).collect()
    }
}

impl Sink for Roomy {
    fn lines(&mut self, batch: &Batch<'_>) {
        let own = thread::current().id();
        self.lines.lock().unwrap().extend(batch.lines().map(|line| (line.text().into_owned(), own)));
    }

    fn flush(&mut self) {
        self.flushed_by.lock().unwrap().push(thread::current().id());
    }

    fn room(&mut self) -> usize {
        self.room.load(Ordering::SeqCst)
    }

    fn try_flush(&mut self) -> bool {
        let is_full = self.is_full.load(Ordering::SeqCst) != 0;
        if !is_full {
            self.flush();
        }
        !is_full
    }
}

fn line(text: &str, direct: bool) -> (String, bool) {
    (text.to_owned(), direct)
}

#[test]
fn f_228_lines_for_which_every_sink_has_room_are_passed_on_the_thread_of_the_driver() {
    let (one, two) = (Roomy::new(usize::MAX), Roomy::new(1000));
    let recording = Recording::default();
    let mut relay = relay(vec![Box::new(one.clone()), Box::new(two.clone())], recording.callback(), true)
        .silent_if(|_| true);
    print(&mut relay, 1, b"first\nsec");
    relay.publish(killed(1));
    assert_eq!(recording.take(), ["web#1 killed"]);
    print(&mut relay, 1, b"ond\nlast");
    relay.end(RunId::unmanaged(1));
    relay.commit();
    let all = [line("first", true), line("second", true), line("last", true)];
    assert_eq!((one.take(), two.take()), (all.to_vec(), all.to_vec()));
    assert_eq!(one.flushes(), [true; 3]);
    assert!(!has_thread(&relay));
    idle(&relay);

    // One sink that may block is enough, and so is a line that is too long.
    print(&mut relay, 2, &[&[b'x'; 300][..], b"\n"].concat());
    idle(&relay);
    assert_eq!((one.take()[0].1, two.take()[0].1), (false, false));
    two.room.store(0, Ordering::SeqCst);
    print(&mut relay, 2, b"short\n");
    idle(&relay);
    assert_eq!((one.take(), two.take()), (vec![line("short", false)], vec![line("short", false)]));
    assert!(has_thread(&relay));
}

#[test]
fn f_228_nothing_overtakes_what_is_queued() {
    let roomy = Roomy::new(usize::MAX);
    let (sink, was_called, open) = blocking();
    let recording = Recording::default();
    let mut relay = relay(vec![Box::new(roomy.clone()), Box::new(Gated(sink))], recording.callback(), true)
        .silent_if(|_| true);
    print(&mut relay, 1, b"direct\n");
    was_called.recv_timeout(PATIENCE).expect("it was called on this thread");
    roomy.room.store(0, Ordering::SeqCst);
    print(&mut relay, 1, b"block\n");
    was_called.recv_timeout(PATIENCE).expect("the sink was not called");
    roomy.room.store(usize::MAX, Ordering::SeqCst);
    print(&mut relay, 1, b"later\n");
    relay.publish(killed(1));
    relay.commit();
    relay.end(RunId::unmanaged(1));
    relay.commit();
    assert_eq!(recording.take(), [""; 0]);
    drop(open);
    idle(&relay);
    assert_eq!(roomy.take(), [line("direct", true), line("block", false), line("later", false)]);
    assert_eq!(recording.take(), ["web#1 killed"]);
    print(&mut relay, 1, b"direct\n");
    assert_eq!(roomy.take(), [line("direct", true)]);
}

/// A sink that claims never to block, and does on every thread but that of the test.
struct Gated(Blocking);

impl Sink for Gated {
    fn lines(&mut self, _: &Batch<'_>) {
        let _ = self.0.called.send(());
        if thread::current().name() == Some("childminder-output") {
            let _ = self.0.gate.recv();
        }
    }

    fn room(&mut self) -> usize {
        usize::MAX
    }
}

#[test]
fn f_228_what_cannot_be_flushed_without_blocking_is_flushed_by_the_thread() {
    let roomy = Roomy::new(usize::MAX);
    let mut relay = relay(vec![Box::new(roomy.clone())], Box::new(drop), true);
    roomy.is_full.store(1, Ordering::SeqCst);
    print(&mut relay, 1, b"one\n");
    idle(&relay);
    assert_eq!((roomy.take(), roomy.flushes()), (vec![line("one", true)], vec![false]));
}

#[test]
fn f_228_a_notice_that_is_logged_is_published_by_the_thread() {
    let by = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&by);
    let callback: NoticeCallback = Box::new(move |_| recorded.lock().unwrap().push(thread::current().id()));
    let mut relay = relay(Vec::new(), callback, true).silent_if(|notice| notice.run.is_none());
    relay.publish(Notice { run: None, ..killed(1) });
    relay.publish(killed(1));
    relay.publish(Notice { run: None, ..killed(1) });
    relay.commit();
    idle(&relay);
    let own = thread::current().id();
    assert_eq!(by.lock().unwrap().iter().map(|by| *by == own).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn f_48_f_228_a_sink_that_panics_on_the_thread_of_the_driver_is_dropped() {
    struct Roomless(Panics);
    impl Sink for Roomless {
        fn lines(&mut self, batch: &Batch<'_>) {
            self.0.lines(batch);
        }

        fn room(&mut self) -> usize {
            usize::MAX
        }
    }
    let (roomy, calls) = (Roomy::new(usize::MAX), Arc::new(AtomicUsize::new(0)));
    let sinks: Vec<Box<dyn Sink>> =
        vec![Box::new(Roomless(Panics(Arc::clone(&calls)))), Box::new(roomy.clone())];
    let mut relay = relay(sinks, Box::new(drop), true);
    print(&mut relay, 1, b"one\n");
    print(&mut relay, 1, b"two\n");
    assert_eq!(roomy.take(), [line("one", true), line("two", true)]);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// Returns a sink that writes to a pipe, the other end, and another descriptor of our end.
fn pipe() -> (WriterSink<std::io::PipeWriter>, std::io::PipeReader, OwnedFd) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let copy = writer.try_clone().expect("a descriptor").into();
    (WriterSink::open_file(writer), reader, copy)
}

#[test]
fn f_228_a_line_for_a_pipe_is_there_when_the_driver_has_passed_it() {
    let (sink, mut reader, _writer) = pipe();
    let mut relay = relay(vec![Box::new(sink)], Box::new(drop), true);
    print(&mut relay, 1, b"one\n");
    let mut buf = [0; 64];
    let length = reader.read(&mut buf).expect("the line");
    assert_eq!(&buf[..length], b"[web] one\n");
    assert!(!has_thread(&relay));
}

#[test]
fn f_53_f_228_a_full_pipe_does_not_block_the_driver() {
    let (sink, mut reader, writer) = pipe();
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe can be non-blocking");
    let mut filled = 0;
    while let Ok(length) = rustix::io::write(&writer, &[b'x'; 4096]) {
        filled += length;
    }
    // Blocking again, so that a write that may not block would block the test.
    rustix::io::ioctl_fionbio(&writer, false).expect("a pipe can be blocking");
    let mut relay = relay(vec![Box::new(sink)], Box::new(drop), true);
    for number in 0..100 {
        print(&mut relay, 1, format!("{number}\n").as_bytes());
    }
    assert!(has_thread(&relay));
    let expected: String = (0..100).map(|number| format!("[web] {number}\n")).collect();
    let mut read = vec![0; filled + expected.len()];
    reader.read_exact(&mut read).expect("all of it");
    assert_eq!(String::from_utf8_lossy(&read[filled..]), expected);
    idle(&relay);
    // The pipe is empty, so the next line takes the direct way again.
    print(&mut relay, 1, b"last\n");
    let mut last = [0; 11];
    reader.read_exact(&mut last).expect("the last line");
    assert_eq!(&last, b"[web] last\n");
}

#[test]
fn f_53_f_228_a_reader_that_is_gone_is_reported_by_the_thread() {
    let (sink, reader, _) = pipe();
    drop(reader);
    let health = sink.health();
    let mut relay = relay(vec![Box::new(sink)], Box::new(drop), true);
    print(&mut relay, 1, b"one\n");
    idle(&relay);
    assert!(has_thread(&relay) && health.is_broken());
    assert_eq!((health.lost(), health.failures()), (1, 1));
}

proptest! {
    #[test]
    fn f_228_lines_are_never_shown_in_more_bytes_than_was_announced(
        reads in prop::collection::vec(
            prop::collection::vec(prop::sample::select(b"a\r\n'\x1b[3;m\x80\xc2\xe2\xaf\xff\0".to_vec()), 0..60), 1..6,
        ),
        max_line in 1..40_usize,
        name in "[a-z]{1,40}",
    ) {
        let (run, name): (_, Name) = (RunId::unmanaged(1), name.parse().unwrap());
        let shown = Arc::new(Mutex::new(Vec::new()));
        struct Rendered(Arc<Mutex<Vec<u8>>>);
        impl Sink for Rendered {
            fn lines(&mut self, batch: &Batch<'_>) {
                batch.render(&mut self.0.lock().unwrap());
            }
        }
        let format = LineFormat { max_line, ..LineFormat::default() };
        let mut outlet = Outlet::new(vec![Box::new(Rendered(shown.clone()))], format);
        let taken = || mem::take(&mut *shown.lock().unwrap()).len();
        for read in &reads {
            let announced = outlet.size_with(run, &name, read);
            outlet.data(run, &name, Stream::Stdout, read);
            prop_assert!(taken() <= announced);
            let announced = outlet.kept_size(run);
            outlet.show_partial(run, Stream::Stdout);
            prop_assert!(taken() <= announced);
        }
        let announced = outlet.kept_size(run);
        outlet.end(run);
        prop_assert!(taken() <= announced);
    }
}
