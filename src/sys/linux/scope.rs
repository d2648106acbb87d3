//! The processes of one run, as far as its containment finds them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use libc::c_int;
use rustix::event::{Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::host::Spec;
use crate::machine::{Containment, SignalTarget};

use super::super::guardian;
use super::super::mark::RunMark;
use super::cgroup::Cgroup;
use super::event_loop;
use super::family::{FAMILIES, Families, Member};
use super::group::Group;
use super::leader::{Leader, ignore_missing, send};
use super::process_table::{self, Entry};
use super::reserve;
use super::run_mark::{self, RunKey};
use super::tier::Tier;

/// The number of times that a signal to a family searches for members that were created meanwhile. A process
/// with a pending KILL cannot create another one, so each round finds only what was created during the one
/// before.
const ROUNDS: u32 = 64;

/// The processes that belong to a run.
#[derive(Debug)]
pub(super) enum Scope {
    /// The leader alone: it shares the group of the monitor, which must not be signalled.
    Leader,
    Group(Group),
    Family(Family),
    Cgroup(Group, Box<Cgroup>, Box<[OsString]>),
}

/// A run that is registered with the families of this process.
#[derive(Debug)]
pub(super) struct Family {
    group: Group,
    key: RunKey,
    containment: Containment,
    /// The leader is dead, and a search has found no member.
    is_empty: bool,
}

impl Scope {
    /// Returns the scope of a run that has just been started.
    pub(super) fn new(
        spec: &Spec,
        leader: &Leader,
        tier: &Tier,
        mark: RunMark,
        cgroup: Option<Cgroup>,
    ) -> Self {
        if !spec.has_own_group() {
            return Self::Leader;
        }
        let group = Group::of(leader);
        let spared = || spec.get_spared().map(ToOwned::to_owned).collect::<Box<[OsString]>>();
        match (tier, cgroup) {
            (Tier::Group, _) => Self::Group(group),
            (_, Some(cgroup)) => Self::Cgroup(group, Box::new(cgroup), spared()),
            (Tier::Family | Tier::Subreaper | Tier::Cgroup(_), None) => {
                let key = mark.number();
                let pid = leader.pid().as_raw_nonzero().get().unsigned_abs();
                FAMILIES.lock().register(key, pid, spared());
                Self::Family(Family { group, key, containment: tier.containment(), is_empty: false })
            }
        }
    }

    pub(super) fn containment(&self) -> Containment {
        match self {
            Self::Leader | Self::Group(_) => Containment::Group,
            Self::Family(family) => family.containment,
            Self::Cgroup(..) => Containment::Cgroup,
        }
    }

    /// Sends a signal to the processes that `target` selects.
    pub(super) fn signal(&mut self, leader: &Leader, target: SignalTarget, signal: c_int) -> io::Result<()> {
        match (self, target) {
            (Self::Leader, _) | (_, SignalTarget::Leader) => leader.signal(signal),
            (
                Self::Group(group) | Self::Family(Family { group, .. }) | Self::Cgroup(group, ..),
                SignalTarget::Group,
            )
            | (Self::Group(group), SignalTarget::Family) => group.signal(leader, signal),
            (Self::Family(family), SignalTarget::Family) => family.signal(leader, signal),
            (Self::Cgroup(group, cgroup, spared), SignalTarget::Family) => match signal {
                libc::SIGKILL if expel_exempt(group, cgroup, spared) => cgroup.kill(),
                libc::SIGSTOP => cgroup.freeze(true),
                _ => {
                    let thawed = cgroup.freeze(false);
                    // The members get the signal even if the group refuses it.
                    let to_group = group.signal(leader, signal);
                    let reached = reached(group, signal, &to_group);
                    let mut search = || {
                        let (_, members) = split_exempt(group.id(), cgroup, spared)?;
                        Ok(members.into_iter().map(Member::from).collect())
                    };
                    let to_members = signal_all(&mut search, signal, reached);
                    thawed.and(to_group).and(to_members)
                }
            },
        }
    }

    /// Returns the live processes without the leader, which has died and is reaped by this, if possible.
    pub(super) fn remaining(&mut self, leader: &mut Leader) -> Vec<u32> {
        match self {
            Self::Leader => {
                leader.reap();
                Vec::new()
            }
            Self::Group(group) => group.remaining(leader),
            Self::Family(family) => family.remaining(leader),
            Self::Cgroup(group, cgroup, spared) => {
                leader.reap();
                match split_exempt(group.id(), cgroup, spared) {
                    Ok((exempt, members)) => {
                        if members.is_empty() {
                            // So that the group can be removed.
                            exempt.into_iter().for_each(|member| drop(cgroup.expel(member.pid)));
                            cgroup.set_empty();
                        }
                        members.into_iter().map(|member| member.pid).collect()
                    }
                    // Without a descriptor the members are unknown until the next search.
                    Err(error) if is_shortage(&error) => vec![group.id()],
                    Err(_) => group.remaining(leader),
                }
            }
        }
    }

    /// Returns whether the leader was found dead and no other process is left.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Leader => true,
            Self::Group(group) => group.is_empty(),
            Self::Family(family) => family.is_empty,
            Self::Cgroup(_, cgroup, _) => cgroup.is_empty(),
        }
    }

    /// Searches for members now, so that they are recognised later.
    pub(super) fn observe(&mut self) {
        if let Self::Family(family) = self {
            // What is missed now may be found later.
            let _ = with_families(|families| families.live_members(family.key, None));
        }
    }

    /// Returns the live members that were found before and are not in the group of the leader.
    ///
    /// # Errors
    ///
    /// They are unknown: `/proc` cannot be read.
    pub(super) fn members_outside_the_group(&mut self) -> io::Result<Vec<guardian::Member>> {
        let (found, group) = match self {
            Self::Family(Family { key, group, .. }) => {
                (with_families(|families| families.known_entries(*key))?, &*group)
            }
            Self::Cgroup(group, cgroup, spared) => (split_exempt(group.id(), cgroup, spared)?.1, &*group),
            Self::Leader | Self::Group(_) => return Ok(Vec::new()),
        };
        // Not read again: what has left the group by now may be exempt.
        let outside = found.into_iter().filter(|entry| entry.group != group.id());
        Ok(outside
            .map(|entry| guardian::Member { pid: entry.pid.cast_signed(), start: entry.start })
            .collect())
    }

    /// Waits until what was killed is dead.
    pub(super) fn wait_until_dead(&mut self, limit: Duration) {
        match self {
            Self::Leader | Self::Group(_) => {}
            Self::Family(family) => {
                let key = family.key;
                wait_while(limit, || {
                    with_families(|families| families.known_members(key))
                        .is_ok_and(|members| !members.is_empty())
                });
            }
            Self::Cgroup(group, cgroup, spared) => wait_while(limit, || {
                split_exempt(group.id(), cgroup, spared).is_ok_and(|(_, members)| !members.is_empty())
            }),
        }
    }
}

/// Checks `condition` every millisecond until it does not hold.
fn wait_while(limit: Duration, mut condition: impl FnMut() -> bool) {
    let step = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    for _ in 0..limit.as_millis() {
        if !condition() {
            return;
        }
        let _ = poll(&mut [], Some(&step));
    }
}

/// Returns the process group whose members have all got a signal, so that none of them gets it again. A
/// program may take a second stop signal for the wish to end at once. KILL and STOP do no harm twice, and are
/// sent again to what was created meanwhile.
fn reached(group: &Group, signal: c_int, to_group: &io::Result<()>) -> Option<u32> {
    (to_group.is_ok() && !matches!(signal, libc::SIGKILL | libc::SIGSTOP)).then(|| group.id())
}

/// Returns the live processes of a control group: those outside of the process group that are exempt, with
/// what they have started there, and the others.
fn split_exempt(group: u32, cgroup: &Cgroup, spared: &[OsString]) -> io::Result<(Vec<Entry>, Vec<Entry>)> {
    reserve::with_spare_descriptors(|| {
        let mut entries = Vec::new();
        for pid in cgroup.pids()? {
            entries.extend(process_table::read(pid)?);
        }
        // A parent has most often a smaller number than its children.
        entries.sort_by_key(|entry| entry.start);
        let mut exempt = BTreeSet::new();
        for entry in &entries {
            let asks = || exempt.contains(&entry.parent) || run_mark::is_exempt(entry.pid, spared);
            if entry.group != group && asks() {
                exempt.insert(entry.pid);
            }
        }
        Ok(entries.into_iter().partition(|entry| exempt.contains(&entry.pid)))
    })
}

/// Moves the exempt processes out of a control group, which is to be killed as a whole. Returns whether that
/// was possible; if not, its members have to be killed one by one.
fn expel_exempt(group: &Group, cgroup: &Cgroup, spared: &[OsString]) -> bool {
    let exempt = split_exempt(group.id(), cgroup, spared).map(|(exempt, _)| exempt).unwrap_or_default();
    exempt.into_iter().all(|member| cgroup.expel(member.pid).is_ok())
}

/// Asks the families, also if no descriptor is left. Their lock is always taken before that of the reserve:
/// two monitors that stop at the same moment must not wait for each other.
fn with_families<T>(mut ask: impl FnMut(&mut Families) -> io::Result<T>) -> io::Result<T> {
    let mut families = FAMILIES.lock();
    reserve::with_spare_descriptors(|| ask(&mut families))
}

fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

/// Sends a signal once to every process that `search` returns, until it returns no new ones. Those in the
/// group that the signal has reached are left out. Tries all of them before it returns the first error.
fn signal_all(
    search: &mut dyn FnMut() -> io::Result<Vec<Member>>,
    signal: c_int,
    reached: Option<u32>,
) -> io::Result<()> {
    let mut result = Ok(());
    let mut seen = BTreeSet::new();
    for _ in 0..ROUNDS {
        let new: Vec<Member> = search()?.into_iter().filter(|member| seen.insert(*member)).collect();
        if new.is_empty() {
            break;
        }
        for member in new {
            let sent = signal_member(member, signal, reached);
            result = result.and(sent);
        }
    }
    result
}

/// Sends a signal to one member, and to no other process that may have its number by now. A member of the
/// group that the signal has reached, or its leader in another group, does not get it again.
fn signal_member(member: Member, signal: c_int, reached: Option<u32>) -> io::Result<()> {
    let Some(pid) = i32::try_from(member.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    reserve::with_spare_descriptors(|| {
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        match process_table::read(member.pid)? {
            // The number had this meaning before the pidfd was opened, and has it now, so it had it in
            // between.
            Some(entry) if entry.start == member.start => match reached {
                Some(group) if [entry.pid, entry.group].contains(&group) => Ok(()),
                _ => ignore_missing(send(pidfd.as_fd(), signal, 0)),
            },
            _ => Ok(()),
        }
    })
}

impl Family {
    fn signal(&mut self, leader: &Leader, signal: c_int) -> io::Result<()> {
        if self.is_empty {
            return Ok(());
        }
        let to_group = self.group.signal(leader, signal);
        let key = self.key;
        // CONT follows the stop signal. A member that was created since then is not stopped.
        let until = if signal == libc::SIGCONT { event_loop::turn() } else { None };
        let mut search = || with_families(|families| families.live_members(key, until));
        let reached = reached(&self.group, signal, &to_group);
        let to_members = signal_all(&mut search, signal, reached);
        to_group.and(to_members)
    }

    fn remaining(&mut self, leader: &mut Leader) -> Vec<u32> {
        if self.is_empty {
            return Vec::new();
        }
        let mut families = FAMILIES.lock();
        // While the leader is a zombie, its number is its own and its group can be recognised.
        let until = leader.reported_in();
        let found = reserve::with_spare_descriptors(|| families.live_members(self.key, until));
        families.release_leader(self.key);
        let has_group = self.group.has_members(leader);
        let found = match found {
            Ok(members) if members.is_empty() && has_group => {
                reserve::with_spare_descriptors(|| families.live_members_after_full_search(self.key))
            }
            other => other,
        };
        drop(families);
        match found {
            Ok(members) => {
                self.is_empty = members.is_empty() && !has_group;
                let mut pids: Vec<u32> = members.into_iter().map(|member| member.pid).collect();
                if pids.is_empty() && has_group {
                    pids = self.group.remaining(leader);
                    self.is_empty = pids.is_empty();
                }
                pids
            }
            // Without a descriptor to read `/proc` with, the members are unknown until the next search.
            Err(error) if is_shortage(&error) => vec![self.group.id()],
            // `/proc` has gone: the group is what can still be seen.
            Err(_) => {
                let pids = self.group.remaining(leader);
                self.is_empty = pids.is_empty();
                pids
            }
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        FAMILIES.lock().unregister(self.key);
    }
}

#[cfg(test)]
mod tests;
