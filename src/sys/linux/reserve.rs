//! Descriptors that this process keeps in reserve.
//!
//! They have two uses. Their low numbers are lent to the descriptors of a child during its start; `clone.rs`
//! says why. And when no descriptor is left, they are given up for the moment in which `/proc` is read to end
//! a family: a stop must not fail because the program around it has used up its descriptors.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::MutexGuard;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{DupFlags, dup3, fcntl_dupfd_cloexec};
use rustix::process::{Resource, getrlimit};

use crate::sync::Lock;

use super::calls::has_close_range;
use super::dispositions;

/// Low descriptor numbers that are reserved as long as this process lives.
struct Reserve {
    slots: [OwnedFd; 3],
    /// The descriptor that the slots hold while no start uses them.
    placeholder: OwnedFd,
}

/// One for each process that is created at the same time; see `crew.rs`.
static RESERVES: [Lock<Option<Reserve>>; 2] = [const { Lock::new(None) }; 2];

/// Opens the descriptors that every start uses, as long as there are some.
pub(in crate::sys) fn keep_descriptors() {
    reserve_low_descriptors();
    dispositions::keep_status();
}

/// Reserves low descriptor numbers, unless that is done already. A process that cannot have many descriptors
/// needs none.
fn reserve_low_descriptors() {
    const WORTHWHILE: u64 = 1024;
    let limit = getrlimit(Resource::Nofile).current;
    if limit.is_some_and(|limit| limit < WORTHWHILE) || !has_close_range() {
        return;
    }
    for reserve in &RESERVES {
        let mut reserve = reserve.lock();
        if reserve.is_none() {
            *reserve = Reserve::open();
        }
    }
}

impl Reserve {
    fn open() -> Option<Self> {
        let null = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let copy = || fcntl_dupfd_cloexec(&null, 3).ok();
        let slots = [copy()?, copy()?, copy()?];
        Some(Self { slots, placeholder: null })
    }
}

/// The reserved numbers, occupied by the descriptors of one child.
pub(super) struct Slots(MutexGuard<'static, Option<Reserve>>);

impl Slots {
    /// Puts `stdio` on reserved numbers. `None` if there are none, or other starts use them.
    pub(super) fn lend(stdio: [BorrowedFd<'_>; 3]) -> Option<Self> {
        let mut slots = Self(RESERVES.iter().find_map(Lock::try_lock)?);
        for (slot, fd) in slots.0.as_mut()?.slots.iter_mut().zip(stdio) {
            dup3(fd, slot, DupFlags::CLOEXEC).ok()?;
        }
        Some(slots)
    }

    pub(super) fn numbers(&self) -> [RawFd; 3] {
        self.0.as_ref().map_or([-1; 3], |reserve| reserve.slots.each_ref().map(AsRawFd::as_raw_fd))
    }
}

impl Drop for Slots {
    /// Puts the placeholder back: a pipe whose writing end stayed open here would never report the end.
    fn drop(&mut self) {
        if let Some(Reserve { slots, placeholder }) = &mut *self.0 {
            for slot in slots {
                let _ = dup3(&*placeholder, slot, DupFlags::CLOEXEC);
            }
        }
    }
}

/// Runs `work`, and once more with the reserved descriptors given up if it fails because none is left.
pub(super) fn with_spare_descriptors<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match work() {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
            let mut reserves = RESERVES.each_ref().map(Lock::lock);
            reserves.iter_mut().for_each(|reserve| drop(reserve.take()));
            let result = work();
            reserves.iter_mut().for_each(|reserve| **reserve = Reserve::open());
            result
        }
        other => other,
    }
}
