//! A write to a pipe without a reader, which is to be an error and not the end of this process.
//!
//! The system also sends SIGPIPE to the thread that writes. Programs in Rust start with that signal ignored,
//! but the main program may not be one, and some restore the default, as is usual for commands. A socket has
//! a flag against the signal, a pipe has not. So the signal is blocked in this thread during the write, and
//! consumed if it came.

#![expect(unsafe_code, reason = "the signal mask of a thread")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::ptr;

use libc::sigset_t;
use rustix::io::{Errno, retry_on_intr};

/// Writes some of `bytes`, and returns how many.
///
/// # Errors
///
/// The error of the system; `BrokenPipe` if the pipe has no reader any more.
pub(crate) fn write(pipe: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let sigpipe = only_sigpipe();
    let mut before = MaybeUninit::<sigset_t>::uninit();
    // SAFETY: one set to read, and room for one.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe, before.as_mut_ptr()) };
    // A signal that other code has blocked and not consumed yet is left alone.
    let was_pending = is_pending();
    let written = retry_on_intr(|| rustix::io::write(&pipe, bytes));
    if written == Err(Errno::PIPE) && !was_pending && is_pending() {
        let mut signal = 0;
        // SAFETY: one set to read, and room for a number. A signal is pending, so this does not wait.
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

/// Returns whether SIGPIPE is pending for this thread.
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
    use crate::sys::exit::alone::passes_alone;

    /// Returns whether SIGPIPE is blocked in this thread.
    fn is_blocked() -> bool {
        let mut mask = MaybeUninit::uninit();
        // SAFETY: with no set to read the first call changes nothing, and fills what the second one reads.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr());
            libc::sigismember(mask.as_ptr(), libc::SIGPIPE) == 1
        }
    }

    /// Writes to a pipe without a reader.
    fn write_without_reader() -> io::ErrorKind {
        let (theirs, ours) = io::pipe().expect("pipe");
        assert_eq!(write(&ours, b"read").expect("there is room"), 4);
        drop(theirs);
        write(&ours, b"not read").expect_err("no reader").kind()
    }

    #[test]
    fn a_missing_reader_is_an_error_for_any_disposition_of_sigpipe() {
        passes_alone(
            "sys::broken_pipe::tests::a_missing_reader_is_an_error_for_any_disposition_of_sigpipe",
            || {
                for disposition in [libc::SIG_DFL, libc::SIG_IGN] {
                    // SAFETY: neither runs anything of ours.
                    unsafe { libc::signal(libc::SIGPIPE, disposition) };
                    assert_eq!(write_without_reader(), io::ErrorKind::BrokenPipe);
                    assert!(!is_pending() && !is_blocked(), "nothing has changed");
                }
            },
        );
    }

    #[test]
    fn a_sigpipe_that_other_code_waits_for_is_left_alone() {
        passes_alone("sys::broken_pipe::tests::a_sigpipe_that_other_code_waits_for_is_left_alone", || {
            // SAFETY: one set to read; a blocked signal is not delivered.
            unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, &only_sigpipe(), ptr::null_mut());
                libc::raise(libc::SIGPIPE);
            }
            assert_eq!(write_without_reader(), io::ErrorKind::BrokenPipe);
            assert!(is_pending() && is_blocked());
        });
    }
}
