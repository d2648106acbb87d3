//! The descriptors that a child is given besides the first three.
//!
//! Whatever the child still needs, while it puts them where they belong, has to be out of the way: it is moved above the
//! highest of their numbers before there is a child. Then they can be put in place in any order, and nothing is
//! overwritten.

#![expect(unsafe_code, reason = "descriptors at numbers of their own have no owner")]

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, fcntl_dupfd_cloexec};

use crate::host::Spec;
use crate::machine::{SpawnError, SpawnStep};

use super::child_side::{Refusal, check};

/// Copies of them, each with its number in the child.
#[derive(Debug)]
pub(super) struct Descriptors {
    given: Vec<(OwnedFd, RawFd)>,
    above: RawFd,
}

impl Descriptors {
    /// Copies what the spec gives.
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

    /// Copies a descriptor that the child needs until the end to a number that is none of theirs, nor one of the first
    /// three. The program does not get the copy.
    pub(super) fn copy_out_of_the_way(&self, fd: impl AsFd) -> Result<OwnedFd, Errno> {
        fcntl_dupfd_cloexec(fd, self.above)
    }

    /// In the child: puts them in place, where `exec` leaves them open.
    pub(super) fn put_in_place(&self) -> Result<(), Refusal> {
        for (fd, number) in &self.given {
            // SAFETY: takes no pointers; what the number was is of no use to this process any more.
            check(SpawnStep::Descriptor, unsafe { libc::dup2(fd.as_raw_fd(), *number) })?;
        }
        Ok(())
    }
}
