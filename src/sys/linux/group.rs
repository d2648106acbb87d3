//! The group of a process: signals for all of it, and who is left when the leader has died.
//!
//! The trouble with a group is its name. It is a number, that of its first process, and it may be given to somebody
//! else as soon as that process is reaped and the last member is gone. Whoever sends KILL to a number must know that
//! it still means what it meant. Two things make that certain (F-22):
//!
//! * **The leader is not reaped.** Its zombie keeps the number, so `kill(-number)` cannot hit a stranger. But the zombie
//!   is itself a member: as long as it is there, the kernel's answer to "is there anybody?" is always yes, and only a
//!   walk through `/proc` tells a group that is empty from one that is not.
//! * **The pidfd.** Since Linux 6.9 a signal can be sent to the group that a pidfd's process led, even when that is
//!   reaped. The kernel goes by its own record there and not by the number, so this never hits a stranger, and the
//!   answer ESRCH means: nobody, for ever.
//!
//! So, when the leader has died and somebody asks who is left: with the second means, reap the leader and ask the
//! kernel, two system calls, and look at `/proc` only if somebody is there, for their names. Without it, leave the
//! zombie where it is until the end, and walk through `/proc` every time.

#![expect(unsafe_code, reason = "`kill` with any number")]

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use libc::c_int;
use rustix::process::Pid;

use super::leader::{Hold, Leader, gone_is_fine, send};
use super::members;

/// To the whole group that the process of a pidfd leads, or led.
const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;

/// The group that a process of ours leads.
#[derive(Debug)]
pub(super) struct Group {
    id: Pid,
    /// Nobody is in it, and its number means nothing any more.
    empty: bool,
}

impl Group {
    /// The group of this leader.
    pub(super) fn of(leader: &Leader) -> Self {
        Self { id: leader.pid(), empty: false }
    }

    /// Sends a signal to all of it.
    pub(super) fn signal(&mut self, leader: &Leader, signal: c_int) -> io::Result<()> {
        if self.empty {
            return Ok(());
        }
        match leader.hold_on_group() {
            Hold::Unreaped => match kill(self.id, signal) {
                // Only a leader that moved to another group leaves none behind while it is unreaped.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => leader.signal(signal),
                other => other,
            },
            Hold::Reaped(pidfd) if can_signal_groups(pidfd) => {
                let sent = send(pidfd, signal, PIDFD_SIGNAL_PROCESS_GROUP);
                self.empty = is_nobody(&sent);
                gone_is_fine(sent)
            }
            // Somebody else reaped it. A living member keeps the number from being used again.
            Hold::Reaped(_) | Hold::None => match members(self.id) {
                Some(pids) if pids.is_empty() => {
                    self.empty = true;
                    Ok(())
                }
                Some(_) => gone_is_fine(kill(self.id, signal)),
                None => Err(io::Error::other("cannot tell whether the group is still that of the process")),
            },
        }
    }

    /// Who is left, now that the leader has died.
    pub(super) fn left(&mut self, leader: &mut Leader) -> Vec<u32> {
        if leader.pidfd().is_some_and(can_signal_groups) {
            leader.reap();
        }
        self.empty |= match leader.hold_on_group() {
            Hold::Unreaped => false,
            Hold::Reaped(pidfd) if can_signal_groups(pidfd) => {
                is_nobody(&send(pidfd, 0, PIDFD_SIGNAL_PROCESS_GROUP))
            }
            Hold::Reaped(_) | Hold::None => is_nobody(&kill(self.id, 0)),
        };
        if self.empty {
            return Vec::new();
        }
        members(self.id).unwrap_or_else(|| vec![self.id.as_raw_nonzero().get().unsigned_abs()])
    }

    /// Whether there is certainly nobody in it.
    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }
}

/// Whether this kernel sends signals to groups by pidfd. Asked once, of the first pidfd that needs it.
fn can_signal_groups(pidfd: BorrowedFd<'_>) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let code = send(pidfd, 0, PIDFD_SIGNAL_PROCESS_GROUP).err().and_then(|error| error.raw_os_error());
        !matches!(code, Some(libc::EINVAL | libc::ENOSYS))
    })
}

fn is_nobody(sent: &io::Result<()>) -> bool {
    sent.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
}

/// Sends a signal to a group by its number.
pub(super) fn kill(group: Pid, signal: c_int) -> io::Result<()> {
    // The id of a process that we started is at least 2, so this is neither our own group nor everybody.
    to_number(-group.as_raw_nonzero().get(), signal)
}

/// Sends a signal to one process by its number.
pub(super) fn kill_one(process: Pid, signal: c_int) -> io::Result<()> {
    to_number(process.as_raw_nonzero().get(), signal)
}

fn to_number(number: c_int, signal: c_int) -> io::Result<()> {
    // SAFETY: takes no pointers.
    match unsafe { libc::kill(number, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
