//! A child with a terminal of its own, and one whose standard input is a pipe.

use std::fs;
use std::future::poll_fn;
use std::os::unix::fs::MetadataExt;

use childminder::host::TerminalSize;
use childminder::machine::{SpawnStep, Stream};
use childminder::{Exit, Signal, Spec, Stdin};
use futures_lite::future::block_on;

use super::error;
use crate::support::{Census, Child, PORTABLE, alone, is_alive, run, skip, status_field};

fn at_terminal(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script]).terminal(TerminalSize::new(7, 33))
}

/// Writes all of `bytes` to the standard input of the child.
fn write(child: &mut Child, bytes: &[u8]) {
    let mut written = 0;
    while written < bytes.len() {
        let count = block_on(poll_fn(|cx| child.0.poll_write_stdin(cx, &bytes[written..])));
        written += count.expect("it reads");
    }
}

fn close(child: &mut Child) {
    block_on(poll_fn(|cx| child.0.poll_close_stdin(cx)));
}

/// Returns the fields of `/proc/PID/stat` after the state.
fn stat(pid: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is alive");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    fields.split_ascii_whitespace().skip(1).map(str::to_owned).collect()
}

#[test]
fn f_214_a_terminal_is_the_controlling_terminal_of_a_session_of_its_own() {
    let script = "test -t 0 && test -t 1 && test -t 2 && test -c /dev/tty && stty size </dev/tty && ls /proc/$$/fd && read line";
    for spec in [at_terminal(script), at_terminal(script).die_with_parent(true).stdin(Stdin::Piped)] {
        let mut child = Child::start(&spec).expect("it starts");
        assert_eq!(child.line(), "7 33");
        // `ls` may write them in one line, as for a user.
        let line = child.line();
        assert_eq!(line.split_ascii_whitespace().collect::<Vec<_>>(), ["0", "1", "2"], "no other descriptor");
        let pid = child.id();
        let [_, group, session, tty, foreground] = &stat(pid)[..5] else { panic!("too few fields") };
        assert_eq!([group, session, foreground], [&pid.to_string(); 3]);
        let device = fs::metadata(format!("/proc/{pid}/fd/0")).expect("it is open").rdev();
        assert_eq!(*tty, device.to_string());
        write(&mut child, b"go\n");
        assert_eq!(child.line(), "go", "the terminal echoes");
        assert_eq!(child.exit(), Exit::Code(0));
        assert_eq!(child.read_to_end(Stream::Stdout), "", "the end is no error");
        assert_eq!(child.read_to_end(Stream::Stderr), "");
    }
}

#[test]
fn f_214_a_resize_changes_the_size_and_signals_the_program() {
    let script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do read line; done";
    let mut child = Child::start(&at_terminal(script)).expect("it starts");
    assert_eq!(child.line(), "ready");
    child.0.resize_terminal(TerminalSize::new(50, 132)).expect("it has a terminal");
    assert_eq!(child.line(), "50 132");
    assert_eq!(child.exit(), Exit::Code(0));
    let mut child = Child::start(&Spec::new("cat").stdin(Stdin::Piped)).expect("it starts");
    assert!(child.0.resize_terminal(TerminalSize::default()).is_err(), "a pipe has no size");
}

#[test]
fn f_214_control_characters_are_signals_and_the_end_of_input() {
    let mut child = Child::start(&at_terminal("echo ready; exec sleep 1000")).expect("it starts");
    child.line();
    write(&mut child, b"\x03");
    assert_eq!(child.exit(), Exit::Signal { signal: Signal::INT, core: false });
    // The end of input within a line, and after one.
    for (input, expected) in [("partial", "partial"), ("whole\n", "whole\r\n"), ("", "")] {
        let mut child = Child::start(&at_terminal("stty -echo; echo ready; exec cat")).expect("it starts");
        child.line();
        write(&mut child, input.as_bytes());
        close(&mut child);
        close(&mut child);
        assert_eq!((child.read_to_end(Stream::Stdout).as_str(), child.exit()), (expected, Exit::Code(0)));
    }
}

#[test]
fn f_215_all_output_of_a_terminal_arrives_before_its_end() {
    // More than the terminal holds, written just before the exit.
    let (exit, out, err) = run(&at_terminal("stty -opost; seq 20000; echo end >&2"));
    let expected: String = (1..=20000).map(|number| format!("{number}\n")).collect();
    assert_eq!(exit, Exit::Code(0));
    assert!(out == expected + "end\n", "{} bytes", out.len());
    assert_eq!(err, "");
}

#[test]
fn f_216_the_jobs_of_a_shell_at_a_terminal_end_with_it() {
    const NAME: &str = "sys::terminal::f_216_the_jobs_of_a_shell_at_a_terminal_end_with_it";
    if PORTABLE {
        return skip(NAME, "jobs leave the process group, where only Linux finds them");
    }
    let script = "set -m; sh -c 'trap \"\" HUP TERM; echo $$; exec sleep 1000' & wait";
    let mut child = Child::start(&at_terminal(script)).expect("it starts");
    let job: u32 = child.line().parse().expect("a process id");
    assert_ne!(stat(job)[1], child.id().to_string(), "a group of its own");
    drop(child);
    assert!(!is_alive(job));
}

#[test]
fn a_start_with_a_terminal_leaves_nothing_behind() {
    alone("sys::terminal::a_start_with_a_terminal_leaves_nothing_behind", || {
        drop(Child::start(&at_terminal(":")).expect("it starts"));
        let before = Census::take();
        for spec in [at_terminal(":"), at_terminal("exec sleep 1000").stdin(Stdin::Piped)] {
            drop(Child::start(&spec).expect("it starts"));
        }
        let missing = error(&Spec::new("/no/such/program").terminal(TerminalSize::default()));
        assert_eq!(missing.step(), SpawnStep::Find);
        Census::take().assert_unchanged_since(&before);
    });
}

#[test]
fn another_user_owns_its_terminal() {
    const NAME: &str = "sys::terminal::another_user_owns_its_terminal";
    if !rustix::process::geteuid().is_root() {
        return skip(NAME, "only root can start a process of another user");
    }
    let spec =
        at_terminal("echo a >/dev/stdout; echo b >/dev/tty; read line").uid(65_534).gid(65_534).cwd("/");
    let mut child = Child::start(&spec).expect("it starts");
    assert_eq!([child.line(), child.line()], ["a", "b"]);
    assert!(status_field(child.id(), "Uid").expect("it is alive").starts_with("65534"));
    assert_eq!(fs::metadata(format!("/proc/{}/fd/0", child.id())).expect("it is open").uid(), 65_534);
}

#[test]
fn a_piped_input_is_read_to_its_end() {
    let mut child = Child::start(&Spec::new("cat").stdin(Stdin::Piped)).expect("it starts");
    write(&mut child, b"one\n");
    assert_eq!(child.line(), "one");
    write(&mut child, b"two");
    close(&mut child);
    assert_eq!((child.read_to_end(Stream::Stdout), child.exit()), ("two".into(), Exit::Code(0)));
    let late = block_on(poll_fn(|cx| child.0.poll_write_stdin(cx, b"late")));
    assert_eq!(late.expect_err("it is closed").kind(), std::io::ErrorKind::BrokenPipe);
}
