//! Output: floods, endless lines, last words, and sinks that do not keep up.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use childminder::machine::NoticeKind;
use childminder::output::Batch;
use childminder::{Exit, Sink, Spec};

use crate::support::status_field;

use super::{Kept, builder, every_runtime, hasty, hear, now, sh, started, with_monitor};

every_runtime!(f_16_56_57_all_output_comes_before_the_exit_is_published);

async fn f_16_56_57_all_output_comes_before_the_exit_is_published() {
    let kept = Kept::default();
    with_monitor(builder().sink(kept.clone()), async |monitor| {
        let mut notices = monitor.notices();
        monitor.add_process("talk", sh("seq 1 20000; echo oops >&2; printf last")).unwrap();
        monitor.start_process("talk").unwrap(); // once: the service does not run
        let exit = hear(&mut notices, |notice| match notice.kind {
            NoticeKind::Exited { exit, .. } => Some(exit),
            _ => None,
        });
        assert_eq!(exit.await, Exit::Code(0));
        let lines = kept.all();
        assert_eq!(lines.len(), 20_002);
        let numbers = lines.iter().filter(|line| !line.contains("oops") && !line.contains("last"));
        assert!(numbers.zip(1..).all(|(line, number)| *line == format!("talk: {number}")));
        assert_eq!(lines.iter().filter(|line| *line == "talk: last").count(), 1);
    })
    .await;
}

/// Counts lines, and checks what every sink may rely on.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    lines: u64,
    bytes: u64,
    continued: u64,
}

impl Sink for Counter {
    fn lines(&mut self, batch: &Batch<'_>) {
        let mut counts = self.0.lock().unwrap();
        for line in batch.lines() {
            assert!(line.bytes.len() <= 16_384);
            counts.lines += 1;
            counts.bytes += line.bytes.len() as u64;
            counts.continued += u64::from(line.continued);
        }
    }
}

async fn run_to_its_end(spec: Spec) -> Counter {
    let counter = Counter::default();
    with_monitor(builder().sink(counter.clone()), async |monitor| {
        let mut notices = monitor.notices();
        monitor.add_process("flood", spec).unwrap();
        monitor.start_process("flood").unwrap();
        hear(&mut notices, |notice| matches!(notice.kind, NoticeKind::Exited { .. }).then_some(())).await;
    })
    .await;
    counter
}

#[test]
fn f_58_a_million_lines_arrive() {
    let counter = futures_lite::future::block_on(run_to_its_end(Spec::new("seq").args(["1", "1000000"])));
    let counts = counter.0.lock().unwrap();
    assert_eq!((counts.lines, counts.bytes), (1_000_000, 5_888_896));
}

#[test]
fn f_54_a_line_without_end_arrives_whole_and_in_pieces() {
    const LENGTH: u64 = 64 << 20;
    let script = format!("head -c {LENGTH} /dev/zero | tr '\\0' x");
    let counter = futures_lite::future::block_on(run_to_its_end(sh(&script)));
    let counts = counter.0.lock().unwrap();
    assert_eq!(
        (counts.bytes, counts.lines, counts.continued),
        (LENGTH, LENGTH / 16_384, LENGTH / 16_384 - 1)
    );
}

/// Accepts one batch, and the next one when the test allows it.
struct Stuck(Receiver<()>);

impl Sink for Stuck {
    fn lines(&mut self, _: &Batch<'_>) {
        let _ = self.0.recv();
    }
}

#[test]
fn f_53_59_with_a_stuck_sink_and_a_flood_kills_are_on_time_and_restarts_go_on() {
    let (unstick, stuck) = channel();
    futures_lite::future::block_on(with_monitor(builder().sink(Stuck(stuck)), async |monitor| {
        monitor.add_process("flood", Spec::new("yes")).unwrap();
        monitor.add_process("deaf", sh("trap '' TERM; while :; do sleep 0.05; done")).unwrap();
        monitor.add_process("calm", sh("exec sleep 1000")).unwrap();
        monitor.start_service().unwrap();
        // Notices wait behind the lines, in order; the status does not.
        while monitor.status("calm").unwrap().pid.is_none() {
            futures_lite::future::yield_now().await;
        }
        let deaf = monitor.status("deaf").unwrap().pid.unwrap();
        while !ignores_term(deaf) {
            futures_lite::future::yield_now().await;
        }
        let begin = now();
        monitor.stop_process("deaf").unwrap().await.unwrap();
        let took = begin.elapsed();
        assert!(took >= hasty().kill_time && took < hasty().kill_time + Duration::from_secs(2), "{took:?}");
        monitor.stop_process("calm").unwrap().await.unwrap();
        while monitor.status("calm").unwrap().restarts == 0 {
            futures_lite::future::yield_now().await;
        }
        monitor.stop_service().await.unwrap();
        drop(unstick);
    }));
}

/// Whether the process ignores TERM, since its output cannot be read.
fn ignores_term(pid: u32) -> bool {
    let mask = status_field(pid, "SigIgn").expect("it runs");
    u64::from_str_radix(&mask, 16).unwrap() >> (libc::SIGTERM - 1) & 1 == 1
}

#[test]
fn f_59_a_flood_starves_no_other_process() {
    let kept = Kept::default();
    // Only lines of the quiet processes are kept.
    struct Quiet(Kept);
    impl Sink for Quiet {
        fn lines(&mut self, batch: &Batch<'_>) {
            if &**batch.name() != "flood" {
                self.0.lines(batch);
            }
        }
    }
    futures_lite::future::block_on(with_monitor(builder().sink(Quiet(kept.clone())), async |monitor| {
        let mut notices = monitor.notices();
        monitor.add_process("flood", Spec::new("yes")).unwrap();
        monitor.start_service().unwrap();
        started(&mut notices, "flood").await;
        for i in 0..20 {
            monitor.add_process(&format!("quiet-{i}"), sh("echo here; exec sleep 1000")).unwrap();
        }
        for i in 0..20 {
            kept.line(&format!("quiet-{i}: here")).await;
        }
        monitor.stop_service().await.unwrap();
    }));
}

#[test]
fn f_48_a_panicking_sink_breaks_neither_output_nor_kills() {
    struct Bomb;
    impl Sink for Bomb {
        fn lines(&mut self, _: &Batch<'_>) {
            panic!("a panic of a sink");
        }
    }
    let kept = Kept::default();
    futures_lite::future::block_on(with_monitor(builder().sink(Bomb).sink(kept.clone()), async |monitor| {
        monitor
            .add_process("deaf", sh("trap '' TERM; echo one; echo two; while :; do sleep 0.05; done"))
            .unwrap();
        monitor.start_service().unwrap();
        kept.line("two").await;
        monitor.stop_service().await.unwrap();
    }));
    assert_eq!(kept.all(), ["deaf: one", "deaf: two"]);
}
