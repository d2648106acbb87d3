//! The directory of a run, with the output of its processes.
//!
//! A log file is created when there is first something to write to it: most processes leave one of their
//! streams empty, and the directory of a run that passed is deleted anyway. Missing files are created when
//! the directory is kept.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::PlanErrorKind;
use super::process::ProcessRef;
use crate::machine::{Name, Stream};
use crate::output::Line;
use crate::plan::journal::Journal;

/// The environment variable with the parent of the directories. Default: the system's directory for temporary
/// files.
const PARENT: &str = "CHILDMINDER_PLAN_DIR";

/// The environment variable that keeps the directories of runs that passed, unless it is empty or `0`.
const KEEP: &str = "CHILDMINDER_KEEP";

/// The length of the end of a log file in which its last lines are searched.
const TAIL_BYTES: u64 = 64 * 1024;

/// The files of a run. They stay until they are discarded.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    processes: Vec<Name>,
    /// The log files of each process, indexed by stream.
    logs: Vec<[Option<File>; 2]>,
}

impl Files {
    /// Creates a directory for the logs of these processes.
    pub(super) fn create(plan: &str, processes: Vec<Name>) -> Result<Self, PlanErrorKind> {
        let parent = env::var_os(PARENT).filter(|parent| !parent.is_empty()).map(PathBuf::from);
        let what = match &parent {
            Some(parent) => {
                format!("cannot create the log directory in `{}`, which {PARENT} names", parent.display())
            }
            None => "cannot create the log directory".to_owned(),
        };
        let parent = parent.unwrap_or_else(env::temp_dir);
        let directory = tempfile::Builder::new()
            .prefix(&format!("childminder-{plan}-"))
            // Output may be confidential.
            .permissions(Permissions::from_mode(0o700))
            // An absolute path, since the reader of the error may be in another directory.
            .tempdir_in(parent)
            .map_err(|error| system(what, error))?
            .keep();
        let logs = processes.iter().map(|_| [None, None]).collect();
        Ok(Self { directory, processes, logs })
    }

    /// Appends to the log of a stream.
    pub(super) fn write(
        &mut self,
        process: ProcessRef,
        stream: Stream,
        bytes: &[u8],
    ) -> Result<(), PlanErrorKind> {
        let path = self.path(process.index(), stream);
        let failed = |error| system(format!("cannot write to `{}`", path.display()), error);
        let log = match &mut self.logs[process.index()][stream as usize] {
            Some(log) => log,
            missing => missing.insert(create(&path).map_err(failed)?),
        };
        log.write_all(bytes).map_err(failed)
    }

    /// Returns the last lines of each stream of a process that has any, as printable text.
    pub(super) fn tails(&self, process: usize, lines: usize) -> impl Iterator<Item = (Stream, Vec<String>)> {
        let tail = move |stream| (stream, last_lines(&self.path(process, stream), lines).unwrap_or_default());
        Stream::BOTH.into_iter().map(tail).filter(|(_, lines)| !lines.is_empty())
    }

    /// Keeps the directory, and adds the journal and the picture to it.
    pub(super) fn keep(&self, journal: &Journal) -> &Path {
        for process in 0..self.processes.len() {
            for stream in Stream::BOTH {
                if self.logs[process][stream as usize].is_none() {
                    self.try_to(self.path(process, stream), |path| create(path).map(drop));
                }
            }
        }
        self.try_to(self.directory.join("journal.jsonl"), |path| fs::write(path, journal.to_jsonl()));
        self.try_to(self.directory.join("timeline.svg"), |path| fs::write(path, journal.timeline_svg()));
        &self.directory
    }

    /// Deletes the directory, unless the environment asks for it. Returns its path if it is kept.
    pub(super) fn discard(&self, journal: &Journal) -> Option<PathBuf> {
        let keep = env::var_os(KEEP).is_some_and(|keep| !keep.is_empty() && keep != OsStr::new("0"));
        if keep {
            return Some(self.keep(journal).to_owned());
        }
        self.try_to(self.directory.clone(), |path| fs::remove_dir_all(path));
        None
    }

    fn path(&self, process: usize, stream: Stream) -> PathBuf {
        self.directory.join(format!("{}.{stream}", self.processes[process]))
    }

    /// Logs the error of an action: it must not replace the result of the plan.
    fn try_to(&self, path: PathBuf, action: impl FnOnce(&Path) -> io::Result<()>) {
        if let Err(error) = action(&path) {
            log::warn!("cannot keep or delete `{}` of a plan: {error}", path.display());
        }
    }
}

/// Creates a log file, which must not exist.
fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

fn last_lines(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let end = end.strip_suffix(b"\n").unwrap_or(&end);
    if end.is_empty() {
        return Ok(Vec::new());
    }
    let text = |line: &[u8]| {
        let bytes = line.strip_suffix(b"\r").unwrap_or(line);
        Line::new(bytes).text().into_owned()
    };
    let mut last: Vec<String> = end.rsplit(|b| *b == b'\n').take(lines).map(text).collect();
    last.reverse();
    Ok(last)
}

fn system(what: String, error: io::Error) -> PlanErrorKind {
    PlanErrorKind::System { what, error: Arc::new(error) }
}
