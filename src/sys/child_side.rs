//! The child's side of a start: what happens between fork and exec.
//!
//! The child is a copy of one thread of a program that may have many. Locks that the others held stay locked for ever,
//! so nothing here allocates, locks or panics: only system calls, on what the parent has prepared (F-14). The same is
//! right for a child that borrows the memory of its parent: it changes nothing there but what was prepared for it.
//!
//! The order matters. Signals have been blocked since before the fork, so that no handler of the parent's runs in the
//! child; they are let through again when their dispositions are the default ones. The guardian is told of the group as
//! soon as there is one. All descriptors are marked to be closed by
//! `exec`, and then those for the program are put in place, which takes the mark off them; whatever else is needed after
//! that is out of their way. Groups go before the group id, and that before the user id, for after that step the others
//! are forbidden (F-76).
//!
//! The last step is our own `execve`, not that of a library: some of those hand a file without a `#!` line to a shell,
//! which is not what anybody asked for (F-3).

#![expect(unsafe_code, reason = "system calls that only make sense between fork and exec")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr;

use libc::c_int;
use rustix::process::getpid;

use crate::machine::SpawnStep;

use super::launch::Launch;
use super::platform;

/// The step that failed in the child, small enough to be sent through a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) step: SpawnStep,
    pub(super) errno: c_int,
}

impl Refusal {
    /// The last system call failed, at `step`.
    pub(super) fn at(step: SpawnStep) -> Self {
        Self { step, errno: io::Error::last_os_error().raw_os_error().unwrap_or(0) }
    }

    /// As one number.
    pub(super) fn to_code(self) -> c_int {
        ((self.step as c_int) << 16) | self.errno
    }

    /// From that number; one without a step comes from whoever made the process.
    pub(super) fn from_code(code: c_int) -> Self {
        const STEPS: [SpawnStep; 10] = [
            SpawnStep::Group,
            SpawnStep::Stdin,
            SpawnStep::Pipe,
            SpawnStep::Chdir,
            SpawnStep::Descriptor,
            SpawnStep::Guard,
            SpawnStep::Setgroups,
            SpawnStep::Setgid,
            SpawnStep::Setuid,
            SpawnStep::Exec,
        ];
        let step = STEPS.into_iter().find(|step| *step as c_int == code >> 16).unwrap_or(SpawnStep::Fork);
        Self { step, errno: code & 0xffff }
    }
}

impl Launch {
    /// Turns this process into the program. Returns only if that fails.
    ///
    /// # Safety
    ///
    /// The caller is the only thread of a process that was forked for this, with all signals blocked, and exits if
    /// this returns.
    pub(super) unsafe fn become_program(&self) -> Refusal {
        let refusal = match self.take_on_surroundings() {
            Err(refusal) => refusal,
            Ok(()) => {
                // SAFETY: all three are C strings, or arrays of them that end with a null pointer.
                unsafe { libc::execve(self.program().as_ptr(), self.args().as_ptr(), self.env().as_ptr()) };
                Refusal::at(SpawnStep::Exec)
            }
        };
        if let Some(guardian) = self.guardian() {
            guardian.sign_off();
        }
        refusal
    }

    fn take_on_surroundings(&self) -> Result<(), Refusal> {
        let spec = self.spec();
        if spec.has_own_group() {
            // SAFETY: takes no pointers.
            check(SpawnStep::Group, unsafe { libc::setpgid(0, 0) })?;
        }
        if let Some(guardian) = self.guardian() {
            guardian.sign_on()?;
        }
        for ((fd, number), step) in
            self.stdio().into_iter().zip(0..).zip([SpawnStep::Stdin, SpawnStep::Pipe, SpawnStep::Pipe])
        {
            // SAFETY: takes no pointers; what the low descriptors were is of no use to this process any more.
            check(step, unsafe { libc::dup2(fd.as_raw_fd(), number) })?;
        }
        if let Some(dir) = self.dir() {
            // SAFETY: takes no pointers.
            check(SpawnStep::Chdir, unsafe { libc::fchdir(dir.as_raw_fd()) })?;
        }
        if !platform::close_others_on_exec() {
            close_on_exec_one_by_one();
        }
        self.descriptors().put_in_place()?;
        self.env().complete(getpid().as_raw_nonzero().get().unsigned_abs());
        if let Some(umask) = spec.get_umask() {
            // SAFETY: takes no pointers, and cannot fail. Checked: no more than nine bits.
            unsafe { libc::umask(umask as libc::mode_t) };
        }
        if let Some(groups) = spec.get_groups() {
            // SAFETY: the pointer and the length are those of one slice.
            check(SpawnStep::Setgroups, unsafe { libc::setgroups(groups.len() as _, groups.as_ptr()) })?;
        }
        if let Some(gid) = spec.get_gid() {
            platform::switch_group(gid).map_err(|errno| Refusal { step: SpawnStep::Setgid, errno })?;
        }
        if let Some(uid) = spec.get_uid() {
            platform::switch_user(uid).map_err(|errno| Refusal { step: SpawnStep::Setuid, errno })?;
        }
        default_signals();
        Ok(())
    }
}

/// Makes the last error of the system a refusal, if there was one.
pub(super) fn check(step: SpawnStep, result: c_int) -> Result<(), Refusal> {
    if result == -1 { Err(Refusal::at(step)) } else { Ok(()) }
}

/// For systems that cannot do it in one call. Descriptors above the present limit, or above 65,535, are missed.
fn close_on_exec_one_by_one() {
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

/// The default for every signal, and none blocked (F-72). Numbers that are no signals, and those that are always at
/// their default, are refused without harm.
fn default_signals() {
    for number in 1..=64 {
        // SAFETY: `SIG_DFL` runs nothing of ours.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    let mut none = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` fills what the next call reads; nobody wants to know the mask before.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

/// Blocks all signals of this thread while `work` runs, so that a child forked by it begins with none coming in.
pub(super) fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` fills what the next call reads; that fills what the last one reads.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let result = work();
    // SAFETY: `before` was filled above; a panic in `work` leaves it blocked, and there is none.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    result
}
