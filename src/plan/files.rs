//! The directory of one run, with what its processes have printed (PL-6, PL-7).
//!
//! A log is made when there is first something to write into it: most processes of most plans print nothing to one of
//! their streams, and nobody looks at the logs of a plan that went well. Those that are missing are made when the
//! directory is kept.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::PlanProblem;
use super::journal::Journal;
use super::planned::ProcessRef;
use crate::machine::{Name, Stream};
use crate::output::Line;

/// Where the directories are made; the system's for temporary files if it is not set.
const PLACE: &str = "CHILDMINDER_PLAN_DIR";

/// Keeps the directories of plans that went well, too, unless it is empty or `0`.
const KEEP: &str = "CHILDMINDER_KEEP";

/// How much of a log is looked at for its last lines.
const TAIL_BYTES: u64 = 64 * 1024;

/// The files of a run. Dropped before its end, they stay.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    processes: Vec<Name>,
    /// Of each process, in the order of [`Stream::BOTH`].
    logs: Vec<[Option<File>; 2]>,
}

impl Files {
    /// A new directory, for the logs of these processes.
    pub(super) fn create(plan: &str, processes: Vec<Name>) -> Result<Self, PlanProblem> {
        let said = env::var_os(PLACE).filter(|place| !place.is_empty());
        let said_by = if said.is_some() { format!(", where {PLACE} says") } else { String::new() };
        let refused = |error| system(format!("cannot make a directory for the logs{said_by}"), error);
        let place = said.map_or_else(env::temp_dir, PathBuf::from);
        let directory = tempfile::Builder::new()
            .prefix(&format!("childminder-{plan}-"))
            // What a program prints may be nobody else's business.
            .permissions(Permissions::from_mode(0o700))
            // An absolute one, as it is told to somebody who may be elsewhere.
            .tempdir_in(place)
            .map_err(refused)?
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
    ) -> Result<(), PlanProblem> {
        let path = self.path(process.index(), stream);
        let failed = |error| system(format!("cannot write {}", path.display()), error);
        let log = match &mut self.logs[process.index()][stream as usize] {
            Some(log) => log,
            missing => missing.insert(create(&path).map_err(failed)?),
        };
        log.write_all(bytes).map_err(failed)
    }

    /// The last lines of each stream of a process that has any, as they can be shown.
    pub(super) fn tails(&self, process: usize, lines: usize) -> impl Iterator<Item = (Stream, Vec<String>)> {
        let tail = move |stream| (stream, last_lines(&self.path(process, stream), lines).unwrap_or_default());
        Stream::BOTH.into_iter().map(tail).filter(|(_, lines)| !lines.is_empty())
    }

    /// Keeps the directory, with everything in it that there is to know of the run.
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

    /// Deletes the directory, unless it is to be kept in any case. Returns it if it is still there.
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

    /// What goes wrong here is no reason to hide how the plan went.
    fn try_to(&self, path: PathBuf, action: impl FnOnce(&Path) -> io::Result<()>) {
        if let Err(error) = action(&path) {
            log::warn!("the files of a plan: {}: {error}", path.display());
        }
    }
}

/// A log of this run only: nobody else has made it (PL-6).
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

fn system(what: String, error: io::Error) -> PlanProblem {
    PlanProblem::System { what, error: Arc::new(error) }
}
