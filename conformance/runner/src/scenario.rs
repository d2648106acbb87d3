//! Scenarios: files of TOML that describe a situation.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::Error;
use crate::facts::{Expectation, Fact};

/// The longest time that one step may take, in seconds.
const LONGEST_WATCH: f64 = 60.0;

/// The largest number of processes.
const MOST_PROCESSES: u32 = 100;

/// A situation in which supervisors are compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Scenario {
    /// The name of its file, without the extension.
    #[serde(skip)]
    pub name: String,
    /// A few words.
    pub title: String,
    /// The part of the table.
    pub section: Section,
    /// The question that it answers.
    pub question: String,
    /// Whether the test suite runs it, with childminder.
    #[serde(default)]
    pub fast: bool,
    /// Whether childminder must find a process outside the process group, which its portable back end cannot.
    #[serde(default)]
    pub beyond_group: bool,
    /// The child as a shell script, which has the functions `log EVENT` and `pause`.
    pub script: Option<String>,
    /// A program to run instead of a script.
    pub program: Option<String>,
    /// Whether the script may delete its own program, `$PROGRAM`.
    #[serde(default)]
    pub deletable: bool,
    /// The number of programs that do the same.
    #[serde(default = "one")]
    pub processes: u32,
    /// The steps, one after the other.
    pub steps: Vec<Step>,
    /// The facts for the table.
    pub report: Vec<Fact>,
    /// A remark on the measured row.
    pub note: Option<String>,
    /// The facts that childminder must show.
    pub childminder: Expectation,
}

/// A part of the table, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Section {
    /// Restarts of programs.
    Restarts,
    /// Stops of programs.
    Stops,
    /// Other processes that could be left behind.
    Losses,
}

/// One step of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Step {
    /// Waits until there were this many starts.
    Starts(u32),
    /// Waits until this many TERM signals were received.
    Terms(u32),
    /// Observes for this many seconds.
    Watch(f64),
    /// Stops the program by the supervisor's own command, and waits until the command returns.
    Stop,
    /// Stops the program, and goes on at once.
    StopInBackground,
    /// Starts the program by the supervisor's own command.
    Start,
    /// Asks the supervisor to end, and waits until it has.
    Shutdown,
    /// Sends KILL to the supervisor.
    KillSupervisor,
    /// Sets the supervisor's wall clock back by this many seconds.
    SetClockBack(f64),
}

impl Scenario {
    /// Whether it needs a wall clock that can be changed for one program.
    pub fn sets_clock(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::SetClockBack(_)))
    }

    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not valid, has an unknown key, or a value that makes no sense.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = |source| Error::File { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(file)?;
        let read = toml::from_str(&text);
        let mut scenario: Self =
            read.map_err(|source| Error::Scenario { path: path.to_owned(), source: Box::new(source) })?;
        scenario.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match scenario.problem() {
            Some((key, problem)) => Err(Error::Value { path: path.to_owned(), key, problem }),
            None => Ok(scenario),
        }
    }

    fn problem(&self) -> Option<(&'static str, String)> {
        if self.script.is_some() == self.program.is_some() {
            return Some(("script", "or `program` is required, and not both".to_owned()));
        }
        if !(1..=MOST_PROCESSES).contains(&self.processes) {
            return Some(("processes", format!("is {}, not 1 to {MOST_PROCESSES}", self.processes)));
        }
        if self.report.is_empty() {
            return Some(("report", "names no fact".to_owned()));
        }
        if self.steps.is_empty() {
            return Some(("steps", "has no step".to_owned()));
        }
        if [&self.title, &self.question].iter().any(|text| text.contains(['|', '\n'])) {
            return Some((
                "title",
                "and `question` are cells of a table, without `|` and line breaks".to_owned(),
            ));
        }
        self.steps.iter().find_map(|step| match step {
            Step::Watch(seconds) if !(0.0..=LONGEST_WATCH).contains(seconds) => {
                Some(("steps", format!("has a `watch` of {seconds} s, not 0 to {LONGEST_WATCH}")))
            }
            _ => None,
        })
    }
}

fn one() -> u32 {
    1
}

/// Reads all scenarios of a folder, in the order of the table.
///
/// # Errors
///
/// If the folder or one of its scenarios cannot be read.
pub fn scenarios(folder: &Path) -> Result<Vec<Scenario>, Error> {
    let file = |source| Error::File { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(file)? {
        let path = entry.map_err(file)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut scenarios: Vec<Scenario> =
        paths.iter().map(|path| Scenario::read(path)).collect::<Result<_, _>>()?;
    scenarios.sort_by_key(|scenario| scenario.section);
    Ok(scenarios)
}

/// Returns the scenarios with these names, or all if there are no names.
///
/// # Errors
///
/// If there is no scenario of a name.
pub fn select(all: Vec<Scenario>, names: &[String]) -> Result<Vec<Scenario>, Error> {
    let unknown = names.iter().find(|name| all.iter().all(|scenario| scenario.name != **name));
    if let Some(name) = unknown {
        let known = all.into_iter().map(|scenario| scenario.name).collect();
        return Err(Error::UnknownScenario { name: name.clone(), known });
    }
    Ok(all.into_iter().filter(|it| names.is_empty() || names.contains(&it.name)).collect())
}
