//! The descriptors that a child gets besides the first three.
//!
//! Everything that the child needs while it puts them in place must not be overwritten by them. So it is
//! moved above the highest of their numbers before the process is created; then the order does not matter.

#![expect(unsafe_code, reason = "descriptors with fixed numbers have no owner")]

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, fcntl_dupfd_cloexec};

use crate::host::Spec;
use crate::machine::{SpawnError, SpawnStep};

use super::report::{ChildError, check};

/// Copies of the descriptors, each with its number in the child.
#[derive(Debug)]
pub(super) struct Descriptors {
    given: Vec<(OwnedFd, RawFd)>,
    above: RawFd,
}

impl Descriptors {
    /// Copies the descriptors of a spec.
    pub(super) fn copy(spec: &Spec) -> Result<Self, SpawnError> {
        let above = spec.get_descriptors().map(|(number, _)| number + 1).max().unwrap_or(3);
        let mut descriptors = Self { given: Vec::new(), above };
        for (number, descriptor) in spec.get_descriptors() {
            let copy = descriptors
                .copy_out_of_the_way(descriptor)
                .map_err(|errno| SpawnError::new(SpawnStep::Descriptor, number.to_string(), errno.into()))?;
            descriptors.given.push((copy, number));
        }
        Ok(descriptors)
    }

    /// Copies a descriptor that the child needs until `exec` to a number that is not overwritten. The program
    /// does not get the copy.
    pub(super) fn copy_out_of_the_way(&self, fd: impl AsFd) -> Result<OwnedFd, Errno> {
        fcntl_dupfd_cloexec(fd, self.above)
    }

    /// Returns whether the child gets no descriptors but the first three.
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Returns the highest number that the child needs here, as source or as destination.
    pub(super) fn highest(&self) -> RawFd {
        self.given.iter().map(|(fd, number)| fd.as_raw_fd().max(*number)).max().unwrap_or(2)
    }

    /// Puts the descriptors in place, where `exec` leaves them open. For the child only.
    pub(super) fn put_in_place(&self) -> Result<(), ChildError> {
        for (fd, number) in &self.given {
            // SAFETY: takes no pointers. The child has no use for what was at that number before.
            check(SpawnStep::Descriptor, unsafe { libc::dup2(fd.as_raw_fd(), *number) })?;
        }
        Ok(())
    }
}
