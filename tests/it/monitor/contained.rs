//! Callbacks and sinks cannot break supervision.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use childminder::host::{ProbeFuture, ProbeTarget, Process, SleepFuture};
use childminder::machine::{SignalTarget, Stream};
use childminder::output::Batch;
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Host, ProcessMonitor, Signal, Sink, SpawnError, Spec};
use futures_lite::StreamExt;
use futures_lite::future::poll_once;

use super::{monitor_of, secs};
use crate::support::alone;

/// The lines and notices that sinks and subscribers have received, in one order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Sink for Seen {
    fn lines(&mut self, batch: &Batch<'_>) {
        for line in batch.lines() {
            self.add(format!("{}{} {} {}", batch.name(), batch.run(), batch.stream(), line.text()));
        }
    }
}

#[test]
fn f_16_56_57_every_line_comes_once_in_order_and_before_the_next_run() {
    let seen = Seen::default();
    let (sim, monitor) = monitor_of(ProcessMonitor::builder().sink(seen.clone()));
    let script = Script::new()
        .prints(secs(1.0), Stream::Stdout, "one\ntw")
        .prints(secs(1.05), Stream::Stderr, "oops\n")
        .prints(secs(1.09), Stream::Stdout, "o\n")
        .prints(secs(2.95), Stream::Stdout, "three")
        .lives(secs(3.0))
        .exits(Exit::Code(1));
    sim.script("talk", script);
    monitor.add_process("talk", Spec::new("talk")).unwrap();
    monitor.start_service().unwrap();
    // An incomplete line is shown as it is after 100 ms.
    sim.advance(secs(4.04));
    assert_eq!(
        seen.take(),
        [
            "talk#1 stdout one",
            "talk#1 stderr oops",
            "talk#1 stdout two",
            "talk#1 stdout three",
            "talk#2 stdout one",
        ]
    );
}

#[test]
fn f_41_a_sink_may_call_the_monitor_it_listens_to() {
    struct Meddler(Option<ProcessMonitor>, Seen);
    impl Sink for Meddler {
        fn lines(&mut self, batch: &Batch<'_>) {
            let name: &str = batch.name();
            let Some(monitor) = &self.0 else { return };
            self.1.add(monitor.status(name).unwrap().phase.to_string());
            monitor.add_process("other", Spec::new("quiet")).unwrap();
            drop(monitor.remove_process(name).unwrap());
            drop(monitor.stop_service());
            monitor.start_service().unwrap();
            self.0 = None;
        }
    }
    let seen = Seen::default();
    let slot = Arc::new(Mutex::new(Meddler(None, seen.clone())));
    struct Shared(Arc<Mutex<Meddler>>);
    impl Sink for Shared {
        fn lines(&mut self, batch: &Batch<'_>) {
            self.0.lock().unwrap().lines(batch);
        }
    }
    let (sim, monitor) = monitor_of(ProcessMonitor::builder().sink(Shared(slot.clone())));
    slot.lock().unwrap().0 = Some(monitor.clone());
    sim.script("quiet", Script::new());
    sim.script("talk", Script::new().prints(secs(0.0), Stream::Stdout, "hi\n"));
    monitor.add_process("talk", Spec::new("talk")).unwrap();
    monitor.start_service().unwrap();
    sim.run_until_idle();
    assert_eq!(seen.take(), ["up"]);
    assert!(monitor.status("talk").is_none());
    sim.advance(secs(2.0));
    assert_eq!(monitor.status("other").unwrap().phase, childminder::Phase::Up);
}

#[test]
fn f_48_a_panicking_sink_is_contained_and_the_others_go_on() {
    struct Bomb;
    impl Sink for Bomb {
        fn lines(&mut self, _: &Batch<'_>) {
            panic!("a sink went off");
        }
    }
    let seen = Seen::default();
    let (sim, monitor) = monitor_of(ProcessMonitor::builder().sink(Bomb).sink(seen.clone()));
    sim.script(
        "talk",
        Script::new()
            .prints(secs(1.0), Stream::Stdout, "one\n")
            .prints(secs(2.0), Stream::Stdout, "two\n")
            .ignores_term(),
    );
    monitor.add_process("talk", Spec::new("talk")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(3.0));
    assert_eq!(seen.take(), ["talk#1 stdout one", "talk#1 stdout two"]);
    assert_eq!(sim.block_on(monitor.stop_service()), Ok(()), "kill timers go on, too");
    assert_eq!(sim.live(), 0);
}

/// A logger that goes off at every record.
struct BombLogger;

impl log::Log for BombLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {
        panic!("a logger went off");
    }

    fn flush(&self) {}
}

#[test]
fn f_48_a_panicking_logger_takes_neither_subscribers_nor_supervision_with_it() {
    const NAME: &str =
        "monitor::contained::f_48_a_panicking_logger_takes_neither_subscribers_nor_supervision_with_it";
    alone(NAME, || {
        log::set_logger(&BombLogger).unwrap();
        log::set_max_level(log::LevelFilter::Info);
        let (sim, monitor) = monitor_of(ProcessMonitor::builder());
        let notices = monitor.notices();
        sim.script("talk", Script::new().prints(secs(0.5), Stream::Stdout, "one\n").lives(secs(2.0)));
        monitor.add_process("talk", Spec::new("talk")).unwrap();
        monitor.start_service().unwrap();
        sim.advance(secs(3.0));
        sim.block_on(monitor.stop_service()).unwrap();
        drop(monitor);
        sim.run_until_idle();
        let heard = sim.block_on(notices.count());
        assert_eq!(heard, 7, "an addition, two starts, an exit, a restart, a request to stop, another exit");
    });
}

/// The simulated world, in which no signal can be sent.
#[derive(Debug)]
struct Forbidding(Sim);

#[derive(Debug)]
struct Untouchable(Box<dyn Process>);

impl Host for Forbidding {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        self.0.sleep_until(at)
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        Ok(Box::new(Untouchable(Host::spawn(&self.0, spec)?)))
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        self.0.probe(target, owner)
    }

    fn has_threads(&self) -> bool {
        false
    }
}

impl Process for Untouchable {
    fn id(&self) -> u32 {
        self.0.id()
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        self.0.poll_exit(cx)
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(stream, cx, buf)
    }

    fn signal(&mut self, _: SignalTarget, _: Signal) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(libc::EPERM))
    }

    fn remaining(&mut self) -> Vec<u32> {
        self.0.remaining()
    }
}

#[test]
fn f_31_signals_that_are_refused_are_sentences_and_the_survivor_is_named() {
    let sim = Sim::new();
    sim.script("other", Script::new());
    let (monitor, driver) = ProcessMonitor::new(Forbidding(sim.clone()));
    sim.spawn(driver);
    let mut notices = monitor.notices();
    monitor.add_process("other", Spec::new("other")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(1.0));
    let error = sim.block_on(monitor.stop_service()).unwrap_err();
    assert_eq!(error.to_string(), "still not gone after KILL: other#1 (pid 101)");
    let mut sentences = Vec::new();
    while let Some(Some(Ok(notice))) = sim.block_on(poll_once(notices.next())) {
        sentences.push(notice.to_string());
    }
    let refused = |signal| format!("other#1 cannot be sent {signal}: Operation not permitted (os error 1)");
    assert_eq!(sentences.iter().filter(|text| text.contains("cannot be sent")).count(), 3, "{sentences:?}");
    assert!(
        ["TERM", "CONT", "KILL"].map(refused).iter().all(|text| sentences.contains(text)),
        "{sentences:?}"
    );
}
