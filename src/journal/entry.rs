//! A journal that was read, as data.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::machine::{Input, Machine, Name};

/// The program of a process: its command line, as far as a machine and its users have to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    text: Arc<str>,
    number: u64,
}

impl Program {
    /// The maximum length of the text, in bytes; the rest of a longer command line is cut off.
    pub const MAX: usize = 4096;

    /// Creates a program. `number` differs between two programs with the same text that are not the same,
    /// for example because their environments differ.
    pub fn new(text: &str, number: u64) -> Self {
        Self { text: text[..text.floor_char_boundary_at(Self::MAX)].into(), number }
    }

    /// Returns the program and its arguments.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the number.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// `str::floor_char_boundary` is not stable in the minimum Rust version.
trait FloorCharBoundary {
    fn floor_char_boundary_at(&self, index: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_at(&self, index: usize) -> usize {
        (0..=index.min(self.len())).rev().find(|index| self.is_char_boundary(*index)).unwrap_or(0)
    }
}

/// The first line of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The program that has written the journal, with its version.
    pub program: String,
    /// When the monitor was created, which is the beginning of all times; `None` for a journal that was not
    /// recorded.
    pub began: Option<SystemTime>,
    /// The seed of the machine.
    pub seed: u64,
    /// The number of segments of this recording that came before this one. With any, the journal begins with
    /// a checkpoint.
    pub segment: u64,
}

impl Header {
    /// Creates the header of a journal that this program writes.
    pub(super) fn new(began: Option<SystemTime>, seed: u64, segment: u64) -> Self {
        let program = concat!("childminder ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { program, began, seed, segment }
    }
}

/// A journal: the inputs and the decisions of one machine, in order.
///
/// [`read`](Self::read) reads a file, and [`from_inputs`](Self::from_inputs) makes a journal of inputs that
/// were never in a file. [`replay`](Self::replay) goes through the states again, and
/// [`verify`](Self::verify) compares the decisions.
#[derive(Clone, Debug)]
pub struct Journal {
    pub(super) header: Header,
    pub(super) entries: Vec<Entry>,
    pub(super) ending: Ending,
    /// The files, with the index of the first entry of each.
    pub(super) files: Vec<(usize, Arc<Path>)>,
    /// The time to which the times in checkpoints are relative.
    pub(super) begin: Instant,
}

/// The end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// With the end of the monitor.
    Complete,
    /// Without the end of the monitor: it still runs, or it was killed.
    Open,
    /// In the middle of this line, which was left out: the program or the system has crashed.
    Truncated {
        /// The number of the line, from 1.
        line: usize,
    },
}

/// One line of a journal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The number of the line in its file, from 1; 0 for a journal that was never in a file.
    pub line: usize,
    /// The time of the input since the beginning; for other records, that of the input before them.
    pub at: Duration,
    /// The contents of the line.
    pub record: Record,
}

/// The kinds of entries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Record {
    /// Something that went into the machine.
    Input(Box<Input<Program>>),
    /// A decision of the machine, as text.
    Decision(Box<str>),
    /// The output of a run that is over.
    Output(Box<RunOutput>),
    /// Entries are missing here, because they could not be written. A checkpoint follows.
    Lost {
        /// The number of missing entries.
        entries: u64,
    },
    /// The whole state of the machine.
    Checkpoint(Box<Machine<Program>>),
    /// The end of the monitor.
    End,
}

/// The output of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunOutput {
    /// The name of the process.
    pub name: Name,
    /// The number of the run.
    pub run: u64,
    /// The number of lines.
    pub lines: u64,
    /// The number of bytes in these lines, without line feeds.
    pub bytes: u64,
    /// The last lines, the oldest first.
    pub last: Vec<String>,
}

impl Journal {
    /// Creates a journal of inputs, with the time of each since the beginning. There are no recorded
    /// decisions in it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use childminder::journal::{Journal, Program};
    /// use childminder::machine::{Definition, Input};
    ///
    /// let definition = Box::new(Definition::new(Program::new("serve", 1)));
    /// let inputs = [Input::StartService, Input::Add { name: "web".parse()?, definition }];
    /// let journal = Journal::from_inputs(0, inputs.map(|input| (Duration::ZERO, input)));
    /// let mut replay = journal.replay();
    /// while replay.step().is_some() {}
    /// assert!(replay.machine().status("web").is_some());
    /// # Ok::<(), childminder::machine::NameError>(())
    /// ```
    pub fn from_inputs(seed: u64, inputs: impl IntoIterator<Item = (Duration, Input<Program>)>) -> Self {
        let entry = |(at, input)| Entry { line: 0, at, record: Record::Input(Box::new(input)) };
        Self {
            header: Header::new(None, seed, 0),
            entries: inputs.into_iter().map(entry).collect(),
            ending: Ending::Open,
            files: Vec::new(),
            begin: origin(),
        }
    }

    /// Returns what the first line says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns how it ends.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// Returns the time of the last input since the beginning.
    pub fn length(&self) -> Duration {
        self.entries.iter().map(|entry| entry.at).max().unwrap_or_default()
    }
}

/// Returns the origin of the times of a journal, which has none on the clock of this system.
#[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
pub(super) fn origin() -> Instant {
    Instant::now()
}
