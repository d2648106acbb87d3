//! `childminder rehearse --explore`: every order of starts, exits and probe results of the processes of a
//! file, and what is wrong with the file.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use childminder::testkit::explore::{Explored, Explorer, Finding, FindingKind, Reach, ReplayError, Survey};
use serde_json::{Value, json};

use super::rehearse::definition;
use crate::args::{Explore, Rehearse};
use crate::file::ports::Ports;
use crate::file::setting::{Entry, Probe, Setting};
use crate::file::{File, read_text};
use crate::values::duration;

/// The error for a built-in check that does not hold.
const BUG: &str = "a decision of childminder itself is wrong, please report this";

/// There is a finding.
const FOUND: u8 = 1;

/// The maximum number of processes of an exploration.
const MOST: usize = 200;

/// Explores a file, or runs scenarios again. Returns the exit status.
pub(crate) fn explore(args: &Rehearse) -> ExitCode {
    let file = match crate::read_file(args.file.as_deref()) {
        Ok(file) => file,
        Err(code) => return code,
    };
    if file.entries.len() > MOST {
        let error = format_args!("{}: more than {MOST} processes cannot be explored", file.path.display());
        return crate::report_error(crate::USAGE, &error);
    }
    let seed = args.seed.unwrap_or_default();
    let (args, is_json) = (&args.exploration, args.json);
    let explorer = explorer(&file, args);
    let report = match &args.replay_scenario {
        Some(path) => match replay(&explorer, path) {
            Ok(findings) => Report { file: &file, findings, explored: None, args },
            Err(error) => return crate::report_error(crate::USAGE, &error),
        },
        None => {
            let reach = Reach { states: args.states, walks: args.walks, seed, ..Reach::default() };
            match explorer.findings(&reach) {
                Ok(Survey { findings, explored, .. }) => {
                    Report { file: &file, findings, explored: Some(explored), args }
                }
                Err(bug) => return crate::report_error(crate::FAILED, &format_args!("{BUG}: {bug}")),
            }
        }
    };
    let text = if is_json { format!("{:#}\n", report.json()) } else { report.text() };
    let code = crate::print(&text, "the report");
    if report.findings.is_empty() { code } else { ExitCode::from(FOUND) }
}

/// Returns an explorer of the processes of a file.
fn explorer(file: &File, args: &Explore) -> Explorer {
    let mut explorer = Explorer::new().depth(args.depth).stop_limit(args.stop_limit);
    for process in file.described(&Ports::assumed(&file.entries), |_| true) {
        let name = process.name.as_str();
        // `File::read` has reported a spec that is not valid.
        let Some(definition) = definition(&process) else { continue };
        explorer = explorer.process(process.name.clone(), definition);
        if process.hold {
            explorer = explorer.held(name);
        }
        if process.spec.get_alive().is_none() && process.spec.get_watchdog().is_none() {
            explorer = explorer.without_health_check(name);
        }
        let entry = file.entries.iter().find(|entry| entry.name == process.name);
        if let Some(Setting::Condition(probe)) = entry.and_then(|entry| Some(&entry.get("ready")?.value))
            && by_any_process(probe, false)
        {
            explorer = explorer.ready_by_any_process(name);
        }
    }
    explorer
}

/// Whether other processes alone can meet a condition; `is_any` inside of `by-any-process`.
fn by_any_process(probe: &Probe, is_any: bool) -> bool {
    match probe {
        Probe::Port(_) | Probe::Http { .. } | Probe::Unix(_) | Probe::Exec(_) => is_any,
        Probe::Output { .. } | Probe::Notify(_) | Probe::SdNotify | Probe::Uptime(_) => false,
        Probe::All(all) => {
            // The time passes by itself.
            let mut others = all.iter().filter(|probe| !matches!(probe, Probe::Uptime(_))).peekable();
            others.peek().is_some() && others.all(|probe| by_any_process(probe, is_any))
        }
        Probe::Any(any) => any.iter().any(|probe| by_any_process(probe, is_any)),
        Probe::ByAnyProcess(probe) => by_any_process(probe, true),
    }
}

/// Runs scenarios from a file again, or returns the message of the error.
fn replay(explorer: &Explorer, path: &Path) -> Result<Vec<Finding>, String> {
    let (path, text) = read_text(path).map_err(|problems| problems.to_string())?;
    explorer.review(&text).map_err(|error| match error {
        ReplayError::Found(bug) => format!("{BUG}: {bug}"),
        error => format!("{}: {error}", path.display()),
    })
}

/// The result, for people and as JSON. The text is a scenario that can be run again: what is not a step is a
/// comment.
struct Report<'a> {
    file: &'a File,
    findings: Vec<Finding>,
    /// Without it, a scenario was run again.
    explored: Option<Explored>,
    args: &'a Explore,
}

impl Report<'_> {
    fn text(&self) -> String {
        let mut text = format!("# {}: ", self.file.path.display());
        let count = self.findings.len();
        let found = match count {
            0 => "no findings".to_owned(),
            1 => "1 finding".to_owned(),
            _ => format!("{count} findings"),
        };
        // Writing into memory does not fail.
        let _ = match &self.explored {
            Some(explored) => writeln!(
                text,
                "{found} in {} states\n# every order of up to {} events{}, and {} random walks beyond that",
                explored.states,
                explored.full_depth,
                if explored.is_complete { ", which are all that there are" } else { "" },
                self.args.walks,
            ),
            None => writeln!(text, "{found} after these steps"),
        };
        for finding in &self.findings {
            let _ = writeln!(text, "\n{finding}\n# try: {}", self.advice(finding));
        }
        text
    }

    fn json(&self) -> Value {
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "kind": finding.kind().name(),
                    "processes": finding.processes().iter().map(|name| name.as_str()).collect::<Vec<_>>(),
                    "line": self.line(finding),
                    "message": finding.text(),
                    "advice": self.advice(finding),
                    "steps": finding.steps(),
                })
            })
            .collect();
        let explored = self.explored.map(|explored| {
            json!({
                "states": explored.states,
                "depth": explored.full_depth,
                "complete": explored.is_complete,
                "walks": self.args.walks,
            })
        });
        json!({ "file": self.file.path.to_string_lossy(), "explored": explored, "findings": findings })
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.file.entries.iter().find(|entry| *entry.name == *name)
    }

    fn line(&self, finding: &Finding) -> Option<usize> {
        let entry = self.entry(finding.processes().first()?)?;
        Some(self.file.line_of(&entry.span))
    }

    /// Returns what to change in the file.
    fn advice(&self, finding: &Finding) -> String {
        let name = finding.processes().first().map_or("", |name| name.as_str());
        let on = finding.on().map_or(name, |name| name.as_str());
        match finding.kind() {
            FindingKind::NeverReady
                if self.entry(on).is_some_and(|entry| entry.flag("hold") == Some(true)) =>
            {
                format!("remove `hold` from `{on}`, or hold `{name}` too")
            }
            FindingKind::NeverReady => format!(
                "set `restart` of `{on}` to \"always\" if it is to stay up, or to \"on-failure\" if it is to complete"
            ),
            FindingKind::GivenUp => format!(
                "add `on-end = \"restart\"` to the dependency on `{on}`, so that its end is no failure of `{name}`, \
                 or set `on-give-up` of `{name}` to \"stop-all\""
            ),
            FindingKind::RestartsForever => format!(
                "set a longer `threshold`, a longer `min-restart-delay` or a `give-up` that is reached for `{name}`"
            ),
            FindingKind::LongStop => format!(
                "set shorter `kill-time`s, or a longer limit for what surrounds childminder and --stop-limit: \
                 Kubernetes kills after 30s (terminationGracePeriodSeconds), systemd after 1m 30s (TimeoutStopSec), \
                 `docker stop` after 10s; the limit was {}",
                duration::text(self.args.stop_limit)
            ),
            FindingKind::StaleReadiness => {
                format!(
                    "remove `by-any-process` from the `ready` of `{on}`, or add a condition that only its own run can meet"
                )
            }
            _ => "see the guide".to_owned(),
        }
    }
}
