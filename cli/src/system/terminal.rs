//! Hands the terminal over to the program, as a shell does for a foreground job (`--stdin inherit`).
//!
//! The program has a process group of its own. If that group is not the foreground group of the terminal, the
//! program is stopped as soon as it reads from the terminal. While it is the foreground group, Ctrl-C is sent
//! to the program and not to childminder.

use std::io::{self, IsTerminal};

use nix::sys::signal::{SigHandler, Signal, raise, signal};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// The terminal of the standard input, of which childminder was the foreground group.
#[derive(Debug)]
pub(crate) struct Terminal(());

impl Terminal {
    /// Returns the terminal, if the standard input is one and childminder is in its foreground.
    ///
    /// # Errors
    ///
    /// The error of the system, if TTOU cannot be ignored.
    #[expect(unsafe_code, reason = "a signal disposition")]
    pub(crate) fn of_stdin() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || tcgetpgrp(&stdin) != Ok(getpgrp()) {
            return Ok(None);
        }
        // Otherwise childminder would be stopped when it takes the terminal back, or writes a message with
        // `tostop`. SAFETY: SIG_IGN runs no code.
        unsafe { signal(Signal::SIGTTOU, SigHandler::SigIgn) }?;
        Ok(Some(Self(())))
    }

    /// Makes the process group of the program the foreground group.
    pub(crate) fn hand_over(&self, pid: u32) {
        let group = i32::try_from(pid).map(Pid::from_raw);
        // The program may have exited.
        let _ = group.map(|group| tcsetpgrp(io::stdin(), group));
    }

    /// Stops childminder with its program, so that the shell gets the terminal, and returns when it is
    /// continued.
    pub(crate) fn suspend(&self) {
        self.take_back();
        let _ = raise(Signal::SIGSTOP);
    }

    /// Makes childminder the foreground group again.
    pub(crate) fn take_back(&self) {
        let _ = tcsetpgrp(io::stdin(), getpgrp());
    }
}

/// Returns the signal that has stopped a child, if it is stopped.
#[cfg(target_os = "linux")]
pub(crate) fn stopped_by(pid: u32) -> Option<Signal> {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

    let pid = Pid::from_raw(i32::try_from(pid).ok()?);
    // The state stays: the library waits for the exit of the child.
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::Pid(pid), flags) {
        Ok(WaitStatus::Stopped(_, signal)) => Some(signal),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn stopped_by(_pid: u32) -> Option<Signal> {
    None
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.take_back();
    }
}
