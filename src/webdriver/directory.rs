//! The private directory of a browser.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use futures_timer::Delay;
use tempfile::TempDir;

use super::error::WebDriverError;
use super::leftover;
use crate::shutdown::{self, Registration};

/// How long the last processes may take to die, and then the directory to be removed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How soon a removal that failed is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// A directory that nobody else may look into, for all that a browser and its driver write. It is the last of them to go:
/// when it does, it takes along whatever process still belongs to it.
#[derive(Debug)]
pub(super) struct PrivateDir {
    dir: Arc<TempDir>,
    cleared: bool,
    /// If this process ends first, it has the same done.
    _farewell: Registration,
}

impl PrivateDir {
    /// Makes it, where temporary files go.
    pub(super) fn create() -> io::Result<Self> {
        // A short name: the browser makes sockets in there, whose paths may not be long.
        let private = Permissions::from_mode(0o700);
        let dir = Arc::new(tempfile::Builder::new().prefix("childminder-").permissions(private).tempdir()?);
        // A browser in a static is never dropped.
        shutdown::at_exit();
        let farewell = shutdown::register({
            let dir = Arc::clone(&dir);
            move || report(async_io::block_on(clear(dir.path())))
        });
        Ok(Self { dir, cleared: false, _farewell: farewell })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The variables that have programs write in there, and tell their processes from others.
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

    /// Has the last processes killed, and removes it.
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

/// There is nobody to return it to.
fn report(cleared: Result<(), WebDriverError>) {
    if let Err(error) = cleared {
        log::error!("a browser is not gone altogether: {error}");
    }
}

async fn clear(dir: &Path) -> Result<(), WebDriverError> {
    let left = leftover::clear(dir, PATIENCE).await;
    let removed = remove(dir, PATIENCE).await;
    match left.as_slice() {
        [] => removed.map_err(|source| WebDriverError::Remove { path: dir.to_owned(), source }),
        _ => Err(WebDriverError::Left(left)),
    }
}

/// Removes a directory with all that is in it; again and again for `patience`, since somebody who is dying may still
/// write there. One that is gone already is fine.
async fn remove(dir: &Path, patience: Duration) -> io::Result<()> {
    let remove = || match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound || dir.exists() => Err(error),
        _ => Ok(()),
    };
    let again = async {
        while remove().is_err() {
            Delay::new(AGAIN).await;
        }
        Ok(())
    };
    let late = async {
        Delay::new(patience).await;
        remove()
    };
    or(again, late).await
}
