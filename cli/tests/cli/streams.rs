//! Outputs that are closed, full, or not read.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::supervisor::{Fifo, Lines, PROGRAM, Supervisor};

#[test]
fn f_62_closed_or_full_outputs_do_not_end_supervision() {
    for redirection in [">&- 2>&-", ">/dev/full 2>/dev/full", ">&- 2>/dev/full", "<&- >&- 2>&-"] {
        let mut fifo = Fifo::new();
        let script = format!(
            "exec \"$0\" run -m 1ms -M 1ms sh -c 'echo hi; echo started >>\"$0\"' \"$1\" {redirection}"
        );
        let mut command = Command::new("sh");
        let supervisor = Supervisor::start(command.args(["-c", &script, PROGRAM]).arg(fifo.path()));
        for _ in 0..3 {
            fifo.lines.wait_for("started");
        }
        assert_eq!(supervisor.stop().status, 0, "{redirection}");
    }
}

#[test]
fn f_62_a_closed_reader_is_reported_once_and_the_program_goes_on() {
    let (reader, writer) = io::pipe().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-m", "1ms", "-M", "1ms", "sh", "-c", "echo hi"]);
    let mut supervisor = Supervisor::spawn(command.stdout(writer).stderr(Stdio::piped()));
    drop(command);
    let mut first = [0; 8];
    let mut head = reader;
    head.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"[sh] hi\n");
    drop(head);
    supervisor.err.wait_for("WARN the reader of the output is gone");
    supervisor.err.wait_for("started");
    supervisor.err.wait_for("started");
    let ended = supervisor.stop();
    assert_eq!(ended.status, 0);
    assert!(!ended.err.contains("reader of the output"), "reported twice: {}", ended.err);
}

#[test]
fn f_62_blocked_outputs_delay_neither_restarts_nor_the_stop() {
    for non_blocking in [false, true] {
        let mut fifo = Fifo::new();
        let (_stuck_out, out) = full_pipe(non_blocking);
        let (_stuck_err, err) = full_pipe(non_blocking);
        let mut command = Command::new(PROGRAM);
        command
            .args(["run", "-m", "1ms", "-M", "1ms", "sh", "-c", "echo hi; echo started >>\"$0\""])
            .arg(fifo.path());
        let supervisor = Supervisor::spawn(command.stdout(out).stderr(err));
        drop(command);
        for _ in 0..3 {
            fifo.lines.wait_for("started");
        }
        assert_eq!(supervisor.stop().status, 0);
    }
}

#[test]
fn f_62_a_non_blocking_output_that_is_full_for_a_while_loses_nothing() {
    let (reader, out) = full_pipe(true);
    let mut command = Command::new(PROGRAM);
    command.args(["run", "sh", "-c", "seq 1 100000; exec sleep 1000"]);
    let mut supervisor = Supervisor::spawn(command.stdout(out).stderr(Stdio::piped()));
    drop(command);
    supervisor.err.wait_for("started");
    let mut lines = Lines::of(Some(reader));
    // The bytes that filled the pipe are not terminated.
    assert!(lines.next().ends_with("x[sh] 1"));
    for number in 2..=100_000 {
        assert_eq!(lines.next(), format!("[sh] {number}"));
    }
    assert_eq!(supervisor.stop().status, 0);
}

/// Returns a full pipe.
fn full_pipe(non_blocking: bool) -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    if !non_blocking {
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    }
    (reader, writer)
}

#[test]
fn f_141_both_streams_are_in_order_by_default() {
    let script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done; exec sleep 1000";
    let mut supervisor = Supervisor::run(&["sh", "-c", script]);
    for number in 1..=9 {
        assert_eq!(supervisor.out.next(), format!("[sh] out {number}"));
        assert_eq!(supervisor.out.next(), format!("[sh] err {number}"));
    }
    assert_eq!(supervisor.stop().status, 0);
}

#[test]
fn r2_12_events_are_reported_while_stdout_is_blocked() {
    let (_blocked, out) = full_pipe(false);
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-m", "1ms", "-M", "1ms", "sh", "-c", "echo hi"]);
    let mut supervisor = Supervisor::spawn(command.stdout(out).stderr(Stdio::piped()));
    drop(command);
    supervisor.err.wait_for("WARN the output is blocked with");
    for _ in 0..5 {
        supervisor.err.wait_for("exited with code 0");
        supervisor.err.wait_for("started, pid");
    }
    let ended = supervisor.stop();
    assert_eq!(ended.status, 0);
    assert!(ended.err.contains("stopped waiting for the sinks;"), "{}", ended.err);
}
