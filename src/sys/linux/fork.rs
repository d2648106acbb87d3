//! The other way to a new process: fork, then our own steps up to exec.
//!
//! Needed for what `posix_spawn` does not know: another user, other groups, another umask. A pipe that `exec` closes
//! tells how it went: its end says that the program runs, a number says which step failed, and why (F-5).

#![expect(unsafe_code, reason = "fork")]

use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::machine::Step;

use super::super::child_side::{Refusal, with_signals_blocked};
use super::super::launch::Launch;

/// Starts it.
pub(super) fn start(launch: &Launch) -> Result<Pid, Refusal> {
    let failed = |error: io::Error| Refusal { step: Step::Fork, errno: error.raw_os_error().unwrap_or(0) };
    let (mut verdict, report) = io::pipe().map_err(failed)?;
    let forked = with_signals_blocked(|| {
        // SAFETY: the child does nothing but what `child_side` may.
        match unsafe { libc::fork() } {
            0 => unsafe { be_the_child(launch, report.as_raw_fd()) },
            -1 => Err(io::Error::last_os_error()),
            pid => Ok(pid),
        }
    });
    drop(report);
    let pid = Pid::from_raw(forked.map_err(failed)?).expect("fork returned neither 0 nor -1");
    let mut code = [0; 4];
    match verdict.read_exact(&mut code) {
        Err(_) => Ok(pid),
        Ok(()) => {
            // It is about to exit. Whether we or an ignored SIGCHLD reap it is the same to us.
            let _ = retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
            Err(Refusal::from_code(i32::from_ne_bytes(code)))
        }
    }
}

/// The child: becomes the program, or reports why not.
///
/// # Safety
///
/// As for [`Launch::become_program`].
unsafe fn be_the_child(launch: &Launch, report: RawFd) -> ! {
    // SAFETY: the caller's promise is the one that is asked for.
    let refusal = unsafe { launch.become_program() };
    let code = refusal.to_code().to_ne_bytes();
    // SAFETY: the pointer and the length are those of one array. `_exit` runs nothing of the parent's.
    unsafe {
        libc::write(report, code.as_ptr().cast(), code.len());
        libc::_exit(127)
    }
}
