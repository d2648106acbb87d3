//! What a plan that went well has to tell.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::journal::Journal;

/// A run of a plan in which everything went as the script says.
#[derive(Clone, Debug)]
pub struct Report {
    journal: Journal,
    took: Duration,
    directory: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(journal: Journal, took: Duration, directory: Option<PathBuf>) -> Self {
        Self { journal, took, directory }
    }

    /// What happened.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How long it took.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// The directory with the logs, if it was kept, as it is with `CHILDMINDER_KEEP=1`.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The run as a picture; see [`Journal::timeline_svg`].
    pub fn timeline_svg(&self) -> String {
        self.journal.timeline_svg()
    }
}
