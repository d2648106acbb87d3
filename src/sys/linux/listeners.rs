//! The listening sockets of this machine, from the kernel and from `/proc/net`.
//!
//! A socket is identified by its inode, which also appears in the descriptor tables of the processes that
//! hold it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::sync::Lock;

use super::diagnosis::{self, Listener};

/// TCP_LISTEN in the kernel's numbers.
const LISTEN: &str = "0A";

/// The shortest time between two searches of all addresses for a port that is not in use.
const SEARCH_INTERVAL: Duration = Duration::from_millis(1);

/// When all addresses were searched, on the monotonic clock.
static SEARCHED: Lock<Duration> = Lock::new(Duration::ZERO);

/// The flag of a listening local socket.
const ACCEPTS: u32 = 1 << 16;

/// Returns the sockets that may have accepted a connection to `address`: usually one; several if they share
/// it by `SO_REUSEPORT`, where the kernel chooses.
///
/// # Errors
///
/// The kernel does not answer, and `/proc/net` cannot be read.
pub(super) fn of_tcp(address: SocketAddr) -> io::Result<Vec<u64>> {
    Ok(first_served(&of_port(address.port())?, address.ip()))
}

/// Returns whether no socket listens on `port`, most likely: none does at the local addresses, and all others
/// were searched a moment ago for some port. A port is probed many times in the first milliseconds of a
/// server, which is nearly always found at a local address.
pub(super) fn is_surely_free(port: u16) -> bool {
    if !matches!(diagnosis::is_served_locally(port), Ok(false)) {
        return false;
    }
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32);
    let mut searched = SEARCHED.lock();
    let is_recent = now.saturating_sub(*searched) < SEARCH_INTERVAL;
    if !is_recent {
        *searched = now;
    }
    is_recent
}

/// Returns all sockets that listen on `port`, at any address; port 0 stands for all ports.
///
/// # Errors
///
/// The kernel does not answer, and `/proc/net` cannot be read.
pub(super) fn of_port(port: u16) -> io::Result<Vec<Listener>> {
    diagnosis::listeners(port).or_else(|_| in_proc(port))
}

/// Returns all sockets that listen on `port`, or on any port if it is 0, from `/proc/net`.
///
/// # Errors
///
/// It cannot be read.
pub(super) fn in_proc(port: u16) -> io::Result<Vec<Listener>> {
    let mut all = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) => all.extend(text.lines().filter_map(parse_tcp)),
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && table.ends_with('6') => {}
            Err(error) => return Err(error),
        }
    }
    all.retain(|listener| port == 0 || listener.port == port);
    Ok(all)
}

/// Returns the sockets that are bound to this path. A path that was bound again leaves the old socket in the
/// list.
///
/// # Errors
///
/// `/proc/net` cannot be read.
pub(super) fn of_unix(path: &Path) -> io::Result<Vec<u64>> {
    let table = fs::read("/proc/net/unix")?;
    let real = fs::canonicalize(path).ok();
    let lines = table.split(|byte| *byte == b'\n').filter_map(parse_unix);
    Ok(lines
        .filter(|(bound, _)| *bound == path || Some(*bound) == real.as_deref())
        .map(|(_, inode)| inode)
        .collect())
}

/// Chooses as the kernel does: the exact address comes before the unspecified one, and for a connection over
/// IPv4 a socket of IPv4 before a socket for both. The latter looks the same here as one for IPv6 alone, but
/// without any other it must have been that one.
pub(super) fn first_served(listeners: &[Listener], to: IpAddr) -> Vec<u64> {
    let mapped = |address: Ipv4Addr| IpAddr::V6(address.to_ipv6_mapped());
    let any_v6 = [IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let any_v4 = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), mapped(Ipv4Addr::UNSPECIFIED)];
    let exact = match to {
        IpAddr::V4(v4) => vec![to, mapped(v4)],
        IpAddr::V6(_) => vec![to],
    };
    let turns = match to {
        IpAddr::V4(_) => vec![&exact[..], &any_v4, &any_v6],
        IpAddr::V6(_) => vec![&exact[..], &any_v6],
    };
    let at = |addresses: &[IpAddr]| -> Vec<u64> {
        let there = listeners.iter().filter(|listener| addresses.contains(&listener.address));
        there.map(|listener| listener.inode).collect()
    };
    turns.into_iter().map(at).find(|inodes| !inodes.is_empty()).unwrap_or_default()
}

/// Parses a line such as `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0
/// 4711 …`.
fn parse_tcp(line: &str) -> Option<Listener> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Listener { address: parse_address(address)?, port: u16::from_str_radix(port, 16).ok()?, inode })
}

/// Parses words of 32 bits, each printed as a number of this machine although its bytes are in network order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match text.len() {
        8 => word(0).map(IpAddr::from),
        32 => {
            let mut bytes = [0; 16];
            for (index, place) in bytes.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(index * 8)?);
            }
            Some(IpAddr::from(bytes))
        }
        _ => None,
    }
}

/// Parses a line such as `0000000000000000: 00000002 00000000 00010000 0001 01  4711 /run/any socket`.
fn parse_unix(line: &[u8]) -> Option<(&Path, u64)> {
    let mut rest = line;
    let mut field = || {
        rest = rest.trim_ascii_start();
        let (field, behind) = rest.split_at(memchr::memchr(b' ', rest)?);
        rest = behind;
        std::str::from_utf8(field).ok()
    };
    let [_, _, _, flags, _, _, inode] =
        [field()?, field()?, field()?, field()?, field()?, field()?, field()?];
    // One blank, and then the path, which may begin with blanks.
    let path = Path::new(OsStr::from_bytes(rest.strip_prefix(b" ")?));
    let accepts = u32::from_str_radix(flags, 16).ok()? & ACCEPTS != 0;
    accepts.then_some((path, inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(address: &str, inode: u64) -> Listener {
        Listener { address: address.parse().expect("an address"), port: 80, inode }
    }

    #[test]
    fn a_listening_tcp_socket_is_parsed() {
        let loopback = if cfg!(target_endian = "little") { "0100007F" } else { "7F000001" };
        let line = format!(
            "   0: {loopback}:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 625 1 0 100"
        );
        assert_eq!(parse_tcp(&line), Some(listener("127.0.0.1", 625)));
        assert_eq!(parse_tcp(&line.replace(" 0A ", " 01 ")), None);
        let one = if cfg!(target_endian = "little") { "01000000" } else { "00000001" };
        let line = line.replace(loopback, &format!("000000000000000000000000{one}"));
        assert_eq!(parse_tcp(&line), Some(listener("::1", 625)));
        assert_eq!(parse_tcp("  sl  local_address rem_address   st tx_queue rx_queue"), None);
        assert_eq!(parse_tcp(""), None);
    }

    #[test]
    fn a_listening_local_socket_is_parsed() {
        let line = "00000000fc082f25: 00000002 00000000 00010000 0001 01";
        let parse = |rest: &str| {
            parse_unix(format!("{line}{rest}").as_bytes())
                .map(|(path, inode)| (path.display().to_string(), inode))
        };
        assert_eq!(parse("  4711 /run/a  b"), Some(("/run/a  b".into(), 4711)));
        assert_eq!(parse(" 2200036  x"), Some((" x".into(), 2_200_036)));
        assert_eq!(parse(" 2200036"), None);
        let connected = "00000000fc082f25: 00000003 00000000 00000000 0001 03 4711 /run/a";
        assert_eq!(parse_unix(connected.as_bytes()), None);
        assert_eq!(parse_unix(b"Num       RefCount Protocol Flags    Type St Inode Path"), None);
    }

    #[test]
    fn the_exact_address_is_served_first() {
        let all = ["::", "0.0.0.0", "127.0.0.1", "::1", "10.0.0.1", "::ffff:127.0.0.1"];
        let all: Vec<_> = all.into_iter().zip(1..).map(|(address, inode)| listener(address, inode)).collect();
        let [v4, v6] = ["127.0.0.1", "::1"].map(|address| address.parse().expect("an address"));
        assert_eq!(first_served(&all, v4), [3, 6]);
        assert_eq!(first_served(&all, v6), [4]);
        assert_eq!(first_served(&all[..2], v4), [2]);
        assert_eq!(first_served(&all[..2], v6), [1]);
        assert_eq!(first_served(&all[..1], v4), [1]);
        assert_eq!(first_served(&all[1..2], v6), [0; 0]);
        assert_eq!(first_served(&all[4..5], v4), [0; 0]);
        let twins = [all[0], Listener { inode: 9, ..all[0] }];
        assert_eq!(first_served(&twins, v4), [1, 9]);
    }
}
