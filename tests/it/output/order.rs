//! The order of the lines of real processes on their two streams, and lines without an end.

use std::sync::mpsc::{self, Receiver};

use childminder::machine::Stream;
use childminder::output::{Batch, CallbackSink, Line};
use childminder::testkit::{Script, Sim};
use childminder::{ProcessMonitor, Spec, System};

use crate::support::PATIENCE;

/// Starts a shell script. Returns the monitor, and its lines with a mark in front: of the stream, and of
/// partial and continued lines.
fn lines_of(script: &str, merge: bool) -> (ProcessMonitor, Receiver<String>) {
    let (sender, lines) = mpsc::channel();
    let forward = CallbackSink::new(move |batch: &Batch<'_>, line: Line<'_>| {
        let marks = [(line.continued, "+"), (line.partial, "~")];
        let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
        let _ = sender.send(format!("{} {marks}{}", batch.stream(), line.text()));
    });
    let monitor = ProcessMonitor::builder().sink(forward).background(System::new()).unwrap();
    monitor.add_process("web", Spec::new("sh").args(["-c", script]).merge_output(merge)).unwrap();
    monitor.start_service().unwrap();
    (monitor, lines)
}

fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(PATIENCE).expect("no further line")
}

#[test]
fn f_141_merged_streams_keep_their_exact_order() {
    let script = "i=0; while [ $i -lt 1000 ]; do echo o$i; echo e$i >&2; i=$((i + 1)); done; exec sleep 1000";
    let (monitor, lines) = lines_of(script, true);
    for number in 0..1000 {
        assert_eq!(next(&lines), format!("stdout o{number}"));
        assert_eq!(next(&lines), format!("stdout e{number}"));
    }
    drop(monitor);
}

#[test]
fn f_142_lines_on_two_pipes_are_in_order_if_they_are_a_millisecond_apart() {
    // Another process may delay the driver, so one undisturbed attempt is enough.
    let script = "sleep 0.2; for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.001; echo $i >&2; sleep 0.001; done; exec sleep 1000";
    let expected: Vec<String> =
        (1..=8).flat_map(|n| [format!("stdout {n}"), format!("stderr {n}")]).collect();
    let mut last = Vec::new();
    for _ in 0..20 {
        let (monitor, lines) = lines_of(script, false);
        last = expected.iter().map(|_| next(&lines)).collect();
        drop(monitor);
        if last == expected {
            return;
        }
    }
    panic!("never in order; the last attempt: {last:?}");
}

#[test]
fn f_140_a_prompt_of_a_real_process_is_shown_while_it_waits() {
    let script =
        "echo ready; printf 'Migrate? [y/N] '; sleep 1; echo yes; printf '1 %%\\r2 %%\\r'; exec sleep 1000";
    let (monitor, lines) = lines_of(script, false);
    for expected in ["stdout ready", "stdout ~Migrate? [y/N] ", "stdout +yes", "stdout ~2 %"] {
        assert_eq!(next(&lines), expected);
    }
    drop(monitor);
    assert_eq!(lines.recv_timeout(PATIENCE).ok(), None, "nothing is shown twice");
}

#[test]
fn f_140_in_virtual_time_an_unfinished_line_is_shown_after_exactly_100_milliseconds() {
    let ms = std::time::Duration::from_millis;
    let sim = Sim::new();
    let script = Script::new()
        .prints(ms(1000), Stream::Stdout, "login: ")
        .prints(ms(1300), Stream::Stdout, "joe\n")
        .prints(ms(2000), Stream::Stderr, "1 %\r")
        .prints(ms(2099), Stream::Stderr, "2 %\r");
    sim.script("web", script);
    let world = sim.clone();
    let note = CallbackSink::new(move |batch: &Batch<'_>, line: Line<'_>| {
        world.note(format_args!("{} {}{}", batch.stream(), if line.partial { "~" } else { "" }, line.text()));
    });
    let (monitor, driver) = ProcessMonitor::builder().sink(note).build(sim.clone()).unwrap();
    sim.spawn(driver);
    monitor.add_process("web", "web").unwrap();
    monitor.start_service().unwrap();
    sim.advance(ms(10_000));
    let expected = "0.0 spawn web#1\n1.1 stdout ~login: \n1.3 stdout joe\n2.199 stderr ~2 %\n";
    assert_eq!(sim.trace(), expected);
    sim.drop_futures();
}
