//! macOS and the BSDs: what Linux has calls for, done with what is there.
//!
//! `linux/mod.rs` has the same names. Nobody has run this file yet on a system that it is for.

#![expect(unsafe_code, reason = "a change of identity between fork and exec, which no safe function offers")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use libc::c_int;
use rustix::fs::OFlags;
use rustix::io::{Errno, FdFlags};
use rustix::net::{AddressFamily, SendFlags, SocketType};
use rustix::process::Pid;

use crate::host::{ProbeOwner, Process};
use crate::machine::SpawnError;

use super::child_side::Refusal;
use super::launch::Launch;
use super::outputs::Outputs;
use super::probe::Reached;
use super::{fork, portable};

/// How to open a directory that is only to be entered.
pub(super) const OPEN_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// There is only the portable one.
#[derive(Clone, Copy, Debug)]
pub(super) struct BackEnd;

impl BackEnd {
    pub(super) fn choose() -> Self {
        portable::warm_up();
        Self
    }

    pub(super) fn start(self, launch: Launch, outputs: Outputs) -> Result<Box<dyn Process>, SpawnError> {
        portable::start(launch, outputs)
    }
}

/// Makes a process; what it prints, and how it ends, is for others to see.
pub(super) fn create(launch: &Launch) -> Result<Pid, Refusal> {
    fork::start(launch)
}

/// How to send to a socket whose other end may be closed, without a signal that ends this process.
#[cfg(not(target_vendor = "apple"))]
pub(super) const WITHOUT_SIGPIPE: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(super) const WITHOUT_SIGPIPE: SendFlags = SendFlags::empty();

/// On some systems this is a matter of the socket.
pub(super) fn without_sigpipe(socket: impl AsFd) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    rustix::net::sockopt::set_socket_nosigpipe(&socket, true)?;
    let _ = socket;
    Ok(())
}

/// The living members of a group: there is no `/proc` to ask.
pub(super) fn members(_group: Pid) -> Option<Vec<u32>> {
    None
}

/// Whose the socket is that answered: there is no table of them to look at.
pub(super) fn holder(_reached: &Reached<'_>, _owner: Option<u32>) -> ProbeOwner {
    ProbeOwner::Unverified("this system does not say whose a socket is".to_owned())
}

/// A socket that does not block. A child that is started by somebody else at this very moment may inherit it.
pub(super) fn stream_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// Pipes grow by themselves here.
pub(super) fn enlarge(_pipe: &impl AsFd) {}

/// There is no call that does it for all descriptors at once.
pub(super) fn close_others_on_exec() -> bool {
    false
}

/// Becomes `gid` for good.
pub(super) fn switch_group(gid: libc::gid_t) -> Result<(), c_int> {
    // SAFETY: takes no pointers.
    let arrived = unsafe { libc::setgid(gid) == 0 && libc::getgid() == gid && libc::getegid() == gid };
    if arrived { Ok(()) } else { Err(libc::EPERM) }
}

/// Becomes `uid` for good.
pub(super) fn switch_user(uid: libc::uid_t) -> Result<(), c_int> {
    // SAFETY: takes no pointers.
    let arrived = unsafe { libc::setuid(uid) == 0 && libc::getuid() == uid && libc::geteuid() == uid };
    if arrived { Ok(()) } else { Err(libc::EPERM) }
}
