//! The control socket of `up`: accepts clients of the same user, and carries out their requests.
//!
//! A client cannot harm the supervision: their number, the length of a request, and the times to send a
//! request and to read a reply are limited.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::geteuid;

use super::actions::{self, Controlled};
use super::protocol::{Command, LONGEST_REQUEST, Reply};

/// The number of clients at a time.
const CLIENTS: usize = 64;
/// The time to send a request, and the time in which a client must read something.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time between two looks at a client that has closed one direction.
const LOOK: Duration = Duration::from_secs(1);
/// The time until the next attempt if the system has no descriptor for a client.
const RETRY: Duration = Duration::from_millis(200);

/// Accepts clients until it is dropped.
pub(crate) async fn serve(
    executor: Rc<LocalExecutor<'static>>,
    listener: Async<UnixListener>,
    controlled: Controlled,
) {
    let clients = controlled.clients.clone();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                log::debug!("cannot accept a client of the control socket: {error}");
                Timer::after(RETRY).await;
                continue;
            }
        };
        let mut client = Client { stream };
        let refusal = match peer(client.stream.get_ref()) {
            Ok(uid) if uid == geteuid().as_raw() || uid == 0 => None,
            Ok(uid) => Some(format!("user {uid} may not control processes of user {}", geteuid())),
            Err(error) => Some(format!("cannot identify the client: {error}")),
        };
        let refusal = refusal.or_else(|| {
            (clients.get() >= CLIENTS)
                .then(|| format!("there are {CLIENTS} clients already; try again later"))
        });
        if let Some(message) = refusal {
            log::warn!("a client of the control socket was refused: {message}");
            // Into the empty buffer of the socket, without waiting for the client.
            let _ = client.stream.get_ref().set_nonblocking(true);
            let _ =
                io::Write::write(&mut client.stream.get_ref(), Reply::error(message).to_line().as_bytes());
            continue;
        }
        clients.set(clients.get() + 1);
        let (clients, controlled) = (clients.clone(), controlled.clone());
        let task = async move {
            // A client that is gone needs no answer.
            let _ = client.serve(&controlled).await;
            clients.set(clients.get() - 1);
        };
        executor.spawn(task).detach();
    }
}

/// A connected client.
#[derive(Debug)]
pub(crate) struct Client {
    stream: Async<UnixStream>,
}

impl Client {
    async fn serve(&mut self, controlled: &Controlled) -> io::Result<()> {
        let command = match self.request().await? {
            Ok(command) => command,
            Err(message) => return self.reply(&Reply::error(message)).await,
        };
        let gone = Self::gone(&self.stream);
        let acted = or(async { Some(actions::act(controlled, command, &self.stream).await) }, async {
            gone.await;
            None
        });
        match acted.await {
            Some(Ok(())) => self.reply(&Reply::Done).await,
            Some(Err(actions::Failure::Refused(message))) => self.reply(&Reply::error(message)).await,
            Some(Err(actions::Failure::Client(error))) => Err(error),
            None => Ok(()),
        }
    }

    /// Reads one line. A line that is too long, or that is not completed in time, is a reason for an error
    /// reply.
    async fn request(&mut self) -> io::Result<Result<Command, String>> {
        let mut line = Vec::new();
        let mut deadline = Timer::after(PATIENCE);
        let mut buffer = [0; 4096];
        loop {
            let read = or(async { Some(self.stream.read(&mut buffer).await) }, async {
                (&mut deadline).await;
                None
            });
            let read = match read.await {
                Some(read) => read?,
                None => return Ok(Err("the request was not completed in time".to_owned())),
            };
            if let Some(end) = buffer[..read].iter().position(|byte| *byte == b'\n') {
                line.extend_from_slice(&buffer[..end]);
                return Ok(Command::parse(&line));
            }
            if read == 0 {
                return Ok(Err("the request does not end with a line feed".to_owned()));
            }
            line.extend_from_slice(&buffer[..read]);
            if line.len() >= LONGEST_REQUEST {
                return Ok(Err(format!("the request is longer than {LONGEST_REQUEST} bytes")));
            }
        }
    }

    async fn reply(&self, reply: &Reply) -> io::Result<()> {
        send(&self.stream, reply).await
    }

    /// Waits until the client has closed the connection. One that has closed only its own direction, as after
    /// `echo … | nc -U`, waits for an answer.
    async fn gone(stream: &Async<UnixStream>) {
        let mut ignored = [0; 256];
        let mut reader = stream;
        while matches!(reader.read(&mut ignored).await, Ok(1..)) {}
        loop {
            let mut fds = [PollFd::new(stream.as_fd(), PollFlags::empty())];
            let found = poll(&mut fds, PollTimeout::ZERO);
            let events = fds[0].revents().unwrap_or(PollFlags::POLLHUP);
            if found.is_err() || events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
                return;
            }
            Timer::after(LOOK).await;
        }
    }
}

/// Sends a reply.
///
/// # Errors
///
/// The error of the connection, or [`TimedOut`](io::ErrorKind::TimedOut) if the client reads nothing.
pub(crate) async fn send(stream: &Async<UnixStream>, reply: &Reply) -> io::Result<()> {
    let (line, mut stream) = (reply.to_line(), stream);
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        let write = pin!(stream.write(rest));
        let written = or(write, async {
            Timer::after(PATIENCE).await;
            Err(io::ErrorKind::TimedOut.into())
        });
        rest = &rest[written.await?..];
    }
    Ok(())
}

/// Returns the user at the other end.
#[cfg(target_os = "linux")]
pub(super) fn peer(stream: &UnixStream) -> io::Result<u32> {
    let credentials = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerCredentials)?;
    Ok(credentials.uid())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn peer(stream: &UnixStream) -> io::Result<u32> {
    Ok(nix::unistd::getpeereid(stream)?.0.as_raw())
}
