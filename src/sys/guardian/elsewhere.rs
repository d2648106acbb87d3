//! The guardian on macOS and the BSDs: it knows the registered processes and their groups, and finds no
//! others.

#![expect(unsafe_code, reason = "fork, and what follows it")]

use std::ffi::c_int;
use std::io;
use std::os::fd::RawFd;
use std::ptr;

use libc::pid_t;

use super::birth::{Birth, Role};
use super::groups;

/// There is no clock that the kernel's own record could be compared with.
pub(super) fn clock_ticks() -> u64 {
    0
}

/// Makes a copy of this process with only this thread. Returns as `fork` does.
pub(super) fn copy_process(_exit_signal: c_int) -> pid_t {
    // SAFETY: the child does only what is safe after a fork.
    unsafe { libc::fork() }
}

/// Waits for the end of a process that exits at once, and returns its exit status.
pub(super) fn reap(pid: pid_t) -> io::Result<c_int> {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is to an integer.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } == pid {
            return Ok(libc::WEXITSTATUS(status));
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            // With SIGCHLD ignored there is no status.
            _ if error.raw_os_error() == Some(libc::ECHILD) => return Ok(0),
            _ => return Err(error),
        }
    }
}

/// Orphans are never given to this process.
pub(super) fn reap_orphan(_pid: pid_t) -> bool {
    true
}

/// Everything after this call stays where it is.
pub(super) fn own_stack() -> (usize, usize) {
    (0, 0)
}

/// Parts with what was inherited.
pub(super) fn settle(_birth: &Birth, _role: Role, keep: [RawFd; 2]) {
    // SAFETY: takes no pointers but to constants that are C strings, and to `limit`; what is closed has no
    // owner here.
    unsafe {
        libc::setsid();
        libc::chdir(c"/".as_ptr());
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, ptr::from_mut(&mut limit));
        for fd in (0..limit.rlim_cur.min(65_536) as c_int).filter(|fd| !keep.contains(fd)) {
            libc::close(fd);
        }
        while libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) < 2 {}
    }
}

/// Does nothing: there is no portable way to find out what is not needed.
pub(super) fn release_memory(_birth: &Birth) {}

/// Does nothing: there is no portable way to change it.
pub(super) fn set_name(_birth: &Birth, _role: Role) {}

/// Ends every registered process and its group. Returns whether all was done.
pub(super) fn end_families(birth: &Birth, _own_kind: &[pid_t; 2], go_on: &dyn Fn() -> bool) -> bool {
    groups::end(birth.table, go_on)
}
