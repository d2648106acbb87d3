//! The process group of a run: signals for all of it, and its members after the death of the leader.
//!
//! The name of a group is a number, that of its leader. It may be given to another process as soon as the
//! leader is reaped and the last member has ended. So a signal to a number must be sure that the number still
//! has its meaning:
//!
//! * **While the leader is not reaped**, its zombie keeps the number, and `kill(-number)` cannot reach a
//!   stranger. But the zombie is itself a member: the kernel never reports such a group as empty, and only
//!   `/proc` shows whether it is.
//! * **By the pidfd**, since Linux 6.9, a signal can be sent to the group that its process led, even after
//!   that process has been reaped. The kernel goes by its own record instead of the number, so this never
//!   reaches a stranger, and ESRCH means that the group is empty for good.
//!
//! Hence, when the leader has died: where pidfds signal groups, it is reaped, the kernel is asked, and
//! `/proc` is read only if there are members. Elsewhere the zombie stays until the end, and `/proc` is read
//! every time.
//!
//! The leader may have moved to another group, with or without leaving members behind. So a signal to the
//! group also goes to the leader by its pidfd unless it is known to be in there.

#![expect(unsafe_code, reason = "`kill` with any number")]

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use libc::c_int;
use rustix::process::{Pid, getpgid};

use super::event_loop::{self, Turn};
use super::leader::{GroupHandle, Leader, ignore_missing, send};
use super::members::members;

/// Widens a signal by pidfd to the group that the process leads, or led.
const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;

/// The group that a process of ours leads.
#[derive(Debug)]
pub(super) struct Group {
    id: Pid,
    /// It has no members, and its number has no meaning any more.
    empty: bool,
    /// The turn of the event loop in which the leader was last seen in the group.
    held_in: Option<Turn>,
}

impl Group {
    /// Returns the group of this leader.
    pub(super) fn of(leader: &Leader) -> Self {
        Self { id: leader.pid(), empty: false, held_in: None }
    }

    /// Sends a signal to all members, and to the leader.
    pub(super) fn signal(&mut self, leader: &Leader, signal: c_int) -> io::Result<()> {
        if self.empty {
            return Ok(());
        }
        match leader.group_handle() {
            GroupHandle::Unreaped => {
                let sent = kill(self.id, signal);
                if leader.is_running() && !self.holds_leader(signal) {
                    return leader.signal(signal);
                }
                ignore_missing(sent)
            }
            GroupHandle::Pidfd(pidfd) if can_signal_groups(pidfd) => {
                let sent = send(pidfd, signal, PIDFD_SIGNAL_PROCESS_GROUP);
                self.empty = is_missing(&sent);
                ignore_missing(sent)
            }
            // The leader is reaped. A live member keeps the number from being used again.
            GroupHandle::Pidfd(_) | GroupHandle::None => match members(self.id) {
                Some(pids) if pids.is_empty() => {
                    self.empty = true;
                    Ok(())
                }
                Some(_) => ignore_missing(kill(self.id, signal)),
                None => Err(io::Error::other("cannot verify that the group is still that of the process")),
            },
        }
    }

    /// Returns whether the leader, which is running, is in the group. For the CONT that follows a stop signal
    /// at once the answer is known: it is meant for a process that is stopped, which stays where it is.
    fn holds_leader(&mut self, signal: c_int) -> bool {
        let turn = event_loop::turn();
        if signal == libc::SIGCONT && turn.is_some() && self.held_in == turn {
            return true;
        }
        let holds = getpgid(Some(self.id)) == Ok(self.id);
        self.held_in = turn.filter(|_| holds);
        holds
    }

    /// Returns whether there may be members besides the leader, now that it has died. Reaps the leader if the
    /// group can be signalled without it.
    pub(super) fn has_members(&mut self, leader: &mut Leader) -> bool {
        if leader.pidfd().is_some_and(can_signal_groups) {
            leader.reap();
        }
        self.empty |= match leader.group_handle() {
            GroupHandle::Unreaped => false,
            GroupHandle::Pidfd(pidfd) if can_signal_groups(pidfd) => {
                is_missing(&send(pidfd, 0, PIDFD_SIGNAL_PROCESS_GROUP))
            }
            GroupHandle::Pidfd(_) | GroupHandle::None => is_missing(&kill(self.id, 0)),
        };
        !self.empty
    }

    /// Returns the live members, now that the leader has died.
    pub(super) fn remaining(&mut self, leader: &mut Leader) -> Vec<u32> {
        if !self.has_members(leader) {
            return Vec::new();
        }
        members(self.id).unwrap_or_else(|| vec![self.id.as_raw_nonzero().get().unsigned_abs()])
    }

    /// Returns its number.
    pub(super) fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    /// Returns whether it is certain that there are no members.
    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }
}

/// Returns whether this kernel sends signals to groups by pidfd. The first pidfd that needs it is used to
/// find out.
fn can_signal_groups(pidfd: BorrowedFd<'_>) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let code = send(pidfd, 0, PIDFD_SIGNAL_PROCESS_GROUP).err().and_then(|error| error.raw_os_error());
        !matches!(code, Some(libc::EINVAL | libc::ENOSYS))
    })
}

fn is_missing(sent: &io::Result<()>) -> bool {
    sent.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
}

/// Sends a signal to a group by its number. The id of a process that we started is at least 2, so this is
/// neither our own group nor every process.
pub(super) fn kill(group: Pid, signal: c_int) -> io::Result<()> {
    // SAFETY: takes no pointers.
    match unsafe { libc::kill(-group.as_raw_nonzero().get(), signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
