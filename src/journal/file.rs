//! The settings of a journal that is recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::queue::Queue;
use super::recorder::{self, Setup};
use super::segments::{self, Segments};
use super::{JournalError, JournalProblem};
use crate::monitor::MonitorBuilder;

/// The default of [`JournalFile::max_size`].
const MAX_SIZE: u64 = 64 << 20;

/// The default of [`JournalFile::max_entries`].
const MAX_ENTRIES: u64 = 1_000_000;

/// A file in which a monitor records its [journal](super), for
/// [`MonitorBuilder::journal`](crate::MonitorBuilder::journal).
///
/// The journal has one or two files: the current one, and beside it, with `.1` appended to its name, the
/// segment before. When the current one has reached half of the maximum, it takes the place of the other, and
/// a new one begins with a checkpoint of the whole state. A file that is there when a recording begins
/// becomes the segment before in the same way, so the journal of a monitor that was killed is still there
/// after the next start. Files are created for the eyes of their owner only, because command lines and output
/// may be private.
///
/// ```
/// use childminder::ProcessMonitor;
/// use childminder::journal::JournalFile;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("web.journal");
/// let file = JournalFile::new(path).max_size(1 << 20);
/// let builder = ProcessMonitor::builder().journal(file)?;
/// # drop(builder);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalFile {
    path: PathBuf,
    max_size: u64,
    max_entries: u64,
}

impl JournalFile {
    /// Creates the settings of a journal at `path`. The file is created when a monitor is built.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), max_size: MAX_SIZE, max_entries: MAX_ENTRIES }
    }

    /// Sets the maximum size of both files together, in bytes. Each of them is at least four times as large
    /// as its checkpoint nevertheless, so that most of what is written are entries. Default: 64 MiB.
    #[must_use]
    pub fn max_size(self, bytes: u64) -> Self {
        Self { max_size: bytes, ..self }
    }

    /// Sets the maximum number of lines of both files together, at least 128. It is exceeded as long as a
    /// file is less than four times as large as its checkpoint. Default: a million.
    #[must_use]
    pub fn max_entries(self, entries: u64) -> Self {
        Self { max_entries: entries, ..self }
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl MonitorBuilder {
    /// Records the [journal](crate::journal) of the monitor in a file, which is created by this call.
    ///
    /// The monitor never waits for the disk: a thread writes the file. Lines are written at once, or within
    /// 20 ms while there are many. If the disk is full or the file cannot be written, that is logged once as
    /// an error, the processes are supervised as before, and a new attempt is made every second. When it
    /// succeeds, the journal goes on with the number of the missing entries and a checkpoint.
    ///
    /// Lines that wait for the disk have at most 4 MiB of memory; on a disk that is slower than the monitor
    /// entries are lost. While a checkpoint is written it needs memory for a copy of the state and its text,
    /// about two kilobytes for each process.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if the file or the thread cannot be created, or if another monitor records into this
    /// file ([`JournalProblem::InUse`]).
    pub fn journal(self, file: JournalFile) -> Result<Self, JournalError> {
        let located = |problem| JournalError::new(problem).in_file(&file.path);
        let segments = Segments::create(&file.path).map_err(located)?;
        let queue = Arc::new(Queue::new(file.max_size / 2, file.max_entries / 2));
        let started = segments::start(segments, queue.clone());
        started.map_err(|error| located(JournalProblem::Create(Arc::new(error))))?;
        // It is in the header, and nothing is decided by it.
        #[expect(clippy::disallowed_methods, reason = "people want to know when a journal was recorded")]
        let began = SystemTime::now();
        let setup = Setup::new(queue, began);
        Ok(self.record(Box::new(move |begin| recorder::parts(setup, begin))))
    }
}
