//! The last way to a new process: fork, then our own steps up to exec.
//!
//! It copies the page tables of the monitor, but works everywhere and for everything: on Linux it is there for another
//! user or other groups.

#![expect(unsafe_code, reason = "fork")]

use std::io;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::machine::SpawnStep;

use super::child_side::{Refusal, with_signals_blocked};
use super::launch::Launch;
use super::report;

/// Starts it.
pub(super) fn start(launch: &Launch) -> Result<Pid, Refusal> {
    let failed =
        |error: io::Error| Refusal { step: SpawnStep::Fork, errno: error.raw_os_error().unwrap_or(0) };
    let (verdict, report) = report::pipe(launch).map_err(failed)?;
    let forked = with_signals_blocked(|| {
        // SAFETY: the child does nothing but what `child_side` may.
        match unsafe { libc::fork() } {
            // SAFETY: this is that child, and signals are blocked.
            0 => report.refuse(unsafe { launch.become_program() }),
            -1 => Err(io::Error::last_os_error()),
            pid => Ok(pid),
        }
    });
    drop(report);
    let pid = Pid::from_raw(forked.map_err(failed)?).expect("fork returned neither 0 nor -1");
    match verdict.hear() {
        Ok(()) => Ok(pid),
        Err(refusal) => {
            // It is about to exit. Whether we or an ignored SIGCHLD reap it is the same to us.
            let _ = retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
            Err(refusal)
        }
    }
}
