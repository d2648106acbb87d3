//! A pipe whose reader is gone: an error for whoever writes to it, and not the end of this process.
//!
//! The system sends SIGPIPE as well, to the thread that writes. Programs in Rust begin with that ignored, but this may not
//! be one, and some undo it, as is usual for a command. What is sent to a socket can be sent without it; a pipe has nothing
//! of the kind. So the signal is blocked in this thread while it writes, and taken away again if it came.

#![expect(unsafe_code, reason = "the signal mask of a thread")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::ptr;

use libc::sigset_t;
use rustix::io::{Errno, retry_on_intr};

/// Writes some of `bytes`, and says how many.
///
/// # Errors
///
/// Whatever the system says; `BrokenPipe` if nobody has the other end any more.
pub(crate) fn write(pipe: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let sigpipe = only_sigpipe();
    let mut before = MaybeUninit::<sigset_t>::uninit();
    // SAFETY: one set to read, and room for one.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe, before.as_mut_ptr()) };
    // One that somebody else has blocked and not taken yet is theirs.
    let was_pending = is_pending();
    let written = retry_on_intr(|| rustix::io::write(&pipe, bytes));
    if written == Err(Errno::PIPE) && !was_pending && is_pending() {
        let mut signal = 0;
        // SAFETY: one set to read, and room for a number. There is one to take, so this does not wait.
        unsafe { libc::sigwait(&sigpipe, &mut signal) };
    }
    // SAFETY: `before` was filled above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    Ok(written?)
}

fn only_sigpipe() -> sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` fills what the other call changes, and neither fails for a signal that there is.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        set.assume_init()
    }
}

/// Whether SIGPIPE waits for this thread to let it through.
fn is_pending() -> bool {
    let mut pending = MaybeUninit::uninit();
    // SAFETY: the first call fills what the second one reads.
    unsafe {
        libc::sigpending(pending.as_mut_ptr()) == 0 && libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::end::alone::passes_alone;

    /// Whether SIGPIPE is blocked in this thread.
    fn is_blocked() -> bool {
        let mut mask = MaybeUninit::uninit();
        // SAFETY: with no set to read the first call changes nothing, and fills what the second one reads.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr());
            libc::sigismember(mask.as_ptr(), libc::SIGPIPE) == 1
        }
    }

    /// Writes to a pipe that nobody reads from.
    fn write_in_vain() -> io::ErrorKind {
        let (theirs, ours) = io::pipe().expect("pipe");
        assert_eq!(write(&ours, b"read").expect("there is room"), 4);
        drop(theirs);
        write(&ours, b"not read").expect_err("nobody reads").kind()
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error_whatever_sigpipe_does() {
        passes_alone(
            "sys::broken_pipe::tests::a_reader_that_is_gone_is_an_error_whatever_sigpipe_does",
            || {
                for disposition in [libc::SIG_DFL, libc::SIG_IGN] {
                    // SAFETY: neither runs anything of ours.
                    unsafe { libc::signal(libc::SIGPIPE, disposition) };
                    assert_eq!(write_in_vain(), io::ErrorKind::BrokenPipe);
                    assert!(!is_pending() && !is_blocked(), "all is as it was");
                }
            },
        );
    }

    #[test]
    fn a_sigpipe_that_somebody_else_waits_for_stays_theirs() {
        passes_alone("sys::broken_pipe::tests::a_sigpipe_that_somebody_else_waits_for_stays_theirs", || {
            // SAFETY: one set to read; a signal that is blocked is delivered to nobody.
            unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, &only_sigpipe(), ptr::null_mut());
                libc::raise(libc::SIGPIPE);
            }
            assert_eq!(write_in_vain(), io::ErrorKind::BrokenPipe);
            assert!(is_pending() && is_blocked());
        });
    }
}
