//! The second way to a new process: our own steps up to exec, in a child that borrows our memory.
//!
//! For what `posix_spawn` does not know: other descriptors, another umask, to register with the guardian. It does what
//! `posix_spawn` does inside: the child runs in the memory of its parent, on a stack of its own, while the thread that
//! started it stands still until there is a program, or no child. So nothing is copied, which for the least of programs
//! costs as much as all the rest of a start. What went wrong, the child leaves where its parent can read it.
//!
//! Not for a change of user or group: the C library carries that out in all threads that it knows of, and those are the
//! parent's here. That is for `fork.rs`.

#![expect(unsafe_code, reason = "clone")]

use std::cell::Cell;
use std::ptr;

use libc::{c_int, c_void};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::machine::SpawnStep;

use super::super::child_side::{Refusal, with_signals_blocked};
use super::super::launch::Launch;

/// Plenty for a few system calls and a short line of text. Only what is used of it takes memory.
const STACK: usize = 128 * 1024;

/// What parent and child share.
struct Shared<'a> {
    launch: &'a Launch,
    refusal: Cell<Option<Refusal>>,
}

/// Starts it; `None` if this is not the way for what is asked for.
pub(super) fn start(launch: &Launch) -> Option<Result<Pid, Refusal>> {
    let spec = launch.spec();
    if spec.get_uid().is_some() || spec.get_gid().is_some() || spec.get_groups().is_some() {
        return None;
    }
    // Aligned as stacks are.
    let mut stack: Vec<u128> = Vec::with_capacity(STACK / size_of::<u128>());
    let mut shared = Shared { launch, refusal: Cell::new(None) };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let cloned = with_signals_blocked(|| {
        let top = stack.spare_capacity_mut().as_mut_ptr_range().end;
        // SAFETY: the stack is large enough and nobody else's; it grows down. This thread goes on when the child is done
        // with it, and with what is shared.
        match unsafe { libc::clone(be_the_child, top.cast(), flags, ptr::from_mut(&mut shared).cast()) } {
            -1 => Err(Refusal::at(SpawnStep::Fork)),
            pid => Ok(Pid::from_raw(pid).expect("clone returned neither 0 nor -1")),
        }
    });
    Some(match (cloned, shared.refusal.get()) {
        (Ok(pid), Some(refusal)) => {
            // It has exited. Whether we or an ignored SIGCHLD reap it is the same to us.
            let _ = retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
            Err(refusal)
        }
        (cloned, _) => cloned,
    })
}

/// The child: becomes the program, or leaves word why not.
extern "C" fn be_the_child(shared: *mut c_void) -> c_int {
    // SAFETY: this is what `start` handed over, and it waits.
    let shared = unsafe { &*shared.cast::<Shared<'_>>() };
    // SAFETY: no other thread of this process exists, and all signals are blocked.
    let refusal = unsafe { shared.launch.become_program() };
    shared.refusal.set(Some(refusal));
    // SAFETY: runs nothing of the parent's.
    unsafe { libc::_exit(127) }
}
