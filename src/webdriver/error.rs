//! What can go wrong with a browser.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde_json::Value;

use super::problem::CommandProblem;
use crate::machine::Pids;
use crate::monitor::StopError;
use crate::service::NotReady;

/// What went wrong with a browser or its driver.
///
/// It shows the same with `{}` and with `{:?}`, so that a test that unwraps it, or returns it, says what was wrong.
#[non_exhaustive]
pub enum WebDriverError {
    /// The capabilities are this, and no JSON object.
    Capabilities(Value),
    /// This port flag has no `{}` for the port.
    PortFlag(String),
    /// There was no free port.
    Port(io::Error),
    /// The private directory could not be made.
    Directory(io::Error),
    /// The program did not come up.
    Start(NotReady),
    /// A command failed.
    Command {
        /// Which one: its method, and its path without the session.
        command: String,
        /// Why.
        problem: CommandProblem,
        /// The last lines of the program that had come by then, the oldest first.
        tail: Vec<String>,
    },
    /// The driver, or one of its group, has outlived KILL.
    Stop(StopError),
    /// These processes of the browser have outlived KILL.
    Left(Vec<u32>),
    /// The private directory could not be removed.
    Remove {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for WebDriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capabilities(value) => write!(f, "the capabilities are no JSON object: {value}"),
            Self::PortFlag(flag) => write!(f, "the port flag has no {{}} for the port: {flag:?}"),
            Self::Port(error) => write!(f, "cannot reserve a port: {error}"),
            Self::Directory(error) => write!(f, "cannot make a private directory: {error}"),
            Self::Start(error) => error.fmt(f),
            Self::Command { command, problem, tail } => {
                write!(f, "{command} failed: {problem}")?;
                match tail.as_slice() {
                    [] => Ok(()),
                    tail => {
                        write!(f, "\nthe driver's last lines:")?;
                        tail.iter().try_for_each(|line| write!(f, "\n  {line}"))
                    }
                }
            }
            Self::Stop(error) => error.fmt(f),
            Self::Left(pids) => write!(f, "still not gone after KILL: {}", Pids(pids)),
            Self::Remove { path, source } => write!(f, "cannot remove {}: {source}", path.display()),
        }
    }
}

impl fmt::Debug for WebDriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for WebDriverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Port(error) | Self::Directory(error) | Self::Remove { source: error, .. } => Some(error),
            Self::Start(error) => Some(error),
            Self::Stop(error) => Some(error),
            Self::Command { problem, .. } => Some(problem),
            Self::Capabilities(_) | Self::PortFlag(_) | Self::Left(_) => None,
        }
    }
}
