//! The log files of processes (`log = { file = … }`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use childminder::output::{Batch, FileSink, FileSinkError, Rotation};
use childminder::{Name, Sink};

use crate::file::Process;
use crate::file::setting::Log;

/// The log files by their processes. Clones are the same files, so that a reload can replace them.
#[derive(Clone, Default)]
pub(crate) struct LogFiles(Arc<Mutex<BTreeMap<Name, (Log, FileSink)>>>);

impl LogFiles {
    /// Opens the log files of these processes, and closes those of the same processes that have none any
    /// more. A file whose settings are the same stays open.
    ///
    /// # Errors
    ///
    /// The first file that cannot be opened.
    pub(crate) fn open(&self, processes: &[Process]) -> Result<(), FileSinkError> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for process in processes {
            match &process.log {
                Some(log) if files.get(&process.name).is_some_and(|(open, _)| open == log) => {}
                Some(log) => {
                    files.insert(process.name.clone(), (log.clone(), open(log)?));
                }
                None => drop(files.remove(&process.name)),
            }
        }
        Ok(())
    }

    /// Returns the numbers of lines that are missing in the files.
    pub(crate) fn lost(&self) -> BTreeMap<Name, u64> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().map(|(name, (_, file))| (name.clone(), file.health().lost())).collect()
    }

    /// Closes the file of a process that was removed.
    pub(crate) fn close(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// Opens a file, whose lines have no prefix, since all are of one process.
fn open(log: &Log) -> Result<FileSink, FileSinkError> {
    let mut rotation = Rotation::default();
    if let Some(size) = log.max_size {
        rotation = rotation.max_size(size);
    }
    if let Some(keep) = log.keep {
        rotation = rotation.keep(keep);
    }
    let sink = FileSink::open(&log.file, rotation)?;
    Ok(sink.format(|batch, out| {
        for line in batch.lines() {
            line.push_text(out);
            out.push(b'\n');
        }
    }))
}

impl Sink for LogFiles {
    fn lines(&mut self, batch: &Batch<'_>) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = files.get_mut(batch.name()) {
            file.lines(batch);
        }
    }

    fn flush(&mut self) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.values_mut().for_each(|(_, file)| file.flush());
    }
}

impl fmt::Debug for LogFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFiles").finish_non_exhaustive()
    }
}
