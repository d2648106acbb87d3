//! Errors of the runner.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// An error of the input, or of the machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is not a scenario.
    Scenario {
        /// The file.
        path: PathBuf,
        /// The cause, with its line and key.
        source: Box<toml::de::Error>,
    },
    /// A value of a scenario makes no sense.
    Value {
        /// The file.
        path: PathBuf,
        /// The key of the value.
        key: &'static str,
        /// The reason.
        problem: String,
    },
    /// There is no scenario of this name.
    UnknownScenario {
        /// The name.
        name: String,
        /// All names.
        known: Vec<String>,
    },
    /// There is no supervisor of this name.
    UnknownSupervisor {
        /// The name.
        name: String,
        /// All names.
        known: Vec<String>,
    },
    /// A scenario cannot be run.
    Run {
        /// The attempt.
        doing: String,
        /// The cause.
        source: io::Error,
    },
    /// The document is not one that was written by this program.
    Document {
        /// The line, counted from 1.
        line: usize,
        /// The reason.
        problem: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, source } => write!(f, "cannot access `{}`: {source}", path.display()),
            Self::Scenario { path, source } => write!(f, "cannot read `{}`: {source}", path.display()),
            Self::Value { path, key, problem } => {
                write!(f, "cannot use `{}`: `{key}` {problem}", path.display())
            }
            Self::UnknownScenario { name, known } => {
                write!(f, "unknown scenario `{name}`; there are {}", known.join(", "))
            }
            Self::UnknownSupervisor { name, known } => {
                write!(f, "unknown supervisor `{name}`; there are {}", known.join(", "))
            }
            Self::Run { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::Document { line, problem } => write!(f, "line {line} of the document: {problem}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Run { source, .. } => Some(source),
            Self::Scenario { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Adds to an error of the system what was attempted.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Run { doing: what(), source })
    }
}
