//! Which process holds a listening socket, as far as it was found before.
//!
//! A server is probed again and again: until it is ready, and later to see whether it still answers. To find
//! the holder of its socket, all descriptors of the server are read, or all processes of the machine, if one
//! of its workers holds it. So the descriptor is remembered. The next time one look at it answers the
//! question; it is remembered for no longer than that look confirms it.

use std::fs;

use super::process_table;
use crate::sync::Lock;

/// The number of sockets that are remembered.
const MOST: usize = 64;

/// The holders that were found last, the latest at the end.
static FOUND: Lock<Vec<(Holder, Start)>> = Lock::new(Vec::new());

/// A listening socket, by its inode, and the process that has it open on behalf of `owner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) owner: u32,
    pub(super) holder: u32,
    pub(super) descriptor: u32,
    pub(super) inode: u64,
}

/// When the owner was started: another process may have its number later.
type Start = u64;

/// Returns whether the socket is known to be held by `owner` or one of its relatives, and still is.
pub(super) fn is_held(owner: u32, inode: u64) -> bool {
    let found = FOUND.lock().iter().find(|(one, _)| (one.owner, one.inode) == (owner, inode)).copied();
    let Some((holder, start)) = found else { return false };
    if start_of(owner) == Some(start) && socket(holder.holder, holder.descriptor) == Some(inode) {
        return true;
    }
    FOUND.lock().retain(|(one, _)| *one != holder);
    false
}

/// Remembers a holder. The one that was found first is forgotten if there are too many.
pub(super) fn remember(holder: Holder) {
    let Some(start) = start_of(holder.owner) else { return };
    let mut found = FOUND.lock();
    found.retain(|(one, _)| (one.owner, one.inode) != (holder.owner, holder.inode));
    if found.len() == MOST {
        found.remove(0);
    }
    found.push((holder, start));
}

/// Returns the inode of the socket at this descriptor of a process, if it is one.
pub(super) fn socket(pid: u32, descriptor: u32) -> Option<u64> {
    let what = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).ok()?;
    what.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn start_of(pid: u32) -> Option<Start> {
    process_table::read(pid).ok().flatten().map(|entry| entry.start)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::process;

    use super::*;

    fn found(listener: &TcpListener) -> Holder {
        let descriptor = u32::try_from(listener.as_raw_fd()).expect("a descriptor");
        let own = process::id();
        let inode = socket(own, descriptor).expect("a socket");
        Holder { owner: own, holder: own, descriptor, inode }
    }

    #[test]
    fn f_226_a_holder_is_known_until_it_closes_the_socket() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind");
        let holder = found(&listener);
        assert!(!is_held(holder.owner, holder.inode), "nothing was found yet");
        remember(holder);
        assert!(is_held(holder.owner, holder.inode));
        assert!(!is_held(1, holder.inode), "it is not that of another owner");
        drop(listener);
        // Another socket may have the descriptor now.
        assert!(!is_held(holder.owner, holder.inode));
        assert!(FOUND.lock().iter().all(|(one, _)| *one != holder));
    }

    #[test]
    fn f_226_a_holder_is_not_known_to_a_later_process_with_the_number_of_the_owner() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind");
        let holder = found(&listener);
        let start = start_of(holder.owner).expect("this process exists");
        FOUND.lock().push((holder, start - 1));
        assert!(!is_held(holder.owner, holder.inode));
    }
}
