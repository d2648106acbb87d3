//! System calls that differ between Linux and other systems. `elsewhere.rs` has the same names.
//!
//! What a child calls between its creation and `exec` is a raw system call. The C library would carry out a
//! change of user or group in every thread it knows of, which are those of the parent if the memory is
//! shared, and takes a lock to change the disposition of ABRT.

#![expect(unsafe_code, reason = "raw system calls")]

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::thread;

use libc::{c_int, c_long, c_uint, gid_t, uid_t};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::{SpliceFlags, tee};
use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};

use crate::host::{IoPriority, Limit, Resource};
use crate::sync::Lock;

use super::super::executable::access;

/// The flags to open a directory that is only entered.
pub(in crate::sys) const OPEN_DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// Creates a non-blocking socket that no child inherits.
pub(in crate::sys) fn stream_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(family, SocketType::STREAM, flags, None)
}

/// Makes a pipe larger if this user may. It works as it is, too.
pub(in crate::sys) fn enlarge(pipe: &impl AsFd) {
    const LARGE: usize = 1 << 20;
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, LARGE);
}

/// Returns the time since the boot, in the clock ticks of `/proc`.
pub(super) fn boot_ticks() -> u64 {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is to room for one `timespec`, which this clock always fills. `sysconf` takes no
    // pointers.
    let (now, ticks) = unsafe {
        libc::clock_gettime(libc::CLOCK_BOOTTIME, now.as_mut_ptr());
        (now.assume_init(), libc::sysconf(libc::_SC_CLK_TCK))
    };
    let ticks = u64::try_from(ticks).unwrap_or(100);
    let whole = now.tv_sec.unsigned_abs().saturating_mul(ticks);
    whole.saturating_add(now.tv_nsec.unsigned_abs() * ticks / 1_000_000_000)
}

/// Returns whether a FIFO has a writer, or data from one.
pub(in crate::sys) fn has_writer(fifo: impl AsFd) -> bool {
    let Ok((_reader, writer)) = io::pipe() else { return true };
    // `tee` takes nothing out of the FIFO. It returns 0 if there is nothing to wait for.
    tee(fifo, writer, 1, SpliceFlags::NONBLOCK) != Ok(0)
}

/// Returns whether `close_range` works with the flags used here: Linux 5.11, and no seccomp filter against
/// it.
pub(in crate::sys) fn has_close_range() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    // This number is never open.
    *ANSWER.get_or_init(|| close_range(c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) == 0)
}

fn close_range(first: c_uint, flags: c_uint) -> c_long {
    // SAFETY: takes no pointers. Not every C library has a function for it.
    unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, flags) }
}

/// Leaves the descriptor table that is shared with the parent. Only the entries up to `highest` are copied.
pub(in crate::sys) fn unshare_descriptors(highest: RawFd) -> c_int {
    if close_range(highest.unsigned_abs() + 1, libc::CLOSE_RANGE_UNSHARE) == 0 {
        return 0;
    }
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_FILES) as c_int }
}

/// Makes `exec` close all descriptors but the first three.
pub(in crate::sys) fn close_others_on_exec() {
    if close_range(3, libc::CLOSE_RANGE_CLOEXEC) == 0 {
        return;
    }
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

/// Sets the limit that marks a run. A refusal is not an error: the mark is one of several.
pub(in crate::sys) fn set_run_limit(limits: [u64; 2]) {
    let old = ptr::null_mut::<[u64; 2]>();
    // SAFETY: the pointer is to a `struct rlimit64`, which is two numbers; the old limits are not asked for.
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_RTTIME, limits.as_ptr(), old) };
}

/// Returns the kernel's number of a resource that only Linux has.
pub(in crate::sys) fn special_resource_number(resource: Resource) -> Option<c_int> {
    let number = match resource {
        Resource::MessageQueues => libc::RLIMIT_MSGQUEUE,
        Resource::Nice => libc::RLIMIT_NICE,
        Resource::PendingSignals => libc::RLIMIT_SIGPENDING,
        Resource::RealtimePriority => libc::RLIMIT_RTPRIO,
        _ => return None,
    };
    c_int::try_from(number).ok()
}

/// Sets a resource limit. Without a hard limit that stays, and the soft limit is at most that.
pub(in crate::sys) fn set_limit(resource: c_int, limit: Limit) -> c_int {
    let mut limits = [0_u64; 2];
    let (none, new) = (ptr::null::<[u64; 2]>(), ptr::null_mut::<[u64; 2]>());
    // SAFETY: the pointer is to a `struct rlimit64`, which is two numbers; no new limits are given.
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, none, limits.as_mut_ptr()) };
    let hard = limit.hard().unwrap_or(limits[1]);
    limits = [limit.soft().min(hard), hard];
    // SAFETY: as above; the old limits are not asked for.
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, limits.as_ptr(), new) as c_int }
}

/// Sets the nice value of the calling process.
pub(in crate::sys) fn set_nice(nice: i32) -> c_int {
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, nice) as c_int }
}

/// Sets the I/O priority of the calling process.
pub(in crate::sys) fn set_io_priority(priority: IoPriority) -> c_int {
    const WHO_PROCESS: c_int = 1;
    const CLASS_SHIFT: u32 = 13;
    let class = match priority {
        IoPriority::RealTime(_) => 1,
        IoPriority::BestEffort(_) => 2,
        IoPriority::Idle => 3,
    };
    let value = class << CLASS_SHIFT | c_int::from(priority.level());
    // SAFETY: takes no pointers. No C library has a function for it.
    unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) as c_int }
}

/// Writes the adjustment of the OOM score of the calling process. While the parent waits as after `vfork`,
/// the kernel leaves the value of the parent alone, although the memory is shared.
pub(in crate::sys) fn set_oom_score(text: &CStr) -> c_int {
    // SAFETY: the path is a C string, and the length is that of the text.
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file == -1 {
            return -1;
        }
        let written = libc::write(file, text.as_ptr().cast(), text.count_bytes());
        // A `close` that succeeds leaves the error of `write` in place.
        libc::close(file);
        if written == -1 { -1 } else { 0 }
    }
}

/// Opens a pseudo-terminal that no child inherits. Returns the master, and the terminal.
pub(in crate::sys) fn open_terminal() -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let terminal = match ioctl_tiocgptpeer(&master, flags) {
        Ok(terminal) => terminal,
        // Before Linux 4.13.
        Err(_) => {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            rustix::fs::open(ptsname(&master, Vec::new())?, flags, Mode::empty())?
        }
    };
    Ok((master, terminal))
}

#[cfg(any(target_arch = "x86", target_arch = "arm", target_arch = "m68k"))]
mod ids {
    pub(super) use libc::{
        SYS_getresgid32 as GETRESGID, SYS_getresuid32 as GETRESUID, SYS_setgroups32 as SETGROUPS,
        SYS_setresgid32 as SETRESGID, SYS_setresuid32 as SETRESUID,
    };
}
#[cfg(not(any(target_arch = "x86", target_arch = "arm", target_arch = "m68k")))]
mod ids {
    pub(super) use libc::{
        SYS_getresgid as GETRESGID, SYS_getresuid as GETRESUID, SYS_setgroups as SETGROUPS,
        SYS_setresgid as SETRESGID, SYS_setresuid as SETRESUID,
    };
}

/// Sets the supplementary groups of the calling thread.
pub(in crate::sys) fn set_groups(groups: &[gid_t]) -> c_int {
    // SAFETY: the pointer and the length are those of one slice.
    unsafe { libc::syscall(ids::SETGROUPS, groups.len(), groups.as_ptr()) as c_int }
}

/// Sets the real, effective and saved group id of the calling thread.
pub(in crate::sys) fn switch_group(gid: gid_t) -> c_int {
    switch(ids::SETRESGID, ids::GETRESGID, gid)
}

/// Sets the real, effective and saved user id of the calling thread.
pub(in crate::sys) fn switch_user(uid: uid_t) -> c_int {
    switch(ids::SETRESUID, ids::GETRESUID, uid)
}

/// Switches, and verifies the result: a switch that reports success without effect must not go unnoticed.
fn switch(set: c_long, get: c_long, id: u32) -> c_int {
    let mut now = [0_u32; 3];
    let [real, effective, saved] = now.each_mut().map(ptr::from_mut);
    // SAFETY: the pointers are to three integers.
    let failed =
        unsafe { libc::syscall(set, id, id, id) == -1 || libc::syscall(get, real, effective, saved) == -1 };
    if failed {
        return -1;
    }
    if now != [id; 3] {
        // SAFETY: the pointer is to the `errno` of this thread.
        unsafe { *libc::__errno_location() = libc::EPERM };
        return -1;
    }
    0
}

/// The kernel's `sigaction`, all of whose fields are zero for the default disposition.
type KernelSigaction = [usize; 8];

/// The kernel's set of 64 signals.
type KernelSigset = u64;

/// Sets every signal to its default and unblocks all of them.
///
/// A stop signal from the terminal may be pending: it came while this process was in the group of its parent,
/// and would stop it before `exec`, where the CONT for that group does not arrive. To ignore such a signal
/// for a moment discards it.
pub(in crate::sys) fn reset_signals() {
    for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        set_disposition(signal, libc::SIG_IGN);
    }
    for signal in 1..=64 {
        // The kernel refuses KILL and STOP, which always have the default.
        set_disposition(signal, libc::SIG_DFL);
    }
    set_mask(0);
}

/// Does what [`reset_signals`] does for a process without signal handlers, in which these signals are
/// ignored.
pub(in crate::sys) fn reset_ignored_signals(ignored: u64) {
    let mut pending: KernelSigset = 0;
    // SAFETY: the pointer is to a set of the given size.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut pending, size_of::<KernelSigset>()) };
    let bit = |signal: c_int| 1 << (signal - 1);
    let stopping = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].map(bit).iter().sum::<u64>() & pending;
    for signal in 1..=64 {
        if stopping & bit(signal) != 0 {
            set_disposition(signal, libc::SIG_IGN);
        }
        if (stopping | ignored) & bit(signal) != 0 {
            set_disposition(signal, libc::SIG_DFL);
        }
    }
    set_mask(0);
}

fn set_disposition(signal: c_int, handler: usize) {
    let mut action: KernelSigaction = [0; 8];
    // MIPS has the flags before the handler.
    action[usize::from(cfg!(any(target_arch = "mips", target_arch = "mips64")))] = handler;
    let old = ptr::null_mut::<KernelSigaction>();
    // SAFETY: the array is at least as large as the structure that is read; the old one is not asked for.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), old, size_of::<KernelSigset>()) };
}

/// Sets the mask of the calling thread and returns the previous one.
fn set_mask(mask: KernelSigset) -> KernelSigset {
    let mut before: KernelSigset = 0;
    // SAFETY: the pointers are to sets of the given size.
    unsafe {
        let size = size_of::<KernelSigset>();
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut before, size)
    };
    before
}

/// Blocks all signals of this thread while `work` runs, those that the C library keeps for itself included,
/// so that a child created by it handles none.
pub(in crate::sys) fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    let before = set_mask(KernelSigset::MAX);
    let result = work();
    set_mask(before);
    result
}

/// Returns whether a user may execute a file. A thread that becomes this user finds out, which takes
/// everything into account that the kernel does. `None` if it cannot become that user.
pub(in crate::sys) fn can_execute_as(
    groups: Option<&[gid_t]>,
    gid: Option<gid_t>,
    uid: uid_t,
    dir: BorrowedFd<'_>,
    program: &Path,
) -> Option<bool> {
    let ask = || {
        let became = groups.is_none_or(|groups| set_groups(groups) == 0)
            && gid.is_none_or(|gid| switch_group(gid) == 0)
            && switch_user(uid) == 0;
        became.then(|| !matches!(access(dir, program), Err(Errno::ACCESS)))
    };
    let _dumpable = KeepDumpable::new();
    thread::scope(|scope| thread::Builder::new().spawn_scoped(scope, ask).ok()?.join().ok()?)
}

/// Restores whether this process may be dumped and traced. A change of user in one thread, or in a child that
/// shares the memory, takes that away from the whole process. Of several at a time, the last one restores it.
#[derive(Debug)]
pub(super) struct KeepDumpable(());

/// The number of these, and whether the process could be dumped before the first.
static KEPT: Lock<(usize, bool)> = Lock::new((0, false));

impl KeepDumpable {
    pub(super) fn new() -> Self {
        let mut kept = KEPT.lock();
        if kept.0 == 0 {
            kept.1 = matches!(dumpable_behavior(), Ok(DumpableBehavior::Dumpable));
        }
        kept.0 += 1;
        Self(())
    }
}

impl Drop for KeepDumpable {
    fn drop(&mut self) {
        let mut kept = KEPT.lock();
        kept.0 -= 1;
        if *kept == (0, true) {
            let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::exit::alone::passes_alone;

    /// Two threads start processes of other users.
    #[test]
    fn f_387_changes_of_user_at_the_same_time_leave_the_process_dumpable() {
        let name =
            "sys::linux::calls::tests::f_387_changes_of_user_at_the_same_time_leave_the_process_dumpable";
        passes_alone(name, || {
            let change_user = || set_dumpable_behavior(DumpableBehavior::NotDumpable).expect("it is ours");
            let first = KeepDumpable::new();
            change_user();
            let second = KeepDumpable::new();
            drop(first);
            change_user();
            drop(second);
            assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::Dumpable));
        });
    }
}
