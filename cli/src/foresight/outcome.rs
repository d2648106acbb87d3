//! The result of a rehearsal, for people and as JSON.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use childminder::machine::Output;
use childminder::testkit::rehearse::{Clock, ProcessReport, Rehearsal};
use childminder::{Name, Notice};
use serde_json::{Value, json};

use super::rehearsed::MAX_INPUTS;
use super::replay::count;
use crate::file::File;
use crate::values::duration;

/// A rehearsal, and where it comes from.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) file: &'a File,
    pub(super) scenario: Option<&'a Path>,
    /// The journal of which the runs are used.
    pub(super) from_journal: Option<&'a Path>,
    /// The processes of that journal that are not in the file, with the numbers of their runs.
    pub(super) unused: Vec<(&'a Name, u64)>,
    /// Whether it is kept as a journal, and ends early with that.
    pub(super) is_limited: bool,
    pub(super) seed: u64,
    pub(super) assumptions: &'a [String],
    /// The notices that an operator would have seen.
    pub(super) log: Option<&'a str>,
    pub(super) rehearsal: &'a Rehearsal,
}

const HEADS: [&str; 7] = ["NAME", "STATE", "RESTARTS", "FAILURES", "DOWN", "LONGEST OUTAGE", "LONGEST STOP"];

impl Outcome<'_> {
    /// Returns the result for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{}\n{} in virtual time, seed {}",
            self.file.path.display(),
            duration::text(self.rehearsal.length()),
            self.seed
        );
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        let scenario = match self.scenario {
            Some(path) => format!("scenario {}", path.display()),
            None => "without a scenario".to_owned(),
        };
        let runs = self.from_journal.map_or_else(String::new, |path| format!(", runs of {}", path.display()));
        line(&format!(", {scenario}{runs}; it is assumed that"));
        self.assumptions.iter().for_each(|assumption| line(&format!("  {assumption}")));
        if !self.unused.is_empty() {
            let unused =
                self.unused.iter().map(|(name, runs)| format!("{name} with {}", count(*runs, "run")));
            line(&format!("not in the file: {}", unused.collect::<Vec<_>>().join(", ")));
        }
        if let Some(log) = self.log {
            line("");
            text.push_str(log);
        }
        text.push('\n');
        text.push_str(&table(self.rehearsal.processes()));
        self.rest(&mut text);
        text
    }

    /// Adds what is not in the table.
    fn rest(&self, text: &mut String) {
        let rehearsal = self.rehearsal;
        let mut lines = Vec::new();
        for process in rehearsal.processes() {
            for given_up in &process.given_up {
                let at = Clock(given_up.at);
                lines
                    .push(format!("{at} {} {}; at last it {}", process.name, given_up.notice, given_up.last));
            }
        }
        for (at, reason) in rehearsal.refused() {
            lines.push(format!("{} a command was refused: {reason}", Clock(*at)));
        }
        if let Some(stop) = rehearsal.stop_time() {
            lines.push(format!("everything stops within {}", duration::text(rounded(stop))));
        }
        if let Some(at) = rehearsal.cut() {
            let reason = match self.is_limited && rehearsal.inputs() >= MAX_INPUTS {
                true => "the journal of a rehearsal has no more; a shorter --for or longer delays have fewer",
                false => "a program dies and is restarted without a delay",
            };
            let events = rehearsal.inputs();
            lines.push(format!("ended early, at {}, after {events} events: {reason}", Clock(at)));
        }
        text.push('\n');
        for line in lines {
            // Writing into memory does not fail.
            let _ = writeln!(text, "{line}");
        }
    }

    /// Returns the result as one object.
    pub(super) fn json(&self) -> Value {
        let rehearsal = self.rehearsal;
        let processes = rehearsal.processes().iter().map(|process| {
            let given_up = process.given_up.iter().map(|given_up| {
                json!({ "at": seconds(given_up.at), "notice": given_up.notice, "last_failure": given_up.last })
            });
            json!({
                "name": process.name.as_str(),
                "state": process.phase.to_string(),
                "starts": process.starts,
                "restarts": process.restarts,
                "failures": process.failures,
                "kills": process.kills,
                "first_ready": process.first_ready.map(seconds),
                "downtime": seconds(process.downtime),
                "outages": process.outages,
                "longest_outage": seconds(process.longest_outage),
                "longest_outage_at": process.longest_outage_at.map(seconds),
                "longest_stop": process.longest_stop.map(seconds),
                "given_up": given_up.collect::<Vec<_>>(),
            })
        });
        let refused = rehearsal.refused().iter();
        let refused = refused.map(|(at, reason)| json!({ "at": seconds(*at), "reason": reason }));
        json!({
            "file": self.file.path.to_string_lossy(),
            "scenario": self.scenario.map(|path| path.to_string_lossy()),
            "from_journal": self.from_journal.map(|path| path.to_string_lossy()),
            "not_in_file": self.unused.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            "length": seconds(rehearsal.length()),
            "seed": self.seed,
            "assumptions": self.assumptions,
            "processes": processes.collect::<Vec<_>>(),
            "refused": refused.collect::<Vec<_>>(),
            "stop_time": rehearsal.stop_time().map(seconds),
            "ended_early_at": rehearsal.cut().map(seconds),
            "log": self.log.map(|log| log.lines().collect::<Vec<_>>()),
        })
    }
}

/// Returns the notice, if an output is one.
pub(super) fn notice(output: &Output<()>) -> Option<&Notice> {
    match output {
        Output::Notice(notice) => Some(notice),
        _ => None,
    }
}

fn table(processes: &[ProcessReport]) -> String {
    let row = |process: &ProcessReport| -> [String; 7] {
        let outage = match process.longest_outage_at {
            Some(at) => format!("{} at {}", duration::text(rounded(process.longest_outage)), Clock(at)),
            None => "none".to_owned(),
        };
        [
            process.name.to_string(),
            process.phase.to_string(),
            process.restarts.to_string(),
            process.failures.to_string(),
            duration::text(rounded(process.downtime)),
            outage,
            process.longest_stop.map_or_else(String::new, |stop| duration::text(rounded(stop))),
        ]
    };
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(processes.iter().map(row));
    aligned(&rows)
}

/// Returns the rows of a table as lines with columns.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Returns a duration that people can read: in milliseconds, and from a minute on in seconds.
pub(super) fn rounded(duration: Duration) -> Duration {
    let unit = if duration < Duration::from_secs(60) { 1_000_000 } else { 1_000_000_000 };
    let units = (duration.as_nanos() + unit / 2) / unit;
    Duration::from_nanos(u64::try_from(units * unit).unwrap_or(u64::MAX))
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
