//! What happened, and what would happen: commands about journals and rehearsals.
//!
//! A journal is a file of `up --journal`, or in an incident file. Each command has a file: `replay` compares
//! its decisions with those of this version, `why` explains a moment of it, `incident` packs it for
//! another machine, `timeline` draws it, and `diff` compares two. `rehearse` runs a file in virtual time:
//! with a `scenario`, or with what is `assumed`; `outcome` shows the result. `explore` takes every order of
//! events instead, and looks for what is wrong with the file.

mod assumed;
pub(crate) mod diff;
pub(crate) mod explore;
pub(crate) mod incident;
mod outcome;
pub(crate) mod rehearse;
pub(crate) mod replay;
mod scenario;
pub(crate) mod timeline;
mod what_if;
pub(crate) mod why;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use childminder::journal::{Journal, JournalError};
use flate2::read::GzDecoder;

/// The first bytes of an incident file, which is compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The maximum size of an unpacked journal. A larger one is no journal of this program.
const MAX_JOURNAL: u64 = 4 << 30;

/// Why a journal cannot be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    Journal(JournalError),
    /// The incident file cannot be read.
    Archive {
        path: PathBuf,
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(f),
            Self::Archive { path, error } => {
                write!(f, "cannot read the incident file {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Journal(error) => Some(error),
            Self::Archive { error, .. } => Some(error),
        }
    }
}

/// Opens a journal, or the one in an incident file.
///
/// # Errors
///
/// [`OpenError`] with the position of what is wrong.
pub(crate) fn open_journal(path: &Path) -> Result<Journal, OpenError> {
    let mut magic = [0; GZIP.len()];
    let is_archive =
        File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == GZIP;
    if !is_archive {
        return Journal::read(path).map_err(OpenError::Journal);
    }
    let text = unpack(path).map_err(|error| OpenError::Archive { path: path.to_owned(), error })?;
    Journal::parse(&text).map_err(OpenError::Journal)
}

/// Returns the journal in an incident file.
fn unpack(path: &Path) -> io::Result<Vec<u8>> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(path)?));
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.path()? == Path::new(incident::JOURNAL) {
            let mut text = Vec::new();
            entry.take(MAX_JOURNAL).read_to_end(&mut text)?;
            return Ok(text);
        }
    }
    let missing = format!("it contains no `{}`; use a file of `childminder incident`", incident::JOURNAL);
    Err(io::Error::new(io::ErrorKind::InvalidData, missing))
}
