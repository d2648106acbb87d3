//! Which TCP sockets listen on a port, asked of the kernel by `sock_diag(7)`.
//!
//! `/proc/net/tcp` has the same, and is read where the kernel does not answer. But it lists the connections as well, and
//! to find out that there are no more the kernel walks through a table that grows with the memory of the machine: that
//! takes milliseconds, where this takes microseconds.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::io::retry_on_intr;
use rustix::net::netlink::SOCK_DIAG;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use super::listeners::Listener;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// TCP_LISTEN, as a bit.
const LISTENING: u32 = 1 << 10;

/// The header of a message, `nlmsghdr`.
const HEADER: usize = 16;

/// A question, `inet_diag_req_v2`.
const QUESTION: usize = 56;

/// More than the kernel puts into one message.
const ROOM: usize = 32 * 1024;

/// All that listen on `port`, of IPv4 and of IPv6.
///
/// # Errors
///
/// The kernel does not answer such questions, or not to us.
pub(super) fn listeners(port: u16) -> io::Result<Vec<Listener>> {
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        ask(family, port, &mut found)?;
    }
    Ok(found)
}

fn ask(family: AddressFamily, port: u16, found: &mut Vec<Listener>) -> io::Result<()> {
    let kernel =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    send(&kernel, &question(family, port), SendFlags::empty())?;
    let mut buffer = vec![0; ROOM];
    loop {
        let (length, _) = retry_on_intr(|| recv(&kernel, &mut buffer, RecvFlags::empty()))?;
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

/// A message that asks for all that listen on `port`.
fn question(family: AddressFamily, port: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + QUESTION);
    message.extend(((HEADER + QUESTION) as u32).to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // A number for the message and one for us: the kernel needs neither. Then the question.
    message.resize(HEADER, 0);
    message.extend([family.as_raw() as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    message.extend(LISTENING.to_ne_bytes());
    message.extend(port.to_be_bytes());
    message.resize(HEADER + QUESTION, 0);
    message
}

/// The kind of the first message, its body, and what comes behind it.
fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// An answer, `inet_diag_msg`: the family at 0, the port at 4, the address at 8, the inode at 68.
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
    fn it_knows_what_proc_knows() {
        let any =
            ["127.0.0.1", "0.0.0.0", "::", "::1"].map(|text| text.parse::<IpAddr>().expect("an address"));
        for address in any {
            let Ok(listener) = TcpListener::bind((address, 0)) else { continue };
            let port = listener.local_addr().expect("it is bound").port();
            // Not every kernel answers; none may tell a tale.
            let Ok(found) = listeners(port) else { continue };
            assert_eq!(found, in_proc(port).expect("/proc"));
            assert_eq!(
                found.iter().map(|one| (one.address, one.port)).collect::<Vec<_>>(),
                [(address, port)]
            );
        }
    }

    #[test]
    fn what_is_cut_short_is_no_message() {
        assert_eq!(next_message(&[]), None);
        assert_eq!(next_message(&[20, 0, 0, 0, 3, 0, 0, 0]), None);
        let whole = question(AddressFamily::INET, 80);
        assert_eq!(next_message(&whole), Some((SOCK_DIAG_BY_FAMILY, &whole[HEADER..], &[][..])));
        assert_eq!(next_message(&[0; 32]), None);
        assert_eq!(parse(&[2; 40]), None);
    }
}
