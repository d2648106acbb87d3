//! Supervision from a terminal.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use nix::pty::openpty;

use super::skip::skip;
use super::supervisor::{Lines, PROGRAM, Supervisor};

#[test]
fn f_74_ctrl_c_reaches_only_the_monitor() {
    let Ok(terminal) = openpty(None, None) else {
        return skip("terminal::f_74_ctrl_c_reaches_only_the_monitor", "cannot open a pseudo-terminal");
    };
    let script = "trap 'echo INT' INT; trap 'echo TERM; exit' TERM; echo ready; while :; do sleep 0.1; done";
    // A new session with this controlling terminal.
    let mut command = Command::new("setsid");
    command.args(["--ctty", PROGRAM, "run", "sh", "-c", script]).env("NO_COLOR", "1");
    let slave = || terminal.slave.try_clone().unwrap();
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let supervisor = Supervisor::spawn(&mut command);
    drop((command, terminal.slave));
    let mut keyboard = File::from(terminal.master.try_clone().unwrap());
    let mut screen = Lines::of(Some(File::from(terminal.master)));
    let hint = screen.next();
    assert!(hint.trim_end().ends_with("supervising sh; Ctrl-C stops it"), "{hint}");
    screen.wait_for("[sh] ready");
    keyboard.write_all(b"\x03").unwrap();
    screen.wait_for("got INT, stopping");
    let ended = supervisor.end();
    assert_eq!(ended.status, 0);
    let rest = screen.rest();
    assert!(rest.contains("[sh] TERM") && !rest.contains("[sh] INT"), "{rest}");
}

#[test]
fn f_156_with_the_inherited_input_the_program_has_the_terminal_as_in_a_shell() {
    let Ok(terminal) = openpty(None, None) else {
        return skip(
            "terminal::f_156_with_the_inherited_input_the_program_has_the_terminal_as_in_a_shell",
            "cannot open a pseudo-terminal",
        );
    };
    let script = "echo ready; read line </dev/tty; echo \"got $line\"; exec sleep 1000";
    let mut command = Command::new("setsid");
    command.args(["--ctty", PROGRAM, "run", "--stdin", "inherit", "sh", "-c", script]).env("NO_COLOR", "1");
    let slave = || terminal.slave.try_clone().unwrap();
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let supervisor = Supervisor::spawn(&mut command);
    drop((command, terminal.slave));
    let mut keyboard = File::from(terminal.master.try_clone().unwrap());
    let mut screen = Lines::of(Some(File::from(terminal.master)));
    screen.wait_for("[sh] ready");
    keyboard.write_all(b"hello\n").unwrap();
    screen.wait_for("[sh] got hello");
    // Ctrl-C ends the program, which has the terminal, and with it childminder.
    keyboard.write_all(b"\x03").unwrap();
    screen.wait_for("got INT, stopping");
    let ended = supervisor.end();
    assert_eq!(ended.status, 0);
    assert!(!screen.rest().contains("sh#2"), "it is not restarted");
}

/// Starts `childminder run` with these words as the leader of a session on a new terminal. Returns the
/// keyboard and the screen as well; `None` if there is no pseudo-terminal.
fn on_terminal(words: &[&str]) -> Option<(Supervisor, File, Lines)> {
    let terminal = openpty(None, None).ok()?;
    let mut command = Command::new("setsid");
    command.args(["--ctty", PROGRAM, "run"]).args(words).env("NO_COLOR", "1");
    let slave = || terminal.slave.try_clone().unwrap();
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let supervisor = Supervisor::spawn(&mut command);
    drop((command, terminal.slave));
    let keyboard = File::from(terminal.master.try_clone().unwrap());
    Some((supervisor, keyboard, Lines::of(Some(File::from(terminal.master)))))
}

#[test]
fn f_158_a_program_that_is_stopped_by_the_terminal_is_reported_with_advice() {
    let words = ["sh", "-c", "echo ready; read line </dev/tty; exec sleep 1000"];
    let Some((supervisor, _keyboard, mut screen)) = on_terminal(&words) else {
        return skip(
            "terminal::f_158_a_program_that_is_stopped_by_the_terminal_is_reported_with_advice",
            "cannot open a pseudo-terminal",
        );
    };
    let line = screen.wait_for("is stopped by TTIN");
    assert!(line.contains("WARN sh#1") && line.contains("--stdin inherit"), "{line}");
    assert_eq!(supervisor.stop().status, 0);
}

#[test]
fn f_159_ctrl_z_stops_the_program_and_then_childminder_and_both_go_on() {
    let words = ["--stdin", "inherit", "sh", "-c", "echo ready; read line; echo got $line; exec sleep 1000"];
    let Some((supervisor, mut keyboard, mut screen)) = on_terminal(&words) else {
        return skip(
            "terminal::f_159_ctrl_z_stops_the_program_and_then_childminder_and_both_go_on",
            "cannot open a pseudo-terminal",
        );
    };
    screen.wait_for("[sh] ready");
    keyboard.write_all(b"\x1a").unwrap();
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", supervisor.pid())).unwrap();
        stat.rsplit(") ").next().unwrap().starts_with('T')
    };
    while !is_stopped() {
        std::thread::yield_now();
    }
    supervisor.signal(nix::sys::signal::Signal::SIGCONT);
    keyboard.write_all(b"hello\n").unwrap();
    screen.wait_for("[sh] got hello");
    assert_eq!(supervisor.stop().status, 0);
}
