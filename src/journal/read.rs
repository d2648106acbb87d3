//! Reading a journal.

use std::fs;
use std::io;
use std::iter;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use memchr::{memchr, memchr_iter};

use super::entry::origin;
use super::parse::Line;
use super::segments::previous;
use super::{Ending, Entry, Journal, JournalError, JournalProblem, Record};
use crate::machine::json::Tape;

/// The least number of bytes for which a thread is worth its start.
const LEAST_PART: usize = 256 << 10;

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
        let mut tape = Tape::default();
        let header = Line::new(first, begin, &mut tape).and_then(|line| {
            let number = line.number;
            line.header().map(|header| (number, header))
        });
        let (first, header) = match header {
            Ok(header) => header,
            Err((_, JournalProblem::Syntax { .. })) if is_complete => {
                return Err(JournalError::at(number, 1, JournalProblem::OtherProgram));
            }
            Err((column, problem)) => return Err(JournalError::at(number, column, problem)),
        };
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let size = LEAST_PART.max(lines.rest.len() / threads + 1);
        let (entries, ending) = Part::joined(Part::all(lines, size, first, begin))?;
        let next = first.map(|first| first.saturating_add(1 + entries.len() as u64));
        Ok(Self { journal: Journal { header, entries, ending, files: Vec::new(), begin }, first, next })
    }

    /// Returns the journal of this segment and the one that follows it, or of that alone if it follows
    /// another one.
    fn followed_by(self, path: &Path, later: Self) -> Journal {
        let (ours, theirs) = (&self.journal.header, &later.journal.header);
        let is_previous = (ours.began, ours.segment.checked_add(1)) == (theirs.began, Some(theirs.segment))
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

/// The entries of some lines. A long file is read in several parts at the same time.
struct Part {
    entries: Vec<Entry>,
    /// The number of entries before the first one with a time.
    untimed: usize,
    ending: Ending,
}

impl Part {
    /// Reads all lines after a header, which has the number `first`, in parts of about this size. Returns the
    /// parts in order.
    fn all(
        mut lines: Lines<'_>,
        size: usize,
        first: Option<u64>,
        begin: Instant,
    ) -> Vec<Result<Self, JournalError>> {
        let mut parts = iter::from_fn(|| lines.take_part(size));
        let read = |lines| Self::read(lines, first, begin);
        thread::scope(|scope| {
            let own = parts.next();
            let others: Vec<_> = parts
                .map(|lines| {
                    let thread = thread::Builder::new().spawn_scoped(scope, move || read(lines));
                    // Without another thread it takes longer.
                    thread.map_err(|_| read(lines))
                })
                .collect();
            let others = others.into_iter().map(|part| match part {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(part) => part,
            });
            own.map(read).into_iter().chain(others).collect()
        })
    }

    /// Returns the entries of all parts, and how the last one ends.
    fn joined(
        parts: impl IntoIterator<Item = Result<Self, JournalError>>,
    ) -> Result<(Vec<Entry>, Ending), JournalError> {
        let (mut entries, mut ending, mut last) = (Vec::new(), Ending::Open, Duration::ZERO);
        for part in parts {
            let (first, mut part) = (entries.len(), part?);
            if entries.is_empty() {
                entries = part.entries;
            } else {
                entries.append(&mut part.entries);
            }
            // Until its first input the time is that of the part before.
            entries[first..][..part.untimed].iter_mut().for_each(|entry| entry.at = last);
            last = entries.last().map_or(last, |entry| entry.at);
            ending = part.ending;
        }
        Ok((entries, ending))
    }

    /// Reads lines. The number of a line in the recording is that of the header and its own in the file.
    fn read(lines: Lines<'_>, first: Option<u64>, begin: Instant) -> Result<Self, JournalError> {
        let mut tape = Tape::default();
        let (mut entries, mut untimed, mut ending, mut last) =
            (Vec::new(), None, Ending::Open, Duration::ZERO);
        for (number, line, is_complete) in lines {
            let read = Line::new(line, begin, &mut tape).and_then(|line| {
                let place = line.number;
                Ok((place, line.record()?))
            });
            let (place, (at, record)) = match read {
                Ok(read) => read,
                Err(_) if !is_complete => {
                    ending = Ending::Truncated { line: number };
                    break;
                }
                Err((column, problem)) => return Err(JournalError::at(number, column, problem)),
            };
            let expected = first.map(|first| first.saturating_add(number as u64 - 1));
            if let (Some(place), Some(expected)) = (place, expected)
                && place != expected
            {
                let problem = match place.checked_sub(expected) {
                    Some(entries) => JournalProblem::Missing { entries },
                    None => JournalProblem::Repeated,
                };
                return Err(JournalError::at(number, 1, problem));
            }
            if let Some(at) = at {
                untimed.get_or_insert(entries.len());
                last = at;
            }
            ending = if matches!(record, Record::End) { Ending::Complete } else { Ending::Open };
            entries.push(Entry { line: number, at: last, record });
        }
        Ok(Self { untimed: untimed.unwrap_or(entries.len()), entries, ending })
    }
}

/// The lines of a file, with their numbers, and whether a line feed follows.
#[derive(Clone, Copy, Debug)]
struct Lines<'a> {
    rest: &'a [u8],
    /// The number of the line before.
    number: usize,
}

impl<'a> Lines<'a> {
    /// Removes the first lines, of about this size; `None` if there are none.
    fn take_part(&mut self, size: usize) -> Option<Self> {
        if self.rest.is_empty() {
            return None;
        }
        let after = self.rest.get(size..).and_then(|rest| memchr(b'\n', rest));
        let (rest, later) = self.rest.split_at(after.map_or(self.rest.len(), |after| size + after + 1));
        let lines = Self { rest, number: self.number };
        self.rest = later;
        self.number += memchr_iter(b'\n', rest).count();
        Some(lines)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_parts_is_read_like_a_whole_one() {
        let line = |i: usize| match i % 3 {
            0 => format!("{{\"n\":{},\"t\":{i},\"timeout\":true}}\n", i + 8),
            _ => format!("{{\"n\":{},\"decided\":\"reap #{i}\"}}\n", i + 8),
        };
        let mut text: String = (0..100).map(line).collect();
        let read = |text: &str, size| {
            let lines = Lines { rest: text.as_bytes(), number: 1 };
            format!("{:?}", Part::joined(Part::all(lines, size, Some(7), origin())))
        };
        for _ in 0..4 {
            let whole = read(&text, usize::MAX);
            for size in [1, 10, 100, 1000] {
                assert_eq!(read(&text, size), whole, "parts of {size} bytes");
            }
            // A last line that is cut, one that is missing, and one that is damaged.
            match text.len() {
                _ if whole.contains("Truncated") => text = text.replacen("{\"n\":50,", "{\"n\":51,", 1),
                _ if whole.contains("Missing") => text = text.replacen("reap", "re\u{1}ap", 1),
                length => text.truncate(length - 3),
            }
        }
        assert!(read(&text, 10).contains("Syntax"), "{}", read(&text, 10));
    }
}
