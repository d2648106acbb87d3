//! The process that was started, apart from its group: its exit and its reaping.
//!
//! These are two steps. The exit is observed with `WNOWAIT`, which leaves a zombie; as long as that exists,
//! its number cannot be given to another process or group.

#![expect(unsafe_code, reason = "signals by pidfd, with any number")]

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::task::{Context, Poll};
use std::time::Duration;

use libc::c_int;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::machine::{Exit, Signal};

use super::clone::Created;
use super::event_loop::Turn;
use super::watched::Watched;

/// A process that this one has created.
#[derive(Debug)]
pub(super) struct Leader {
    pid: Pid,
    life: Life,
    /// `None` only if the process was reaped by other code before it could be opened.
    pidfd: Option<Watched>,
    /// Whether the event loop was asked to wake the task, so that the next poll is most likely its answer.
    registered: bool,
    /// The turn of the event loop before which it has died, if the loop has reported that.
    reported_in: Option<Turn>,
}

#[derive(Clone, Copy, Debug)]
enum Life {
    /// Not seen dead.
    Running,
    /// Dead, and its number is still its own.
    Zombie(Exit),
    /// Reaped, by this code or by other code.
    Reaped(Exit),
}

/// The tie between a process group and its leader, so that a signal cannot reach another group with the same
/// number.
#[derive(Clone, Copy, Debug)]
pub(super) enum GroupHandle<'a> {
    /// The leader is not reaped, so the number is its own.
    Unreaped,
    /// The leader is reaped, and its pidfd remembers the group.
    Pidfd(BorrowedFd<'a>),
    /// The leader was reaped before it could be opened.
    None,
}

impl Leader {
    /// Takes hold of a process that was just created.
    ///
    /// # Errors
    ///
    /// There is no descriptor left, or the event loop does not accept it. The process is alive.
    pub(super) fn new(created: Created) -> io::Result<Self> {
        let pid = created.pid;
        let pidfd = match created.pidfd.map_or_else(|| pidfd_open(pid, PidfdFlags::empty()), Ok) {
            Ok(pidfd) => Some(Watched::new(pidfd)?),
            // An old kernel has no pidfd for us, and reaps a short life by itself if SIGCHLD is ignored.
            Err(Errno::SRCH) => None,
            Err(errno) => return Err(errno.into()),
        };
        let life = if pidfd.is_some() { Life::Running } else { Life::Reaped(Exit::Lost) };
        Ok(Self { pid, life, pidfd, registered: false, reported_in: None })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns whether it has not been seen dead.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.life, Life::Running)
    }

    /// Waits for its death, without reaping it.
    pub(super) fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        loop {
            if let Life::Zombie(exit) | Life::Reaped(exit) = self.life {
                return Poll::Ready(exit);
            }
            // The kernel is asked before the event loop: that one would not report an event that was there
            // already when it was asked to wake the task, but wake it once more.
            if mem::take(&mut self.registered) {
                self.reported_in = self.pidfd.as_ref().and_then(Watched::take_event);
                self.try_wait(WaitIdOptions::NOWAIT);
                continue;
            }
            match self.pidfd.as_mut().map(|pidfd| pidfd.poll_readable(cx)) {
                Some(Poll::Ready(Ok(()))) | None => {
                    self.reported_in = self.pidfd.as_ref().and_then(Watched::turn);
                    self.try_wait(WaitIdOptions::NOWAIT);
                }
                Some(Poll::Pending) => {
                    self.registered = true;
                    return Poll::Pending;
                }
                // The event loop is out of memory. Polling again at once is expensive, but loses no exit.
                Some(Poll::Ready(Err(_))) => {
                    self.try_wait(WaitIdOptions::NOWAIT);
                    if self.is_running() {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Returns the turn of the event loop before which it has died, if the loop has reported that.
    pub(super) fn reported_in(&self) -> Option<Turn> {
        self.reported_in
    }

    /// Reaps it if it has died.
    pub(super) fn reap(&mut self) {
        match self.life {
            Life::Running | Life::Zombie(_) => self.try_wait(WaitIdOptions::empty()),
            Life::Reaped(_) => {}
        }
    }

    /// Waits for its death for at most `limit`, and reaps it. Needs no descriptor and no memory.
    pub(super) fn reap_within(&mut self, limit: Duration) {
        if let (Life::Running, Some(pidfd)) = (self.life, &self.pidfd) {
            wait_readable(pidfd.as_fd(), limit);
        }
        self.reap();
    }

    /// Returns the signal that has stopped it, if it is stopped.
    pub(super) fn stopped_by(&self) -> Option<Signal> {
        let pidfd = self.pidfd.as_ref().filter(|_| self.is_running())?;
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), options)).ok()??;
        status.stopping_signal().and_then(Signal::from_number)
    }

    /// Asks for its exit without waiting; `how` says whether it remains a zombie.
    fn try_wait(&mut self, how: WaitIdOptions) {
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
                let remains = how.contains(WaitIdOptions::NOWAIT);
                self.life = if remains { Life::Zombie(exit) } else { Life::Reaped(exit) };
            }
            // ECHILD: reaped by other code, before or after its exit was seen here.
            Err(_) => {
                self.life = match self.life {
                    Life::Running => Life::Reaped(Exit::Lost),
                    Life::Zombie(exit) | Life::Reaped(exit) => Life::Reaped(exit),
                }
            }
        }
    }

    /// Returns what ties its group to it.
    pub(super) fn group_handle(&self) -> GroupHandle<'_> {
        match (self.life, &self.pidfd) {
            (Life::Running | Life::Zombie(_), _) => GroupHandle::Unreaped,
            (Life::Reaped(_), Some(pidfd)) => GroupHandle::Pidfd(pidfd.as_fd()),
            (Life::Reaped(_), None) => GroupHandle::None,
        }
    }

    pub(super) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Sends a signal to this process alone. It is not an error if it has ended.
    pub(super) fn signal(&self, signal: c_int) -> io::Result<()> {
        match &self.pidfd {
            Some(pidfd) => ignore_missing(send(pidfd.as_fd(), signal, 0)),
            None => Ok(()),
        }
    }
}

/// Waits until a descriptor is readable, as a pidfd is when its process has died.
pub(super) fn wait_readable(fd: BorrowedFd<'_>, limit: Duration) {
    let limit = Timespec::try_from(limit).expect("a short time");
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let _ = retry_on_intr(|| poll(&mut fds, Some(&limit)));
}

/// Sends a signal by a pidfd. `flags` may widen it to the group.
pub(super) fn send(pidfd: BorrowedFd<'_>, signal: c_int, flags: libc::c_uint) -> io::Result<()> {
    let info = ptr::null::<libc::siginfo_t>();
    // SAFETY: without a `siginfo_t` the kernel fills in its own.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes ESRCH for success: a process that has ended needs no signal.
pub(super) fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other,
    }
}
