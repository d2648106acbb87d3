//! macOS and the BSDs: the counterparts of what `linux` has.
//!
//! This file is compiled and tested on macOS only.

#![expect(
    unsafe_code,
    reason = "signals, and a change of identity before exec, which no safe function offers"
)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use async_io::Async;
pub(super) use async_io::block_on;
use futures_timer::Delay;
use rustix::process::Pid;

use crate::host::{ProbeOwner, Process, SleepFuture, Spec};
use crate::machine::{Containment, ContainmentError, SpawnError};

use super::launch::Launch;
use super::mark::RunMark;
use super::portable;
use super::socket::{PortOwner, Reached};
use super::streams::Streams;

/// The back end, which starts and holds processes: there is only one way.
#[derive(Clone, Copy, Debug)]
pub(super) struct BackEnd;

impl BackEnd {
    pub(super) fn choose() -> Self {
        portable::warm_up();
        Self
    }

    /// Returns false: there are none.
    pub(super) fn has_pidfds(self) -> bool {
        false
    }

    pub(super) fn start(
        self,
        launch: Launch<'_>,
        streams: Streams,
        _tier: &Tier,
    ) -> Result<Box<dyn Process>, SpawnError> {
        portable::start(launch, streams)
    }

    /// Returns `None`: it is better to start them one after the other.
    pub(super) fn start_all(
        self,
        _specs: &[Arc<Spec>],
        _tier: &Tier,
        _until: Option<Instant>,
    ) -> Option<Vec<Result<Box<dyn Process>, SpawnError>>> {
        None
    }
}

/// The containment tier: there is only one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tier;

impl Tier {
    pub(super) fn strongest(_has_pidfds: bool, _at_most: Containment) -> Self {
        Self
    }

    pub(super) fn containment(self) -> Containment {
        Containment::Group
    }

    pub(super) fn exactly(_has_pidfds: bool, containment: Containment) -> Result<Self, ContainmentError> {
        match containment {
            Containment::Group => Ok(Self),
            other => Err(ContainmentError::new(other, "Linux")),
        }
    }
}

/// A descriptor that the event loop watches for something to read.
#[derive(Debug)]
pub(super) struct Watched(Async<OwnedFd>);

impl Watched {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        Async::new_nonblocking(fd).map(Self)
    }

    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(cx)
    }

    /// Does nothing: the event loop reports no event that was not asked for.
    pub(super) fn begin_read(&self) -> bool {
        false
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Returns a future that ends at `at`.
#[expect(clippy::disallowed_methods, reason = "the clock of the system, which this is a part of")]
pub(super) fn sleep_until(at: Instant) -> SleepFuture {
    Box::pin(Delay::new(at.saturating_duration_since(Instant::now())))
}

/// Returns `None`: runs are only marked in the environment here.
pub(super) fn run_limits(_mark: RunMark) -> Option<[u64; 2]> {
    None
}

/// Does nothing: the descriptor table is always copied, and there is no `/proc`.
pub(super) fn keep_descriptors() {}

/// Returns that there were none: descriptors are closed when they are dropped.
pub(super) fn close_discarded() -> bool {
    false
}

/// Returns `None`: there is no `/proc` that lists the members of a group.
pub(super) fn members(_group: Pid) -> Option<Vec<u32>> {
    None
}

/// Returns that the owner is unverified: there is no table of sockets to read.
pub(super) fn socket_owner(_reached: &Reached<'_>, _owner: Option<u32>) -> ProbeOwner {
    ProbeOwner::Unverified("this system does not show who owns a socket".to_owned())
}

/// Returns that the owner is unknown: there is no table of sockets to read.
pub(super) fn port_owner(_port: u16, _owner: Option<u32>) -> PortOwner {
    PortOwner::Unknown
}

/// Returns no address: there is no table of sockets to read.
pub(super) fn listening(_owner: u32) -> Vec<SocketAddr> {
    Vec::new()
}

/// Returns whether it is the process itself: there is no list of processes to read.
pub(super) fn belongs_to(pid: u32, owner: u32) -> bool {
    pid == owner
}

pub(super) mod calls {
    //! System calls that differ between systems; `linux/calls.rs` has the same names.

    use std::ffi::CStr;
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
    use std::path::Path;
    use std::ptr;

    use libc::{c_int, gid_t, uid_t};
    use rustix::fs::{Mode, OFlags};
    use rustix::io::{Errno, FdFlags};
    use rustix::net::{AddressFamily, SocketType};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use crate::host::{IoPriority, Limit, Resource};

    /// The flags to open a directory that is only entered.
    pub(in crate::sys) const OPEN_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

    /// Creates a non-blocking socket. A child that other code starts at this moment may inherit it.
    pub(in crate::sys) fn stream_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
        let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(socket)
    }

    /// Does nothing: pipes grow by themselves here.
    pub(in crate::sys) fn enlarge(_pipe: &impl AsFd) {}

    /// Returns true: there is no way to find out whether a FIFO has a writer.
    pub(in crate::sys) fn has_writer(_fifo: impl AsFd) -> bool {
        true
    }

    /// Does nothing: the table is never shared here.
    pub(in crate::sys) fn unshare_descriptors(_highest: RawFd) -> c_int {
        0
    }

    /// Makes `exec` close all descriptors but the first three. Descriptors above the present limit, or above
    /// 65,535, are missed.
    pub(in crate::sys) fn close_others_on_exec() {
        let mut limit = MaybeUninit::<libc::rlimit>::uninit();
        // SAFETY: the pointer is to room for one `rlimit`, which is read only if the call filled it.
        let open = match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) } {
            // SAFETY: the call succeeded.
            0 => unsafe { limit.assume_init() }.rlim_cur.min(65_536),
            _ => 65_536,
        };
        for fd in 3..open as c_int {
            // SAFETY: takes no pointers; a number that is not open is an error without consequences.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }

    /// Does nothing: runs are not marked here.
    pub(in crate::sys) fn set_run_limit(_limits: [u64; 2]) {}

    /// Returns `None`: other systems have no more resources than those that are the same everywhere.
    pub(in crate::sys) fn special_resource_number(_resource: Resource) -> Option<c_int> {
        None
    }

    /// Sets a resource limit. Without a hard limit that stays, and the soft limit is at most that.
    pub(in crate::sys) fn set_limit(resource: c_int, limit: Limit) -> c_int {
        let mut now = MaybeUninit::<libc::rlimit>::uninit();
        // SAFETY: the pointer is to room for one `rlimit`.
        if unsafe { libc::getrlimit(resource as _, now.as_mut_ptr()) } == -1 {
            return -1;
        }
        let number =
            |limit| libc::rlim_t::try_from(limit).unwrap_or(libc::RLIM_INFINITY).min(libc::RLIM_INFINITY);
        // SAFETY: the call succeeded.
        let mut new = unsafe { now.assume_init() };
        new.rlim_max = limit.hard().map_or(new.rlim_max, number);
        new.rlim_cur = number(limit.soft()).min(new.rlim_max);
        // SAFETY: the pointer is to an `rlimit`.
        unsafe { libc::setrlimit(resource as _, &new) }
    }

    /// Sets the nice value of the calling process.
    pub(in crate::sys) fn set_nice(nice: i32) -> c_int {
        // SAFETY: takes no pointers.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }
    }

    /// Returns an error: there are no such priorities here, which was checked before.
    pub(in crate::sys) fn set_io_priority(_priority: IoPriority) -> c_int {
        -1
    }

    /// Returns an error: there is no such score here, which was checked before.
    pub(in crate::sys) fn set_oom_score(_text: &CStr) -> c_int {
        -1
    }

    /// Opens a pseudo-terminal. A child that other code starts at this moment may inherit it. Returns the
    /// master, and the terminal.
    pub(in crate::sys) fn open_terminal() -> Result<(OwnedFd, OwnedFd), Errno> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        rustix::io::fcntl_setfd(&master, FdFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(ptsname(&master, Vec::new())?, flags, Mode::empty())?;
        Ok((master, terminal))
    }

    /// Sets the supplementary groups.
    pub(in crate::sys) fn set_groups(groups: &[gid_t]) -> c_int {
        // SAFETY: the pointer and the length are those of one slice.
        unsafe { libc::setgroups(groups.len() as _, groups.as_ptr()) }
    }

    /// Sets the group id for good.
    pub(in crate::sys) fn switch_group(gid: gid_t) -> c_int {
        // SAFETY: takes no pointers.
        let arrived = unsafe { libc::setgid(gid) == 0 && libc::getgid() == gid && libc::getegid() == gid };
        if arrived { 0 } else { -1 }
    }

    /// Sets the user id for good.
    pub(in crate::sys) fn switch_user(uid: uid_t) -> c_int {
        // SAFETY: takes no pointers.
        let arrived = unsafe { libc::setuid(uid) == 0 && libc::getuid() == uid && libc::geteuid() == uid };
        if arrived { 0 } else { -1 }
    }

    /// Returns `None`: a thread cannot have a user of its own here.
    pub(in crate::sys) fn can_execute_as(
        _groups: Option<&[gid_t]>,
        _gid: Option<gid_t>,
        _uid: uid_t,
        _dir: BorrowedFd<'_>,
        _program: &Path,
    ) -> Option<bool> {
        None
    }

    /// Sets every signal to its default and unblocks all of them. A stop signal that is pending is discarded.
    pub(in crate::sys) fn reset_signals() {
        for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
            // SAFETY: `SIG_IGN` runs no code.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
        for number in 1..=64 {
            // SAFETY: `SIG_DFL` runs no code of ours. Numbers without a signal are refused without harm.
            unsafe { libc::signal(number, libc::SIG_DFL) };
        }
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `sigemptyset` fills what the next call reads; the previous mask is not asked for.
        unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
        }
    }

    /// Does what [`reset_signals`] does.
    pub(in crate::sys) fn reset_ignored_signals(_ignored: u64) {
        reset_signals();
    }

    /// Blocks all signals of this thread while `work` runs, so that a child created by it handles none.
    pub(in crate::sys) fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `sigfillset` fills what the next call reads; that fills what the last one reads.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        }
        let result = work();
        // SAFETY: `before` was filled above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
        result
    }
}
