//! Callbacks and sinks cannot break supervision.

use std::sync::{Arc, Mutex};

use childminder::testkit::Script;
use childminder::{Batch, Exit, ProcessMonitor, Sink, Spec, Stream};

use super::{monitor_of, secs};

/// What sinks and subscribers have seen, in one order.
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
        .prints(secs(2.0), Stream::Stderr, "oops\n")
        .prints(secs(3.0), Stream::Stdout, "o\nthree")
        .lives(secs(3.0))
        .exits(Exit::Code(1));
    sim.script("talk", script);
    monitor.add_process("talk", Spec::new("talk")).unwrap();
    monitor.start_service();
    sim.advance(secs(4.5));
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
            monitor.start_service();
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
    monitor.start_service();
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
    monitor.start_service();
    sim.advance(secs(3.0));
    assert_eq!(seen.take(), ["talk#1 stdout one", "talk#1 stdout two"]);
    assert_eq!(sim.block_on(monitor.stop_service()), Ok(()), "kill timers go on, too");
    assert_eq!(sim.live(), 0);
}
