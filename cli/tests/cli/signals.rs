//! Signals at every moment, and the processes left after them.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tempfile::TempDir;

use super::skip::skip;
use super::supervisor::{Ended, PROGRAM, Supervisor};

/// Ignores TERM, and so do its children.
const STUBBORN: &str = "trap '' TERM; echo ready; while :; do sleep 0.1; done";

const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP];

#[test]
fn pmt_9_f_52_each_of_the_four_signals_stops_the_program_first() {
    for signal in ENDING {
        let mut supervisor = Supervisor::run(&[
            "sh",
            "-c",
            "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done",
        ]);
        supervisor.out.wait_for("ready");
        supervisor.signal(signal);
        let Ended { status, out, err } = supervisor.end();
        assert_eq!(status, 0, "{signal}: {err}");
        assert!(out.contains("[sh] bye\n"), "{signal}: {out}");
        assert!(err.contains(&format!("got {}, stopping", &signal.as_str()[3..])), "{signal}: {err}");
        assert!(err.contains("sh#1 stopped with code 0"), "{signal}: {err}");
    }
}

#[test]
fn f_24_a_program_that_ignores_term_is_killed_at_its_kill_time() {
    let mut supervisor = Supervisor::run(&["-k", "0.2", "sh", "-c", STUBBORN]);
    supervisor.out.wait_for("ready");
    let Ended { status, err, .. } = supervisor.stop();
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("sh#1 killed"), "{err}");
    assert!(err.contains("sh#1 stopped with signal KILL"), "{err}");
}

#[test]
fn f_52_a_second_signal_during_the_stop_kills_at_once_and_a_third_changes_nothing() {
    for second in ENDING {
        let mut supervisor = Supervisor::run(&["-k", "1000", "sh", "-c", STUBBORN]);
        // A repetition of the first signal would be an echo.
        let first = if second == Signal::SIGTERM { Signal::SIGINT } else { Signal::SIGTERM };
        supervisor.out.wait_for("ready");
        supervisor.signal(first);
        supervisor.err.wait_for("stopping; a second signal kills at once");
        supervisor.signal(second);
        supervisor.signal(second);
        let Ended { status, err, .. } = supervisor.end();
        assert_eq!(status, 0, "{second}: {err}");
        assert!(err.contains("sh#1 stopped with signal KILL"), "{second}: {err}");
    }
}

#[test]
fn f_52_a_repeated_signal_is_an_echo() {
    // `timeout` sends a signal to the process and to its group. The sleeps are short because a sleep that is
    // just being started may miss TERM.
    for signal in ENDING {
        let mut supervisor = Supervisor::run(&[
            "-k",
            "1000",
            "sh",
            "-c",
            "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done",
        ]);
        supervisor.out.wait_for("ready");
        supervisor.signal(signal);
        // It may have exited.
        let _ = nix::sys::signal::kill(supervisor.pid(), signal);
        let Ended { status, out, err } = supervisor.end();
        assert_eq!(status, 0, "{signal}: {err}");
        assert!(out.contains("bye") && !err.contains("killing"), "{signal}: {err}");
    }
}

#[test]
fn f_52_a_signal_during_the_start_leaves_no_process() {
    for signal in ENDING.into_iter().cycle().take(12) {
        let supervisor = Supervisor::run(&["-k", "0", "sh", "-c", STUBBORN]);
        // The handler is installed before the first start.
        while !catches(supervisor.pid(), signal) {
            std::thread::yield_now();
        }
        supervisor.signal(signal);
        let Ended { status, err, .. } = supervisor.end();
        assert_eq!(status, 0, "{signal}: {err}");
    }
}

#[test]
fn f_52_all_handlers_are_installed_before_the_first_start() {
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
    let mut supervisor = Supervisor::start(command.args(["run", "sh", "-c", "echo ready; exec sleep 1000"]));
    supervisor.out.wait_for("ready");
    let trace = fs::read_to_string(trace).unwrap();
    // The first one is that of childminder.
    let (start, _) = trace.match_indices("execve(").nth(1).expect("no second execve");
    for signal in ENDING {
        let handler = trace.find(&format!("rt_sigaction({}, {{sa_handler=0x", signal.as_str()));
        assert!(handler.is_some_and(|handler| handler < start), "{signal} in {trace}");
    }
    assert_eq!(supervisor.stop().status, 0);
}

/// Returns `childminder` under strace, as a direct child; `None` if strace does not work here.
fn traced(options: &[&str]) -> Option<Command> {
    if !Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|it| it.success())
    {
        skip("signals", "strace is missing, or may not trace");
        return None;
    }
    let mut command = Command::new("strace");
    command.args(["-D", "-qq"]).args(options).arg(PROGRAM);
    Some(command)
}

/// Whether a process has a handler for this signal.
fn catches(pid: Pid, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("childminder has exited");
    let caught =
        status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("childminder has exited");
    u64::from_str_radix(caught.trim(), 16).expect("a mask") & (1 << (signal as i32 - 1)) != 0
}

#[test]
fn f_52_a_signal_during_a_restart_delay_stops_at_once() {
    let mut supervisor = Supervisor::run(&["-m", "1000", "sh", "-c", "exit 1"]);
    supervisor.err.wait_for("starts again in");
    let Ended { status, err, .. } = supervisor.stop();
    assert_eq!(status, 0);
    assert!(!err.contains("sh#2"), "{err}");
}

#[test]
fn f_52_under_nohup_hup_is_ignored() {
    let mut command = Command::new("nohup");
    let mut supervisor =
        Supervisor::start(command.args([PROGRAM, "run", "sh", "-c", "echo ready; exec sleep 1000"]));
    supervisor.out.wait_for("ready");
    supervisor.signal(Signal::SIGHUP);
    let Ended { status, err, .. } = supervisor.stop();
    assert_eq!(status, 0);
    assert!(err.contains("got TERM, stopping") && !err.contains("HUP"), "{err}");
}

#[test]
fn pmt_9_f_31_a_survivor_is_named_and_the_exit_status_is_1() {
    // All signals fail, as for a process of another user, and there are no control groups.
    let strace =
        ["-D", "-qq", "-o", "/dev/null", "-e", "inject=kill,pidfd_send_signal,mkdir,mkdirat:error=EPERM"];
    if !Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|it| it.success())
    {
        return skip("signals", "strace is missing, or may not trace");
    }
    let mut command = Command::new("strace");
    let mut supervisor = Supervisor::start(command.args(strace).args([PROGRAM, "run", "-k", "0"]).args([
        "sh",
        "-c",
        "echo $$; exec sleep 1000",
    ]));
    let pid = supervisor.out.wait_for("[sh] ").trim_start_matches("[sh] ").parse().expect("a process id");
    supervisor.signal(Signal::SIGTERM);
    let Ended { status, err, .. } = supervisor.end_but(&[Pid::from_raw(pid)]);
    assert_eq!(status, 1, "{err}");
    // The portable back end knows no commands.
    let is_portable = cfg!(any(async_process_force_signal_backend, not(target_os = "linux")));
    let survivor = if is_portable { format!("pid {pid}") } else { format!("pid {pid} `sleep 1000`") };
    assert!(err.contains(&format!("ERROR still not gone after KILL: sh#1 ({survivor})")), "{err}");
}
