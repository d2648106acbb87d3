//! Lines in the captured output of a test. It can be observed from outside only, so each test runs itself
//! again.

use std::io;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};

use childminder::output::{CallbackSink, TestOutputSink};
use childminder::{ProcessMonitor, Spec, System};

use crate::support::{PATIENCE, again};

/// Starts a monitor with a `TestOutputSink`, followed by a sink that sends the lines back.
fn monitor_of(script: &str) -> (ProcessMonitor, Receiver<String>) {
    let (sender, lines) = mpsc::channel();
    let forward = CallbackSink::new(move |_, line| drop(sender.send(line.text().into_owned())));
    let monitor =
        ProcessMonitor::builder().sink(TestOutputSink).sink(forward).background(System::new()).unwrap();
    monitor.add_process("web", Spec::new("sh").args(["-c", script])).unwrap();
    monitor.start_service().unwrap();
    (monitor, lines)
}

#[test]
fn lines_appear_in_the_output_of_the_test_that_started_the_monitor() {
    let name = "output::test_output::lines_appear_in_the_output_of_the_test_that_started_the_monitor";
    let Some(mut test) = again(name) else {
        let (monitor, lines) = monitor_of("echo ready; echo steady >&2; exec sleep 1000");
        let mut received = [0; 2].map(|_| lines.recv_timeout(PATIENCE).expect("two lines"));
        received.sort();
        assert_eq!(received, ["ready", "steady"]);
        return drop(monitor);
    };
    let output = test.arg("--show-output").output().expect("cannot start the test again");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
    let (_, kept) = out.split_once(&format!("---- {name} stdout ----\n")).unwrap_or_else(|| panic!("{out}"));
    assert!(kept.contains("[web] ready\n") && kept.contains("[web] steady\n"), "{kept}");
    assert!(!err.contains("[web]"), "past the harness: {err}");
}

#[test]
fn f_48_without_a_reader_of_stderr_the_other_sinks_go_on() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let name = "output::test_output::f_48_without_a_reader_of_stderr_the_other_sinks_go_on";
    let Some(mut test) = again(name) else {
        panic::set_hook(Box::new(|_| {
            PANICS.fetch_add(1, Ordering::SeqCst);
        }));
        let (monitor, lines) = monitor_of("while echo line; do sleep 0.01; done");
        for _ in 0..5 {
            assert_eq!(lines.recv_timeout(PATIENCE).as_deref(), Ok("line"));
        }
        drop(monitor);
        return assert_eq!(PANICS.load(Ordering::SeqCst), 1, "the sink panics once and is dropped");
    };
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let output = test.arg("--nocapture").stderr(writer).output().expect("cannot start the test again");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && out.contains("1 passed"), "{}: {out}", output.status);
}
