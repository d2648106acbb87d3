//! The error of a child that could not become its program, and the pipe that carries it to the parent.
//!
//! The parent reads the end of the pipe once `exec` has closed it, or the step that failed. The pipe is our
//! own even where a library has one: that one knows nothing of the descriptors that the child puts in place,
//! and may be overwritten by them. A child that shares the parent's memory needs no pipe.

#![expect(unsafe_code, reason = "a write between fork and exec")]

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};

use libc::c_int;

use crate::machine::SpawnStep;

/// The step that failed between the creation of a process and `exec`, small enough for a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChildError {
    pub(super) step: SpawnStep,
    /// The number of the failed item, in a step that has several.
    pub(super) item: u8,
    pub(super) errno: c_int,
}

/// All steps that a child can report.
const STEPS: [SpawnStep; 16] = [
    SpawnStep::Group,
    SpawnStep::Cgroup,
    SpawnStep::Stdin,
    SpawnStep::Pipe,
    SpawnStep::Chdir,
    SpawnStep::Descriptor,
    SpawnStep::Guard,
    SpawnStep::Terminal,
    SpawnStep::Nice,
    SpawnStep::IoPriority,
    SpawnStep::OomScore,
    SpawnStep::Limit,
    SpawnStep::Setgroups,
    SpawnStep::Setgid,
    SpawnStep::Setuid,
    SpawnStep::Exec,
];

impl ChildError {
    /// Takes `errno` as the cause of a failure at `step`.
    pub(super) fn last_os_error(step: SpawnStep) -> Self {
        Self { step, item: 0, errno: io::Error::last_os_error().raw_os_error().unwrap_or(0) }
    }

    /// Sets the number of the failed item.
    pub(super) fn of(self, item: u8) -> Self {
        Self { item, ..self }
    }

    fn to_code(self) -> c_int {
        ((self.step as c_int) << 24) | (c_int::from(self.item) << 16) | self.errno
    }

    /// A code without a known step comes from the library that created the process.
    fn from_code(code: c_int) -> Self {
        let step = STEPS.into_iter().find(|step| *step as c_int == code >> 24).unwrap_or(SpawnStep::Fork);
        let [_, item, ..] = code.to_be_bytes();
        Self { step, item, errno: code & 0xffff }
    }
}

/// Turns the result of a C call into a [`ChildError`] if it is -1.
pub(super) fn check(step: SpawnStep, result: c_int) -> Result<(), ChildError> {
    if result == -1 { Err(ChildError::last_os_error(step)) } else { Ok(()) }
}

/// The parent's end of the pipe.
#[derive(Debug)]
pub(super) struct ReportReader(PipeReader);

/// The child's end of the pipe.
#[derive(Debug)]
pub(super) struct ReportWriter(OwnedFd);

/// Creates the pipe. `relocate` moves the child's end to a number that nothing in the child overwrites.
pub(super) fn pipe(
    relocate: impl FnOnce(OwnedFd) -> io::Result<OwnedFd>,
) -> io::Result<(ReportReader, ReportWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((ReportReader(reader), ReportWriter(relocate(writer.into())?)))
}

impl ReportReader {
    /// Waits until the child has executed its program or has reported an error. The parent's copy of the
    /// writing end must be closed.
    pub(super) fn wait(mut self) -> Result<(), ChildError> {
        let mut code = [0; 4];
        match self.0.read_exact(&mut code) {
            Err(_) => Ok(()),
            Ok(()) => Err(ChildError::from_code(i32::from_ne_bytes(code))),
        }
    }
}

impl ReportWriter {
    /// Reports `error` and exits. For the child only.
    pub(super) fn send_and_exit(&self, error: ChildError) -> ! {
        let code = error.to_code().to_ne_bytes();
        // SAFETY: the pointer and the length are those of one array. `_exit` runs no code of the parent.
        unsafe {
            libc::write(self.0.as_raw_fd(), code.as_ptr().cast(), code.len());
            libc::_exit(127)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_survives_its_encoding() {
        for step in STEPS {
            let error = ChildError { step, item: 12, errno: libc::EACCES };
            assert_eq!(ChildError::from_code(error.to_code()), error);
        }
        assert_eq!(
            ChildError::from_code(libc::EAGAIN),
            ChildError { step: SpawnStep::Fork, item: 0, errno: libc::EAGAIN }
        );
    }
}
