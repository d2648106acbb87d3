//! Hands the terminal over to the program, as a shell does for a foreground job (`--stdin inherit`).
//!
//! The program has a process group of its own. If that group is not the foreground group of the terminal, the
//! program is stopped as soon as it reads from the terminal. While it is the foreground group, Ctrl-C is sent
//! to the program and not to childminder.

use std::io::{self, IsTerminal};

use nix::sys::signal::{SigHandler, Signal, killpg, raise, signal};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
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

    /// Makes the process group of the program the foreground group, and continues it, since it may have been
    /// stopped by the terminal. The program is a child that was not reaped.
    ///
    /// It is continued at once, and not by the driver later: a stop that is seen a second time would suspend
    /// childminder again.
    pub(crate) fn hand_over(&self, pid: u32) {
        let Ok(group) = i32::try_from(pid).map(Pid::from_raw) else { return };
        // The program may have exited.
        let _ = tcsetpgrp(io::stdin(), group);
        let _ = killpg(group, Signal::SIGCONT);
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

/// Keeps the terminal of the standard error from showing `^C`, which would move the cursor while something is
/// drawn there.
#[derive(Debug)]
pub(crate) struct WithoutEcho(());

impl WithoutEcho {
    /// Changes the terminal until this value is dropped, if childminder is in its foreground and the terminal
    /// shows control characters.
    pub(crate) fn on_stderr() -> Option<Self> {
        change_echo(false).then_some(Self(()))
    }
}

impl Drop for WithoutEcho {
    fn drop(&mut self) {
        change_echo(true);
    }
}

/// Returns whether the terminal was changed.
fn change_echo(shows: bool) -> bool {
    let stderr = io::stderr();
    // In the background, a change would stop childminder.
    if !stderr.is_terminal() || tcgetpgrp(&stderr) != Ok(getpgrp()) {
        return false;
    }
    let Ok(mut terminal) = tcgetattr(&stderr) else { return false };
    if terminal.local_flags.contains(LocalFlags::ECHOCTL) == shows {
        return false;
    }
    terminal.local_flags.set(LocalFlags::ECHOCTL, shows);
    tcsetattr(&stderr, SetArg::TCSANOW, &terminal).is_ok()
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
