//! Bells: how a process says by itself that it is ready.
//!
//! There are two conventions. That of s6 is a line feed written to a descriptor, here the end of a pipe. That of systemd
//! is a datagram with a line `READY=1`, sent to the socket that `NOTIFY_SOCKET` names.
//!
//! Each start gets bells of its own. What a process of an earlier start still has to say goes to a pipe that nobody
//! reads and to a socket that is gone (F-84).

use std::fs::Permissions;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::task::{Context, Poll};

use async_io::Async;
use tempfile::TempDir;

use super::tally::Word;
use crate::host::Spec;

/// A datagram of systemd's is at most this long.
const LONGEST_DATAGRAM: usize = 4096;

/// What a process can ring. Dropping it closes it, and removes the directory of a socket.
pub(super) enum Bell {
    Pipe(Async<OwnedFd>),
    Socket {
        socket: Async<UnixDatagram>,
        /// Where the socket's path is. It is removed when this is dropped.
        _home: TempDir,
    },
}

impl Bell {
    /// A pipe, whose other end becomes descriptor `number`.
    pub(super) fn pipe(number: i32, spec: Spec) -> io::Result<(Self, Spec)> {
        let (ours, theirs) = io::pipe()?;
        let ours = OwnedFd::from(ours);
        rustix::io::ioctl_fionbio(&ours, true)?;
        let bell = Self::Pipe(Async::new_nonblocking(ours)?);
        Ok((bell, spec.descriptor(number, theirs)))
    }

    /// A socket in a directory where only the process's user has access.
    pub(super) fn socket(spec: Spec) -> io::Result<(Self, Spec)> {
        let mut builder = tempfile::Builder::new();
        let home = builder.prefix("childminder-").permissions(Permissions::from_mode(0o700)).tempdir()?;
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make the socket {}: {error}", path.display()))
        })?;
        if spec.get_uid().is_some() {
            chown(home.path(), spec.get_uid(), spec.get_gid())?;
            chown(&path, spec.get_uid(), spec.get_gid())?;
        }
        let bell = Self::Socket { socket: Async::new(socket)?, _home: home };
        Ok((bell, spec.env("NOTIFY_SOCKET", path)))
    }

    /// Takes in what it has to say. Ready when there will be no more.
    pub(super) fn poll(&self, cx: &mut Context<'_>, words: &mut Vec<Word>) -> Poll<()> {
        loop {
            let readable = match self.read(words) {
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
                    words.push(Word::Remark(error.to_string()));
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn read(&self, words: &mut Vec<Word>) -> io::Result<ControlFlow<()>> {
        let mut buf = [0; LONGEST_DATAGRAM];
        match self {
            Self::Pipe(pipe) => {
                let length = rustix::io::read(pipe, &mut buf)?;
                if length == 0 {
                    words.push(Word::Remark("closed without a line feed".to_owned()));
                    return Ok(ControlFlow::Break(()));
                }
                // Whatever comes before the line feed, s6 does not look at it.
                if memchr::memchr(b'\n', &buf[..length]).is_some() {
                    words.push(Word::Met);
                    return Ok(ControlFlow::Break(()));
                }
            }
            Self::Socket { socket, .. } => {
                let length = socket.get_ref().recv(&mut buf)?;
                let text = String::from_utf8_lossy(&buf[..length]);
                words.extend(text.lines().filter_map(assignment));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A line of a datagram. There are more variables than these, and none of them says anything about readiness.
fn assignment(line: &str) -> Option<Word> {
    if line == "READY=1" {
        return Some(Word::Met);
    }
    line.strip_prefix("STATUS=").map(|status| Word::Remark(format!("status: {status}")))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::os::fd::AsFd as _;
    use std::path::{Path, PathBuf};

    use futures_lite::future::block_on;

    use super::*;

    /// What the bell says from now to when it has nothing more to say, or nothing for now.
    fn hear(bell: &Bell) -> (Vec<String>, bool) {
        block_on(poll_fn(|cx| {
            let mut words = Vec::new();
            let over = bell.poll(cx, &mut words).is_ready();
            let words = words.into_iter().map(|word| match word {
                Word::Met => "met".to_owned(),
                Word::Remark(remark) => remark,
                Word::Seen(_) | Word::Answer(..) => unreachable!("no bell says this: {word:?}"),
            });
            Poll::Ready((words.collect(), over))
        }))
    }

    /// The other end, as the process would have it.
    fn given(spec: &Spec) -> std::fs::File {
        let (number, descriptor) = spec.get_descriptors().next().expect("it was given one");
        assert_eq!(number, 5);
        descriptor.as_fd().try_clone_to_owned().expect("it is open").into()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_line_feed_on_the_pipe_is_the_notification_and_nothing_else_is() {
        let (bell, spec) = Bell::pipe(5, Spec::new("x")).unwrap();
        let mut theirs = given(&spec);
        assert_eq!(hear(&bell), (Vec::new(), false));
        theirs.write_all(b"almost").unwrap();
        assert_eq!(hear(&bell), (Vec::new(), false));
        theirs.write_all(b" there\n").unwrap();
        assert_eq!(hear(&bell), (words(&["met"]), true));
    }

    #[test]
    fn a_pipe_that_is_closed_without_a_line_feed_says_so() {
        let (bell, spec) = Bell::pipe(5, Spec::new("x")).unwrap();
        let theirs = given(&spec);
        drop(spec);
        drop(theirs);
        assert_eq!(hear(&bell), (words(&["closed without a line feed"]), true));
    }

    #[test]
    fn f_84_what_the_run_before_writes_rings_no_bell_of_the_next() {
        let (_, before) = Bell::pipe(5, Spec::new("x")).unwrap();
        let (bell, _spec) = Bell::pipe(5, Spec::new("x")).unwrap();
        assert_eq!(given(&before).write_all(b"\n").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(hear(&bell), (Vec::new(), false));
    }

    #[test]
    fn a_datagram_with_ready_1_is_the_notification_and_the_status_is_kept() {
        let (bell, spec) = Bell::socket(Spec::new("x")).unwrap();
        let path = socket_path(&spec);
        let theirs = UnixDatagram::unbound().unwrap();
        let say = |text: &str| theirs.send_to(text.as_bytes(), &path).unwrap();
        say("STATUS=loading\nREADY=0");
        say("MAINPID=7\nXREADY=1\nREADY=11");
        assert_eq!(hear(&bell), (words(&["status: loading"]), false));
        say("READY=1\nSTATUS=serving");
        assert_eq!(hear(&bell), (words(&["met", "status: serving"]), false));
    }

    #[test]
    fn the_directory_of_the_socket_is_private_and_goes_with_the_bell() {
        let (bell, spec) = Bell::socket(Spec::new("x")).unwrap();
        let home = socket_path(&spec).parent().unwrap().to_owned();
        let mode = std::fs::metadata(&home).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{mode:o}");
        drop(bell);
        assert!(!home.exists(), "{} is left", home.display());
    }

    fn socket_path(spec: &Spec) -> PathBuf {
        let (_, path) = spec.get_envs().find(|(name, _)| *name == "NOTIFY_SOCKET").unwrap();
        Path::new(path.unwrap()).to_owned()
    }
}
