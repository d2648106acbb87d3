//! The processes of a file in a monitor: adding, changing, and describing them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::rc::Rc;

use childminder::machine::DependencyError;
use childminder::monitor::{AddError, CommandError};
use childminder::output::FileSinkError;
use childminder::{Name, Policy, ProcessMonitor, Restart, StopError, System};

use super::changes::{Comparison, Programs, Way};
use super::history::History;
use super::log_files::LogFiles;
use super::state::{Conditions, Overview, with_dependencies};
use crate::control::protocol::{Changes, ProcessStatus};
use crate::file::ports::Ports;
use crate::file::problems::Problems;
use crate::file::sockets::Sockets;
use crate::file::{File, Process};
use crate::system::memory;

/// The number of processes that are named in the message about one that does not exist.
const NAMED: usize = 10;

/// The processes of a file that is up.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) monitor: ProcessMonitor,
    pub(crate) history: History,
    log_files: LogFiles,
    system: System,
    state: RefCell<State>,
    /// Whether a reload is under way.
    reloading: Cell<bool>,
}

#[derive(Debug)]
struct State {
    file: File,
    conditions: Rc<Conditions>,
    ports: Ports,
    sockets: Sockets,
    /// The limit on open descriptors that this process had before it raised its own.
    inherited: Option<u64>,
    /// The process whose first exit is awaited.
    once: Option<String>,
}

/// Which processes of the file are started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// These, with everything that they depend on. Empty: all.
    pub(crate) names: Vec<String>,
    /// This one is not restarted, because its first exit is awaited.
    pub(crate) once: Option<String>,
}

impl Stack {
    /// Adds the processes of a file to a monitor, without starting them.
    ///
    /// # Errors
    ///
    /// [`StackError`] with everything that is wrong. The monitor is not used then.
    pub(crate) fn new(
        monitor: ProcessMonitor,
        history: History,
        log_files: LogFiles,
        system: System,
        loaded: Loaded,
    ) -> Result<Self, StackError> {
        let Loaded { file, ports, sockets, inherited, once, processes } = loaded;
        for process in &processes {
            add(&monitor, process)?;
        }
        let conditions = Rc::new(conditions(&processes).collect());
        let state = RefCell::new(State { file, conditions, ports, sockets, inherited, once });
        Ok(Self { monitor, history, log_files, system, state, reloading: Cell::new(false) })
    }

    /// Returns the names of the processes in the order of the file.
    pub(crate) fn names(&self) -> Vec<Name> {
        self.state.borrow().file.names().cloned().collect()
    }

    /// Returns the named processes, or all if none is named.
    ///
    /// # Errors
    ///
    /// The message for a name that no process has.
    pub(crate) fn select(&self, names: &[String]) -> Result<Vec<Name>, String> {
        let known = self.names();
        if names.is_empty() {
            return Ok(known);
        }
        let find = |name: &String| {
            let found = known.iter().find(|known| *known == name.as_str()).cloned();
            found.ok_or_else(|| unknown(name, &known))
        };
        names.iter().map(find).collect()
    }

    /// Returns the states of all processes.
    pub(crate) fn overview(&self) -> Overview {
        let conditions = self.state.borrow().conditions.clone();
        Overview::new(self.monitor.statuses(), conditions, self.monitor.now())
    }

    /// Returns the states of these processes for a client.
    pub(crate) fn statuses(&self, names: &[Name]) -> Vec<ProcessStatus> {
        let (state, now) = (self.state.borrow(), self.monitor.now());
        let statuses: BTreeMap<Name, _> =
            self.monitor.statuses().into_iter().map(|status| (status.name.clone(), status)).collect();
        let of = |name: &Name| Some(ProcessStatus::new(statuses.get(name)?, state.ports.get(name), now));
        names.iter().filter_map(of).collect()
    }

    /// Reads the file again, and applies what has changed unless this is a `dry_run`. Processes with the same
    /// settings are not touched.
    ///
    /// # Errors
    ///
    /// [`StackError`] with everything that is wrong with the new version. Nothing is changed then.
    pub(crate) async fn reload(&self, dry_run: bool) -> Result<Changes, StackError> {
        let _guard = Reloading::begin(&self.reloading)?;
        let (changes, processes, file, ports) = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let file = File::read(&state.file.path)?;
            let comparison = Comparison::new(&state.file.entries, &file.entries);
            let ports = Ports::reserve(&file.entries, &state.ports).map_err(StackError::Ports)?;
            let mut processes =
                file.processes(&ports, &mut state.sockets, &self.system, |name| comparison.touches(name))?;
            limit_open_files(&mut processes, state.inherited);
            run_once(&mut processes, state.once.as_deref());
            let is_touched = |name: &Name| comparison.touches(name);
            let old = state.file.described(&state.ports, is_touched);
            let new = file.described(&ports, is_touched);
            let status = |name: &Name| self.monitor.status(name);
            let changes = comparison.changes(&Programs { old, new }, status);
            if dry_run {
                return Ok(changes);
            }
            self.log_files.open(&processes).map_err(StackError::Log)?;
            (changes, processes, file, ports)
        };
        // If this fails, the next reload finds the same changes and tries them again.
        self.apply(&changes, &processes).await?;
        let mut state = self.state.borrow_mut();
        let mut all = (*state.conditions).clone();
        let is_touched = |name: &Name| {
            changes.removed.iter().any(|removed| *name == removed.as_str())
                || processes.iter().any(|process| process.name == *name)
        };
        all.retain(|name, _| !is_touched(name));
        all.extend(conditions(&processes));
        (state.file, state.ports, state.conditions) = (file, ports, Rc::new(all));
        drop(processes);
        memory::release();
        Ok(changes)
    }

    async fn apply(&self, changes: &Changes, processes: &[Process]) -> Result<(), StackError> {
        // A process may depend on one that comes later in the file, and a dependency may have turned around;
        // so what cannot be applied yet is tried again after the others.
        let mut rest: Vec<&Process> = processes.iter().collect();
        loop {
            let before = rest.len();
            let mut refused = None;
            rest.retain(|process| match self.apply_one(changes, process) {
                Ok(()) => false,
                Err(error) => {
                    refused = Some(error);
                    true
                }
            });
            match refused {
                None => break,
                Some(error) if rest.len() == before => return Err(error),
                Some(_) => {}
            }
        }
        let is_there = |name: &&String| self.monitor.status(name).is_some();
        let removed = changes.removed.iter().filter(is_there);
        let tickets: Vec<_> = removed.map(|name| self.monitor.remove_process(name)).collect();
        for ticket in tickets {
            ticket?.await?;
        }
        for name in &changes.removed {
            self.history.forget(name);
            self.log_files.close(name);
        }
        Ok(())
    }

    fn apply_one(&self, changes: &Changes, process: &Process) -> Result<(), StackError> {
        let Some(change) = changes.changed.iter().find(|change| process.name == change.name.as_str()) else {
            if self.monitor.status(&process.name).is_some() {
                // A reload that failed has added it.
                self.monitor.replace_process(&process.name, process.spec.clone())?;
                return Ok(());
            }
            return add(&self.monitor, process);
        };
        match Way::of(&change.keys) {
            Way::Nothing => {}
            // Also for a process with sockets, whose specs are never equal.
            Way::Policy => {
                let policy = process.spec.get_policy().unwrap_or_default();
                self.monitor.set_policy(&process.name, policy)?;
            }
            Way::Spec => drop(self.monitor.replace_process(&process.name, process.spec.clone())?),
        }
        if change.keys.iter().any(|key| key == "hold") {
            if process.hold {
                drop(self.monitor.hold_process(&process.name)?);
            } else {
                self.monitor.release_process(&process.name)?;
            }
        }
        Ok(())
    }

    /// Explains the state of a process, with the last line of the process that is the cause.
    pub(crate) fn why(&self, name: &Name) -> (String, Option<String>) {
        match self.monitor.why(name) {
            Some(why) => (why.to_string(), self.history.last_line(why.root())),
            None => (format!("{name} is not there"), None),
        }
    }
}

/// The time of a reload, of which there is one at a time.
struct Reloading<'a>(&'a Cell<bool>);

impl<'a> Reloading<'a> {
    fn begin(flag: &'a Cell<bool>) -> Result<Self, StackError> {
        if flag.replace(true) { Err(StackError::Reloading) } else { Ok(Self(flag)) }
    }
}

/// Also if the client that has asked for the reload is gone.
impl Drop for Reloading<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// A file that can be brought up.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) file: File,
    ports: Ports,
    sockets: Sockets,
    inherited: Option<u64>,
    once: Option<String>,
    pub(crate) processes: Vec<Process>,
}

impl Loaded {
    /// Prepares the processes of a file: looks up programs, reserves ports, and opens sockets.
    ///
    /// # Errors
    ///
    /// [`StackError`] with everything that is wrong.
    pub(crate) fn new(
        file: File,
        selection: &Selection,
        system: &System,
        inherited: Option<u64>,
    ) -> Result<Self, StackError> {
        let ports = Ports::reserve(&file.entries, &Ports::default()).map_err(StackError::Ports)?;
        let mut sockets = Sockets::default();
        let mut processes = file.processes(&ports, &mut sockets, system, |_| true)?;
        let known: Vec<Name> = file.names().cloned().collect();
        let mut wanted = Vec::new();
        for name in selection.names.iter().chain(&selection.once) {
            match known.iter().find(|known| *known == name.as_str()) {
                Some(name) => wanted.push(name.clone()),
                None => return Err(StackError::Unknown(unknown(name, &known))),
            }
        }
        if !selection.names.is_empty() {
            let after = |process: &Process| {
                let on = process.spec.get_after().iter().map(|dependency| dependency.on.clone()).collect();
                (process.name.clone(), on)
            };
            let wanted = with_dependencies(&wanted, &processes.iter().map(after).collect());
            for process in &mut processes {
                process.hold |= !wanted.contains(&process.name);
            }
        }
        let once = selection.once.clone();
        run_once(&mut processes, once.as_deref());
        limit_open_files(&mut processes, inherited);
        Ok(Self { file, ports, sockets, inherited, once, processes })
    }
}

/// Returns the conditions under which processes are ready, for those that have one.
fn conditions(processes: &[Process]) -> impl Iterator<Item = (Name, String)> {
    processes.iter().filter_map(|process| Some((process.name.clone(), process.spec.get_ready()?.to_string())))
}

/// Starts the process whose first exit is awaited, and does not restart it.
fn run_once(processes: &mut [Process], once: Option<&str>) {
    for process in processes.iter_mut().filter(|process| once.is_some_and(|once| process.name == once)) {
        let policy = process.spec.get_policy().unwrap_or_default();
        process.spec = process.spec.clone().policy(Policy { restart: Restart::Never, ..policy });
        process.hold = false;
    }
}

/// Gives the programs the limit on open descriptors that this process had, unless they have their own.
fn limit_open_files(processes: &mut [Process], inherited: Option<u64>) {
    let Some(inherited) = inherited else { return };
    for process in processes.iter_mut().filter(|process| process.spec.get_open_files().is_none()) {
        process.spec = process.spec.clone().open_files(inherited);
    }
}

fn unknown(name: &str, known: &[Name]) -> String {
    let message = format!("there is no process `{name}` in the file");
    if let Some(meant) = crate::file::suggest(name, known.iter().map(Name::as_str)) {
        return format!("{message}; did you mean `{meant}`?");
    }
    let names: Vec<&str> = known.iter().map(Name::as_str).take(NAMED).collect();
    let more = if known.len() > names.len() { ", …" } else { "" };
    format!("{message}; it has {}{more}", names.join(", "))
}

/// Adds a process, which is started if the service runs.
fn add(monitor: &ProcessMonitor, process: &Process) -> Result<(), StackError> {
    monitor.add_process(&process.name, process.spec.clone())?;
    if process.hold {
        // It has no run yet, or one that has just begun.
        drop(monitor.hold_process(&process.name)?);
    }
    Ok(())
}

/// The error for a file that cannot be brought up or reloaded.
#[derive(Debug)]
pub(crate) enum StackError {
    /// The file is not valid.
    File(Problems),
    /// There is no such process.
    Unknown(String),
    /// No port could be reserved.
    Ports(io::Error),
    /// A log file cannot be used.
    Log(FileSinkError),
    /// A process was not added.
    Add(AddError),
    /// A process was not changed.
    Command(CommandError),
    /// The processes cannot be started in any order.
    Dependency(DependencyError),
    /// Another reload is under way.
    Reloading,
    /// A process outlived its removal.
    Survived(StopError),
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(problems) => problems.fmt(f),
            Self::Unknown(message) => f.write_str(message),
            Self::Ports(error) => write!(f, "cannot reserve a port: {error}"),
            Self::Log(error) => error.fmt(f),
            Self::Add(error) => error.fmt(f),
            Self::Command(error) => error.fmt(f),
            Self::Dependency(error) => error.fmt(f),
            Self::Reloading => f.write_str("another reload is under way; try again when it is done"),
            Self::Survived(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StackError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::Unknown(_) | Self::Reloading => None,
            Self::Ports(error) => Some(error),
            Self::Log(error) => Some(error),
            Self::Add(error) => Some(error),
            Self::Command(error) => Some(error),
            Self::Dependency(error) => Some(error),
            Self::Survived(error) => Some(error),
        }
    }
}

impl From<Problems> for StackError {
    fn from(problems: Problems) -> Self {
        Self::File(problems)
    }
}

impl From<AddError> for StackError {
    fn from(error: AddError) -> Self {
        Self::Add(error)
    }
}

impl From<CommandError> for StackError {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl From<DependencyError> for StackError {
    fn from(error: DependencyError) -> Self {
        Self::Dependency(error)
    }
}

impl From<StopError> for StackError {
    fn from(error: StopError) -> Self {
        Self::Survived(error)
    }
}
