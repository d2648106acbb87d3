//! The guardian on Linux.

#![expect(unsafe_code, reason = "clone, and what follows it")]

mod array;
mod family;
mod memory;
mod procfs;

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;

use libc::{c_long, pid_t};

use super::birth::{Birth, Role};
use super::groups;

pub(super) use self::procfs::clock_ticks;

/// Makes a copy of this process with only this thread. Returns as `fork` does. The C library's own function
/// runs handlers of the program, and takes locks; neither is wanted here.
pub(super) fn copy_process(exit_signal: c_int) -> pid_t {
    let (flags, none) = (c_long::from(exit_signal), 0_usize);
    // SAFETY: without a stack of its own, the child goes on with a copy of ours. It does only what is safe
    // after a fork.
    let pid = unsafe {
        if cfg!(target_arch = "s390x") {
            libc::syscall(libc::SYS_clone, none, flags, none, none, none)
        } else {
            libc::syscall(libc::SYS_clone, flags, none, none, none, none)
        }
    };
    pid_t::try_from(pid).unwrap_or(-1)
}

/// Waits for the end of a process that exits at once, and returns its exit status. No other wait of this
/// program finds it, since it sends no signal when it exits.
pub(super) fn reap(pid: pid_t) -> io::Result<c_int> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to an integer.
        if unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) } == pid {
            return match libc::WIFEXITED(status) {
                true => Ok(libc::WEXITSTATUS(status)),
                false => Err(io::Error::other("the process that makes guardians was killed")),
            };
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            // Another thread waits for every child there is, of this kind as well.
            Some(libc::ECHILD) => return Ok(0),
            _ => return Err(error),
        }
    }
}

/// Reaps a guardian if it has died, in a process that adopts orphans; in any other, init does it. Returns
/// false if it has to be tried again.
pub(super) fn reap_orphan(pid: pid_t) -> bool {
    let mut adopts: c_int = 0;
    // SAFETY: the pointer is to an integer.
    let known = unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut adopts) };
    // SAFETY: no status is asked for.
    known != 0
        || adopts == 0
        || unsafe { libc::waitpid(pid, ptr::null_mut(), libc::__WALL | libc::WNOHANG) } > 0
}

/// Returns where the stack of this thread is, with what the C library keeps beside it.
pub(super) fn own_stack() -> (usize, usize) {
    const BESIDE: usize = 64 * 1024;
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut lowest, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes are read only if the first call filled them, and destroyed after that; all
    // pointers are to room for what is written.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) == 0 {
            libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size);
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
    }
    // SAFETY: takes no pointers.
    let errno = unsafe { libc::__errno_location() }.addr();
    let here = ptr::from_ref(&lowest).addr();
    let lowest = if lowest.is_null() { here.saturating_sub(BESIDE) } else { lowest.addr() };
    let highest = lowest.saturating_add(size).max(here.saturating_add(BESIDE));
    (lowest.min(errno.saturating_sub(BESIDE)), highest.max(errno.saturating_add(BESIDE)))
}

/// Parts with what was inherited: the session, the working directory, descriptors and names.
pub(super) fn settle(birth: &Birth, role: Role, keep: [RawFd; 2]) {
    // SAFETY: the only pointer is to a C string. A change of disposition for a signal that is blocked runs
    // nothing.
    unsafe {
        libc::setsid();
        libc::chdir(c"/".as_ptr());
        let mut ignored = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        ignored.sa_sigaction = libc::SIG_IGN;
        libc::sigaction(libc::SIGCHLD, &raw const ignored, ptr::null_mut());
    }
    close_all_but(keep);
    remove_limit_mark();
    set_name(birth, role);
}

/// Raises the limit that marks the runs of a monitor further up, as far as this process may.
fn remove_limit_mark() {
    let mut limits = [0_u64; 2];
    let ignored = ptr::null_mut::<[u64; 2]>();
    // SAFETY: the pointers are to a `struct rlimit64` each, which is two numbers, or null.
    unsafe {
        let (call, mark) = (libc::SYS_prlimit64, libc::RLIMIT_RTTIME);
        if libc::syscall(call, 0, mark, ptr::null::<[u64; 2]>(), limits.as_mut_ptr()) == 0 {
            libc::syscall(call, 0, mark, [limits[1]; 2].as_ptr(), ignored);
        }
    }
}

/// Gives back the memory that no guardian needs.
pub(super) fn release_memory(birth: &Birth) {
    if birth.lean {
        memory::release(&[birth.stack, birth.table.range()]);
    }
}

/// Closes every descriptor but these two, and opens `/dev/null` at the numbers of the first three.
fn close_all_but(keep: [RawFd; 2]) {
    let [low, high] = if keep[0] < keep[1] { keep } else { [keep[1], keep[0]] };
    let close = |first: RawFd, last: RawFd| {
        if first <= last {
            close_range(first, last);
        }
    };
    close(0, low.saturating_sub(1));
    close(low.saturating_add(1), high.saturating_sub(1));
    close(high.saturating_add(1), RawFd::MAX);
    // SAFETY: the pointer is to a C string; the last one that is opened is closed again, and has no owner.
    unsafe {
        loop {
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            if null > 2 {
                libc::close(null);
            }
            if !(0..=2).contains(&null) {
                break;
            }
        }
    }
}

fn close_range(first: RawFd, last: RawFd) {
    // SAFETY: takes no pointers; what is closed has no owner in this process.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    // A kernel before 5.9. The list itself has a descriptor, which is closed with it.
    let close = |fd| {
        if (first..=last).contains(&fd) {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    };
    if !procfs::for_each_descriptor(close) {
        (0..65_536).for_each(close);
    }
}

/// Sets the name in process lists, and hides the inherited environment, whose mark would make this process a
/// member of the family of another monitor.
pub(super) fn set_name(birth: &Birth, role: Role) {
    let name = role.name();
    // The kernel keeps 15 bytes.
    let mut short = [0_u8; 16];
    short.iter_mut().zip(name.iter().take(15)).for_each(|(to, from)| *to = *from);
    // SAFETY: the pointer is to a C string.
    unsafe { libc::prctl(libc::PR_SET_NAME, short.as_ptr()) };
    let Some((start, end)) = procfs::argument_area() else { return };
    // SAFETY: the kernel says that the arguments and the environment of this process are there. It is a copy
    // of the monitor's, and no code of this process reads it.
    let area =
        unsafe { std::slice::from_raw_parts_mut(ptr::with_exposed_provenance_mut(start), end - start) };
    area.fill(0);
    let words = name.iter().chain(b"\0").chain(birth.label.as_bytes());
    // At least the last byte stays 0: without it, the kernel would take only the first word.
    let room = area.len().saturating_sub(1);
    area.iter_mut().take(room).zip(words).for_each(|(to, from)| *to = *from);
}

/// Ends every registered process and its family. Returns whether all was done.
pub(super) fn end_families(birth: &Birth, own_kind: &[pid_t; 2], go_on: &dyn Fn() -> bool) -> bool {
    if procfs::is_ours() { family::end(birth, own_kind, go_on) } else { groups::end(birth.table, go_on) }
}
