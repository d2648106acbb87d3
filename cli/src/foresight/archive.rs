//! Reading an incident file: the journal in an archive, or why there is none.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use childminder::journal::{Ending, Journal, JournalError};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::incident::{ABOUT, JOURNAL, PROGRAM};

/// The first bytes of an incident file, which is compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The maximum size of an unpacked journal. A larger one is no journal of this program.
const MAX_JOURNAL: u64 = 4 << 30;

/// The maximum size of the description of an archive.
const MAX_ABOUT: u64 = 1 << 20;

/// The reason why an incident file has no journal that can be used. Shown as what follows the name of the
/// file.
#[derive(Debug)]
pub(crate) enum ArchiveError {
    /// The system cannot read it.
    Read(io::Error),
    /// It ends before the end of its journal.
    Cut {
        /// The bytes of the journal that are there, and how many there were; `None` if it ends before it.
        journal: Option<(u64, u64)>,
    },
    /// It is compressed, and no archive.
    NoArchive,
    /// It is an archive of something else, or of another version.
    NoJournal {
        /// The program that has packed it, if it says that and is another one.
        packed_by: Option<String>,
    },
    /// It cannot be unpacked.
    Damaged(io::Error),
    /// The journal in it is not valid.
    Journal(JournalError),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Cut { journal: None } => f.write_str("it is cut before its journal begins; copy it again"),
            Self::Cut { journal: Some((there, all)) } => write!(
                f,
                "it is cut: {there} of the {all} bytes of its journal are there; copy it again, or unpack that part with \
                 `tar xzf` and use {JOURNAL}"
            ),
            Self::NoArchive => {
                f.write_str("it is compressed, but no archive; use a file of `childminder incident`")
            }
            Self::NoJournal { packed_by: None } => {
                write!(f, "it contains no {JOURNAL}; use a file of `childminder incident`")
            }
            Self::NoJournal { packed_by: Some(program) } => write!(
                f,
                "it contains no {JOURNAL}, and was packed by {program:?}; this is {PROGRAM}: use the program that has \
                 packed it"
            ),
            Self::Damaged(error) => write!(f, "it was changed or damaged: {error}; copy it again"),
            Self::Journal(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ArchiveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) | Self::Damaged(error) => Some(error),
            Self::Journal(error) => Some(error),
            Self::Cut { .. } | Self::NoArchive | Self::NoJournal { .. } => None,
        }
    }
}

/// Whether a file begins like an incident file.
pub(super) fn is_archive(path: &Path) -> bool {
    let mut magic = [0; GZIP.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == GZIP
}

/// Returns the journal in an incident file.
///
/// # Errors
///
/// [`ArchiveError`].
pub(super) fn read(path: &Path) -> Result<Journal, ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::Read)?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let (mut packed_by, mut is_first) = (None, true);
    for entry in archive.entries().map_err(ArchiveError::Damaged)? {
        let mut entry = entry.map_err(|error| unpacked(error, is_first))?;
        is_first = false;
        let (name, all) = (entry.path_bytes().into_owned(), entry.size());
        let mut text = Vec::new();
        if name == JOURNAL.as_bytes() {
            let result = entry.take(MAX_JOURNAL).read_to_end(&mut text);
            let there = text.len() as u64;
            return match result {
                Ok(_) if there == all.min(MAX_JOURNAL) => parse(&text),
                Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(unpacked(error, false)),
                _ => Err(ArchiveError::Cut { journal: Some((there, all)) }),
            };
        }
        if name == ABOUT.as_bytes() {
            // Without it the archive is refused as well.
            let _ = entry.by_ref().take(MAX_ABOUT).read_to_end(&mut text);
            let about: Option<Value> = serde_json::from_slice(&text).ok();
            packed_by = about.and_then(|about| about["packed_by"].as_str().map(str::to_owned));
            packed_by.take_if(|program| program == PROGRAM);
        }
    }
    Err(ArchiveError::NoJournal { packed_by })
}

/// Parses a journal that was packed as a whole, so that its last line is complete.
fn parse(text: &[u8]) -> Result<Journal, ArchiveError> {
    let journal = Journal::parse(text).map_err(ArchiveError::Journal)?;
    match journal.ending() {
        Ending::Truncated { line } => {
            let message = format!("line {line} of its journal is not complete");
            Err(ArchiveError::Damaged(io::Error::new(ErrorKind::InvalidData, message)))
        }
        _ => Ok(journal),
    }
}

/// Returns the meaning of an error of the library, which distinguishes them by their kinds only.
fn unpacked(error: io::Error, is_first: bool) -> ArchiveError {
    match error.kind() {
        ErrorKind::UnexpectedEof => ArchiveError::Cut { journal: None },
        // The header of an entry is not valid, or there is less than one.
        ErrorKind::Other if is_first => ArchiveError::NoArchive,
        _ => ArchiveError::Damaged(error),
    }
}
