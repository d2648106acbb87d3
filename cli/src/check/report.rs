//! The report of a check, for people and as JSON.

use std::fmt::Write;

use childminder::backoff::Wait;
use serde_json::{Value, json};

use super::finding::{Finding, Findings, Level};
use super::schedule;
use crate::file::problems::Problems;
use crate::file::setting::Entry;
use crate::file::{File, Process};
use crate::values::duration;

/// The result of a check.
pub(super) struct Report<'a> {
    pub(super) file: &'a File,
    pub(super) processes: &'a [Process],
    /// The programs and so on that are missing on this machine.
    pub(super) problems: &'a Problems,
    pub(super) findings: &'a Findings<'a>,
}

impl Report<'_> {
    /// Whether `childminder up` would refuse the file, or a process can never work.
    pub(super) fn has_errors(&self) -> bool {
        !self.problems.is_empty() || self.count(Level::Error) > 0
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    fn of<'a>(&'a self, process: &'a Process) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(|finding| finding.process == process.name)
    }

    /// Returns the report for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.file.path.display());
        for (entry, process) in self.file.entries.iter().zip(self.processes) {
            let policy = process.spec.get_policy().unwrap_or_default();
            let mut line = |label: &str, value: String| {
                let _ = writeln!(text, "  {label:<9} {value}");
            };
            line("", String::new());
            line("process", process.name.to_string());
            line("restarts", schedule::restarts_text(&policy));
            line("delays", schedule::delays_text(&policy));
            let longest = schedule::longest_until_given_up(entry, &policy);
            let longest =
                longest.map_or_else(String::new, |time| format!(", at the latest after {}", latest(time)));
            line("gives up", format!("{}{longest}", schedule::give_up_text(&policy)));
            line("stops", stops(entry, process));
            for finding in self.of(process) {
                line(&finding.level.to_string(), format!("line {}: {}", finding.line, finding.message));
            }
        }
        let (errors, warnings) =
            (self.count(Level::Error) + self.problems.iter().count(), self.count(Level::Warning));
        let plural =
            |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let _ = writeln!(
            text,
            "\n{}: {}, {}",
            plural_of_processes(self.processes.len()),
            plural(errors, "error"),
            plural(warnings, "warning")
        );
        // The padding of an empty line.
        text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// Returns the report as one object.
    pub(super) fn json(&self) -> Value {
        let processes = self.file.entries.iter().zip(self.processes).map(|(entry, process)| {
            let policy = process.spec.get_policy().unwrap_or_default();
            let (delays, goes_on) = schedule::delays(&policy);
            let longest = schedule::longest_until_given_up(entry, &policy);
            let give_up = policy.give_up.map(|give_up| {
                json!({
                    "failures": give_up.failures,
                    "within": give_up.within.map(|within| within.as_secs_f64()),
                    "longest": longest.map(interval),
                })
            });
            let findings: Vec<Value> = self
                .of(process)
                .map(|finding| {
                    json!({
                        "kind": finding.kind.name(),
                        "level": finding.level.to_string(),
                        "line": finding.line,
                        "message": finding.message,
                    })
                })
                .collect();
            json!({
                "name": process.name.as_str(),
                "restart": policy.restart.to_string(),
                "delays": delays.into_iter().map(interval).collect::<Vec<_>>(),
                "more_delays": goes_on,
                "give_up": give_up,
                "kill_time": policy.kill_time.as_secs_f64(),
                "findings": findings,
            })
        });
        json!({
            "file": self.file.path.to_string_lossy(),
            "errors": errors(self.problems),
            "processes": processes.collect::<Vec<_>>(),
        })
    }
}

/// Returns the report about a file that is not valid, as one object.
pub(super) fn invalid(problems: &Problems) -> String {
    let file = problems.path().to_string_lossy();
    let report = json!({ "file": file, "errors": errors(problems), "processes": [] });
    format!("{report:#}\n")
}

fn errors(problems: &Problems) -> Vec<Value> {
    problems.iter().map(|(line, message)| json!({ "line": line, "message": message })).collect()
}

fn interval(wait: Wait) -> Value {
    json!({ "min": wait.min.as_secs_f64(), "max": wait.max.as_secs_f64() })
}

fn latest(time: Wait) -> String {
    duration::text(time.max)
}

fn stops(entry: &Entry, process: &Process) -> String {
    let policy = process.spec.get_policy().unwrap_or_default();
    let how = match entry.texts("stop-command") {
        Some(words) => format!("`{}`", shell_words::join(words)),
        None => process.spec.get_stop_signal().to_string(),
    };
    format!("{how}, KILL after {}", duration::text(policy.kill_time))
}

fn plural_of_processes(count: usize) -> String {
    if count == 1 { "1 process".to_owned() } else { format!("{count} processes") }
}
