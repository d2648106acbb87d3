//! The sinks of the library.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex};

use childminder::machine::{RunId, Stream};
use childminder::output::{LoggingProtocol, TailSink, WriterSink};
use childminder::{LogSink, Sink};

use crate::support::recorded;

fn print(name: &str, bytes: impl AsRef<[u8]>, sink: &mut dyn Sink) {
    let mut protocol = LoggingProtocol::new(name.parse().expect("a valid name"), RunId::unmanaged(1));
    protocol.data_received(Stream::Stdout, bytes.as_ref(), sink);
    protocol.process_ended(sink);
}

/// A writer that accepts a number of bytes and then fails.
#[derive(Clone)]
struct Disk(Arc<Mutex<(Vec<u8>, usize, ErrorKind)>>);

impl Disk {
    fn new(room: usize, error: ErrorKind) -> Self {
        Self(Arc::new(Mutex::new((Vec::new(), room, error))))
    }

    fn add_room(&self, room: usize) {
        self.0.lock().unwrap().1 += room;
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (text, room, error) = &mut *self.0.lock().unwrap();
        let written = bytes.len().min(*room);
        if written == 0 {
            return Err((*error).into());
        }
        *room -= written;
        text.extend_from_slice(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn f_60_62_a_full_disk_tears_no_line_and_loses_none_up_to_the_limit() {
    for error in [ErrorKind::StorageFull, ErrorKind::WouldBlock, ErrorKind::Other] {
        let disk = Disk::new(10, error);
        let mut sink = WriterSink::new(disk.clone());
        let health = sink.health();
        print("web", "one\ntwo\n", &mut sink);
        sink.flush();
        assert_eq!(disk.text(), "[web] one\n", "{error}");
        disk.add_room(4);
        sink.flush();
        disk.add_room(1000);
        print("web", "three\n", &mut sink);
        sink.flush();
        assert_eq!(disk.text(), "[web] one\n[web] two\n[web] three\n", "{error}");
        assert_eq!((health.failures(), health.lost(), health.is_broken()), (2, 0, false), "{error}");
    }
}

#[test]
fn f_60_a_disk_that_stays_full_costs_bounded_memory() {
    let disk = Disk::new(0, ErrorKind::StorageFull);
    let mut sink = WriterSink::new(disk.clone());
    let batch = format!("{}\n", "x".repeat(99)).repeat(1000);
    for _ in 0..30 {
        print("web", &batch, &mut sink);
    }
    let lost = sink.health().lost();
    assert!(lost > 10_000, "lost {lost}");
    disk.add_room(usize::MAX);
    sink.flush();
    assert_eq!(disk.text().lines().count() as u64, 30_000 - lost, "lines that are not lost are written");
    assert!(disk.text().lines().all(|line| line.len() == "[web] ".len() + 99));
    print("web", "recovered\n", &mut sink);
    sink.flush();
    assert!(disk.text().ends_with("\n[web] recovered\n"));
}

#[test]
fn f_62_a_closed_pipe_is_reported_once_and_not_written_again() {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let mut sink = WriterSink::new(writer);
    let health = sink.health();
    for _ in 0..3 {
        print("web", "one\ntwo\n", &mut sink);
        sink.flush();
    }
    assert_eq!((health.failures(), health.lost(), health.is_broken()), (1, 6, true));
}

#[test]
fn a_batch_is_one_write_and_several_small_batches_are_one() {
    struct Counted(Vec<usize>);
    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut sink = WriterSink::new(Counted(Vec::new()));
    print("web", "x\n".repeat(20_000), &mut sink);
    for _ in 0..10 {
        print("web", "y\n", &mut sink);
    }
    assert_eq!(sink.into_inner().0, [20_000 * 8, 10 * 8]);
}

#[test]
fn a_tail_keeps_the_last_lines_of_each_process() {
    let tail = TailSink::new(3);
    for number in 1..=5 {
        print("web", format!("w{number}\n"), &mut tail.clone());
    }
    print("db", "d1\nd2\nd3\nd4\nd5\x07", &mut tail.clone());
    assert_eq!(tail.last("web", 10), ["w3", "w4", "w5"]);
    assert_eq!(tail.last("web", 2), ["w4", "w5"]);
    assert_eq!(tail.last("web", 0), [""; 0]);
    assert_eq!(tail.last("db", 10), ["d3", "d4", r"d5\x07"]);
    assert_eq!(tail.last("unknown", 10), [""; 0]);
    tail.forget("web");
    assert_eq!(tail.last("web", 10), [""; 0]);
    assert_eq!(tail.last("db", 1), [r"d5\x07"]);
}

#[test]
fn f_54_a_tail_is_bounded_in_bytes_and_marks_pieces() {
    let tail = TailSink::new(100).max_bytes(20_000);
    print("web", format!("short\n{}rest\n", "x".repeat(16_384)), &mut tail.clone());
    let lines = tail.last("web", 100);
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [5, 16_384, 6]);
    assert_eq!(lines[2], "+ rest");
    print("web", format!("{}\n", "y".repeat(9_000)), &mut tail.clone());
    assert_eq!(tail.last("web", 100).iter().map(String::len).collect::<Vec<_>>(), [6, 9_000]);
}

#[test]
fn lp_1_10_11_every_line_is_a_record_at_info() {
    let long = "x".repeat(16_384);
    let records = recorded(|| print("log-me", format!("a {{}} %s\n{long}b\n"), &mut LogSink));
    let rest = "name=log-me stream=stdout run=1";
    let expected = [
        format!("childminder::output INFO [log-me] a {{}} %s {rest}"),
        format!("childminder::output INFO [log-me] {long} {rest}"),
        format!("childminder::output INFO [log-me+] b {rest}"),
    ];
    assert_eq!(records, expected);
}
