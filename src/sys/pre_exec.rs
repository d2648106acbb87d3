//! The steps of a child between its creation and `exec`.
//!
//! The child is a copy of one thread of a program that may have many. Locks that other threads held stay
//! locked, so nothing here allocates, locks or panics: there are only system calls on what the parent has
//! prepared. This also suits a child that shares the memory of its parent, because it writes to nothing but
//! what was prepared for it.
//!
//! The order matters:
//!
//! * All signals have been blocked since before the creation, so that no handler of the parent runs in the
//!   child. They are unblocked when their dispositions are the default ones.
//! * The process is registered with the guardian before anything else, and above all before it closes a
//!   descriptor.
//! * A table of descriptors that is shared with the parent is left before any descriptor is changed.
//! * All descriptors are marked to be closed by `exec`; then those of the program are put in place, which
//!   clears the mark.
//! * Limits and priorities are set while the process has the rights of the monitor.
//! * The groups are set before the group id, and that before the user id, after which the others are
//!   forbidden.
//!
//! The last step is a plain `execve`. Some libraries hand a file without a `#!` line to a shell instead,
//! which the caller did not ask for.

#![expect(unsafe_code, reason = "system calls between fork and exec")]

use std::os::fd::{AsRawFd, RawFd};

use rustix::process::getpid;

use crate::machine::SpawnStep;

use super::launch::Launch;
use super::platform::calls;
use super::report::{ChildError, check};

/// The relation of the child to the descriptor table of its parent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    /// It has a copy.
    Copied,
    /// It shares the table, and takes only the descriptors up to this one with it when it leaves.
    Shared {
        /// The highest descriptor that is needed until `exec`.
        highest: RawFd,
    },
}

/// The dispositions of the signals of the child, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dispositions {
    /// Nothing: they are those of the parent.
    Inherited,
    /// No signal has a handler, and those in this set are ignored, the first one as bit 0.
    WithoutHandlers {
        /// The set.
        ignored: u64,
    },
}

/// The state in which the child begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// The numbers, in this process, of what becomes descriptors 0, 1 and 2.
    pub(super) stdio: [RawFd; 3],
    pub(super) table: Table,
    pub(super) dispositions: Dispositions,
}

/// Replaces the calling process by the program of `launch`. Returns only if that fails.
///
/// # Safety
///
/// The calling process was created for this and has one thread with all signals blocked. It exits if this
/// returns.
pub(super) unsafe fn become_program(launch: &Launch<'_>, beginning: Beginning) -> ChildError {
    match prepare(launch, beginning) {
        Err(error) => error,
        Ok(()) => {
            let (program, args, env) = (launch.program(), launch.args(), launch.env());
            // SAFETY: all three are C strings, or arrays of them that end with a null pointer.
            unsafe { libc::execve(program.as_ptr(), args.as_ptr(), env.as_ptr()) };
            ChildError::last_os_error(SpawnStep::Exec)
        }
    }
}

fn prepare(launch: &Launch<'_>, beginning: Beginning) -> Result<(), ChildError> {
    let Beginning { stdio, table, dispositions } = beginning;
    if let Some(reservation) = launch.reservation() {
        reservation.register();
    }
    let spec = launch.spec();
    if spec.get_terminal().is_some() {
        // A session of its own, whose leader leads a group as well.
        // SAFETY: takes no pointers.
        check(SpawnStep::Terminal, unsafe { libc::setsid() })?;
        // SAFETY: the argument is a number.
        check(SpawnStep::Terminal, unsafe { libc::ioctl(stdio[0], libc::TIOCSCTTY as _, 0) })?;
    } else if spec.has_own_group() {
        // SAFETY: takes no pointers.
        check(SpawnStep::Group, unsafe { libc::setpgid(0, 0) })?;
    }
    if let Some(dir) = launch.dir() {
        // SAFETY: takes no pointers.
        check(SpawnStep::Chdir, unsafe { libc::fchdir(dir.as_raw_fd()) })?;
    }
    if let Table::Shared { highest } = table {
        check(SpawnStep::Descriptor, calls::unshare_descriptors(highest))?;
    }
    let steps = [SpawnStep::Stdin, SpawnStep::Pipe, SpawnStep::Pipe];
    for ((fd, number), step) in stdio.into_iter().zip(0..).zip(steps) {
        // SAFETY: takes no pointers. The child has no use for what was at that number before.
        check(step, unsafe { libc::dup2(fd, number) })?;
    }
    calls::close_others_on_exec();
    launch.descriptors().put_in_place()?;
    launch.env().patch(|| getpid().as_raw_nonzero().get().unsigned_abs());
    if let Some(umask) = spec.get_umask() {
        // SAFETY: takes no pointers, and cannot fail. The spec was checked: no more than nine bits.
        unsafe { libc::umask(umask as libc::mode_t) };
    }
    if let Some(limits) = launch.run_limits() {
        calls::set_run_limit(limits);
    }
    launch.attributes().apply()?;
    if let Some(groups) = spec.get_groups() {
        check(SpawnStep::Setgroups, calls::set_groups(groups))?;
    }
    if let Some(gid) = spec.get_gid() {
        check(SpawnStep::Setgid, calls::switch_group(gid))?;
    }
    if let Some(uid) = spec.get_uid() {
        check(SpawnStep::Setuid, calls::switch_user(uid))?;
    }
    match dispositions {
        Dispositions::Inherited => calls::reset_signals(),
        Dispositions::WithoutHandlers { ignored } => calls::reset_ignored_signals(ignored),
    }
    Ok(())
}
