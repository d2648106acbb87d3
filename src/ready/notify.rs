//! The channels through which a process reports that it is ready.
//!
//! There are two protocols. That of s6 is a line feed written to a descriptor, here one end of a pipe. That
//! of systemd is a datagram with a line `READY=1`, sent to the socket that `NOTIFY_SOCKET` names.
//!
//! Each start gets channels of its own. What a process of an earlier start sends goes to a pipe or socket
//! that is closed.

use std::fs::Permissions;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::task::{Context, Poll};

use async_io::Async;
use tempfile::TempDir;

use super::leaf::LeafEvent;
use crate::host::Spec;

/// The longest datagram of the protocol of systemd.
const LONGEST_DATAGRAM: usize = 4096;

/// A notification channel, and the leaves that wait for it.
pub(super) struct NotifyHandle {
    leaves: Vec<usize>,
    channel: NotifyChannel,
    /// Whether nothing more can arrive.
    has_ended: bool,
}

impl NotifyHandle {
    pub(super) fn new(leaf: usize, channel: NotifyChannel) -> Self {
        Self { leaves: vec![leaf], channel, has_ended: false }
    }

    /// Has another leaf wait for the same channel.
    pub(super) fn share(&mut self, leaf: usize) {
        self.leaves.push(leaf);
    }

    /// Adds what has arrived to `events`, and registers the waker unless nothing more can arrive.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, events: &mut Vec<(usize, LeafEvent)>) {
        if self.has_ended {
            return;
        }
        let mut arrived = Vec::new();
        self.has_ended = self.channel.poll(cx, &mut arrived).is_ready();
        for event in arrived {
            events.extend(self.leaves.iter().map(|leaf| (*leaf, event.clone())));
        }
    }
}

/// Our end of a notification channel. Dropping it closes the channel and removes the directory of a socket.
pub(super) enum NotifyChannel {
    Pipe(Async<OwnedFd>),
    Socket {
        socket: Async<UnixDatagram>,
        /// The directory of the socket, which is removed when this is dropped.
        _dir: TempDir,
    },
}

impl NotifyChannel {
    /// Creates a pipe whose other end becomes descriptor `number` of the process.
    pub(super) fn pipe(number: i32, spec: Spec) -> io::Result<(Self, Spec)> {
        let (ours, theirs) = io::pipe()?;
        let ours = OwnedFd::from(ours);
        rustix::io::ioctl_fionbio(&ours, true)?;
        let channel = Self::Pipe(Async::new_nonblocking(ours)?);
        Ok((channel, spec.descriptor(number, theirs)))
    }

    /// Creates a socket in a directory to which only the user of the process has access.
    pub(super) fn socket(spec: Spec) -> io::Result<(Self, Spec)> {
        let mut builder = tempfile::Builder::new();
        let dir = builder.prefix("childminder-").permissions(Permissions::from_mode(0o700)).tempdir()?;
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot create the socket {}: {error}", path.display()))
        })?;
        if spec.get_uid().is_some() {
            chown(dir.path(), spec.get_uid(), spec.get_gid())?;
            chown(&path, spec.get_uid(), spec.get_gid())?;
        }
        let channel = Self::Socket { socket: Async::new(socket)?, _dir: dir };
        Ok((channel, spec.env("NOTIFY_SOCKET", path)))
    }

    /// Reads what has arrived. Ready when nothing more can arrive.
    fn poll(&self, cx: &mut Context<'_>, events: &mut Vec<LeafEvent>) -> Poll<()> {
        loop {
            let readable = match self.read(events) {
                Ok(ControlFlow::Continue(())) => continue,
                Ok(ControlFlow::Break(())) => return Poll::Ready(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self {
                    Self::Pipe(pipe) => pipe.poll_readable(cx),
                    Self::Socket { socket, .. } => socket.poll_readable(cx),
                },
                Err(error) => Poll::Ready(Err(error)),
            };
            match readable {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    events.push(LeafEvent::Remark(error.to_string()));
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn read(&self, events: &mut Vec<LeafEvent>) -> io::Result<ControlFlow<()>> {
        let mut buf = [0; LONGEST_DATAGRAM];
        match self {
            Self::Pipe(pipe) => {
                let length = rustix::io::read(pipe, &mut buf)?;
                if length == 0 {
                    events.push(LeafEvent::Remark("closed without a line feed".to_owned()));
                    return Ok(ControlFlow::Break(()));
                }
                // Bytes before the line feed have no meaning.
                if memchr::memchr(b'\n', &buf[..length]).is_some() {
                    events.push(LeafEvent::Met);
                    return Ok(ControlFlow::Break(()));
                }
            }
            Self::Socket { socket, .. } => {
                let length = socket.get_ref().recv(&mut buf)?;
                let text = String::from_utf8_lossy(&buf[..length]);
                events.extend(text.lines().filter_map(parse_assignment));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Parses a line of a datagram. Variables that say nothing about readiness are ignored.
fn parse_assignment(line: &str) -> Option<LeafEvent> {
    if line == "READY=1" {
        return Some(LeafEvent::Met);
    }
    line.strip_prefix("STATUS=").map(|status| LeafEvent::Remark(format!("status: {status}")))
}

#[cfg(test)]
mod tests;
