//! The errors of files.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The error of a journal that cannot be created or read.
#[derive(Clone, Debug)]
pub struct JournalError {
    path: Option<PathBuf>,
    /// From 1; 0 if the problem has no position.
    line: usize,
    column: usize,
    problem: JournalProblem,
}

/// The reasons why a journal cannot be created or read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JournalProblem {
    /// The file cannot be created.
    Create(Arc<io::Error>),
    /// Another monitor records into the file, in this program or in another one.
    InUse,
    /// The file cannot be read.
    Read(Arc<io::Error>),
    /// There is nothing in it.
    Empty,
    /// The first line is not that of a journal.
    OtherProgram,
    /// It has a newer format than this version can read.
    NewerVersion {
        /// The version of the format.
        version: u64,
        /// The program that has written it.
        program: String,
    },
    /// A line is not valid JSON, or not valid UTF-8.
    Syntax {
        /// The description of the parser.
        message: String,
    },
    /// A line has a value that makes no sense.
    Value {
        /// The field; empty for the line as a whole.
        field: String,
        /// The problem, as a fragment that follows the name of the field.
        message: String,
    },
    /// The checksum of a line is not that of its contents: the line was changed.
    Checksum,
    /// Lines are missing before this one.
    Missing {
        /// The number of missing entries.
        entries: u64,
    },
    /// A line is there twice, or its place is further above.
    Repeated,
    /// The machine refuses a recorded input, for this reason.
    Refused {
        /// The reason.
        reason: String,
    },
}

impl JournalError {
    pub(super) fn new(problem: JournalProblem) -> Self {
        Self { path: None, line: 0, column: 0, problem }
    }

    pub(super) fn at(line: usize, column: usize, problem: JournalProblem) -> Self {
        Self { path: None, line, column, problem }
    }

    pub(super) fn in_file(self, path: &Path) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// Returns the file; `None` if the journal was not read from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns the line and the column in bytes, both from 1; `None` if the problem is that of the whole
    /// file.
    pub fn position(&self) -> Option<(usize, usize)> {
        (self.line > 0).then_some((self.line, self.column))
    }

    /// Returns what is wrong.
    pub fn problem(&self) -> &JournalProblem {
        &self.problem
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.problem {
            JournalProblem::Create(_) | JournalProblem::InUse => "create",
            _ => "read",
        };
        write!(f, "cannot {verb} the journal")?;
        if let Some(path) = &self.path {
            write!(f, " {path:?}")?;
        }
        if let Some((line, column)) = self.position() {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl fmt::Display for JournalProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(error) | Self::Read(error) => error.fmt(f),
            Self::InUse => {
                write!(f, "another monitor records into it; choose another file, or end that monitor")
            }
            Self::Empty => write!(f, "it is empty; nothing was recorded, or the disk was full"),
            Self::OtherProgram => write!(
                f,
                "the first line is not that of a journal; use a file that `up --journal` has written"
            ),
            Self::NewerVersion { version, program } => write!(
                f,
                "it has format {version}, written by {program:?}; this version reads format {}: use the program \
                 that has written it, or a newer one",
                super::format::VERSION
            ),
            Self::Syntax { message } => write!(f, "{message}; the file was changed or damaged"),
            Self::Value { field, message } if field.is_empty() => write!(f, "the line {message}"),
            Self::Value { field, message } => write!(f, "`{field}` {message}"),
            Self::Checksum => write!(
                f,
                "the line was changed after it was written: its checksum is another one; remove `sum` from a line \
                 that you have changed on purpose"
            ),
            Self::Missing { entries: 1 } => write!(f, "a line is missing before this one"),
            Self::Missing { entries } => write!(f, "{entries} lines are missing before this one"),
            Self::Repeated => write!(f, "this line is there already, further above"),
            Self::Refused { reason } => write!(f, "the machine refuses this input: {reason}"),
        }
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            JournalProblem::Create(error) | JournalProblem::Read(error) => Some(&**error),
            _ => None,
        }
    }
}
