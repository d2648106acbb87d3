//! Reading a journal.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memchr;

use super::entry::origin;
use super::parse::Line;
use super::segments::previous;
use super::{Ending, Entry, Journal, JournalError, JournalProblem, Record};

impl Journal {
    /// Reads a journal from a file, and from the segment before it if there is one of the same recording.
    ///
    /// A last line that is not complete is left out: the program or the system has crashed while it was
    /// written, or is writing it. [`ending`](Self::ending) says so.
    ///
    /// # Errors
    ///
    /// [`JournalError`] with the line and the column of what is wrong, or if the file cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let (path, begin) = (path.as_ref(), origin());
        let cannot_read =
            |path: &Path, error| JournalError::new(JournalProblem::Read(Arc::new(error))).in_file(path);
        let current = fs::read(path).map_err(|error| cannot_read(path, error))?;
        let mut current = Segment::parse(&current, begin).map_err(|error| error.in_file(path))?;
        current.journal.files.push((0, path.into()));
        if current.journal.header.segment == 0 {
            return Ok(current.journal);
        }
        let path = previous(path);
        let earlier = match fs::read(&path) {
            Ok(earlier) => Segment::parse(&earlier, begin).map_err(|error| error.in_file(&path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(current.journal),
            Err(error) => return Err(cannot_read(&path, error)),
        };
        Ok(earlier.followed_by(&path, current))
    }

    /// Reads a journal, or one segment of it, from text.
    ///
    /// # Errors
    ///
    /// [`JournalError`] with the line and the column of what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, JournalError> {
        Segment::parse(text, origin()).map(|segment| segment.journal)
    }
}

/// One file.
struct Segment {
    journal: Journal,
    /// The number of its first line in the recording, and of the line that follows it.
    first: Option<u64>,
    next: Option<u64>,
}

impl Segment {
    fn parse(text: &[u8], begin: Instant) -> Result<Self, JournalError> {
        let mut lines = Lines { rest: text, number: 0 };
        let (number, first, is_complete) =
            lines.next().ok_or_else(|| JournalError::new(JournalProblem::Empty))?;
        let header = Line::new(first, begin).and_then(|line| {
            let number = line.number;
            line.header(&String::from_utf8_lossy(first)).map(|header| (number, header))
        });
        let (first, header) = match header {
            Ok(header) => header,
            Err((_, JournalProblem::Syntax { .. })) if is_complete => {
                return Err(JournalError::at(number, 1, JournalProblem::OtherProgram));
            }
            Err((column, problem)) => return Err(JournalError::at(number, column, problem)),
        };
        let mut next = first.map(|first| first + 1);
        let (mut entries, mut ending, mut last) = (Vec::new(), Ending::Open, Duration::ZERO);
        for (number, line, is_complete) in lines {
            let read = Line::new(line, begin).and_then(|parsed| {
                let place = (parsed.number, next);
                // It was valid UTF-8 above.
                let said = parsed.record(std::str::from_utf8(line).unwrap_or_default())?;
                Ok((place, said))
            });
            let ((place, expected), (at, record)) = match read {
                Ok(read) => read,
                Err(_) if !is_complete => {
                    ending = Ending::Truncated { line: number };
                    break;
                }
                Err((column, problem)) => return Err(JournalError::at(number, column, problem)),
            };
            if let (Some(place), Some(expected)) = (place, expected)
                && place != expected
            {
                let problem = match place.checked_sub(expected) {
                    Some(entries) => JournalProblem::Missing { entries },
                    None => JournalProblem::Repeated,
                };
                return Err(JournalError::at(number, 1, problem));
            }
            next = next.map(|next| next + 1);
            last = at.unwrap_or(last);
            ending = if matches!(record, Record::End) { Ending::Complete } else { Ending::Open };
            entries.push(Entry { line: number, at: last, record });
        }
        Ok(Self { journal: Journal { header, entries, ending, files: Vec::new(), begin }, first, next })
    }

    /// Returns the journal of this segment and the one that follows it, or of that alone if it follows
    /// another one.
    fn followed_by(self, path: &Path, later: Self) -> Journal {
        let (ours, theirs) = (&self.journal.header, &later.journal.header);
        let is_previous = (ours.began, ours.segment + 1) == (theirs.began, theirs.segment)
            && (self.next, self.journal.ending) == (later.first, Ending::Open);
        if !is_previous {
            return later.journal;
        }
        let mut journal = self.journal;
        journal.files.push((0, path.into()));
        let files = later.journal.files.into_iter();
        journal.files.extend(files.map(|(_, path)| (journal.entries.len(), path)));
        journal.entries.extend(later.journal.entries);
        journal.ending = later.journal.ending;
        journal
    }
}

/// The lines of a file, with their numbers, and whether a line feed follows.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8], bool);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let Some(end) = memchr(b'\n', self.rest) else {
            return Some((self.number, std::mem::take(&mut self.rest), false));
        };
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some((self.number, line, true))
    }
}
