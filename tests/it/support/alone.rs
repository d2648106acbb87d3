//! Runs a test in a process of its own.
//!
//! A test that counts descriptors, threads or children, changes signal dispositions or sets limits cannot
//! share a process with other tests. It starts the test binary again with only itself to run, and checks the
//! exit status. The inner process is a subreaper: it adopts orphans, and fails if a descendant is alive when
//! the test is done. Its temporary directory must be empty then.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, set_child_subreaper, wait};

use super::census::other_children;
use super::rerun::{is_inner, rerun, restore_signals};
use super::skip::{forward_skips, skip};
use super::{Census, Scratch};

/// Runs `body` in a process of its own. `name` is the path of the calling test below the crate, such as
/// `sys::f_9_no_leak`.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    alone_under(&[], name, body);
}

/// Runs `body` several times, each in a process of its own, for a test that takes longer than one such
/// process may run.
pub(crate) fn alone_in_parts(parts: u32, name: &str, body: impl FnOnce()) {
    if is_inner() {
        return inner(body);
    }
    for _ in 0..parts {
        alone_under(&[], name, || unreachable!("the body runs in the inner process"));
    }
}

/// Runs `body` in a process of its own in which `strace` makes system calls fail. `inject` is the argument of
/// its option `-e inject=`. Without strace, or without the right to trace, the test is skipped.
pub(crate) fn alone_with_fault(inject: &str, name: &str, body: impl FnOnce()) {
    let inject = format!("inject={inject}");
    let wrapper = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
    // The inner process has a tracer already, so it cannot try whether it may trace.
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

/// Runs `body` in a process of its own that is started through `wrapper`, such as `env VARIABLE=value`.
pub(crate) fn alone_under(wrapper: &[&str], name: &str, body: impl FnOnce()) {
    if is_inner() {
        return inner(body);
    }
    let scratch = Scratch::new();
    let output = rerun(wrapper, name, |command| {
        command.env("TMPDIR", scratch.path());
    });
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{name} failed in a process of its own: {}\n{out}\n{err}",
        output.status
    );
    forward_skips(&err);
    scratch.assert_empty();
}

fn inner(body: impl FnOnce()) {
    restore_signals();
    set_child_subreaper(Pid::from_raw(1)).expect("a subreaper");
    body();
    // A process may take a moment to die after KILL.
    let deadline = async_io::Timer::after(Duration::from_secs(5));
    let all_gone = async {
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
        panic!("children survive the test: {:#?}", Census::take())
    };
    futures_lite::future::block_on(futures_lite::future::or(all_gone, late));
}

/// Changes to the unprivileged user 65534 for good, in all threads of a process that runs one test.
#[expect(unsafe_code, reason = "no safe function changes the user of the whole process")]
pub(crate) fn drop_privileges() {
    const UNPRIVILEGED: u32 = 65_534;
    // SAFETY: a pointer with a length of 0 is not read; the other calls take no pointer.
    let done = unsafe {
        libc::setgroups(0, std::ptr::null()) == 0
            && libc::setresgid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) == 0
            && libc::setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) == 0
    };
    assert!(done, "cannot drop privileges: {}", std::io::Error::last_os_error());
}
