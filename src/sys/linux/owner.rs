//! Whose socket is it that answered?
//!
//! A server that was left over from yesterday answers as well as the one that was just started (F-82). So the socket
//! that waits for connections is looked up, and whoever holds it: the owner, its group, its session, and all their
//! descendants, wherever these have gone. Most often the owner itself has it, and nobody else is looked at.
//!
//! If several share an address, by `SO_REUSEPORT`, nobody can say who will answer next time: all of them must be the
//! owner's. Whatever cannot be looked at is not taken for the owner's, nor for a stranger's: it is *unverified*.

#![expect(unsafe_code, reason = "whose a local socket was when it began to listen")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use crate::host::ProbeOwner;

use super::super::probe::Reached;
use super::listeners;
use super::processes::{self, Entry, has_ended};

/// Whose the socket is. A look takes a while, and a socket that is handed on meanwhile, by a parent that ends to a
/// child that was not there yet, may be missed by one. So nobody is called a stranger before a second look.
pub(crate) fn holder(reached: &Reached<'_>, owner: Option<u32>) -> ProbeOwner {
    match look(reached, owner) {
        Ok(ProbeOwner::Own) => ProbeOwner::Own,
        Ok(_) | Err(_) => look(reached, owner)
            .unwrap_or_else(|error| ProbeOwner::Unverified(format!("/proc cannot be read: {error}"))),
    }
}

fn look(reached: &Reached<'_>, owner: Option<u32>) -> io::Result<ProbeOwner> {
    let (listeners, opener) = match reached {
        Reached::Tcp(address) => (listeners::of_tcp(*address)?, None),
        Reached::Unix { path, stream } => (listeners::of_unix(path)?, opener(stream)),
    };
    let mut missing = BTreeSet::from_iter(listeners);
    let known = !missing.is_empty();

    // Most often it is the owner itself.
    if let Some(owner) = owner {
        if opener == Some(owner) {
            return Ok(ProbeOwner::Own);
        }
        for inode in sockets_of(owner).unwrap_or_default() {
            missing.remove(&inode);
        }
        if known && missing.is_empty() {
            return Ok(ProbeOwner::Own);
        }
    }

    // Only now: what is its own is so wherever it lives.
    if owner.is_some_and(has_another_network) {
        return Ok(ProbeOwner::Unverified("it has a network of its own".to_owned()));
    }

    // Or else its family.
    let all = processes::all()?;
    let kin = owner.map(|owner| kin_of(owner, &all)).unwrap_or_default();
    if opener.is_some_and(|opener| kin.contains(&opener)) {
        return Ok(ProbeOwner::Own);
    }
    let mut closed = None;
    for pid in &kin {
        match sockets_of(*pid) {
            Ok(inodes) => missing.retain(|inode| !inodes.contains(inode)),
            Err(_) => closed = Some(pid),
        }
    }
    if known && missing.is_empty() {
        return Ok(ProbeOwner::Own);
    }

    // So it is somebody else, if nothing is hidden.
    let holds =
        |pid: &u32| sockets_of(*pid).is_ok_and(|inodes| inodes.iter().any(|inode| missing.contains(inode)));
    let others = || all.iter().map(|one| one.pid).filter(|pid| !kin.contains(pid));
    Ok(match (others().find(holds).or_else(|| opener.filter(|_| !known)), closed) {
        (Some(stranger), _) => ProbeOwner::Stranger(describe(stranger)),
        (None, Some(pid)) => {
            ProbeOwner::Unverified(format!("the descriptors of pid {pid} cannot be looked at"))
        }
        (None, None) if known => {
            ProbeOwner::Stranger("somebody whose descriptors cannot be looked at".to_owned())
        }
        (None, None) => ProbeOwner::Unverified("nobody listens there any more".to_owned()),
    })
}

/// The owner, its group, its session, and all their descendants, as far as they live.
fn kin_of(owner: u32, all: &[Entry]) -> BTreeSet<u32> {
    let is_first = |one: &&Entry| [one.pid, one.group, one.session].contains(&owner);
    let mut generation: BTreeSet<_> = all.iter().filter(is_first).map(|one| one.pid).collect();
    let mut kin = BTreeSet::new();
    while !generation.is_empty() {
        kin.append(&mut generation);
        let is_next = |one: &&Entry| kin.contains(&one.parent) && !kin.contains(&one.pid);
        generation = all.iter().filter(is_next).map(|one| one.pid).collect();
    }
    let dead = all.iter().filter(|one| !one.alive).map(|one| one.pid);
    dead.for_each(|pid| {
        kin.remove(&pid);
    });
    kin
}

/// The inodes of the sockets that a process has open; none if it has ended.
///
/// # Errors
///
/// We may not look.
fn sockets_of(pid: u32) -> io::Result<Vec<u64>> {
    let descriptors = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(descriptors) => descriptors,
        Err(error) if has_ended(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut inodes = Vec::new();
    for descriptor in descriptors {
        // Whatever fails now was closed in between.
        let Ok(descriptor) = descriptor else { break };
        let Ok(what) = fs::read_link(descriptor.path()) else { continue };
        let number = what.to_str().and_then(|what| what.strip_prefix("socket:[")?.strip_suffix(']'));
        inodes.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    Ok(inodes)
}

/// Whether the tables in our `/proc/net` are not those of this process.
fn has_another_network(pid: u32) -> bool {
    let network = |who: &str| fs::read_link(format!("/proc/{who}/ns/net")).ok();
    network(&pid.to_string()).is_some_and(|theirs| network("self").is_some_and(|ours| ours != theirs))
}

/// Who let the socket listen that this one is connected to; `None` for a process that we have no number for.
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
    fn kin_is_found_by_group_session_and_descent() {
        let entry = |pid, parent, group, session| Entry { pid, parent, group, session, alive: true };
        let all = [
            entry(1, 0, 1, 1),
            entry(10, 1, 1, 1),
            // The owner, one of its group whose parent has ended, a descendant that has left it, and another one
            // of a new session.
            entry(20, 10, 20, 1),
            entry(21, 1, 20, 1),
            entry(22, 21, 22, 1),
            entry(23, 22, 23, 23),
            // One of its session only, a dead one, and a child of the dead.
            entry(24, 1, 24, 20),
            Entry { alive: false, ..entry(25, 20, 20, 1) },
            entry(26, 25, 26, 26),
            entry(30, 10, 30, 30),
        ];
        assert_eq!(Vec::from_iter(kin_of(20, &all)), [20, 21, 22, 23, 24, 26]);
        assert_eq!(Vec::from_iter(kin_of(99, &all)), [0; 0]);
    }
}
