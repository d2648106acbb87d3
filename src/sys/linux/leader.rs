//! The process that we started, apart from its group: its exit, and its reaping.
//!
//! These are two steps on purpose. The exit is seen with `WNOWAIT`, which leaves a zombie; while that is there, its
//! number cannot be given to another process or group.

#![expect(unsafe_code, reason = "signals to a single process by its pidfd, with any number")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use libc::c_int;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::machine::{Exit, Signal};

#[derive(Debug)]
pub(super) struct Leader {
    pid: Pid,
    life: Life,
    /// `None` only if somebody else reaped it before we could get hold of it.
    pidfd: Option<Async<OwnedFd>>,
}

#[derive(Clone, Copy, Debug)]
enum Life {
    /// Alive, as far as we have seen.
    Running,
    /// Dead; its number is still its own.
    Zombie(Exit),
    /// Reaped, by us or by somebody else.
    Gone(Exit),
}

/// What keeps a signal to the group from hitting strangers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hold<'a> {
    /// The leader is not reaped: its number is its own.
    Unreaped,
    /// The leader is reaped, and this is the handle of what it was.
    Reaped(BorrowedFd<'a>),
    /// The leader was reaped before we got a handle.
    None,
}

impl Leader {
    /// Gets hold of a process that was just started.
    ///
    /// # Errors
    ///
    /// That no descriptor is to be had, or that the event loop does not take it. The process lives on.
    pub(super) fn hold(pid: Pid) -> io::Result<Self> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self { pid, life: Life::Running, pidfd: Some(Async::new_nonblocking(pidfd)?) }),
            // With SIGCHLD ignored the kernel reaps by itself, and a short life is over before we look (F-19).
            Err(Errno::SRCH) => Ok(Self { pid, life: Life::Gone(Exit::Lost), pidfd: None }),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it is alive, as far as we have seen.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.life, Life::Running)
    }

    /// Ready when it has died. Does not reap.
    pub(super) fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        loop {
            if let Life::Zombie(exit) | Life::Gone(exit) = self.life {
                return Poll::Ready(exit);
            }
            match self.pidfd.as_ref().map(|pidfd| pidfd.poll_readable(cx)) {
                Some(Poll::Ready(Ok(()))) | None => self.look(WaitIdOptions::NOWAIT),
                Some(Poll::Pending) => return Poll::Pending,
                // The event loop is out of memory. To ask again at once is costly, and loses nothing.
                Some(Poll::Ready(Err(_))) => {
                    self.look(WaitIdOptions::NOWAIT);
                    if self.is_running() {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Reaps it if it has died.
    pub(super) fn reap(&mut self) {
        match self.life {
            Life::Running | Life::Zombie(_) => self.look(WaitIdOptions::empty()),
            Life::Gone(_) => {}
        }
    }

    /// Reaps it, and waits for its death at most `patience` long. Needs no descriptor and no memory.
    pub(super) fn reap_within(&mut self, patience: Duration) {
        if let (Life::Running, Some(pidfd)) = (self.life, &self.pidfd) {
            let patience = Timespec::try_from(patience).expect("a short time");
            let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
            // An interruption cuts the wait short; that is within the promise, and the kernel reaps in the end.
            let _ = retry_on_intr(|| poll(&mut fds, Some(&patience)));
        }
        self.reap();
    }

    /// Asks how it is, without waiting; `how` says whether it remains a zombie.
    fn look(&mut self, how: WaitIdOptions) {
        let Some(pidfd) = &self.pidfd else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | how;
        match retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), options)) {
            Ok(None) => {}
            Ok(Some(status)) => {
                let exit =
                    match (status.exit_status(), status.terminating_signal().and_then(Signal::from_number)) {
                        (Some(code), _) => Exit::Code(code),
                        (None, Some(signal)) => Exit::Signal { signal, core: status.dumped() },
                        (None, None) => Exit::Lost,
                    };
                self.life =
                    if how.contains(WaitIdOptions::NOWAIT) { Life::Zombie(exit) } else { Life::Gone(exit) };
            }
            // ECHILD: reaped by somebody else, before we saw how it ended, or after (F-19).
            Err(_) => {
                self.life = match self.life {
                    Life::Running => Life::Gone(Exit::Lost),
                    Life::Zombie(exit) | Life::Gone(exit) => Life::Gone(exit),
                }
            }
        }
    }

    /// What there is to tell its group from all others.
    pub(super) fn hold_on_group(&self) -> Hold<'_> {
        match (self.life, &self.pidfd) {
            (Life::Running | Life::Zombie(_), _) => Hold::Unreaped,
            (Life::Gone(_), Some(pidfd)) => Hold::Reaped(pidfd.as_fd()),
            (Life::Gone(_), None) => Hold::None,
        }
    }

    /// Its handle, if there is one.
    pub(super) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Sends a signal to this process alone. That it is gone is not an error.
    pub(super) fn signal(&self, signal: c_int) -> io::Result<()> {
        match &self.pidfd {
            Some(pidfd) => gone_is_fine(send(pidfd.as_fd(), signal, 0)),
            None => Ok(()),
        }
    }
}

/// Sends a signal by a pidfd; `flags` may widen it to the group.
pub(super) fn send(pidfd: BorrowedFd<'_>, signal: c_int, flags: libc::c_uint) -> io::Result<()> {
    let info = ptr::null::<libc::siginfo_t>();
    // SAFETY: without a `siginfo_t` the kernel makes one up.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// There is nobody to hear a signal: that is what most signals are for.
pub(super) fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other,
    }
}
