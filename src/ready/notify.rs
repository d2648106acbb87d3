//! The channels through which a process reports that it is ready.
//!
//! There are two protocols. That of s6 is a line feed written to a descriptor, here one end of a pipe. That
//! of systemd is a datagram with a line `READY=1`, sent to the socket that `NOTIFY_SOCKET` names.
//!
//! Each start gets channels of its own. What a process of an earlier start sends goes to a pipe or socket
//! that is closed.
//!
//! # Access to the socket
//!
//! A daemon may give up its privileges before it notifies. So on Linux every user may send to the socket, and
//! the kernel's credentials of the sender decide: it must belong to the run. A sender that has exited already
//! cannot be looked up; its notification counts if its user is root, the user of this process, or that of the
//! spec. On other systems only the user of the process has access.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use rustix::process::{Pid, geteuid, test_kill_process};
use tempfile::TempDir;

use super::condition::Leaf;
use super::gate::FlatCondition;
use crate::host::{LONGEST_SOCKET_PATH, Spec};

/// The longest datagram of the protocol of systemd.
const LONGEST_DATAGRAM: usize = 4096;

/// Directories for the socket if the path of the usual one is too long, or if other users cannot enter it.
const FALLBACK_DIRS: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// Whether the kernel reports the sender of a datagram.
const HAS_CREDENTIALS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The process that has sent a datagram.
#[derive(Clone, Copy, Debug)]
struct Sender {
    /// `None` for a process in another PID namespace.
    pid: Option<Pid>,
    uid: u32,
}

/// A notification channel, and the leaves that wait for it.
pub(super) struct NotifyHandle {
    leaves: Vec<usize>,
    channel: NotifyChannel,
    /// Whether nothing more can arrive.
    has_ended: bool,
}

impl NotifyHandle {
    fn new(leaves: Vec<usize>, channel: NotifyChannel) -> Self {
        Self { leaves, channel, has_ended: false }
    }

    /// Returns what has arrived, and registers the waker unless nothing more can arrive. `is_member` returns
    /// whether a process belongs to the run.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        is_member: &dyn Fn(u32) -> bool,
    ) -> Vec<Notification> {
        let mut arrived = Vec::new();
        if !self.has_ended {
            self.has_ended = self.channel.poll(cx, is_member, &mut arrived).is_ready();
        }
        arrived
    }

    /// Returns the leaves that wait for this channel.
    pub(super) fn leaves(&self) -> &[usize] {
        &self.leaves
    }
}

/// Something that a process has sent, or that happened to its channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Notification {
    /// The process is ready.
    Ready,
    /// A remark for the report.
    Remark(String),
    Watchdog(WatchdogSignal),
}

/// A notification for the watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchdogSignal {
    /// The process works.
    Alive,
    /// The process wants to be restarted.
    Trigger,
    /// From now on the process notifies at this interval.
    Timeout(Duration),
}

/// Adds to `spec` a new pipe or socket for each notification that `condition` and the watchdog wait for.
///
/// # Errors
///
/// The system's error when it cannot create a pipe, a socket or its directory.
pub(super) fn open_channels(
    condition: &FlatCondition,
    watchdog: Option<Duration>,
    mut spec: Spec,
) -> io::Result<(Spec, Vec<NotifyHandle>)> {
    let mut pipes: Vec<(i32, NotifyHandle)> = Vec::new();
    let mut socket: Option<NotifyHandle> = None;
    for (number, leaf) in condition.leaves() {
        match leaf {
            Leaf::Notify(descriptor) => {
                if let Some((_, handle)) = pipes.iter_mut().find(|(known, _)| known == descriptor) {
                    handle.leaves.push(number);
                    continue;
                }
                let channel;
                (channel, spec) = NotifyChannel::pipe(*descriptor, spec)?;
                pipes.push((*descriptor, NotifyHandle::new(vec![number], channel)));
            }
            Leaf::SdNotify => {
                if let Some(handle) = &mut socket {
                    handle.leaves.push(number);
                    continue;
                }
                let channel;
                (channel, spec) = NotifyChannel::socket(spec)?;
                socket = Some(NotifyHandle::new(vec![number], channel));
            }
            Leaf::Uptime(_) | Leaf::Output(_) | Leaf::Probe { .. } | Leaf::Command(_) => {}
        }
    }
    if let Some(timeout) = watchdog {
        spec = spec.env("WATCHDOG_USEC", timeout.as_micros().to_string());
        if socket.is_none() {
            let channel;
            (channel, spec) = NotifyChannel::socket(spec)?;
            socket = Some(NotifyHandle::new(Vec::new(), channel));
        }
    }
    Ok((spec, pipes.into_iter().map(|(_, handle)| handle).chain(socket).collect()))
}

/// Our end of a notification channel. Dropping it closes the channel and removes the directory of a socket.
pub(super) enum NotifyChannel {
    Pipe(Async<OwnedFd>),
    Socket {
        socket: Async<UnixDatagram>,
        /// The user of the spec.
        uid: Option<u32>,
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

    /// Creates a socket for datagrams, in a directory of its own among the temporary files.
    pub(super) fn socket(spec: Spec) -> io::Result<(Self, Spec)> {
        let dirs = socket_dirs(env::temp_dir(), geteuid().is_root());
        let mut failure = io::Error::new(
            io::ErrorKind::InvalidFilename,
            "cannot create the notification socket: the path of every temporary directory is too long",
        );
        for dir in dirs.into_iter().rev() {
            match Self::socket_in(&dir, &spec) {
                Ok((channel, path)) => return Ok((channel, spec.env("NOTIFY_SOCKET", path))),
                Err(error) => {
                    let dir = dir.display();
                    let text = format!("cannot create the notification socket in {dir}: {error}");
                    failure = io::Error::new(error.kind(), text);
                }
            }
        }
        Err(failure)
    }

    fn socket_in(parent: &Path, spec: &Spec) -> io::Result<(Self, PathBuf)> {
        let dir = tempfile::Builder::new().prefix("childminder-").tempdir_in(parent)?;
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path)?;
        // Set explicitly, since the umask restricts the permissions of a new file.
        let (dir_mode, socket_mode) = if HAS_CREDENTIALS { (0o711, 0o666) } else { (0o700, 0o600) };
        fs::set_permissions(dir.path(), Permissions::from_mode(dir_mode))?;
        fs::set_permissions(&path, Permissions::from_mode(socket_mode))?;
        if spec.get_uid().is_some() && !HAS_CREDENTIALS {
            chown(dir.path(), spec.get_uid(), spec.get_gid())?;
            chown(&path, spec.get_uid(), spec.get_gid())?;
        }
        sender::request(&socket)?;
        let channel = Self::Socket { socket: Async::new(socket)?, uid: spec.get_uid(), _dir: dir };
        Ok((channel, path))
    }

    /// Reads what has arrived. Ready when nothing more can arrive.
    fn poll(
        &self,
        cx: &mut Context<'_>,
        is_member: &dyn Fn(u32) -> bool,
        events: &mut Vec<Notification>,
    ) -> Poll<()> {
        loop {
            let readable = match self.read(is_member, events) {
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
                    events.push(Notification::Remark(error.to_string()));
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn read(
        &self,
        is_member: &dyn Fn(u32) -> bool,
        events: &mut Vec<Notification>,
    ) -> io::Result<ControlFlow<()>> {
        let mut buf = [0; LONGEST_DATAGRAM];
        match self {
            Self::Pipe(pipe) => {
                let length = rustix::io::read(pipe, &mut buf)?;
                if length == 0 {
                    events.push(Notification::Remark("closed without a line feed".to_owned()));
                    return Ok(ControlFlow::Break(()));
                }
                // Bytes before the line feed have no meaning.
                if memchr::memchr(b'\n', &buf[..length]).is_some() {
                    events.push(Notification::Ready);
                    return Ok(ControlFlow::Break(()));
                }
            }
            Self::Socket { socket, uid, _dir } => {
                let (length, sender) = sender::receive(socket.get_ref(), &mut buf)?;
                match sender.filter(|sender| !is_trusted(*sender, *uid, is_member)) {
                    Some(Sender { pid, uid }) => {
                        let pid = pid.map_or(0, |pid| pid.as_raw_nonzero().get());
                        let remark =
                            format!("ignored a notification of pid {pid} (user {uid}), a foreign process");
                        events.push(Notification::Remark(remark));
                    }
                    None => {
                        let text = String::from_utf8_lossy(&buf[..length]);
                        events.extend(text.lines().filter_map(parse_assignment));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Returns the directories in which the socket can be created, the best one last.
///
/// The path of a socket is limited, and `TMPDIR` can be long. A process of another user must be able to enter
/// the directory; only root can start one (`for_others`).
fn socket_dirs(usual: PathBuf, for_others: bool) -> Vec<PathBuf> {
    const NAME: &str = "/childminder-XXXXXX/notify";
    let fallbacks = FALLBACK_DIRS.iter().map(PathBuf::from).filter(|dir| *dir != usual);
    let mut dirs: Vec<PathBuf> = [usual.clone()].into_iter().chain(fallbacks).collect();
    dirs.retain(|dir| dir.as_os_str().as_bytes().len() + NAME.len() <= LONGEST_SOCKET_PATH);
    dirs.reverse();
    if for_others {
        // A stable sort: the order of preference stays within each half.
        dirs.sort_by_key(|dir| is_open_to_others(dir));
    }
    dirs
}

/// Returns whether every user can enter a directory.
fn is_open_to_others(dir: &Path) -> bool {
    dir.ancestors().all(|dir| fs::metadata(dir).is_ok_and(|metadata| metadata.mode() & 0o001 != 0))
}

/// Returns whether the notification of a sender counts. `uid` is the user of the spec.
fn is_trusted(sender: Sender, uid: Option<u32>, is_member: &dyn Fn(u32) -> bool) -> bool {
    if let Some(pid) = sender.pid {
        if is_member(pid.as_raw_nonzero().get().unsigned_abs()) {
            return true;
        }
        if !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)) {
            return false;
        }
    }
    let own = geteuid().as_raw();
    [Some(0), Some(own), uid].contains(&Some(sender.uid))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod sender {
    use std::io::{self, IoSliceMut};
    use std::mem::MaybeUninit;
    use std::os::unix::net::UnixDatagram;

    use rustix::cmsg_space;
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, UCred, recvmsg, sockopt};

    use super::Sender;

    /// Has the kernel report the senders.
    pub(super) fn request(socket: &UnixDatagram) -> io::Result<()> {
        Ok(sockopt::set_socket_passcred(socket, true)?)
    }

    /// Receives a datagram with its sender. Descriptors that it carries are closed by the kernel.
    pub(super) fn receive(socket: &UnixDatagram, buf: &mut [u8]) -> io::Result<(usize, Option<Sender>)> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let message = recvmsg(socket, &mut [IoSliceMut::new(buf)], &mut control, flags)?;
        let sender = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(UCred { pid, uid, gid: _ }) => {
                Some(Sender { pid: Some(pid), uid: uid.as_raw() })
            }
            _ => None,
        });
        Ok((message.bytes, sender))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod sender {
    use std::io;
    use std::os::unix::net::UnixDatagram;

    use super::Sender;

    /// Does nothing: the directory of the socket is private.
    pub(super) fn request(_socket: &UnixDatagram) -> io::Result<()> {
        Ok(())
    }

    /// Receives a datagram; its sender is not known.
    pub(super) fn receive(socket: &UnixDatagram, buf: &mut [u8]) -> io::Result<(usize, Option<Sender>)> {
        Ok((socket.recv(buf)?, None))
    }
}

/// Parses a line of a datagram. Variables without a meaning for readiness and health are ignored.
fn parse_assignment(line: &str) -> Option<Notification> {
    let (name, value) = line.split_once('=')?;
    match (name, value) {
        ("READY", "1") => Some(Notification::Ready),
        ("STATUS", status) => Some(Notification::Remark(format!("status: {status}"))),
        ("WATCHDOG", "1") => Some(Notification::Watchdog(WatchdogSignal::Alive)),
        ("WATCHDOG", "trigger") => Some(Notification::Watchdog(WatchdogSignal::Trigger)),
        ("WATCHDOG_USEC", time) => {
            let timeout = time.parse().ok().filter(|time| *time > 0).map(Duration::from_micros)?;
            Some(Notification::Watchdog(WatchdogSignal::Timeout(timeout)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
