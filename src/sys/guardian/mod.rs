//! The guardian: a process that outlives the monitor by a moment, and ends what the monitor has started.
//!
//! No process can clean up after its own SIGKILL, so it takes a second one. It is made when the first spec
//! asks to [`die_with_parent`](crate::Spec::die_with_parent), and waits for the end of a socket whose other
//! end only the monitor has. However the monitor ends, by SIGKILL, abort, a panic, `exit` or the end of
//! `main`, the kernel closes that end, and the guardian ends the families of all processes that are
//! registered at that moment: first by the stop signal, and after half a second by KILL. `linux/family.rs`
//! says who belongs to a family.
//!
//! **It is a fork of the monitor, without an `exec`.** A program of its own, such as a shell, would have to
//! be found and would depend on the `PATH`, on commands, and on what the caller has installed; re-executing
//! `/proc/self/exe` would run code before `main` of every program that links this library. The fork runs the
//! code of this folder with system calls only, and parts with all that it inherits: descriptors, session,
//! working directory, environment, and memory, so that it keeps no page that the monitor changes later. What
//! is copied is the page tables of the monitor, once: some milliseconds for a gigabyte.
//!
//! **There are two**, the guardian and a standby, each of which makes a new partner when the other dies. So
//! one that is killed, even at the same moment as the monitor, is replaced; when the guardian is stopped, the
//! standby acts. If both are killed, a thread of the monitor, which does nothing but wait for that, makes new
//! ones at once.
//!
//! **A registration waits for nothing.** The table of registered processes is memory that all of them share.
//! The child writes its id there itself, between fork and exec, when it still holds the monitor's end of the
//! socket: no guardian acts before it has done so. A process is taken off the table when its family is gone.
//! The families of runs that were ended in order are not touched: the mark in the environment of a process
//! names its run, and only registered runs count.
//!
//! A monitor that is PID 1 has no guardian: when it exits, the kernel kills every process of the namespace.
//!
//! The kernel's own means, the parent-death signal, is not used. It follows the thread that forked, not the
//! process: on an executor with many threads it kills children of a parent that is well. It does not reach
//! grandchildren, and is lost when the program changes its user.
//!
//! A program that forks itself shares the monitor's end of the socket with its copy: the families are ended
//! when both have ended. To replace the monitor by another program with `exec` counts as its end.

mod birth;
mod groups;
mod pair;
mod table;
mod watch;

#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod platform;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod platform;

use std::ffi::OsStr;

use libc::pid_t;
use rustix::process::{Pid, getpid};

use crate::host::Spec;
use crate::machine::{SpawnError, SpawnStep};

use self::table::{Kind, Table};
use self::watch::Watch;
use super::mark::RunMark;

/// Reserves a place for a process that is about to be created, and makes sure that there is a guardian.
/// `None` if the spec does not ask for one, or if this process is PID 1.
///
/// # Errors
///
/// There is no guardian and none can be made, or too many processes are registered.
pub(super) fn reserve(spec: &Spec, mark: RunMark) -> Result<Option<Reservation>, SpawnError> {
    if !spec.dies_with_parent() || getpid().is_init() {
        return Ok(None);
    }
    let kind = if spec.has_own_group() { Kind::Leader } else { Kind::Single };
    let signal = spec.get_stop_signal().number();
    match Watch::reserve(kind, mark.number(), signal) {
        Ok((table, index)) => {
            table.entry(index).spare(spec.get_spared().map(OsStr::as_encoded_bytes));
            Ok(Some(Reservation { place: Place { table, index, owner: getpid() }, mark }))
        }
        Err(error) => Err(SpawnError::new(SpawnStep::Guard, spec.get_program().to_string_lossy(), error)),
    }
}

/// An entry of the table. Dropping it frees it.
#[derive(Debug)]
struct Place {
    table: &'static Table,
    index: u32,
    /// A forked copy of the monitor has a copy of this, which must not change anything.
    owner: Pid,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.owner == getpid() {
            Watch::free(self.index);
        }
    }
}

/// The place of a process that is about to be created.
#[derive(Debug)]
pub(super) struct Reservation {
    place: Place,
    mark: RunMark,
}

impl Reservation {
    /// In the child, as the first thing that it does: registers it. After this it may close the descriptors
    /// that it has inherited.
    pub(super) fn register(&self) {
        self.place.table.entry(self.place.index).set_pid(birth::own_pid());
    }

    /// In the parent: the process has been created.
    pub(super) fn confirm(self, pid: Pid) -> Registration {
        let entry = self.place.table.entry(self.place.index);
        entry.set_pid(pid.as_raw_nonzero().get());
        entry.set_latest(platform::clock_ticks());
        Registration { _place: self.place, mark: self.mark, members: Vec::new() }
    }
}

/// A process that is registered, with the known members of its family, until this is dropped: when they are
/// gone.
#[derive(Debug)]
pub(super) struct Registration {
    _place: Place,
    mark: RunMark,
    members: Vec<(Member, Place)>,
}

/// A process, identified by its id and by the time at which it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) pid: pid_t,
    /// The start time in clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub(super) start: u64,
}

impl Registration {
    /// Replaces the list of descendants that were seen outside of the process group, so that they are found
    /// although their parents exit and their environment changes. Costs nothing if the list has not changed.
    /// Members that the table has no room for are left out.
    pub(super) fn set_members(&mut self, members: &[Member]) {
        self.members.retain(|(known, _)| members.contains(known));
        for member in members {
            if self.members.iter().any(|(known, _)| known == member) {
                continue;
            }
            let signal = libc::SIGTERM;
            let Ok((table, index)) = Watch::reserve(Kind::Member, self.mark.number(), signal) else { return };
            let place = Place { table, index, owner: getpid() };
            let entry = table.entry(index);
            entry.set_start(member.start);
            entry.set_pid(member.pid);
            self.members.push((*member, place));
        }
    }
}
