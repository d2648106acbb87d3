//! What happened, and what would happen: commands about journals and rehearsals.
//!
//! A journal is a file of `up --journal`, or in an incident file. Each command has a file: `replay` compares
//! its decisions with those of this version, `why` explains a moment of it, `incident` packs it for
//! another machine, `timeline` draws it, and `diff` compares two. `rehearse` runs a file in virtual time:
//! with a `scenario`, or with what is `assumed` or was recorded; `outcome` shows the result, and `rehearsed`
//! keeps it as a journal. `explore` takes every order of events instead, and looks for what is wrong with the
//! file. `archive` reads what `incident` has packed.

mod archive;
mod assumed;
pub(crate) mod diff;
pub(crate) mod explore;
pub(crate) mod incident;
mod outcome;
pub(crate) mod rehearse;
mod rehearsed;
pub(crate) mod replay;
mod scenario;
pub(crate) mod timeline;
mod what_if;
pub(crate) mod why;

use std::fmt;
use std::path::{Path, PathBuf};

use childminder::journal::{Journal, JournalError, WhatIf, WhatIfError};

use self::archive::ArchiveError;

/// The error returned for a journal that cannot be used.
#[derive(Debug)]
pub(crate) enum OpenError {
    Journal(JournalError),
    /// The incident file cannot be read.
    Archive {
        path: PathBuf,
        error: ArchiveError,
    },
    /// The runs in it are not known.
    Runs {
        path: PathBuf,
        error: WhatIfError,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(f),
            Self::Archive { path, error } => {
                write!(f, "cannot read the incident file {}: {error}", path.display())
            }
            Self::Runs { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Journal(error) => Some(error),
            Self::Archive { error, .. } => Some(error),
            Self::Runs { error, .. } => Some(error),
        }
    }
}

/// Opens a journal, or the one in an incident file.
///
/// # Errors
///
/// [`OpenError`] with the position of what is wrong.
pub(crate) fn open_journal(path: &Path) -> Result<Journal, OpenError> {
    if archive::is_archive(path) {
        return archive::read(path).map_err(|error| OpenError::Archive { path: path.to_owned(), error });
    }
    Journal::read(path).map_err(OpenError::Journal)
}

/// Opens a journal whose runs are rehearsed.
///
/// # Errors
///
/// As [`open_journal`], or if a part of the journal is missing.
fn open_runs(path: &Path) -> Result<WhatIf, OpenError> {
    let journal = open_journal(path)?;
    WhatIf::new(&journal).map_err(|error| OpenError::Runs { path: path.to_owned(), error })
}
