//! The standard input of a child.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::descriptor::Descriptor;

/// The standard input of a child.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stdin {
    /// `/dev/null`: a reader is at the end at once.
    #[default]
    Null,
    /// The standard input of the monitor.
    Inherit,
    /// A pipe that [`ProcessMonitor::write_stdin`](crate::ProcessMonitor::write_stdin) writes to. Each run
    /// has a pipe of its own. It is open until
    /// [`close_stdin`](crate::ProcessMonitor::close_stdin) or the end of the run.
    Piped,
    /// This file. A FIFO without a writer is opened for reading and writing, so that neither the start nor
    /// the monitor waits for one; the child then waits for data and sees no end.
    File(PathBuf),
    /// This open descriptor, such as the reading end of a pipe. The spec keeps it open for later starts,
    /// which continue to read where the previous one has stopped.
    Descriptor(Descriptor),
}

impl Stdin {
    /// Returns a standard input that is this open descriptor.
    ///
    /// ```
    /// use childminder::{Spec, Stdin};
    ///
    /// let (theirs, ours) = std::io::pipe()?;
    /// let spec = Spec::new("cat").stdin(Stdin::descriptor(theirs));
    /// // … what is written to `ours`, the child reads; when it is dropped the child sees the end.
    /// # drop((spec, ours));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// As long as a spec has the reading end of a pipe, the pipe has a reader: a writer does not notice that
    /// the child has ended.
    pub fn descriptor(fd: impl Into<OwnedFd>) -> Self {
        Self::Descriptor(Descriptor::new(fd.into()))
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Null | Self::Inherit | Self::Piped | Self::Descriptor(_) => None,
        }
    }
}

/// The name of the input for an error message.
impl fmt::Display for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("/dev/null"),
            Self::Inherit => f.write_str("its own standard input"),
            Self::Piped => f.write_str("a pipe"),
            Self::File(path) => path.display().fmt(f),
            Self::Descriptor(descriptor) => write!(f, "descriptor {}", descriptor.as_fd().as_raw_fd()),
        }
    }
}
