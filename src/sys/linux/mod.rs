//! Linux: a process is held by its pidfd, a descriptor that means this process and never another.
//!
//! `elsewhere.rs` has the same names for the other systems.

#![expect(unsafe_code, reason = "a change of identity between fork and exec, which no safe function offers")]

mod borrow;
mod diagnosis;
mod group;
mod leader;
mod listeners;
mod members;
mod owner;
mod posix_spawn;
mod process;
mod processes;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use async_io::Async;
use libc::c_int;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open, waitid};

use crate::host::Process;
use crate::machine::SpawnError;

use super::child_side::Refusal;
use super::launch::Launch;
use super::outputs::Outputs;
use super::{fork, portable};

pub(super) use self::members::members;
pub(super) use self::owner::holder;

/// How to open a directory that is only to be entered.
pub(super) const OPEN_DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// Which of the two back ends does the work.
#[derive(Clone, Copy, Debug)]
pub(super) enum BackEnd {
    Pidfd,
    Portable,
}

impl BackEnd {
    /// Pidfds, if the kernel has them (5.4, or with less than we need 5.3) and lets us use them.
    pub(super) fn choose() -> Self {
        if cfg!(async_process_force_signal_backend) {
            portable::warm_up();
            return Self::Portable;
        }
        let works = match pidfd_open(getpid(), PidfdFlags::empty()) {
            // Nobody is their own child: ECHILD shows that the kernel understood the question.
            Ok(own) => {
                let waited =
                    waitid(WaitId::PidFd(own.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
                // Starts the event loop.
                drop(Async::new_nonblocking(own));
                waited.err() == Some(Errno::CHILD)
            }
            Err(errno) => !matches!(errno, Errno::NOSYS | Errno::PERM | Errno::INVAL),
        };
        if works {
            Self::Pidfd
        } else {
            portable::warm_up();
            Self::Portable
        }
    }

    pub(super) fn start(self, launch: Launch, outputs: Outputs) -> Result<Box<dyn Process>, SpawnError> {
        match self {
            Self::Pidfd => process::start(launch, outputs),
            Self::Portable => portable::start(launch, outputs),
        }
    }
}

/// Makes a process; what it prints, and how it ends, is for others to see.
pub(super) fn create(launch: &Launch) -> Result<Pid, Refusal> {
    posix_spawn::start(launch).or_else(|| borrow::start(launch)).unwrap_or_else(|| fork::start(launch))
}

/// A socket that does not block, and that no child inherits.
pub(super) fn stream_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(family, SocketType::STREAM, flags, None)
}

/// Makes a pipe larger, as far as this user may; it works as it is, too.
pub(super) fn enlarge(pipe: &impl AsFd) {
    const LARGE: usize = 1 << 20;
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, LARGE);
}

/// How to send to a socket whose other end may be closed, without a signal that ends this process.
pub(super) const WITHOUT_SIGPIPE: SendFlags = SendFlags::NOSIGNAL;

/// It is enough to say so with each sending.
pub(super) fn without_sigpipe(_socket: impl AsFd) -> io::Result<()> {
    Ok(())
}

/// Lets `exec` close all descriptors but the first three (F-71). False if the kernel cannot (before 5.11).
pub(super) fn close_others_on_exec() -> bool {
    // SAFETY: takes no pointers. The raw call, for not every C library has a function for it.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) == 0 }
}

/// Becomes `gid` for good: real, effective and saved.
pub(super) fn switch_group(gid: libc::gid_t) -> Result<(), c_int> {
    let mut now = [0; 3];
    let [real, effective, saved] = &mut now;
    // SAFETY: the pointers are to three integers.
    let failed =
        unsafe { libc::setresgid(gid, gid, gid) == -1 || libc::getresgid(real, effective, saved) == -1 };
    verify(failed, now == [gid; 3])
}

/// Becomes `uid` for good: real, effective and saved.
pub(super) fn switch_user(uid: libc::uid_t) -> Result<(), c_int> {
    let mut now = [0; 3];
    let [real, effective, saved] = &mut now;
    // SAFETY: the pointers are to three integers.
    let failed =
        unsafe { libc::setresuid(uid, uid, uid) == -1 || libc::getresuid(real, effective, saved) == -1 };
    verify(failed, now == [uid; 3])
}

/// A switch that says it worked, and did not, must not be believed (F-76).
fn verify(failed: bool, arrived: bool) -> Result<(), c_int> {
    match (failed, arrived) {
        (true, _) => Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EPERM)),
        (false, true) => Ok(()),
        (false, false) => Err(libc::EPERM),
    }
}
