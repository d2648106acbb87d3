//! The scratch directory of a service.
//!
//! It exists from the start until everything that the service has started is gone. A process that is killed
//! removes nothing, so each directory is locked by its owner, and the first service of every process removes
//! the directories that no living process has locked.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::output::report_in_test;
use crate::sync::Lock;

/// The beginning of the names of scratch directories. Nothing else is called this, since what is called this
/// and is not locked will be removed.
const PREFIX: &str = "childminder-scratch-";

/// A file in a directory that is to be kept.
const KEPT: &str = ".kept";

/// The variable that keeps the directories of services that have failed.
const KEEP: &str = "CHILDMINDER_KEEP";

/// A directory of one service, which only its user may enter.
#[derive(Debug)]
pub(super) struct ScratchDir {
    path: PathBuf,
    /// The directory, until it is removed, and the descriptor that holds the lock.
    held: Lock<Option<(TempDir, File)>>,
}

impl ScratchDir {
    /// Creates a directory for the service `name` in `parent`. `owner` is the user and the group of the
    /// service, if they are not those of this process.
    pub(super) fn create(parent: &Path, name: &str, owner: Option<(u32, u32)>) -> io::Result<Self> {
        /// The parents whose abandoned directories this process has removed.
        static SWEPT: Lock<BTreeSet<PathBuf>> = Lock::new(BTreeSet::new());
        if SWEPT.lock().insert(parent.to_owned()) {
            remove_abandoned(parent);
        }
        loop {
            let private = fs::Permissions::from_mode(0o700);
            let prefix = format!("{PREFIX}{name}-");
            let dir = tempfile::Builder::new().prefix(&prefix).permissions(private).tempdir_in(parent)?;
            // Another process may take the new directory for an abandoned one before it is locked.
            let lock = match lock(dir.path()) {
                Ok(Some(lock)) => lock,
                Ok(None) => continue,
                Err(error) => {
                    // The drop would need a descriptor to look into it.
                    let _ = fs::remove_dir(dir.path());
                    return Err(error);
                }
            };
            if let Some((uid, gid)) = owner {
                chown(dir.path(), Some(uid), Some(gid))?;
            }
            return Ok(Self { path: dir.path().to_owned(), held: Lock::new(Some((dir, lock))) });
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory, unless that is done.
    pub(super) fn remove(&self) {
        let held = self.held.lock().take();
        if let Some((dir, _lock)) = held
            && let Err(error) = dir.close()
            && error.kind() != io::ErrorKind::NotFound
        {
            report_in_test(&format!("cannot remove the directory {}: {error}", self.path.display()));
        }
    }

    /// Keeps the directory of a service that has failed, if the variable `CHILDMINDER_KEEP` asks for it.
    /// Returns the path then.
    pub(super) fn keep_if_asked(&self) -> Option<PathBuf> {
        if !is_keeping() {
            return None;
        }
        let (dir, _lock) = self.held.lock().take()?;
        // Without the mark a later process would remove the directory.
        let _ = File::create(self.path.join(KEPT));
        Some(dir.keep())
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Returns whether directories of failed services are kept.
pub(super) fn is_keeping() -> bool {
    std::env::var_os(KEEP).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Locks a directory. Returns `None` if another process has locked or removed it.
///
/// # Errors
///
/// The directory cannot be opened, for instance because no descriptor is left, or its file system has no
/// locks.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let unless_removed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(None),
        _ => Err(error),
    };
    let dir = match File::open(path) {
        Ok(dir) => dir,
        Err(error) => return unless_removed(error),
    };
    match retry_on_intr(|| flock(&dir, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    }
    match fs::symlink_metadata(path) {
        Ok(named) => {
            let locked = dir.metadata()?;
            Ok((locked.ino() == named.ino() && locked.dev() == named.dev()).then_some(dir))
        }
        Err(error) => unless_removed(error),
    }
}

/// Removes the scratch directories of this user whose process has ended without removing them.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        // A service of another user, started by root, owns its directory.
        let may_remove = |metadata: &fs::Metadata| {
            metadata.is_dir() && (geteuid().is_root() || metadata.uid() == geteuid().as_raw())
        };
        let is_scratch = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
            && fs::symlink_metadata(&path).is_ok_and(|metadata| may_remove(&metadata))
            && !path.join(KEPT).exists();
        if is_scratch && let Ok(Some(_lock)) = lock(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;
    use crate::sys::alone::passes_alone;

    #[test]
    fn f_231_an_abandoned_directory_is_removed_and_a_used_or_kept_one_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let create = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let abandoned = create(&format!("{PREFIX}db-1"));
        fs::write(abandoned.join("data"), "x").unwrap();
        let used = create(&format!("{PREFIX}db-2"));
        let _lock = lock(&used).unwrap().unwrap();
        let kept = create(&format!("{PREFIX}db-3"));
        fs::write(kept.join(KEPT), "").unwrap();
        let foreign = create("childminder-other");
        remove_abandoned(parent.path());
        assert!(!abandoned.exists(), "the owner is gone");
        assert!(used.exists() && kept.exists() && foreign.exists());
        assert!(lock(&used).unwrap().is_none(), "one process holds it");
        assert!(lock(&abandoned).unwrap().is_none(), "it is removed");
    }

    /// A directory that cannot be locked is not tried again and again.
    #[test]
    fn f_386_without_a_descriptor_for_the_lock_there_is_an_error_and_no_directory() {
        let name = "service::scratch::tests::f_386_without_a_descriptor_for_the_lock_there_is_an_error_and_no_directory";
        passes_alone(name, || {
            let parent = tempfile::tempdir().unwrap();
            let limit = getrlimit(Resource::Nofile);
            setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).unwrap();
            let hogs: Vec<File> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
            let error = ScratchDir::create(parent.path(), "db", None).unwrap_err();
            drop(hogs);
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        });
    }

    #[test]
    fn a_directory_is_private_and_is_removed_with_its_content() {
        let dir = ScratchDir::create(&std::env::temp_dir(), "db", None).unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o777, 0o700);
        fs::write(dir.path().join("data"), "x").unwrap();
        let path = dir.path().to_owned();
        drop(dir);
        assert!(!path.exists());
    }
}
