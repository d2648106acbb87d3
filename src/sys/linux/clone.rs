//! The creation of a process on Linux: `clone` with shared memory, and our own steps up to `exec`.
//!
//! As with `vfork`, the child runs in the memory of its parent on a stack of its own, while the thread that
//! created it waits until the child has executed its program or has exited. So no page table is copied, which
//! for a small program costs as much as the rest of a start. An error is left where the parent reads it.
//!
//! **The descriptor table** is not copied either. A copy grows with the number of open descriptors, and all
//! of them have to be closed again before `exec`, while the parent waits. The child shares the table at first
//! (`CLONE_FILES`), and leaves it with `close_range(…, CLOSE_RANGE_UNSHARE)`, which copies only the entries
//! up to the highest that is still needed. In a program with thousands of descriptors new ones have high
//! numbers, so a few low numbers are reserved at the beginning, and the child's descriptors are moved there
//! for the start. Without `close_range`, or when another start uses the reserved numbers, the table is
//! copied.
//!
//! **The pidfd** comes from the same call (`CLONE_PIDFD`, Linux 5.2), so that nothing else can be mistaken
//! for the child, even if an ignored SIGCHLD makes the kernel reap it at once. An older kernel ignores the
//! flag; see `leader.rs`.
//!
//! **Signal handlers** of the parent are removed by the same call (`CLONE_CLEAR_SIGHAND`, Linux 5.5), so that
//! the child only has to reset the signals that the parent ignores: one or two instead of 64.
//!
//! **A control group** is entered by the same call as well (`CLONE_INTO_CGROUP`, Linux 5.7).
//!
//! Both need `clone3`, for which the C library has no function. Where it is missing or refused, the child
//! resets all signals and enters the group by itself before `exec`.
//!
//! The parent waits as long as `execve` takes. A file system that does not answer can delay it without bound.

#![expect(unsafe_code, reason = "clone")]

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use libc::{c_int, c_void};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::machine::SpawnStep;
use crate::sync::Lock;

use super::super::launch::Launch;
use super::super::pre_exec::{Beginning, Dispositions, Table, become_program};
use super::super::report::ChildError;
use super::calls::{KeepDumpable, has_close_range, with_signals_blocked};
use super::dispositions;
use super::reserve::Slots;

/// Enough for a few system calls and a short line of text.
const STACK: usize = 64 * 1024;

/// Up to this number, copying the entries of the descriptor table costs less than moving the child's
/// descriptors.
const NEAR: RawFd = 256;

/// A process that was just created, with its handle if the kernel returns one.
#[derive(Debug)]
pub(in crate::sys) struct Created {
    pub(in crate::sys) pid: Pid,
    pub(in crate::sys) pidfd: Option<OwnedFd>,
}

/// The data that parent and child share.
struct Shared<'a> {
    launch: &'a Launch<'a>,
    beginning: Beginning,
    /// The control group to enter, unless the call that created the child has done it.
    cgroup: Option<RawFd>,
    error: Cell<Option<ChildError>>,
}

/// The memory that a child runs on until `exec`, aligned as stacks are.
type Stack = Vec<MaybeUninit<u128>>;

/// A stack that is used again: the kernel has to clear the memory of a new one.
static STACK_OF_THE_LAST: Lock<Option<Stack>> = Lock::new(None);

/// Returns the signals that this process ignores, the first one as bit 0, for [`start`]. `None` if that
/// cannot be found out, or is of no use.
pub(super) fn ignored_signals() -> Option<u64> {
    if HAS_CLONE3 { dispositions::ignored() } else { None }
}

/// Creates a process that runs the program of `launch`, in the control group of that directory. The signals
/// in `ignored`, or all signals without such a set, are reset to their default.
pub(in crate::sys) fn start(
    launch: &Launch<'_>,
    cgroup: Option<BorrowedFd<'_>>,
    ignored: Option<u64>,
) -> Result<Created, ChildError> {
    let stdio = launch.stdio().map(|fd| fd.as_raw_fd());
    let highest = stdio.into_iter().chain([launch.descriptors().highest()]).max().unwrap_or(2);
    if !has_close_range() {
        return create(launch, stdio, Table::Copied, cgroup, ignored);
    }
    if highest > NEAR
        && launch.descriptors().is_empty()
        && let Some(slots) = Slots::lend(launch.stdio())
    {
        let stdio = slots.numbers();
        return create(launch, stdio, Table::Shared { highest: stdio[2] }, cgroup, ignored);
    }
    create(launch, stdio, Table::Shared { highest }, cgroup, ignored)
}

fn create(
    launch: &Launch<'_>,
    stdio: [RawFd; 3],
    table: Table,
    cgroup: Option<BorrowedFd<'_>>,
    ignored: Option<u64>,
) -> Result<Created, ChildError> {
    let kept = STACK_OF_THE_LAST.try_lock().and_then(|mut stack| stack.take());
    let mut stack = kept.unwrap_or_else(|| vec![MaybeUninit::uninit(); STACK / size_of::<u128>()]);
    let created = create_on(&mut stack, launch, stdio, table, cgroup, ignored);
    if let Some(mut kept) = STACK_OF_THE_LAST.try_lock() {
        *kept = Some(stack);
    }
    created
}

fn create_on(
    stack: &mut [MaybeUninit<u128>],
    launch: &Launch<'_>,
    stdio: [RawFd; 3],
    table: Table,
    cgroup: Option<BorrowedFd<'_>>,
    ignored: Option<u64>,
) -> Result<Created, ChildError> {
    let beginning = Beginning { stdio, table, dispositions: Dispositions::Inherited };
    let mut shared = Shared { launch, beginning, cgroup: None, error: Cell::new(None) };
    let mut pidfd: RawFd = -1;
    let mut flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    if matches!(table, Table::Shared { .. }) {
        flags |= libc::CLONE_FILES;
    }
    let switches = launch.spec().get_uid().is_some() || launch.spec().get_gid().is_some();
    let dumpable = switches.then(KeepDumpable::new);
    let cloned = with_signals_blocked(|| {
        if let Some(ignored) = ignored {
            shared.beginning.dispositions = Dispositions::WithoutHandlers { ignored };
        }
        if (ignored.is_some() || cgroup.is_some())
            && let Some(cloned) = clone3(flags, ignored.is_some(), cgroup, stack, &mut shared, &mut pidfd)
        {
            return cloned;
        }
        shared.beginning.dispositions = Dispositions::Inherited;
        let procs = cgroup.map(open_procs).transpose()?;
        shared.cgroup = procs.as_ref().map(AsRawFd::as_raw_fd);
        let (top, argument) = (stack.as_mut_ptr_range().end, ptr::from_mut(&mut shared).cast());
        // SAFETY: the stack is large enough, used by nothing else, and grows down. This thread continues when
        // the child no longer uses the stack and what is shared.
        match unsafe { libc::clone(child_main, top.cast(), flags, argument, &raw mut pidfd) } {
            -1 => Err(ChildError::last_os_error(SpawnStep::Fork)),
            pid => Ok(Pid::from_raw(pid).expect("clone returned neither 0 nor -1")),
        }
    });
    drop(dumpable);
    // SAFETY: the kernel has put a new descriptor there.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    let pid = cloned?;
    match shared.error.get() {
        None => Ok(Created { pid, pidfd }),
        Some(error) => {
            // It has exited. With an ignored SIGCHLD the kernel reaps it instead.
            let _ = retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
            Err(error)
        }
    }
}

fn open_procs(cgroup: BorrowedFd<'_>) -> Result<OwnedFd, ChildError> {
    openat(cgroup, "cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| ChildError { step: SpawnStep::Cgroup, item: 0, errno: errno.raw_os_error() })
}

/// Runs in the child: becomes the program, or leaves the error for the parent.
extern "C" fn child_main(shared: *mut c_void) -> c_int {
    // SAFETY: this is what `create` passed, and it waits.
    let shared = unsafe { &*shared.cast::<Shared<'_>>() };
    if let Some(procs) = shared.cgroup {
        // SAFETY: the pointer and the length are those of one array. "0" stands for the calling process.
        if unsafe { libc::write(procs, c"0".as_ptr().cast(), 1) } == -1 {
            shared.error.set(Some(ChildError::last_os_error(SpawnStep::Cgroup)));
            // SAFETY: runs no code of the parent.
            unsafe { libc::_exit(127) }
        }
    }
    // SAFETY: this process was created for this, has one thread, and all signals are blocked.
    let error = unsafe { become_program(shared.launch, shared.beginning) };
    shared.error.set(Some(error));
    // SAFETY: runs no code of the parent.
    unsafe { libc::_exit(127) }
}

/// Whether [`clone3`] is implemented for this machine.
const HAS_CLONE3: bool = cfg!(target_arch = "x86_64");

/// `clone3` with a stack for the child, which calls `main` and does not return.
#[cfg(target_arch = "x86_64")]
mod raw {
    use std::arch::asm;

    use libc::{c_int, c_void};

    /// The kernel's `struct clone_args`, as of Linux 5.7.
    #[repr(C)]
    #[derive(Default)]
    pub(super) struct Arguments {
        pub(super) flags: u64,
        pub(super) pidfd: u64,
        pub(super) child_tid: u64,
        pub(super) parent_tid: u64,
        pub(super) exit_signal: u64,
        pub(super) stack: u64,
        pub(super) stack_size: u64,
        pub(super) tls: u64,
        pub(super) set_tid: u64,
        pub(super) set_tid_size: u64,
        pub(super) cgroup: u64,
    }

    /// Returns the process id, or a negated error number.
    ///
    /// # Safety
    ///
    /// The stack is aligned to 16 bytes and used by nothing else, the flags contain `CLONE_VM` and
    /// `CLONE_VFORK`, and `main` exits.
    pub(super) unsafe fn clone3(
        arguments: &Arguments,
        main: extern "C" fn(*mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> i64 {
        let result;
        // SAFETY: in the child, which has a stack of its own, this calls `main` and never reaches the code
        // behind it. The parent only sees the registers that a system call changes.
        unsafe {
            asm!(
                "syscall",
                "test rax, rax",
                "jnz 2f",
                "xor ebp, ebp",
                "mov rdi, r9",
                "call r8",
                "ud2",
                "2:",
                inlateout("rax") libc::SYS_clone3 => result,
                in("rdi") arguments,
                in("rsi") size_of::<Arguments>(),
                in("r8") main,
                in("r9") argument,
                lateout("rcx") _,
                lateout("r11") _,
            );
        }
        result
    }
}

/// Creates a child, without the signal handlers of this process if so asked, and in this control group if
/// there is one. `None` if this system cannot do that; an error if it cannot have another process.
#[cfg(target_arch = "x86_64")]
fn clone3(
    flags: c_int,
    without_handlers: bool,
    cgroup: Option<BorrowedFd<'_>>,
    stack: &mut [MaybeUninit<u128>],
    shared: &mut Shared<'_>,
    pidfd: &mut RawFd,
) -> Option<Result<Pid, ChildError>> {
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut all_flags = u64::from((flags & !libc::SIGCHLD).unsigned_abs());
    if without_handlers {
        all_flags |= CLONE_CLEAR_SIGHAND;
    }
    if cgroup.is_some() {
        all_flags |= CLONE_INTO_CGROUP;
    }
    let arguments = raw::Arguments {
        flags: all_flags,
        pidfd: ptr::from_mut(pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: size_of_val(stack) as u64,
        cgroup: cgroup.map_or(0, |cgroup| cgroup.as_raw_fd() as u64),
        ..raw::Arguments::default()
    };
    // SAFETY: the stack is the caller's, whose elements are aligned to 16 bytes, and `child_main` exits.
    let pid = unsafe { raw::clone3(&arguments, child_main, ptr::from_mut(shared).cast()) };
    let pid = c_int::try_from(pid).ok()?;
    match -pid {
        errno @ (libc::EAGAIN | libc::ENOMEM) => {
            Some(Err(ChildError { step: SpawnStep::Fork, item: 0, errno }))
        }
        errno if errno > 0 => None,
        _ => Pid::from_raw(pid).map(Ok),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn clone3(
    _: c_int,
    _: bool,
    _: Option<BorrowedFd<'_>>,
    _: &mut [MaybeUninit<u128>],
    _: &mut Shared<'_>,
    _: &mut RawFd,
) -> Option<Result<Pid, ChildError>> {
    None
}
