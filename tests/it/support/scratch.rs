//! A directory for the temporary files of one process, to detect what it leaves behind.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// An empty directory that every user may write to. Pass it to a process as `TMPDIR`.
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).expect("it is ours");
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the paths of its entries.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).expect("it is there");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.files(), Vec::<PathBuf>::new(), "temporary files were left behind");
    }
}
