//! The document with the measured table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::Error;
use crate::scenario::Scenario;
use crate::supervisors::{Availability, supervisors};

const TITLE: &str = "\
# How supervisors behave

<!-- `cargo run -p conformance -- --write` writes this file; do not edit it. -->

The same situations, measured with childminder and other supervisors. Each scenario is a file of [`conformance`](../conformance): the script of a real child, and what is done to its supervisor. The
children log their own starts and signals, and a census of `/proc` finds what is left, by a variable in the environment. Every supervisor has its own defaults; many of the differences are
settings that it could have.
";

const SUPERVISORS: &str =
    "\n## The supervisors\n\n| supervisor | version | how it is run and controlled |\n| --- | --- | --- |\n";

const TABLE: &str = "
## The measurements

Times are seconds, with a resolution of about 0.02 s; that of a start counts from the first start, that of a stop from the moment before its command is run, so it contains the time that the
command itself takes. \"Nothing left\" counts the program with everything that it has started.

";

const NOTES: &str = "\n## What the rows show\n\n";

const AGAIN: &str = "
## Measuring again

```sh
cargo build --workspace
cargo run -p conformance -- --write                 # everything, in 4 minutes
cargo run -p conformance -- crash-loop --timeline   # one scenario, with all events
```

This needs Linux. The supervisors are searched in `PATH`. On Debian `apt-get install s6 runit faketime` and `pip install twisted supervisor circus` install most of them; one that is missing
is skipped, as process-compose was here: its driver follows its documentation, and has not run yet. The test suite runs the short
scenarios with childminder, and compares them with what their files expect.
";

const MEASURED: &str = "Measured on ";
const HEAD: &str = "| scenario |";
const SKIPPED: &str = "not measured: ";

/// A measured supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its settings, as a sentence fragment.
    pub settings: String,
    /// Its version, or why it was not measured.
    pub availability: Availability,
}

impl Peer {
    /// Creates a peer.
    pub fn new(name: &str, settings: &str, availability: Availability) -> Self {
        Self { name: name.to_owned(), settings: settings.to_owned(), availability }
    }
}

/// Everything that was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// The day, such as `2026-01-31`.
    pub date: String,
    /// The machine.
    pub machine: String,
    /// The supervisors, in the order of the columns.
    pub peers: Vec<Peer>,
    /// The text of each cell, by the names of its scenario and of its supervisor.
    pub cells: BTreeMap<(String, String), String>,
}

impl Document {
    /// Creates a document without measurements.
    pub fn new(date: String, machine: String, peers: Vec<Peer>) -> Self {
        Self { date, machine, peers, cells: BTreeMap::new() }
    }

    /// Replaces the settings of the supervisors by those that they have now.
    pub fn describe(&mut self) {
        for supervisor in supervisors() {
            if let Some(peer) = self.peers.iter_mut().find(|peer| peer.name == supervisor.name()) {
                supervisor.settings().clone_into(&mut peer.settings);
            }
        }
    }

    /// Returns the document as Markdown.
    pub fn render(&self, scenarios: &[Scenario]) -> String {
        let mut text = TITLE.to_owned();
        let mut line = |line: String| {
            // Writing into memory does not fail.
            let _ = writeln!(text, "{line}");
        };
        line(format!("\n{MEASURED}{}, on {}.", self.date, self.machine));
        line(SUPERVISORS.trim_end().to_owned());
        for peer in &self.peers {
            let version = match &peer.availability {
                Availability::Installed(version) => version.clone(),
                Availability::Missing(reason) => format!("{SKIPPED}{reason}"),
            };
            line(format!("| {} | {version} | {} |", peer.name, peer.settings));
        }
        line(TABLE.trim_end().to_owned());
        let names = self.peers.iter().map(|peer| format!(" {} |", peer.name));
        line(format!("\n{HEAD}{}", names.collect::<String>()));
        line(format!("| --- |{}", " --- |".repeat(self.peers.len())));
        for scenario in scenarios {
            let Scenario { name, title, question, .. } = scenario;
            let cells = self.peers.iter().map(|peer| {
                let cell = self.cells.get(&(name.clone(), peer.name.clone()));
                format!(" {} |", cell.map_or("skipped", String::as_str))
            });
            let cells: String = cells.collect();
            line(format!("| [{title}](../conformance/{name}.toml). {question} |{cells}"));
        }
        line(NOTES.trim_end().to_owned());
        line(String::new());
        for scenario in scenarios {
            if let Some(note) = &scenario.note {
                line(format!("- **{}**: {}", scenario.title, note.trim()));
            }
        }
        text + AGAIN
    }

    /// Reads the measurements of a document back.
    ///
    /// # Errors
    ///
    /// If the document has not the parts that [`Document::render`] writes.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let missing = |what: &str| Error::Document {
            line: text.lines().count(),
            problem: format!("there is no {what} up to here"),
        };
        let measured = text.lines().find_map(|line| line.strip_prefix(MEASURED)?.strip_suffix('.'));
        let (date, machine) =
            measured.and_then(|line| line.split_once(", on ")).ok_or_else(|| missing("date"))?;
        let mut document = Self::new(date.to_owned(), machine.to_owned(), Vec::new());
        let mut is_in_table = false;
        for (index, line) in text.lines().enumerate() {
            let Some(row) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
                continue;
            };
            let cells: Vec<&str> = row.split(" | ").collect();
            is_in_table |= line.starts_with(HEAD);
            if line.starts_with("| --- ") || line.starts_with(HEAD) || line.starts_with("| supervisor |") {
                continue;
            }
            let problem = |problem: &str| Error::Document { line: index + 1, problem: problem.to_owned() };
            if is_in_table {
                let name =
                    cells[0].split_once("](../conformance/").and_then(|(_, rest)| rest.split_once(".toml)"));
                let (name, _) = name.ok_or_else(|| problem("the row has no link to a scenario"))?;
                if cells.len() != document.peers.len() + 1 {
                    return Err(problem("the row has not one cell for each supervisor"));
                }
                for (peer, cell) in document.peers.iter().zip(&cells[1..]) {
                    document.cells.insert((name.to_owned(), peer.name.clone()), (*cell).to_owned());
                }
            } else {
                let [name, version, settings] = cells[..] else {
                    return Err(problem("a supervisor has a name, a version and settings"));
                };
                let availability = match version.strip_prefix(SKIPPED) {
                    Some(reason) => Availability::Missing(reason.to_owned()),
                    None => Availability::Installed(version.to_owned()),
                };
                document.peers.push(Peer::new(name, settings, availability));
            }
        }
        if document.cells.is_empty() {
            return Err(missing("table"));
        }
        Ok(document)
    }
}
