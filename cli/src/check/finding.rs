//! What a check has found, with its place in the file.

use std::fmt;
use std::ops::Range;

use childminder::Name;

use crate::file::File;
use crate::file::setting::Entry;

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// It may be intended.
    Info,
    /// It is probably a mistake.
    Warning,
    /// The process cannot work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One finding about one process.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) process: Name,
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// The findings about a file.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    file: &'a File,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(file: &'a File) -> Self {
        Self { file, list: Vec::new() }
    }

    /// Adds a finding about a key of a process.
    pub(crate) fn add(&mut self, level: Level, entry: &Entry, key: &str, message: impl Into<String>) {
        self.add_at(level, entry, entry.span_of(key), message);
    }

    /// Adds a finding about a place in the table of a process.
    pub(crate) fn add_at(
        &mut self,
        level: Level,
        entry: &Entry,
        span: &Range<usize>,
        message: impl Into<String>,
    ) {
        let line = self.file.line_of(span);
        self.list.push(Finding { level, process: entry.name.clone(), line, message: message.into() });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }
}
