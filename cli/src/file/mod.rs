//! Files that describe processes: `childminder.toml`, or a `Procfile` with `.env`.
//!
//! ```text
//! locate ─► document (TOML) ─┐
//!           procfile ────────┴─► entries ─► graph, ports ─► processes with specs
//! ```
//!
//! * `keys` lists the keys with their kinds; `reader`, `structures` and `conditions` read values by kind.
//! * `setting` has the values, still separate; `ports` fills in placeholders; `process`, `policy` and
//!   `probes` combine them.
//! * Every problem goes into one list, which `problems` shows with lines and markers.

mod changed;
mod conditions;
mod document;
mod dotenv;
mod graph;
mod keys;
mod locate;
mod policy;
pub(crate) mod ports;
mod probes;
pub(crate) mod problems;
mod process;
mod procfile;
pub(crate) mod reader;
pub(crate) mod schema;
pub(crate) mod setting;
pub(crate) mod sockets;
mod structures;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use childminder::{Name, Restart, System};

pub(crate) use changed::changed_policies;
pub(crate) use keys::{PRESETS, suggest};
pub(crate) use locate::{NotFound, find};
pub(crate) use policy::{KEYS_OF_RESTARTS, is_policy_key, preset};
pub(crate) use process::Process;
pub(crate) use structures::RESOURCES;

use self::ports::Ports;
use self::problems::{Problem, Problems};
use self::setting::Entry;
use self::sockets::Sockets;

/// Whether a process may have this key.
pub(crate) fn is_key(name: &str) -> bool {
    keys::find(name).is_some()
}

/// Reads a text file. Returns its absolute path as well.
///
/// # Errors
///
/// The [`Problems`] of a file that cannot be read, or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<(PathBuf, String), Problems> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = fs::read(&path)
        .map_err(|error| Problems::of_file(&path, format!("cannot read this file: {error}")))?;
    let text = String::from_utf8(text)
        .map_err(|error| Problems::of_file(&path, format!("this file is not UTF-8: {error}")))?;
    Ok((path, text))
}

/// The error returned if there is no file to work with.
#[derive(Debug)]
pub(crate) enum FileError {
    NotFound(NotFound),
    Invalid(Problems),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(error) => error.fmt(f),
            Self::Invalid(problems) => problems.fmt(f),
        }
    }
}

/// A file that was read, with its processes in order.
#[derive(Debug)]
pub(crate) struct File {
    /// The absolute path.
    pub(crate) path: PathBuf,
    text: String,
    pub(crate) entries: Vec<Entry>,
}

impl File {
    /// Finds the file, the one that is `named` or the nearest one, and [reads](Self::read) it.
    ///
    /// # Errors
    ///
    /// [`FileError`] if there is none, or with all its problems.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self, FileError> {
        let path = find(named).map_err(FileError::NotFound)?;
        Self::read(&path).map_err(FileError::Invalid)
    }

    /// Reads a file and checks everything that does not depend on the machine.
    ///
    /// # Errors
    ///
    /// All [`Problems`] of the file.
    pub(crate) fn read(path: &Path) -> Result<Self, Problems> {
        let (path, text) = read_text(path)?;
        let dir = path.parent().unwrap_or_else(|| Path::new("/")).to_owned();
        let mut problems = Vec::new();
        let entries = if locate::is_procfile(&path) {
            procfile::parse(&text, &dir, &mut problems)
        } else {
            document::parse(&text, &dir, &mut problems)
        };
        graph::check(&entries, &mut problems);
        ports::check_variables(&entries, &mut problems);
        let file = Self { path, text, entries };
        // Everything but sockets and files is checked here, as far as the settings are known, so that no
        // problem hides others. One process at a time: of thousands, the memory would not be returned.
        let ports = Ports::assumed(&file.entries);
        let mut never_complete = BTreeSet::new();
        for entry in file.entries.iter().filter(|entry| entry.is_complete) {
            let process = process::build(entry, file.dir(), &ports, None, &mut problems);
            let policy = process.and_then(|process| process.spec.get_policy());
            if policy.is_some_and(|policy| policy.restart == Restart::Always) {
                never_complete.insert(entry.name.as_str());
            }
        }
        graph::check_completion(&file.entries, &never_complete, &mut problems);
        if problems.is_empty() { Ok(file) } else { Err(file.problems(problems)) }
    }

    /// Returns the directory of the file, to which its paths are relative.
    pub(crate) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new("/"))
    }

    /// Returns the wanted processes, ready to be started: the programs are looked up, and sockets are opened.
    ///
    /// # Errors
    ///
    /// All [`Problems`] that the machine has with the file.
    pub(crate) fn processes(
        &self,
        ports: &Ports,
        sockets: &mut Sockets,
        system: &System,
        is_wanted: impl Fn(&Name) -> bool,
    ) -> Result<Vec<Process>, Problems> {
        let mut problems = Vec::new();
        let processes = self.build(ports, Some(sockets), is_wanted, &mut problems);
        for process in &processes {
            let entry = self.entries.iter().find(|entry| entry.name == process.name);
            entry.into_iter().for_each(|entry| process::locate(entry, process, system, &mut problems));
        }
        if problems.is_empty() { Ok(processes) } else { Err(self.problems(problems)) }
    }

    /// Returns the wanted processes as far as the file describes them. Nothing is opened or looked up.
    pub(crate) fn described(&self, ports: &Ports, is_wanted: impl Fn(&Name) -> bool) -> Vec<Process> {
        // `read` has reported the problems.
        self.build(ports, None, is_wanted, &mut Vec::new())
    }

    /// Returns the processes, and what is missing on this machine: programs, directories, accounts. It opens
    /// nothing.
    pub(crate) fn located(&self, system: &System) -> (Vec<Process>, Problems) {
        let processes = self.described(&Ports::assumed(&self.entries), |_| true);
        let mut problems = Vec::new();
        for process in &processes {
            let entry = self.entries.iter().find(|entry| entry.name == process.name);
            entry.into_iter().for_each(|entry| process::locate(entry, process, system, &mut problems));
        }
        (processes, self.problems(problems))
    }

    /// Returns the number of the line of a place, counted from 1.
    pub(crate) fn line_of(&self, span: &Range<usize>) -> usize {
        problems::line_of(&self.text, span)
    }

    /// Returns the names of the processes, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> + Clone {
        self.entries.iter().map(|entry| &entry.name)
    }

    /// Builds the wanted processes. Without `sockets` nothing is opened.
    fn build(
        &self,
        ports: &Ports,
        mut sockets: Option<&mut Sockets>,
        is_wanted: impl Fn(&Name) -> bool,
        problems: &mut Vec<Problem>,
    ) -> Vec<Process> {
        let wanted = self.entries.iter().filter(|entry| is_wanted(&entry.name));
        let build = |entry| process::build(entry, self.dir(), ports, sockets.as_deref_mut(), problems);
        wanted.filter_map(build).collect()
    }

    fn problems(&self, list: Vec<Problem>) -> Problems {
        Problems::new(&self.path, &self.text, list)
    }
}
