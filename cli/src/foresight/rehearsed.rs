//! `childminder rehearse --journal`: what was rehearsed, as a journal.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use childminder::Name;
use childminder::journal::{Journal, JournalWriter, Program};
use childminder::testkit::rehearse::Moment;

use super::incident::remove_part;
use crate::file::Process;

/// The maximum number of inputs in the journal of a rehearsal, which then has about as many lines as a
/// recorded one may have.
pub(super) const MAX_INPUTS: u64 = 400_000;

/// The maximum size of the first line of a journal.
const MAX_HEADER: u64 = 64 << 10;

/// A journal that a rehearsal writes.
#[derive(Debug)]
pub(super) struct RehearsedJournal {
    path: PathBuf,
    writer: JournalWriter<BufWriter<File>>,
    programs: HashMap<Name, Program>,
    /// After it, nothing more is written.
    error: Option<io::Error>,
}

impl RehearsedJournal {
    /// Creates the file. What was recorded, or is no journal at all, is not replaced.
    ///
    /// # Errors
    ///
    /// [`RehearsedJournalError`].
    pub(super) fn create(
        path: &Path,
        seed: u64,
        processes: &[Process],
    ) -> Result<Self, RehearsedJournalError> {
        let write = |error| RehearsedJournalError::Write { path: path.to_owned(), error };
        if !is_replaceable(path).map_err(write)? {
            return Err(RehearsedJournalError::Exists(path.to_owned()));
        }
        // Command lines may be private.
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).mode(0o600).open(path).map_err(write)?;
        let writer = JournalWriter::new(BufWriter::new(file), seed).map_err(write)?;
        let programs = processes.iter().zip(1..);
        let programs = programs
            .map(|(process, number)| (process.name.clone(), Program::new(&process.spec.to_string(), number)));
        Ok(Self { path: path.to_owned(), writer, programs: programs.collect(), error: None })
    }

    /// Writes an input of the machine. [`finish`](Self::finish) reports an error.
    pub(super) fn observe(&mut self, moment: &Moment<'_>) {
        if self.error.is_none() {
            let program = |name: &Name, (): &()| {
                self.programs.get(name).cloned().unwrap_or_else(|| Program::new(name, 0))
            };
            self.error = self.writer.input(moment.at, moment.input, moment.outputs, program).err();
        }
    }

    /// Writes the end.
    ///
    /// # Errors
    ///
    /// [`RehearsedJournalError::Write`]; then there is no file.
    pub(super) fn finish(self) -> Result<(), RehearsedJournalError> {
        let Self { path, writer, error, .. } = self;
        let written = match error {
            Some(error) => Err(error),
            None => writer.finish().map(drop),
        };
        written.map_err(|error| {
            remove_part(&path);
            RehearsedJournalError::Write { path, error }
        })
    }
}

/// Whether nothing is lost if a file is replaced: it is not there, empty, the journal of a rehearsal, or a
/// device.
fn is_replaceable(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {}
        // What is wrong with the path is found when it is opened.
        _ => return Ok(true),
    }
    let mut header = Vec::new();
    BufReader::new(File::open(path)?.take(MAX_HEADER)).read_until(b'\n', &mut header)?;
    Ok(Journal::parse(&header).is_ok_and(|journal| journal.header().began.is_none()))
}

/// The error returned if a rehearsal cannot be kept.
#[derive(Debug)]
pub(super) enum RehearsedJournalError {
    /// There is a file that a rehearsal does not replace.
    Exists(PathBuf),
    Write {
        path: PathBuf,
        error: io::Error,
    },
}

impl RehearsedJournalError {
    /// Returns the exit status.
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Exists(_) => crate::USAGE,
            Self::Write { .. } => crate::FAILED,
        }
    }
}

impl fmt::Display for RehearsedJournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(
                f,
                "--journal {}: this file is there, and is no rehearsal, so it is not replaced; name another one, or use \
                 --from-journal to rehearse what was recorded in it",
                path.display()
            ),
            Self::Write { path, error } => write!(f, "cannot write the journal {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for RehearsedJournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Exists(_) => None,
            Self::Write { error, .. } => Some(error),
        }
    }
}
