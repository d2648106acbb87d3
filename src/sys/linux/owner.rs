//! The owner of a socket that answered a probe.
//!
//! A server left over from an earlier test answers as well as the one that was just started. So the listening
//! socket is looked up, and the processes that hold it: the owner, its group, its session, and all their
//! descendants. Most often the owner itself holds it, and no other process is examined.
//!
//! If several sockets share an address by `SO_REUSEPORT`, any of them may answer the next connection, so all
//! of them must be the owner's. A process that cannot be examined counts neither as the owner's nor as a
//! stranger: the result is *unverified*.

#![expect(unsafe_code, reason = "the credentials of a local socket")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use crate::host::ProbeOwner;

use super::super::socket::{PortOwner, Reached};
use super::holders::{self, Holder};
use super::listeners;
use super::process_table::{self, Entry, has_ended};
use super::run_mark;

/// The number of descriptors that are read as fast as a remembered one is confirmed.
const FEW: u32 = 16;

/// Returns the owner of the socket. A socket that a parent hands to a new child while `/proc` is read may be
/// missed, so a stranger is only reported after a second search.
pub(in crate::sys) fn socket_owner(reached: &Reached<'_>, owner: Option<u32>) -> ProbeOwner {
    match search(reached, owner) {
        Ok(ProbeOwner::Own) => ProbeOwner::Own,
        Ok(_) | Err(_) => search(reached, owner)
            .unwrap_or_else(|error| ProbeOwner::Unverified(format!("/proc cannot be read: {error}"))),
    }
}

/// Returns who listens on a port, without a connection: a server that takes only one client must not lose it
/// to a probe. As in [`socket_owner`], a stranger is only reported after a second search.
pub(in crate::sys) fn port_owner(port: u16, owner: Option<u32>) -> PortOwner {
    if owner.is_some() && listeners::is_surely_free(port) {
        return PortOwner::Free;
    }
    let mut found = search_port(port, owner);
    if let Ok(PortOwner::Listening { owner: ProbeOwner::Own, .. }) = found {
        return found.unwrap_or(PortOwner::Unknown);
    }
    if owner.is_some_and(has_another_network) {
        return PortOwner::Unknown;
    }
    if let Ok(PortOwner::Listening { .. }) = found {
        found = search_port(port, owner);
    }
    found.unwrap_or(PortOwner::Unknown)
}

/// Prefers the sockets that serve 127.0.0.1 and ::1: they decide if there are any, since clients connect
/// there.
fn search_port(port: u16, owner: Option<u32>) -> io::Result<PortOwner> {
    let all = listeners::of_port(port)?;
    let served =
        |ip: IpAddr| Some((ip, listeners::first_served(&all, ip))).filter(|(_, found)| !found.is_empty());
    let local = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let mut candidates: Vec<_> = local.into_iter().find_map(served).into_iter().collect();
    if candidates.is_empty() && owner.is_some() {
        let others = BTreeSet::from_iter(all.iter().map(|listener| listener.address));
        candidates.extend(others.into_iter().filter_map(served));
    }
    let mut result = PortOwner::Free;
    for (ip, inodes) in candidates {
        let address = SocketAddr::new(ip.to_canonical(), port);
        let found = owner_of(inodes, None, owner)?;
        let is_own = found == ProbeOwner::Own;
        result = PortOwner::Listening { address, owner: found };
        if is_own {
            break;
        }
    }
    Ok(result)
}

/// Returns the addresses at which the owner and its relatives listen.
pub(in crate::sys) fn listening(owner: u32) -> Vec<SocketAddr> {
    let (Ok(all), Ok(processes)) = (listeners::of_port(0), process_table::read_all()) else {
        return Vec::new();
    };
    let relatives = relatives_of(owner, &processes);
    let listening = BTreeSet::from_iter(all.iter().map(|listener| listener.inode));
    let held = relatives.iter().flat_map(|pid| sockets_of(*pid, &listening).unwrap_or_default());
    let inodes = BTreeSet::from_iter(held.map(|(_, inode)| inode));
    let own = all.iter().filter(|listener| inodes.contains(&listener.inode));
    let addresses = own.map(|listener| SocketAddr::new(listener.address.to_canonical(), listener.port));
    BTreeSet::from_iter(addresses).into_iter().collect()
}

/// Returns whether `pid` is the owner, one of its relatives, dead or alive, or has the mark of its run.
pub(in crate::sys) fn belongs_to(pid: u32, owner: u32) -> bool {
    if pid == owner {
        return true;
    }
    let relatives =
        process_table::read_all().map(|all| relatives_and_dead_of(owner, &all)).unwrap_or_default();
    relatives.contains(&pid) || mark_of(owner).is_some_and(|mark| mark_of(pid) == Some(mark))
}

/// Returns the mark that a process has in its environment, if it has one and shows it.
fn mark_of(pid: u32) -> Option<Vec<u8>> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    run_mark::value(&environment).filter(|mark| !mark.is_empty()).map(ToOwned::to_owned)
}

fn search(reached: &Reached<'_>, owner: Option<u32>) -> io::Result<ProbeOwner> {
    let (listeners, opener) = match reached {
        Reached::Tcp(address) => (listeners::of_tcp(*address)?, None),
        Reached::Unix { path, stream } => (listeners::of_unix(path)?, opener(stream)),
    };
    owner_of(listeners, opener, owner)
}

/// Returns the owner of these listening sockets. `opener` is the process that called `listen`, if it is
/// known.
fn owner_of(listeners: Vec<u64>, opener: Option<u32>, owner: Option<u32>) -> io::Result<ProbeOwner> {
    let mut missing = BTreeSet::from_iter(listeners);
    let known = !missing.is_empty();

    // Most often it is the owner itself.
    if let Some(owner) = owner {
        if opener == Some(owner) {
            return Ok(ProbeOwner::Own);
        }
        missing.retain(|inode| !holders::is_held(owner, *inode));
        for (descriptor, inode) in sockets_of(owner, &missing).unwrap_or_default() {
            missing.remove(&inode);
            // A process with few descriptors is read as fast.
            if descriptor > FEW {
                holders::remember(Holder { owner, holder: owner, descriptor, inode });
            }
        }
        if known && missing.is_empty() {
            return Ok(ProbeOwner::Own);
        }
    }

    // Checked only now: a socket that the owner itself holds is its own in any namespace.
    if owner.is_some_and(has_another_network) {
        return Ok(ProbeOwner::Unverified("it has its own network namespace".to_owned()));
    }

    // Otherwise its relatives.
    let all = process_table::read_all()?;
    let relatives = owner.map(|owner| relatives_of(owner, &all)).unwrap_or_default();
    if opener.is_some_and(|opener| relatives.contains(&opener)) {
        return Ok(ProbeOwner::Own);
    }
    let mut closed = None;
    for pid in &relatives {
        match sockets_of(*pid, &missing) {
            Ok(held) => {
                for (descriptor, inode) in held {
                    missing.remove(&inode);
                    let owner = owner.expect("without an owner it has no relatives");
                    holders::remember(Holder { owner, holder: *pid, descriptor, inode });
                }
            }
            Err(_) => closed = Some(pid),
        }
    }
    if known && missing.is_empty() {
        return Ok(ProbeOwner::Own);
    }

    // So it is another process, if none is hidden.
    let holds = |pid: &u32| sockets_of(*pid, &missing).is_ok_and(|held| !held.is_empty());
    let others = || all.iter().map(|one| one.pid).filter(|pid| !relatives.contains(pid));
    Ok(match (others().find(holds).or_else(|| opener.filter(|_| !known)), closed) {
        (Some(stranger), _) => ProbeOwner::Stranger(describe(stranger)),
        (None, Some(pid)) => ProbeOwner::Unverified(format!("the descriptors of pid {pid} cannot be read")),
        (None, None) if known => {
            ProbeOwner::Stranger("a process whose descriptors cannot be read".to_owned())
        }
        (None, None) => ProbeOwner::Unverified("no socket listens there any more".to_owned()),
    })
}

/// Returns the live processes among the owner, its group, its session, and all their descendants.
fn relatives_of(owner: u32, all: &[Entry]) -> BTreeSet<u32> {
    let mut relatives = relatives_and_dead_of(owner, all);
    let dead = all.iter().filter(|one| !one.alive).map(|one| one.pid);
    dead.for_each(|pid| {
        relatives.remove(&pid);
    });
    relatives
}

/// Returns the relatives of the owner, including zombies.
fn relatives_and_dead_of(owner: u32, all: &[Entry]) -> BTreeSet<u32> {
    let is_first = |one: &&Entry| [one.pid, one.group, one.session].contains(&owner);
    let mut generation: BTreeSet<_> = all.iter().filter(is_first).map(|one| one.pid).collect();
    let mut relatives = BTreeSet::new();
    while !generation.is_empty() {
        relatives.append(&mut generation);
        let is_next = |one: &&Entry| relatives.contains(&one.parent) && !relatives.contains(&one.pid);
        generation = all.iter().filter(is_next).map(|one| one.pid).collect();
    }
    relatives
}

/// Returns those of the `wanted` sockets, by their inodes, that a process has open, each with its descriptor;
/// none if the process has ended.
///
/// # Errors
///
/// This process may not read them.
fn sockets_of(pid: u32, wanted: &BTreeSet<u64>) -> io::Result<Vec<(u32, u64)>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let descriptors = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(descriptors) => descriptors,
        Err(error) if has_ended(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut held = Vec::new();
    for descriptor in descriptors {
        // A descriptor that cannot be read now has been closed meanwhile.
        let Ok(descriptor) = descriptor else { break };
        let Some(number) = descriptor.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        held.extend(
            holders::socket(pid, number).filter(|inode| wanted.contains(inode)).map(|one| (number, one)),
        );
    }
    Ok(held)
}

/// Returns whether the tables in our `/proc/net` are not those of the process.
fn has_another_network(pid: u32) -> bool {
    let network = |who: &str| fs::read_link(format!("/proc/{who}/ns/net")).ok();
    network(&pid.to_string()).is_some_and(|theirs| network("self").is_some_and(|ours| ours != theirs))
}

/// Returns the process that called `listen` on the socket at the other end; `None` if it has no number here.
fn opener(stream: &UnixStream) -> Option<u32> {
    let mut credentials = MaybeUninit::<libc::ucred>::zeroed();
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the pointers are to room for the credentials and to its length.
    let failed = unsafe {
        let (level, name) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        libc::getsockopt(stream.as_raw_fd(), level, name, credentials.as_mut_ptr().cast(), &raw mut length)
    } != 0;
    // SAFETY: all zeros are credentials, too.
    let credentials = unsafe { credentials.assume_init() };
    u32::try_from(credentials.pid).ok().filter(|pid| !failed && *pid > 0)
}

fn describe(pid: u32) -> String {
    match fs::read(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("pid {pid} ({})", String::from_utf8_lossy(name.trim_ascii_end())),
        Err(_) => format!("pid {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relatives_are_found_by_group_session_and_descent() {
        let entry =
            |pid, parent, group, session| Entry { pid, parent, group, session, alive: true, start: 0 };
        let all = [
            entry(1, 0, 1, 1),
            entry(10, 1, 1, 1),
            // The owner, a member of its group whose parent has ended, a descendant that has left the group,
            // and another one in a new session.
            entry(20, 10, 20, 1),
            entry(21, 1, 20, 1),
            entry(22, 21, 22, 1),
            entry(23, 22, 23, 23),
            // A member of its session only, a dead one, and a child of the dead one.
            entry(24, 1, 24, 20),
            Entry { alive: false, ..entry(25, 20, 20, 1) },
            entry(26, 25, 26, 26),
            entry(30, 10, 30, 30),
        ];
        assert_eq!(Vec::from_iter(relatives_of(20, &all)), [20, 21, 22, 23, 24, 26]);
        assert_eq!(Vec::from_iter(relatives_of(99, &all)), [0; 0]);
    }
}
