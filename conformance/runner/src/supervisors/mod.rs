//! The supervisors that are compared, each with its own defaults.

mod childminder;
mod circus;
mod process_compose;
mod runit;
mod s6;
mod supervisord;
mod twisted;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

/// A request to a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Stop the program, and wait until it is down if the supervisor can wait.
    Stop,
    /// Start the program again.
    Start,
    /// Report the state of the program.
    State,
}

/// One run of a scenario, as its supervisor must know it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// An empty directory for the configuration.
    pub dir: PathBuf,
    /// The names of the programs.
    pub names: Vec<String>,
    /// The program that all of them run, with its arguments.
    pub argv: Vec<String>,
    /// The process id of the supervisor, once it runs.
    pub pid: Option<u32>,
}

/// The programs of the supervisors that are installed, by name.
#[derive(Clone, Debug, Default)]
pub struct Tools(BTreeMap<&'static str, PathBuf>);

/// Whether a supervisor can be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It is installed, in this version.
    Installed(String),
    /// It is not, for this reason.
    Missing(String),
}

/// A supervisor.
pub trait Supervisor: fmt::Debug + Sync {
    /// Returns its name.
    fn name(&self) -> &'static str;

    /// Returns the programs that it needs, first the supervisor itself.
    fn programs(&self) -> &'static [&'static str];

    /// Returns in which settings it differs from its defaults, and how it is controlled.
    fn settings(&self) -> &'static str;

    /// Returns the command that prints the version, as its last word.
    fn version(&self, tools: &Tools) -> Command {
        let mut command = tools.command(self.programs()[0]);
        command.arg("--version");
        command
    }

    /// Writes its configuration, and returns the command that runs it in the foreground.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    fn prepare(&self, tools: &Tools, setup: &Setup) -> io::Result<Command>;

    /// Returns the command for a request about the first program, or `None` if it has none.
    fn control(&self, tools: &Tools, setup: &Setup, request: Request) -> Option<Command>;

    /// Returns the state in what the command for it has printed.
    fn state(&self, printed: &str) -> Option<String>;

    /// Returns a text that it logs exactly once for each start that fails.
    fn failed_start(&self) -> &'static str;

    /// Whether its command for a stop can wait until the program is down.
    fn can_wait(&self) -> bool {
        true
    }

    /// Returns the signal that makes it stop everything and exit.
    fn shutdown_signal(&self) -> Signal {
        Signal::TERM
    }
}

/// Returns all supervisors, in the order of the table.
pub fn supervisors() -> [&'static dyn Supervisor; 7] {
    [
        &childminder::Childminder,
        &twisted::Twisted,
        &supervisord::Supervisord,
        &circus::Circus,
        &s6::S6,
        &runit::Runit,
        &process_compose::ProcessCompose,
    ]
}

impl Tools {
    /// Searches `PATH` for the programs of all supervisors.
    ///
    /// The program `childminder` is the given one.
    pub fn find(childminder: PathBuf) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_program = |path: &PathBuf| {
            fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let find = |name: &str| std::env::split_paths(&path).map(|dir| dir.join(name)).find(is_program);
        let programs = supervisors().into_iter().flat_map(|supervisor| supervisor.programs());
        let mut tools: BTreeMap<_, _> =
            programs.filter_map(|program| Some((*program, find(program)?))).collect();
        tools.remove(childminder::PROGRAM);
        // It is run in other directories than this one.
        if let Some(path) = std::path::absolute(childminder).ok().filter(is_program) {
            tools.insert(childminder::PROGRAM, path);
        }
        Self(tools)
    }

    /// Returns a command that runs this program.
    pub fn command(&self, program: &str) -> Command {
        Command::new(self.0.get(program).map_or_else(|| Path::new(program), PathBuf::as_path))
    }

    /// Returns whether the supervisor is installed.
    pub fn availability(&self, supervisor: &dyn Supervisor) -> Availability {
        let missing = supervisor.programs().iter().find(|program| !self.0.contains_key(*program));
        if let Some(program) = missing {
            return Availability::Missing(format!("`{program}` is not installed"));
        }
        let output = supervisor.version(self).output();
        let text =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let version = text.lines().next().and_then(|line| line.split_whitespace().last());
        Availability::Installed(version.unwrap_or("unknown").to_owned())
    }
}

impl Setup {
    /// Returns the path of a file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns the program with its arguments in one line, for a shell or a configuration that splits like
    /// one. No word of it needs quotes.
    fn line(&self) -> String {
        self.argv.join(" ")
    }

    /// Writes a directory for each program whose file `run` executes it, as s6 and runit want it, and returns
    /// their parent.
    fn service_directories(&self) -> io::Result<PathBuf> {
        let parent = self.path("service");
        for name in &self.names {
            let run = parent.join(name).join("run");
            fs::create_dir_all(parent.join(name))?;
            fs::write(&run, format!("#!/bin/sh\nexec {}\n", self.line()))?;
            fs::set_permissions(&run, fs::Permissions::from_mode(0o755))?;
        }
        Ok(parent)
    }
}

/// Returns the command that prints the version of a Debian package.
fn package_version(package: &str) -> Command {
    let mut command = Command::new("dpkg-query");
    command.args(["--show", "--showformat", "${Version}", package]);
    command
}

/// Returns a word of the first line of a text.
fn word(text: &str, index: usize) -> Option<String> {
    text.lines().next()?.split_whitespace().nth(index).map(|word| word.trim_end_matches(':').to_owned())
}
