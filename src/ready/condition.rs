//! What must be so before a process counts as ready.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::{LONGEST_SOCKET_PATH, ProbeTarget, Spec, SpecError};
use crate::search::{InvalidOutputMatch, OutputMatch};

/// What must be so before a process counts as ready. Conditions combine with [`all`](Self::all) and [`any`](Self::any).
///
/// A condition that was met stays met, and a process that has died is not ready, whatever was met before. Lines, uptime
/// and notifications are waited for; ports, sockets, HTTP and commands are asked again and again. In an `all`, asking
/// begins when everything that is merely waited for has come (SV-16).
///
/// ```
/// use childminder::Condition;
/// use childminder::machine::Stream;
/// use childminder::ready::OutputMatch;
///
/// let ready = Condition::all([
///     Condition::output("database system is ready"),
///     Condition::any([Condition::port(5432), Condition::unix("/tmp/.s.PGSQL.5432")]),
///     OutputMatch::regex(r"pool of \d+ workers").on(Stream::Stderr).times(2).into(),
/// ]);
/// assert!(ready.check().is_ok());
/// assert_eq!(Condition::port(0).check().unwrap_err().to_string(), "port is 0");
/// ```
#[derive(Clone, Debug)]
pub struct Condition(pub(super) Node);

/// The tree of conditions.
#[derive(Clone, Debug)]
pub(super) enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Leaf(Leaf),
}

/// One thing to be met.
#[derive(Clone, Debug)]
pub(super) enum Leaf {
    /// It has lived this long.
    Uptime(Duration),
    /// It has printed this.
    OutputMatch(OutputMatch),
    /// It answers there.
    Answers {
        target: ProbeTarget,
        /// Whether an answer counts that is not its own.
        anybody: bool,
    },
    /// This command exits with code 0.
    Command(Box<Spec>),
    /// It has written a line feed to this descriptor of its, as s6 has it.
    Notify(i32),
    /// It has sent `READY=1`, as systemd has it.
    SdNotify,
}

impl Condition {
    /// It has lived this long (SV-13).
    pub fn uptime(uptime: Duration) -> Self {
        Self(Node::Leaf(Leaf::Uptime(uptime)))
    }

    /// It has printed this text, on either stream; [`OutputMatch`] says it more precisely (SV-14).
    pub fn output(text: impl Into<String>) -> Self {
        OutputMatch::text(text).into()
    }

    /// It accepts connections on this TCP port of this machine, 127.0.0.1 or ::1. That of another process is not ready:
    /// on Linux the socket is looked up, elsewhere the answer is *unverified* and counts (F-82).
    pub fn port(port: u16) -> Self {
        Self::answers(ProbeTarget::Port(port))
    }

    /// It accepts connections on this socket in the file system.
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self::answers(ProbeTarget::Unix(path.as_ref().to_owned()))
    }

    /// It answers a GET of `path` on this port with status 200.
    pub fn http(port: u16, path: impl Into<String>) -> Self {
        Self::http_status(port, path, 200)
    }

    /// It answers a GET of `path` on this port with this status.
    pub fn http_status(port: u16, path: impl Into<String>, status: u16) -> Self {
        Self::answers(ProbeTarget::Http { port, path: path.into(), status })
    }

    /// This command exits with code 0. It is run again and again, one at a time, each for at most as long as the whole
    /// start may take.
    pub fn command(spec: Spec) -> Self {
        Self(Node::Leaf(Leaf::Command(Box::new(spec))))
    }

    /// It writes a line feed to its descriptor `number`, or to whatever it has made of it: the convention of s6. The
    /// descriptor, a pipe, is made for it.
    pub fn notify(number: i32) -> Self {
        Self(Node::Leaf(Leaf::Notify(number)))
    }

    /// It sends `READY=1` to the socket in `NOTIFY_SOCKET`: the convention of systemd, `sd_notify(3)`. The socket, in a
    /// private directory, is made for it.
    pub fn sd_notify() -> Self {
        Self(Node::Leaf(Leaf::SdNotify))
    }

    /// All of these.
    pub fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::All(conditions.into_iter().map(|condition| condition.0).collect()))
    }

    /// Any of these; that several are met is fine (SV-24).
    pub fn any(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::Any(conditions.into_iter().map(|condition| condition.0).collect()))
    }

    /// Lets every answer count in this condition, whoever gives it: for a program that has somebody else listen for it,
    /// as a container runtime does. The check before the start, that nobody listens there yet, is left out as well.
    #[must_use]
    pub fn by_anybody(mut self) -> Self {
        self.0.let_anybody_answer();
        self
    }

    fn answers(target: ProbeTarget) -> Self {
        Self(Node::Leaf(Leaf::Answers { target, anybody: false }))
    }

    /// Tells whether the condition can ever be met.
    ///
    /// # Errors
    ///
    /// [`ConditionError`], the first one: an empty text, a regular expression that is none, port 0, an `any` of nothing, …
    pub fn check(&self) -> Result<(), ConditionError> {
        self.0.check()
    }
}

impl Node {
    fn let_anybody_answer(&mut self) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter_mut().for_each(Self::let_anybody_answer),
            Self::Leaf(Leaf::Answers { anybody, .. }) => *anybody = true,
            Self::Leaf(_) => {}
        }
    }

    fn check(&self) -> Result<(), ConditionError> {
        match self {
            Self::All(nodes) => nodes.iter().try_for_each(Self::check),
            Self::Any(nodes) if nodes.is_empty() => Err(ConditionError::NothingToChoose),
            Self::Any(nodes) => nodes.iter().try_for_each(Self::check),
            Self::Leaf(leaf) => leaf.check(),
        }
    }
}

impl Leaf {
    fn check(&self) -> Result<(), ConditionError> {
        match self {
            Self::Uptime(_) | Self::SdNotify => Ok(()),
            Self::OutputMatch(printed) => printed.check().map_err(ConditionError::from),
            Self::Answers { target: ProbeTarget::Port(0) | ProbeTarget::Http { port: 0, .. }, .. } => {
                Err(ConditionError::PortZero)
            }
            Self::Answers { target: ProbeTarget::Unix(path), .. }
                if path.as_os_str().len() > LONGEST_SOCKET_PATH =>
            {
                Err(ConditionError::PathTooLong(path.clone()))
            }
            Self::Answers { target: ProbeTarget::Unix(path), .. } if path.as_os_str().is_empty() => {
                Err(ConditionError::EmptyPath)
            }
            Self::Answers { target: ProbeTarget::Unix(path), .. }
                if path.as_os_str().as_encoded_bytes().contains(&0) =>
            {
                Err(ConditionError::NulInPath(path.clone()))
            }
            Self::Answers { target: ProbeTarget::Http { path, .. }, .. }
                if !path.starts_with('/') || path.contains(|c: char| c.is_ascii_control() || c == ' ') =>
            {
                Err(ConditionError::NotAPath(path.clone()))
            }
            Self::Answers {
                target: ProbeTarget::Port(_) | ProbeTarget::Unix(_) | ProbeTarget::Http { .. },
                ..
            } => Ok(()),
            Self::Command(spec) => spec.check().map_err(ConditionError::Command),
            Self::Notify(number) if (3..=255).contains(number) => Ok(()),
            Self::Notify(number) => Err(ConditionError::Descriptor(*number)),
        }
    }
}

impl From<OutputMatch> for Condition {
    fn from(printed: OutputMatch) -> Self {
        Self(Node::Leaf(Leaf::OutputMatch(printed)))
    }
}

/// In words, such as `port 5432 and (output "ready" or uptime of 2s)`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, between) = match self {
            Self::Leaf(leaf) => return leaf.fmt(f),
            Self::All(parts) if parts.is_empty() => return f.write_str("nothing"),
            Self::All(parts) => (parts, " and "),
            Self::Any(parts) => (parts, " or "),
        };
        for (i, part) in parts.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { between })?;
            match part {
                Self::All(inner) | Self::Any(inner) if inner.len() > 1 => write!(f, "({part})")?,
                Self::All(_) | Self::Any(_) | Self::Leaf(_) => part.fmt(f)?,
            }
        }
        Ok(())
    }
}

/// As it stands in an error: what is still missing.
impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uptime(uptime) => write!(f, "uptime of {uptime:?}"),
            Self::OutputMatch(printed) => printed.fmt(f),
            Self::Answers { target, anybody: _ } => target.fmt(f),
            Self::Command(spec) => write!(f, "command {spec}"),
            Self::Notify(number) => write!(f, "notification on descriptor {number}"),
            Self::SdNotify => f.write_str("notification READY=1"),
        }
    }
}

/// Why a [`Condition`] can never be met.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConditionError {
    /// The expected output is empty: every process has printed that.
    EmptyText,
    /// This is no regular expression.
    Regex(String),
    /// It is expected zero times.
    ZeroTimes,
    /// No process can listen on port 0.
    PortZero,
    /// A socket without a path.
    EmptyPath,
    /// The path is longer than the address of a socket can be.
    PathTooLong(PathBuf),
    /// No file has a NUL byte in its path.
    NulInPath(PathBuf),
    /// What is asked for by HTTP does not begin with a slash, or has a space or a control character in it.
    NotAPath(String),
    /// The command cannot work.
    Command(SpecError),
    /// The descriptor for the notification is not one of 3 to 255.
    Descriptor(i32),
    /// An `any` of nothing.
    NothingToChoose,
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyText => write!(f, "the expected output is empty"),
            Self::Regex(error) => write!(f, "the expected output is no regular expression: {error}"),
            Self::ZeroTimes => write!(f, "the expected output is expected zero times"),
            Self::PortZero => write!(f, "port is 0"),
            Self::EmptyPath => write!(f, "the path of the socket is empty"),
            Self::PathTooLong(path) => write!(
                f,
                "the path of the socket has {} bytes, and {LONGEST_SOCKET_PATH} are possible: {}",
                path.as_os_str().len(),
                path.display()
            ),
            Self::NulInPath(path) => write!(f, "the path of the socket has a NUL byte in it: {path:?}"),
            Self::NotAPath(path) => write!(
                f,
                "the path of the HTTP request does not begin with '/', or has a space in it: {path:?}"
            ),
            Self::Command(error) => write!(f, "the command: {error}"),
            Self::Descriptor(number) => {
                write!(f, "the descriptor for the notification is not between 3 and 255: {number}")
            }
            Self::NothingToChoose => write!(f, "any of no conditions is never met"),
        }
    }
}

impl From<InvalidOutputMatch> for ConditionError {
    fn from(invalid: InvalidOutputMatch) -> Self {
        match invalid {
            InvalidOutputMatch::Empty => Self::EmptyText,
            InvalidOutputMatch::Regex(reason) => Self::Regex(reason),
            InvalidOutputMatch::ZeroTimes => Self::ZeroTimes,
        }
    }
}

impl std::error::Error for ConditionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Command(error) => Some(error),
            _ => None,
        }
    }
}
