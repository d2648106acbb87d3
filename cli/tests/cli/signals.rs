//! Signals, at every moment, and what is left after them.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tempfile::TempDir;

use super::minder::{Ended, Minder, PROGRAM};

/// Ignores TERM, with everything that it starts, and never rests.
const STUBBORN: &str = "trap '' TERM; echo ready; while :; do sleep 0.1; done";

const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP];

#[test]
fn pmt_9_f_52_each_of_the_four_signals_ends_the_program_first() {
    for signal in ENDING {
        let mut minder = Minder::run(&[
            "sh",
            "-c",
            "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done",
        ]);
        minder.out.wait_for("ready");
        minder.signal(signal);
        let Ended { status, out, err } = minder.end();
        assert_eq!(status, 0, "{signal}: {err}");
        assert!(out.contains("[sh] bye\n"), "{signal}: {out}");
        assert!(err.contains(&format!("got {}, stopping", &signal.as_str()[3..])), "{signal}: {err}");
        assert!(err.contains("sh#1 stopped with code 0"), "{signal}: {err}");
    }
}

#[test]
fn f_24_a_program_that_ignores_term_is_killed_at_its_kill_time() {
    let mut minder = Minder::run(&["-k", "0.2", "sh", "-c", STUBBORN]);
    minder.out.wait_for("ready");
    let Ended { status, err, .. } = minder.stop();
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("sh#1 killed"), "{err}");
    assert!(err.contains("sh#1 stopped with signal KILL"), "{err}");
}

#[test]
fn f_52_a_second_signal_during_the_stop_kills_at_once_and_a_third_changes_nothing() {
    for second in ENDING {
        let mut minder = Minder::run(&["-k", "1000", "sh", "-c", STUBBORN]);
        // Another one: the same at once would be an echo.
        let first = if second == Signal::SIGTERM { Signal::SIGINT } else { Signal::SIGTERM };
        minder.out.wait_for("ready");
        minder.signal(first);
        minder.err.wait_for("stopping; a second signal kills at once");
        minder.signal(second);
        minder.signal(second);
        let Ended { status, err, .. } = minder.end();
        assert_eq!(status, 0, "{second}: {err}");
        assert!(err.contains("sh#1 stopped with signal KILL"), "{second}: {err}");
    }
}

#[test]
fn f_52_a_signal_that_comes_twice_at_once_is_one() {
    // As `timeout` sends it: to the process, and to its group. (Short sleeps: one that is just being started may miss TERM.)
    for signal in ENDING {
        let mut minder = Minder::run(&[
            "-k",
            "1000",
            "sh",
            "-c",
            "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done",
        ]);
        minder.out.wait_for("ready");
        minder.signal(signal);
        // It may have ended by now.
        let _ = nix::sys::signal::kill(minder.pid(), signal);
        let Ended { status, out, err } = minder.end();
        assert_eq!(status, 0, "{signal}: {err}");
        assert!(out.contains("bye") && !err.contains("killing"), "{signal}: {err}");
    }
}

#[test]
fn f_52_a_signal_during_the_start_leaves_nobody_behind() {
    for signal in ENDING.into_iter().cycle().take(12) {
        let minder = Minder::run(&["-k", "0", "sh", "-c", STUBBORN]);
        // As soon as it has a handler, which is before the first start.
        while !catches(minder.pid(), signal) {
            std::thread::yield_now();
        }
        minder.signal(signal);
        let Ended { status, err, .. } = minder.end();
        assert_eq!(status, 0, "{signal}: {err}");
    }
}

#[test]
fn f_52_all_handlers_are_there_before_the_first_start() {
    let dir = TempDir::new().unwrap();
    let trace = dir.path().join("trace");
    let Some(mut command) = traced(&[
        "-f",
        "-o",
        trace.to_str().unwrap(),
        "-e",
        "trace=rt_sigaction,execve",
        "-e",
        "signal=none",
    ]) else {
        return;
    };
    let mut minder = Minder::start(command.args(["run", "sh", "-c", "echo ready; exec sleep 1000"]));
    minder.out.wait_for("ready");
    let trace = fs::read_to_string(trace).unwrap();
    // The first is our own.
    let (start, _) = trace.match_indices("execve(").nth(1).expect("the start");
    for signal in ENDING {
        let handler = trace.find(&format!("rt_sigaction({}, {{sa_handler=0x", signal.as_str()));
        assert!(handler.is_some_and(|handler| handler < start), "{signal} in {trace}");
    }
    assert_eq!(minder.stop().status, 0);
}

/// `childminder` under strace, but as our own child. None, where there is no strace, or it may not trace.
fn traced(options: &[&str]) -> Option<Command> {
    if !Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|it| it.success())
    {
        eprintln!("SKIPPED: strace is missing, or may not trace");
        return None;
    }
    let mut command = Command::new("strace");
    command.args(["-D", "-qq"]).args(options).arg(PROGRAM);
    Some(command)
}

/// Whether a process has a handler for this signal. Not, if it has ended.
fn catches(pid: Pid, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("it has not ended");
    u64::from_str_radix(caught.trim(), 16).expect("a mask") & (1 << (signal as i32 - 1)) != 0
}

#[test]
fn f_52_a_signal_before_a_restart_ends_the_waiting() {
    let mut minder = Minder::run(&["-m", "1000", "sh", "-c", "exit 1"]);
    minder.err.wait_for("starts again in");
    let Ended { status, err, .. } = minder.stop();
    assert_eq!(status, 0);
    assert!(!err.contains("sh#2"), "{err}");
}

#[test]
fn f_52_under_nohup_a_terminal_that_goes_away_changes_nothing() {
    let mut command = Command::new("nohup");
    let mut minder = Minder::start(command.args([PROGRAM, "run", "sh", "-c", "echo ready; exec sleep 1000"]));
    minder.out.wait_for("ready");
    minder.signal(Signal::SIGHUP);
    let Ended { status, err, .. } = minder.stop();
    assert_eq!(status, 0);
    assert!(err.contains("got TERM, stopping") && !err.contains("HUP"), "{err}");
}

#[test]
fn pmt_9_f_31_what_cannot_be_ended_is_named_and_the_exit_status_is_1() {
    // No signal is sent, and the program does not know: as with one that has become another user's.
    let strace = ["-D", "-qq", "-o", "/dev/null", "-e", "inject=kill,pidfd_send_signal:error=EPERM"];
    if !Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|it| it.success())
    {
        return eprintln!("SKIPPED: strace is missing, or may not trace");
    }
    let mut command = Command::new("strace");
    let mut minder = Minder::start(command.args(strace).args([PROGRAM, "run", "-k", "0"]).args([
        "sh",
        "-c",
        "echo $$; exec sleep 1000",
    ]));
    let pid = minder.out.wait_for("[sh] ").trim_start_matches("[sh] ").parse().expect("a process id");
    minder.signal(Signal::SIGTERM);
    let Ended { status, err, .. } = minder.end_but(&[Pid::from_raw(pid)]);
    assert_eq!(status, 1, "{err}");
    assert!(err.contains(&format!("ERROR still not gone after KILL: sh#1 (pid {pid})")), "{err}");
}
