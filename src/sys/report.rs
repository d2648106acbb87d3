//! How the child tells that it could not become the program.
//!
//! A pipe that `exec` closes: its end says that the program runs, a number says which step failed, and why (F-5). It is
//! our own also where a library has one, for that knows nothing of the descriptors that are put in place in the child,
//! and its own pipe may be in the way.

#![expect(unsafe_code, reason = "what is written between fork and exec")]

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};

use super::child_side::Refusal;
use super::launch::Launch;

/// The parent's end.
#[derive(Debug)]
pub(super) struct Verdict(PipeReader);

/// The child's end.
#[derive(Debug)]
pub(super) struct Report(OwnedFd);

/// Both ends, for this start.
pub(super) fn pipe(launch: &Launch) -> io::Result<(Verdict, Report)> {
    let (verdict, report) = io::pipe()?;
    Ok((Verdict(verdict), Report(launch.descriptors().copy_out_of_the_way(report)?)))
}

impl Verdict {
    /// Waits until the program runs, or the child has said why not and is about to exit. The parent's copy of the other
    /// end must be closed.
    pub(super) fn hear(mut self) -> Result<(), Refusal> {
        let mut code = [0; 4];
        match self.0.read_exact(&mut code) {
            Err(_) => Ok(()),
            Ok(()) => Err(Refusal::from_code(i32::from_ne_bytes(code))),
        }
    }
}

impl Report {
    /// In the child: says why, and ends.
    pub(super) fn refuse(&self, refusal: Refusal) -> ! {
        let code = refusal.to_code().to_ne_bytes();
        // SAFETY: the pointer and the length are those of one array. `_exit` runs nothing of the parent's.
        unsafe {
            libc::write(self.0.as_raw_fd(), code.as_ptr().cast(), code.len());
            libc::_exit(127)
        }
    }
}
