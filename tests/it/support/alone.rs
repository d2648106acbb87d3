//! A test in a process of its own.
//!
//! Whoever counts descriptors, threads or children, changes signal dispositions or sets limits cannot share a process
//! with other tests. So such a test starts the test binary again, for itself alone, and looks at how that ended.
//! The inner process adopts what its children leave behind, and fails if anything of it is alive at its end. It has a
//! directory of its own for temporary files, which must be empty then.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, set_child_subreaper, wait};

use super::census::other_children;
use super::{Census, Scratch};

const MARK: &str = "CHILDMINDER_TEST_ALONE";

/// How long a test alone may take, with all that it starts.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `body` alone; `name` is the path of the calling test below the crate, such as `sys::f_9_no_leak`.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    alone_under(&[], name, body);
}

/// Runs `body` alone, while `strace` makes system calls fail: `inject` as for its option `-e inject=`. Skipped where
/// there is no strace, or it may not trace.
pub(crate) fn alone_with_fault(inject: &str, name: &str, body: impl FnOnce()) {
    let inject = format!("inject={inject}");
    let wrapper = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
    // Inside, there is a tracer already, and none can be tried.
    if is_inner() || can_trace() {
        alone_under(&wrapper, name, body);
    } else {
        skip(name, "strace is missing, or may not trace");
    }
}

fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-qq", "-o", "/dev/null", "-e", "trace=none", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

fn is_inner() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Says that a test did not happen, and why.
pub(crate) fn skip(name: &str, reason: &str) {
    eprintln!("SKIPPED {name}: {reason}");
}

/// Runs `body` alone, in a process that is started through `wrapper`, such as `env VARIABLE=value`.
pub(crate) fn alone_under(wrapper: &[&str], name: &str, body: impl FnOnce()) {
    if is_inner() {
        return inner(body);
    }
    let binary = std::env::current_exe().expect("the test binary");
    let mut command = match wrapper {
        [] => Command::new(&binary),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(&binary);
            command
        }
    };
    let scratch = Scratch::new();
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .env("TMPDIR", scratch.path())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().expect("the test binary starts");
    let pid = Pid::from_child(&child);
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    let output = ended.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        let _ = kill_process_group(pid, Signal::KILL);
        panic!("{name} alone is not done within {DEADLINE:?}")
    });
    let output = output.expect("wait");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{name} alone: {}\n{out}\n{err}",
        output.status
    );
    scratch.assert_empty();
}

fn inner(body: impl FnOnce()) {
    heed_signals();
    set_child_subreaper(Pid::from_raw(1)).expect("a subreaper");
    body();
    // What was killed a moment ago may take another to die.
    let deadline = async_io::Timer::after(Duration::from_secs(5));
    let everybody_is_gone = async {
        loop {
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
            if other_children().is_empty() {
                break;
            }
            futures_lite::future::yield_now().await;
        }
    };
    let late = async {
        deadline.await;
        panic!("children are left: {:#?}", Census::take())
    };
    futures_lite::future::block_on(futures_lite::future::or(everybody_is_gone, late));
}

/// Gives INT and TERM back their default effect in a process of a test's own. A shell that runs a test suite in the
/// background has INT ignored for all of it.
#[expect(unsafe_code, reason = "the whole process changes, which no safe function offers")]
pub(crate) fn heed_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the default effect runs nothing of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Gives root up for good, in all threads of a process that runs a test alone.
#[expect(unsafe_code, reason = "the whole process changes, which no safe function offers")]
pub(crate) fn become_nobody() {
    const NOBODY: u32 = 65_534;
    // SAFETY: the pointer is not read for a length of 0; the others take none.
    let done = unsafe {
        libc::setgroups(0, std::ptr::null()) == 0
            && libc::setresgid(NOBODY, NOBODY, NOBODY) == 0
            && libc::setresuid(NOBODY, NOBODY, NOBODY) == 0
    };
    assert!(done, "root may become anybody");
}
