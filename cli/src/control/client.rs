//! A client of the control socket: sends a request and reads the replies.

use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::unistd::geteuid;

use super::home::Home;
use super::protocol::{Command, Reply};
use super::server::peer;

/// The time between two attempts to connect.
const RETRY: Duration = Duration::from_millis(50);

/// A connection to an `up`.
#[derive(Debug)]
pub(crate) struct Connection {
    replies: BufReader<UnixStream>,
}

impl Connection {
    /// Connects to the `up` of a file.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the file is not up.
    pub(crate) fn open(file: &Path) -> Result<Self, ClientError> {
        let mut reason = None;
        for home in Home::candidates(file) {
            match home.connect().and_then(trusted) {
                Ok(stream) => return Ok(Self { replies: BufReader::new(stream) }),
                Err(error) => {
                    let is_absent =
                        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
                    if !is_absent && reason.is_none() {
                        reason = Some((home.socket(), error));
                    }
                }
            }
        }
        Err(match reason {
            Some((socket, error)) => ClientError::Connect { socket, error },
            None => ClientError::NotUp { file: file.to_owned() },
        })
    }

    /// Connects to the `up` of a file, which may come up within this time.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the file is not up then.
    pub(crate) fn open_within(file: &Path, patience: Duration) -> Result<Self, ClientError> {
        let mut waited = Duration::ZERO;
        loop {
            match Self::open(file) {
                Err(ClientError::NotUp { .. }) if waited < patience => {
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a socket that does not exist cannot be awaited"
                    )]
                    thread::sleep(RETRY);
                    waited += RETRY;
                }
                result => return result,
            }
        }
    }

    /// Sends a request, and passes each reply before the last one to `each`.
    ///
    /// # Errors
    ///
    /// [`ClientError`] with the reason of the server, if the request was not carried out; or the error that
    /// `each` has returned.
    pub(crate) fn request(
        mut self,
        command: &Command,
        mut each: impl FnMut(Reply) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        let lost = |error| ClientError::Lost { error };
        // A server that refuses the client has closed the connection, with the reason before that.
        let sent = self.replies.get_mut().write_all(command.to_line().as_bytes());
        let mut line = String::new();
        loop {
            line.clear();
            match self.replies.read_line(&mut line) {
                Ok(0) => {
                    let eof = io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed");
                    return Err(lost(sent.err().unwrap_or(eof)));
                }
                Ok(_) => {}
                Err(error) => return Err(lost(error)),
            }
            let reply = serde_json::from_str(&line);
            let reply = reply.map_err(|error| lost(io::Error::new(ErrorKind::InvalidData, error)))?;
            match reply {
                Reply::Done => return Ok(()),
                Reply::Error { message } => return Err(ClientError::Refused { message }),
                reply => each(reply).map_err(ClientError::Output)?,
            }
        }
    }
}

/// Refuses a server of another user, which may imitate an `up` at a place that is shared. Root is trusted,
/// and controls the processes of every user.
fn trusted(stream: UnixStream) -> io::Result<UnixStream> {
    let (server, user) = (peer(&stream)?, geteuid());
    if server == user.as_raw() || server == 0 || user.is_root() {
        return Ok(stream);
    }
    let message = format!("it belongs to user {server}, not to user {user}");
    Err(io::Error::new(ErrorKind::PermissionDenied, message))
}

/// The error returned if a request was not carried out.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// There is no socket.
    NotUp { file: PathBuf },
    /// The socket cannot be used.
    Connect { socket: PathBuf, error: io::Error },
    /// The server has given this reason.
    Refused { message: String },
    /// The connection ended before the last reply.
    Lost { error: io::Error },
    /// A reply could not be printed.
    Output(io::Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUp { file } => {
                let file = file.display();
                write!(f, "{file} is not up; start it with `childminder up -f {file}`")
            }
            Self::Connect { socket, error } => write!(f, "cannot connect to {}: {error}", socket.display()),
            Self::Refused { message } => f.write_str(message),
            Self::Lost { error } => write!(f, "lost the connection to childminder: {error}"),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotUp { .. } | Self::Refused { .. } => None,
            Self::Connect { error, .. } | Self::Lost { error } | Self::Output(error) => Some(error),
        }
    }
}
