//! The TCP sockets that listen on a port, by `sock_diag(7)`.
//!
//! `/proc/net/tcp` has the same data, and is read where the kernel does not answer. But it lists the
//! connections as well, for which the kernel walks through a table that grows with the memory of the machine:
//! that takes milliseconds, and this takes microseconds.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::io::retry_on_intr;
use rustix::net::netlink::SOCK_DIAG;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// TCP_LISTEN, as a state.
const LISTEN: u8 = 10;

/// TCP_LISTEN, as a bit.
const LISTENING: u32 = 1 << 10;

/// The length of a message header, `nlmsghdr`.
const HEADER: usize = 16;

/// The length of a request, `inet_diag_req_v2`.
const REQUEST: usize = 56;

/// The position of our own address in a request; it follows the two ports.
const SOURCE: usize = 12;

/// The size of the buffer: more than the kernel puts into one message.
const BUFFER: usize = 32 * 1024;

/// A TCP socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) inode: u64,
}

/// Returns all sockets that listen on `port`, of IPv4 and of IPv6; port 0 stands for all ports.
///
/// # Errors
///
/// The kernel does not answer such requests, or not to this process.
pub(super) fn listeners(port: u16) -> io::Result<Vec<Listener>> {
    let kernel =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    let mut buffer = vec![0; BUFFER];
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        request(&kernel, family, port, &mut buffer, &mut found)?;
    }
    Ok(found)
}

fn request(
    kernel: &OwnedFd,
    family: AddressFamily,
    port: u16,
    buffer: &mut [u8],
    found: &mut Vec<Listener>,
) -> io::Result<()> {
    send(kernel, &message(family, port), SendFlags::empty())?;
    loop {
        let (length, _) = retry_on_intr(|| recv(kernel, &mut *buffer, RecvFlags::empty()))?;
        let mut rest = &buffer[..length];
        while let Some((kind, body, behind)) = next_message(rest) {
            match kind {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => return Err(io::ErrorKind::Unsupported.into()),
                _ => found.extend(parse(body)),
            }
            rest = behind;
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Returns whether a connection to `port` at 127.0.0.1 or ::1 would be accepted. This is one look in the
/// kernel's table of listening sockets for each address, where [`listeners`] walks through it.
///
/// # Errors
///
/// The kernel does not answer such requests, or not to this process.
pub(super) fn is_served_locally(port: u16) -> io::Result<bool> {
    let kernel =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    let both = [local(IpAddr::V4(Ipv4Addr::LOCALHOST), port), local(IpAddr::V6(Ipv6Addr::LOCALHOST), port)];
    send(&kernel, &both.concat(), SendFlags::empty())?;
    let mut buffer = [0; 1024];
    for _ in both {
        let (length, _) = retry_on_intr(|| recv(&kernel, &mut buffer, RecvFlags::empty()))?;
        match next_message(&buffer[..length]) {
            Some((NLMSG_ERROR, body, _)) => match error_number(body) {
                Some(libc::ENOENT) => {}
                _ => return Err(io::ErrorKind::Unsupported.into()),
            },
            Some((_, body, _)) if body.get(1) == Some(&LISTEN) => return Ok(true),
            // A connection from this port that is in TIME_WAIT, for example.
            Some(_) => {}
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    Ok(false)
}

/// Builds a message that asks for the socket that serves `port` at this address.
fn local(address: IpAddr, port: u16) -> Vec<u8> {
    let (family, address) = match address {
        IpAddr::V4(address) => (AddressFamily::INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AddressFamily::INET6, address.octets().to_vec()),
    };
    let mut message = message(family, port);
    message[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    let source = HEADER + SOURCE;
    message[source..source + address.len()].copy_from_slice(&address);
    // Any cookie.
    message[HEADER + REQUEST - 8..].fill(0xff);
    message
}

/// Returns the error of an answer, which the kernel sends as a negative number.
fn error_number(body: &[u8]) -> Option<i32> {
    Some(-i32::from_ne_bytes(*body.first_chunk()?))
}

/// Builds a message that asks for all sockets that listen on `port`. The kernel takes port 0 for any.
fn message(family: AddressFamily, port: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + REQUEST);
    message.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // A sequence number and a port id, of which the kernel needs neither. Then the request.
    message.resize(HEADER, 0);
    message.extend([family.as_raw() as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    message.extend(LISTENING.to_ne_bytes());
    message.extend(port.to_be_bytes());
    message.resize(HEADER + REQUEST, 0);
    message
}

/// Splits off the first message: its kind, its body, and the rest.
fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// Parses an answer, `inet_diag_msg`: the family at 0, the port at 4, the address at 8, the inode at 68.
fn parse(body: &[u8]) -> Option<Listener> {
    let address = body.get(8..)?;
    let address = match i32::from(*body.first()?) {
        libc::AF_INET => IpAddr::from(Ipv4Addr::from(*address.first_chunk::<4>()?)),
        libc::AF_INET6 => IpAddr::from(Ipv6Addr::from(*address.first_chunk::<16>()?)),
        _ => return None,
    };
    let port = u16::from_be_bytes(*body.get(4..)?.first_chunk()?);
    let inode = u32::from_ne_bytes(*body.get(68..)?.first_chunk()?);
    Some(Listener { address, port, inode: inode.into() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::listeners::in_proc;
    use super::*;

    #[test]
    fn it_finds_what_proc_lists() {
        let any =
            ["127.0.0.1", "0.0.0.0", "::", "::1"].map(|text| text.parse::<IpAddr>().expect("an address"));
        for address in any {
            let Ok(listener) = TcpListener::bind((address, 0)) else { continue };
            let port = listener.local_addr().expect("it is bound").port();
            // Not every kernel answers; none may answer wrongly.
            let Ok(found) = listeners(port) else { continue };
            assert_eq!(found, in_proc(port).expect("/proc"));
            assert_eq!(
                found.iter().map(|one| (one.address, one.port)).collect::<Vec<_>>(),
                [(address, port)]
            );
        }
    }

    #[test]
    fn f_227_one_look_finds_what_serves_a_local_client_and_nothing_else() {
        for (address, serves) in
            [("127.0.0.1", true), ("0.0.0.0", true), ("::", true), ("::1", true), ("127.0.0.2", false)]
        {
            let address: IpAddr = address.parse().expect("an address");
            let Ok(listener) = TcpListener::bind((address, 0)) else { continue };
            let port = listener.local_addr().expect("it is bound").port();
            let Ok(served) = is_served_locally(port) else { continue };
            assert_eq!(served, serves, "{address}");
            // A connection is not a listening socket.
            let client = std::net::TcpStream::connect(listener.local_addr().expect("it is bound"));
            drop(listener);
            assert_eq!(is_served_locally(port).ok(), Some(false), "{address}");
            let from = client.and_then(|client| client.local_addr()).expect("it was connected").port();
            assert_eq!(is_served_locally(from).ok(), Some(false), "{address}");
        }
    }

    #[test]
    fn a_truncated_message_is_ignored() {
        assert_eq!(next_message(&[]), None);
        assert_eq!(next_message(&[20, 0, 0, 0, 3, 0, 0, 0]), None);
        let whole = message(AddressFamily::INET, 80);
        assert_eq!(next_message(&whole), Some((SOCK_DIAG_BY_FAMILY, &whole[HEADER..], &[][..])));
        assert_eq!(next_message(&[0; 32]), None);
        assert_eq!(parse(&[2; 40]), None);
    }
}
