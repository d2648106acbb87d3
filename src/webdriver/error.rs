//! The errors of a browser and its driver.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde_json::Value;

use super::problem::CommandProblem;
use crate::machine::Pids;
use crate::monitor::StopError;
use crate::service::NotReady;

/// An error of a browser or its driver.
///
/// `{}` and `{:?}` both show the whole report, so that a test that unwraps or returns the error shows what
/// went wrong.
#[non_exhaustive]
pub enum WebDriverError {
    /// The capabilities are this value instead of a JSON object.
    Capabilities(Value),
    /// This port flag contains no `{}` for the port.
    PortFlag(String),
    /// No port could be reserved.
    Port(io::Error),
    /// The private directory could not be created.
    Directory(io::Error),
    /// The driver did not become ready.
    Start(NotReady),
    /// A command failed.
    Command {
        /// The method and the path, without the session.
        command: String,
        /// The problem.
        problem: CommandProblem,
        /// The last lines that the driver has printed, oldest first.
        tail: Vec<String>,
    },
    /// Processes of the driver survived KILL.
    Stop(StopError),
    /// These processes of the browser survived KILL.
    Left(Vec<u32>),
    /// The private directory could not be removed.
    Remove {
        /// The directory.
        path: PathBuf,
        /// The error of the removal.
        source: io::Error,
    },
}

impl fmt::Display for WebDriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capabilities(value) => write!(f, "the capabilities must be a JSON object, not {value}"),
            Self::PortFlag(flag) => write!(f, "the port flag {flag:?} must contain {{}} for the port"),
            Self::Port(error) => write!(f, "cannot reserve a port: {error}"),
            Self::Directory(error) => write!(f, "cannot create a private directory: {error}"),
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
