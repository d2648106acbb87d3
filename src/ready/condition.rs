//! The conditions under which a process counts as ready.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::{LONGEST_SOCKET_PATH, ProbeTarget, Spec, SpecError, StatusRange};
use crate::search::{InvalidOutputMatch, OutputMatch};

/// A condition under which a process counts as ready or healthy. Conditions are combined with
/// [`all`](Self::all) and [`any`](Self::any).
///
/// A condition that was met once stays met, but a process that has died is never ready. Output, uptime and
/// notifications are waited for; ports, sockets, HTTP and commands are probed repeatedly. In an `all`,
/// probing begins when everything that is waited for has arrived, so that a server is not bothered by
/// connections while it starts.
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
/// assert_eq!(Condition::port(0).check().unwrap_err().to_string(), "the port must not be 0");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(pub(super) Node);

/// A node in the tree of conditions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Leaf(Leaf),
}

/// An elementary condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leaf {
    /// The process has lived this long.
    Uptime(Duration),
    /// The process has printed this.
    Output(OutputMatch),
    /// A server answers at this target.
    Probe {
        target: ProbeTarget,
        /// Whether the answer of a process outside the service counts.
        any_owner: bool,
    },
    /// This command exits with code 0.
    Command(Box<Spec>),
    /// The process has written a line feed to this descriptor.
    Notify(i32),
    /// The process has sent `READY=1` to the socket in `NOTIFY_SOCKET`.
    SdNotify,
}

impl Condition {
    /// Requires that the process has lived this long.
    pub fn uptime(uptime: Duration) -> Self {
        Self(Node::Leaf(Leaf::Uptime(uptime)))
    }

    /// Requires that the process has printed this text, on either stream. See [`OutputMatch`] for regular
    /// expressions, one stream, or a number of matches.
    pub fn output(text: impl Into<String>) -> Self {
        OutputMatch::text(text).into()
    }

    /// Requires that the process listens on this TCP port, at any address of this machine.
    ///
    /// The socket of a process outside the service does not count. On Linux the socket and its owner are
    /// looked up without a connection, so that a server for a single client does not lose it. On other
    /// systems a connection to 127.0.0.1 or ::1 is made, which counts and is reported as *unverified*.
    pub fn port(port: u16) -> Self {
        Self::probe(ProbeTarget::Port(port))
    }

    /// Requires that the process accepts connections on this Unix stream socket. A relative path is relative
    /// to the working directory of the caller.
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self::probe(ProbeTarget::Unix(path.as_ref().to_owned()))
    }

    /// Requires that the process answers a GET request for `path` on this port with status 200.
    pub fn http(port: u16, path: impl Into<String>) -> Self {
        Self::http_status(port, path, 200)
    }

    /// Requires that the process answers a GET request for `path` on this port with this status, or with one
    /// in this range, such as `200..=399`.
    pub fn http_status(port: u16, path: impl Into<String>, status: impl Into<StatusRange>) -> Self {
        Self::probe(ProbeTarget::Http { port, path: path.into(), status: status.into() })
    }

    /// Requires that this command exits with code 0. It is run repeatedly, at most ten times a second and one
    /// at a time. A command that does not end is killed when the timeout of the start expires.
    pub fn command(spec: Spec) -> Self {
        Self(Node::Leaf(Leaf::Command(Box::new(spec))))
    }

    /// Requires that the process writes a line feed to its descriptor `number`, the notification protocol of
    /// s6. The descriptor, one end of a pipe, is created for each start.
    pub fn notify(number: i32) -> Self {
        Self(Node::Leaf(Leaf::Notify(number)))
    }

    /// Requires that the process sends `READY=1` to the socket in `NOTIFY_SOCKET`, the notification protocol
    /// of systemd (`sd_notify(3)`). The socket is created for each start, in a private directory.
    pub fn sd_notify() -> Self {
        Self(Node::Leaf(Leaf::SdNotify))
    }

    /// Requires all of these conditions. An empty list is met as soon as the process runs.
    pub fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::All(conditions.into_iter().map(|condition| condition.0).collect()))
    }

    /// Requires at least one of these conditions.
    pub fn any(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::Any(conditions.into_iter().map(|condition| condition.0).collect()))
    }

    /// Accepts the answer of any process for the ports, sockets and HTTP paths in this condition.
    ///
    /// Use it for a program that has another process listen for it, such as a container runtime. The check
    /// before the start that the address is not in use is omitted as well.
    #[must_use]
    pub fn by_any_process(mut self) -> Self {
        self.0.allow_any_owner();
        self
    }

    /// Returns whether the condition cannot be met by accident, before the program is ready or by another
    /// process.
    pub(crate) fn is_conclusive(&self) -> bool {
        self.0.is_conclusive()
    }

    /// Returns the uptime without which the condition cannot be met.
    pub(super) fn min_uptime(&self) -> Duration {
        self.0.min_uptime()
    }

    /// Returns a part that happens only once, and so cannot be checked repeatedly.
    pub(super) fn find_unrepeatable(&self) -> Option<&impl fmt::Display> {
        self.0.find_unrepeatable()
    }

    fn probe(target: ProbeTarget) -> Self {
        Self(Node::Leaf(Leaf::Probe { target, any_owner: false }))
    }

    /// Checks that the condition can be met at all. A start does this as well.
    ///
    /// # Errors
    ///
    /// The first [`ConditionError`]: an empty text, an invalid regular expression, port 0, an `any` without
    /// conditions, …
    pub fn check(&self) -> Result<(), ConditionError> {
        self.0.check()
    }
}

impl Node {
    fn allow_any_owner(&mut self) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter_mut().for_each(Self::allow_any_owner),
            Self::Leaf(Leaf::Probe { any_owner, .. }) => *any_owner = true,
            Self::Leaf(_) => {}
        }
    }

    fn is_conclusive(&self) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().any(Self::is_conclusive),
            Self::Any(nodes) => nodes.iter().all(Self::is_conclusive),
            Self::Leaf(leaf) => match leaf {
                Leaf::Probe { any_owner, target: _ } => !any_owner,
                Leaf::Command(_) | Leaf::Notify(_) | Leaf::SdNotify => true,
                Leaf::Uptime(_) | Leaf::Output(_) => false,
            },
        }
    }

    fn min_uptime(&self) -> Duration {
        match self {
            Self::All(nodes) => nodes.iter().map(Self::min_uptime).max().unwrap_or_default(),
            Self::Any(nodes) => nodes.iter().map(Self::min_uptime).min().unwrap_or_default(),
            Self::Leaf(Leaf::Uptime(uptime)) => *uptime,
            Self::Leaf(_) => Duration::ZERO,
        }
    }

    fn find_unrepeatable(&self) -> Option<&Leaf> {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().find_map(Self::find_unrepeatable),
            Self::Leaf(leaf) => match leaf {
                Leaf::Probe { .. } | Leaf::Command(_) => None,
                Leaf::Uptime(_) | Leaf::Output(_) | Leaf::Notify(_) | Leaf::SdNotify => Some(leaf),
            },
        }
    }

    fn check(&self) -> Result<(), ConditionError> {
        match self {
            Self::All(nodes) => nodes.iter().try_for_each(Self::check),
            Self::Any(nodes) if nodes.is_empty() => Err(ConditionError::EmptyAny),
            Self::Any(nodes) => nodes.iter().try_for_each(Self::check),
            Self::Leaf(leaf) => leaf.check(),
        }
    }
}

impl Leaf {
    fn check(&self) -> Result<(), ConditionError> {
        match self {
            Self::Uptime(_) | Self::SdNotify => Ok(()),
            Self::Output(wanted) => wanted.check().map_err(ConditionError::from),
            Self::Probe { target, any_owner: _ } => check_target(target),
            Self::Command(spec) => spec.check().map_err(ConditionError::Command),
            Self::Notify(number) if (3..=255).contains(number) => Ok(()),
            Self::Notify(number) => Err(ConditionError::Descriptor(*number)),
        }
    }
}

fn check_target(target: &ProbeTarget) -> Result<(), ConditionError> {
    match target {
        ProbeTarget::Port(0) | ProbeTarget::Http { port: 0, .. } => Err(ConditionError::PortZero),
        ProbeTarget::Port(_) => Ok(()),
        ProbeTarget::Unix(path) if path.as_os_str().is_empty() => Err(ConditionError::EmptyPath),
        ProbeTarget::Unix(path) if path.as_os_str().len() > LONGEST_SOCKET_PATH => {
            Err(ConditionError::PathTooLong(path.clone()))
        }
        ProbeTarget::Unix(path) if path.as_os_str().as_encoded_bytes().contains(&0) => {
            Err(ConditionError::NulInPath(path.clone()))
        }
        ProbeTarget::Unix(_) => Ok(()),
        ProbeTarget::Http { path, .. }
            if !path.starts_with('/') || path.contains(|c: char| c.is_ascii_control() || c == ' ') =>
        {
            Err(ConditionError::InvalidHttpPath(path.clone()))
        }
        ProbeTarget::Http { status, .. } if status.is_empty() => Err(ConditionError::EmptyStatusRange),
        ProbeTarget::Http { .. } => Ok(()),
    }
}

impl From<OutputMatch> for Condition {
    fn from(wanted: OutputMatch) -> Self {
        Self(Node::Leaf(Leaf::Output(wanted)))
    }
}

/// Formats the condition as an expression, such as `port 5432 and (output "ready" or uptime of 2s)`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, operator) = match self {
            Self::Leaf(leaf) => return leaf.fmt(f),
            Self::All(nodes) if nodes.is_empty() => return f.write_str("nothing"),
            Self::All(nodes) => (nodes, " and "),
            Self::Any(nodes) => (nodes, " or "),
        };
        for (index, node) in nodes.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { operator })?;
            match node {
                Self::All(inner) | Self::Any(inner) if inner.len() > 1 => write!(f, "({node})")?,
                Self::All(_) | Self::Any(_) | Self::Leaf(_) => node.fmt(f)?,
            }
        }
        Ok(())
    }
}

/// Formats the condition as it is named in errors and reports.
impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uptime(uptime) => write!(f, "uptime of {uptime:?}"),
            Self::Output(wanted) => wanted.fmt(f),
            Self::Probe { target, any_owner: _ } => target.fmt(f),
            Self::Command(spec) => write!(f, "command {spec}"),
            Self::Notify(number) => write!(f, "notification on descriptor {number}"),
            Self::SdNotify => f.write_str("notification READY=1"),
        }
    }
}

/// The reason why a [`Condition`] can never be met.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConditionError {
    /// The expected output is empty, which every output contains.
    EmptyText,
    /// The regular expression does not compile, for this reason.
    Regex(String),
    /// The output is expected zero times.
    ZeroTimes,
    /// The port is 0, on which no process can listen.
    PortZero,
    /// The path of the socket is empty.
    EmptyPath,
    /// The path is longer than a socket address can be.
    PathTooLong(PathBuf),
    /// The path contains a NUL byte.
    NulInPath(PathBuf),
    /// The HTTP path does not begin with a slash, or contains a space or a control character.
    InvalidHttpPath(String),
    /// The range of HTTP statuses is empty.
    EmptyStatusRange,
    /// The command is invalid.
    Command(SpecError),
    /// The descriptor for the notification is not between 3 and 255.
    Descriptor(i32),
    /// An `any` has no conditions.
    EmptyAny,
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyText => write!(f, "the expected output must not be empty"),
            Self::Regex(reason) => {
                write!(f, "the expected output is not a valid regular expression: {reason}")
            }
            Self::ZeroTimes => write!(f, "the expected output must be expected at least once"),
            Self::PortZero => write!(f, "the port must not be 0"),
            Self::EmptyPath => write!(f, "the socket path must not be empty"),
            Self::PathTooLong(path) => write!(
                f,
                "the socket path {path:?} has {} bytes; at most {LONGEST_SOCKET_PATH} are possible",
                path.as_os_str().len(),
            ),
            Self::NulInPath(path) => write!(f, "the socket path {path:?} contains a NUL byte"),
            Self::InvalidHttpPath(path) => {
                write!(
                    f,
                    "the HTTP path {path:?} must begin with '/' and contain no space or control character"
                )
            }
            Self::EmptyStatusRange => write!(f, "the range of HTTP statuses must not be empty"),
            Self::Command(error) => write!(f, "the command cannot work: {error}"),
            Self::Descriptor(number) => {
                write!(f, "the notification descriptor must be between 3 and 255, not {number}")
            }
            Self::EmptyAny => write!(f, "an `any` needs at least one condition"),
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
