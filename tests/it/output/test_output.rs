//! Lines in the output of a test. What the harness keeps can be seen from outside only, so each test starts itself
//! again.

use std::io;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};

use childminder::output::{CallbackSink, TestOutputSink};
use childminder::{ProcessMonitor, Spec, System};

use crate::support::{PATIENCE, again};

/// A monitor with a `TestOutputSink`, and then a sink that says which lines have come so far.
fn monitor_of(script: &str) -> (ProcessMonitor, Receiver<String>) {
    let (sender, lines) = mpsc::channel();
    let tell = CallbackSink::new(move |_, line| drop(sender.send(line.text().into_owned())));
    let monitor =
        ProcessMonitor::builder().sink(TestOutputSink).sink(tell).background(System::new()).unwrap();
    monitor.add_process("web", Spec::new("sh").args(["-c", script])).unwrap();
    monitor.start_service();
    (monitor, lines)
}

#[test]
fn lines_appear_in_the_output_of_the_test_that_started_the_monitor() {
    let name = "output::test_output::lines_appear_in_the_output_of_the_test_that_started_the_monitor";
    let Some(mut test) = again(name) else {
        let (monitor, lines) = monitor_of("echo ready; echo steady >&2; exec sleep 1000");
        let mut come = [0; 2].map(|_| lines.recv_timeout(PATIENCE).expect("two lines"));
        come.sort();
        assert_eq!(come, ["ready", "steady"]);
        return drop(monitor);
    };
    let output = test.arg("--show-output").output().expect("timeout starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
    let (_, kept) = out.split_once(&format!("---- {name} stdout ----\n")).unwrap_or_else(|| panic!("{out}"));
    assert!(kept.contains("[web] ready\n") && kept.contains("[web] steady\n"), "{kept}");
    assert!(!err.contains("[web]"), "not beside the harness: {err}");
}

#[test]
fn f_48_nobody_reads_the_error_output_and_the_other_sinks_go_on() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let name = "output::test_output::f_48_nobody_reads_the_error_output_and_the_other_sinks_go_on";
    let Some(mut test) = again(name) else {
        panic::set_hook(Box::new(|_| {
            PANICS.fetch_add(1, Ordering::SeqCst);
        }));
        let (monitor, lines) = monitor_of("while echo line; do sleep 0.01; done");
        for _ in 0..5 {
            assert_eq!(lines.recv_timeout(PATIENCE).as_deref(), Ok("line"));
        }
        drop(monitor);
        return assert_eq!(PANICS.load(Ordering::SeqCst), 1, "once, then it is dropped");
    };
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let output = test.arg("--nocapture").stderr(writer).output().expect("timeout starts");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && out.contains("1 passed"), "{}: {out}", output.status);
}
