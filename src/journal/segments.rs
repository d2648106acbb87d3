//! The files of a journal, and the thread that writes them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::queue::{Chunk, Queue};
use crate::panic_guard::log_guarded;

/// The segments of a journal: the current file, and the one before it.
#[derive(Debug)]
pub(super) struct Segments {
    path: PathBuf,
    file: File,
    /// The length of the file up to its last complete line.
    length: u64,
}

/// Returns the path of the segment before the current one: `.1` is appended.
pub(super) fn previous(path: &Path) -> PathBuf {
    let mut previous = path.as_os_str().to_owned();
    previous.push(".1");
    previous.into()
}

impl Segments {
    /// Creates the file. One that is there becomes the previous segment.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                let kind = "there is something else than a regular file in its place";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, kind));
            }
            Ok(metadata) if metadata.len() > 0 => fs::rename(path, previous(path))?,
            _ => {}
        }
        Ok(Self { path: path.to_owned(), file: open(path)?, length: 0 })
    }

    fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        if chunk.begins_segment && self.length > 0 {
            fs::rename(&self.path, previous(&self.path))?;
            self.file = open(&self.path)?;
            self.length = 0;
        }
        self.file.write_all(&chunk.text).inspect_err(|_| {
            // Nothing may be left of a line that was written in part. Without this the next line would be
            // damaged, and a reader says so.
            let _ = self.file.set_len(self.length);
        })?;
        self.length += chunk.text.len() as u64;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Command lines and output may be private. What is appended goes to the end, also after a cut.
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)
}

/// Starts the thread that writes what comes out of `queue`.
pub(super) fn start(mut segments: Segments, queue: Arc<Queue>) -> io::Result<()> {
    let body = move || write(&queue, &segments.path.clone(), &mut |chunk| segments.write(chunk));
    thread::Builder::new().name("childminder-journal".to_owned()).spawn(body).map(drop)
}

/// Writes until the queue is closed and empty. The first failure in a row is logged, and so is the first
/// success after it.
fn write(queue: &Queue, path: &Path, write: &mut dyn FnMut(&Chunk) -> io::Result<()>) {
    let mut lost = None;
    while let Some(chunk) = queue.next() {
        match write(&chunk) {
            Ok(()) => {
                if lost.take().is_some() {
                    log_guarded(|| {
                        log::warn!(
                            "the journal {path:?} is written again; it says how many entries are missing"
                        );
                    });
                }
                queue.pause();
            }
            Err(error) => {
                if lost.replace(()).is_none() {
                    log_guarded(|| {
                        log::error!(
                            "cannot write the journal {path:?}: {error}; the processes are supervised as before, and \
                             the next attempt is made in a second"
                        );
                    });
                }
                queue.failed(&chunk);
            }
        }
    }
}
