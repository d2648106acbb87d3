//! The private directory of a browser.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use tempfile::TempDir;

use super::error::WebDriverError;
use super::leftover;
use super::sleep;
use crate::shutdown::{self, Registration};

/// The time that the last processes may take to die, and then the removal of the directory.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The delay before a failed removal is repeated.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// A directory without access for other users, for all files of a browser and its driver. It is dropped last,
/// and then kills the processes that still belong to it.
#[derive(Debug)]
pub(super) struct PrivateDir {
    dir: Arc<TempDir>,
    cleared: bool,
    /// Cleans up if this process exits before the drop.
    _exit_hook: Registration,
}

impl PrivateDir {
    /// Creates the directory among the temporary files.
    pub(super) fn create() -> io::Result<Self> {
        // The name is short because the browser creates sockets in the directory, whose paths are limited.
        let private = Permissions::from_mode(0o700);
        let dir = Arc::new(tempfile::Builder::new().prefix("childminder-").permissions(private).tempdir()?);
        // A browser in a static is never dropped.
        shutdown::at_exit();
        let exit_hook = shutdown::register({
            let dir = Arc::clone(&dir);
            move || report(async_io::block_on(clear(dir.path())))
        });
        Ok(Self { dir, cleared: false, _exit_hook: exit_hook })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the environment variables that make programs write into the directory and mark their
    /// processes.
    pub(super) fn variables(&self) -> [(&'static str, PathBuf); 5] {
        let inside = |name| self.path().join(name);
        [
            (leftover::MARK, self.path().to_owned()),
            ("TMPDIR", self.path().to_owned()),
            ("XDG_CACHE_HOME", inside("cache")),
            ("XDG_CONFIG_HOME", inside("config")),
            ("XDG_DATA_HOME", inside("data")),
        ]
    }

    /// Kills the remaining processes and removes the directory.
    pub(super) async fn clear(&mut self) -> Result<(), WebDriverError> {
        let cleared = clear(self.dir.path()).await;
        self.cleared = true;
        cleared
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        if !self.cleared {
            report(async_io::block_on(clear(self.dir.path())));
        }
    }
}

/// Logs an error that cannot be returned.
fn report(cleared: Result<(), WebDriverError>) {
    if let Err(error) = cleared {
        log::error!("failed to clean up after a browser: {error}");
    }
}

async fn clear(dir: &Path) -> Result<(), WebDriverError> {
    let left = leftover::clear(dir, TIMEOUT).await;
    let removed = remove(dir, TIMEOUT).await;
    match left.as_slice() {
        [] => removed.map_err(|source| WebDriverError::Remove { path: dir.to_owned(), source }),
        _ => Err(WebDriverError::Left(left)),
    }
}

/// Removes a directory with its contents. The removal is repeated until `timeout`, since a dying process may
/// still write there. It is not an error if the directory does not exist.
async fn remove(dir: &Path, timeout: Duration) -> io::Result<()> {
    let remove = || match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound || dir.exists() => Err(error),
        _ => Ok(()),
    };
    let retry = async {
        while remove().is_err() {
            sleep(RETRY_DELAY).await;
        }
        Ok(())
    };
    let last_attempt = async {
        sleep(timeout).await;
        remove()
    };
    or(retry, last_attempt).await
}
