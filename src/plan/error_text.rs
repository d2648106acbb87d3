//! The report of a failed plan as text.
//!
//! ```text
//! plan shop failed at step 3 after 1.20s: server ended with code 3, and this step does not expect it to end
//!      1   4.0ms  spawn server: /usr/bin/shop-server
//!      2    85ms  wait until server: port 4242
//!   >  3   1.11s  wait for client: code 0
//!      4          kill server with TERM: code 0
//!   server, pid 4711: started at 3.8ms, ended with code 3 at 1.20s
//!   server.stderr ends with:
//!     panic: out of stock
//!   logs, journal and timeline.svg: /tmp/childminder-shop-Xy12
//! ```
//!
//! The first line alone says what was wrong, for tools that show only one. The column of the script has
//! durations; all other times are counted from the beginning of the run. The headings of output are the names
//! of the log files.

use std::fmt;
use std::time::Duration;

use super::error::{PlanError, PlanErrorKind};
use crate::machine::{Name, Signal};
use crate::plan::journal::{Journal, JournalEvent};

/// The longest part of the text of a step that is shown, in characters.
const WIDEST: usize = 120;

/// The number of processes that are described; of the others only the number is given.
const MOST_PROCESSES: usize = 8;

/// Writes the whole report, which has several lines. The first line alone says what was wrong.
impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_headline(f, self)?;
        write_steps(f, self)?;
        if let PlanErrorKind::TimedOut { progress, .. } = self.kind() {
            progress.iter().try_for_each(|progress| write!(f, "\n  {progress}"))?;
        }
        write_processes(f, self)?;
        if let Some(survivors) = self.survivors() {
            write!(f, "\n  {survivors}")?;
        }
        match self.directory() {
            Some(directory) => write!(f, "\n  logs, journal and timeline.svg: {}", directory.display()),
            None => Ok(()),
        }
    }
}

fn write_headline(f: &mut fmt::Formatter<'_>, error: &PlanError) -> fmt::Result {
    let has_run = error.directory().is_some();
    let verdict = match error.kind() {
        _ if has_run => "failed",
        PlanErrorKind::System { .. } => "cannot run",
        _ => "is invalid",
    };
    // An invalid name may contain control characters.
    write!(f, "plan {} {verdict}", error.plan().escape_debug())?;
    let after_last_step = has_run && error.step().is_some_and(|step| step > error.steps().len());
    match error.step() {
        Some(_) if after_last_step => write!(f, " after its last step")?,
        Some(step) => write!(f, " at step {step}")?,
        None => {}
    }
    if let Some(at) = failure_time(error.journal()) {
        write!(f, "{} {}", if after_last_step { ", at" } else { " after" }, Span(at))?;
    }
    // The error of a called function may have several lines.
    write!(f, ": {}", error.kind().to_string().replace('\n', "\n      "))
}

/// Writes the script, with a mark at the failed step, and the duration of each step.
fn write_steps(f: &mut fmt::Formatter<'_>, error: &PlanError) -> fmt::Result {
    let times = durations(error.journal(), error.steps().len());
    let has_run = times.iter().any(Option::is_some);
    for (i, (text, time)) in error.steps().iter().zip(times).enumerate() {
        let mark = if Some(i + 1) == error.step() { '>' } else { ' ' };
        write!(f, "\n  {mark}{:>3}  ", i + 1)?;
        if has_run {
            let time = time.map(|time| Span(time).to_string()).unwrap_or_default();
            write!(f, "{time:>6}  ")?;
        }
        match text.char_indices().nth(WIDEST) {
            Some((end, _)) => write!(f, "{}…", &text[..end])?,
            None => write!(f, "{text}")?,
        }
    }
    Ok(())
}

/// Writes what happened to the processes in question, and their last lines of output.
fn write_processes(f: &mut fmt::Formatter<'_>, error: &PlanError) -> fmt::Result {
    for process in error.processes().iter().take(MOST_PROCESSES) {
        let Some(history) = history(error.journal(), process) else { continue };
        write!(f, "\n  {process}{history}")?;
        let mut is_silent = true;
        for tail in error.tails().iter().filter(|tail| tail.process == *process) {
            is_silent = false;
            write!(f, "\n  {process}.{} ends with:", tail.stream)?;
            tail.lines.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
        }
        if is_silent {
            write!(f, "; it printed nothing")?;
        }
    }
    match error.processes().len().saturating_sub(MOST_PROCESSES) {
        0 => Ok(()),
        more => write!(f, "\n  … and {more} more"),
    }
}

/// Returns what happened to a process up to the failure, such as
/// `, pid 4711: started at 3.8ms, TERM at 1.20s, still running`. It is `None` if the process was not started.
fn history(journal: &Journal, name: &Name) -> Option<String> {
    let is_failure = |event: &JournalEvent| matches!(event, JournalEvent::Failed { .. });
    let mut last_pid = None;
    let mut events = Vec::new();
    let mut is_up = false;
    let mut current_step = 0;
    for entry in journal.entries().iter().take_while(|entry| !is_failure(&entry.event)) {
        let at = Span(entry.at);
        match &entry.event {
            JournalEvent::StepBegan { step } => current_step = *step,
            JournalEvent::Started { process, pid } if process == name => {
                last_pid = Some(*pid);
                is_up = true;
                events.push(format!("started at {at}"));
            }
            // CONT accompanies every stop and explains nothing.
            JournalEvent::Signalled { process, signal }
                if process == name && is_up && *signal != Signal::CONT =>
            {
                events.push(format!("{signal} at {at}"));
            }
            JournalEvent::InputLost { process, .. } if process == name => {
                events.push(format!("did not get the input of step {current_step}"));
            }
            JournalEvent::Crashed { process, point } if process == name => {
                events.push(format!("killed on purpose at {point}, at {at}"));
            }
            JournalEvent::Exited { process, exit } if process == name => {
                is_up = false;
                events.push(format!("ended with {exit} at {at}"));
            }
            JournalEvent::Started { .. }
            | JournalEvent::Signalled { .. }
            | JournalEvent::InputLost { .. }
            | JournalEvent::Crashed { .. }
            | JournalEvent::Exited { .. }
            | JournalEvent::StepEnded { .. }
            | JournalEvent::NotStarted { .. }
            | JournalEvent::Printed { .. }
            | JournalEvent::InputSent { .. }
            | JournalEvent::Gone { .. }
            | JournalEvent::Failed { .. } => {}
        }
    }
    if is_up {
        events.push("still running".to_owned());
    }
    last_pid.map(|pid| format!(", pid {pid}: {}", events.join(", ")))
}

fn failure_time(journal: &Journal) -> Option<Duration> {
    let failure = journal.entries().iter().find(|entry| matches!(entry.event, JournalEvent::Failed { .. }));
    failure.map(|entry| entry.at)
}

/// Returns the duration of each step; of the failed step, until the failure. It is `None` for a step that did
/// not begin.
fn durations(journal: &Journal, steps: usize) -> Vec<Option<Duration>> {
    let mut began = vec![None; steps];
    let mut took = vec![None; steps];
    for entry in journal.entries() {
        match entry.event {
            JournalEvent::StepBegan { step } => began[step - 1] = Some(entry.at),
            JournalEvent::StepEnded { step } => {
                took[step - 1] = began[step - 1].map(|began| entry.at - began)
            }
            JournalEvent::Failed { step, .. } if step <= steps => {
                took[step - 1] = began[step - 1].map(|began| entry.at - began);
            }
            JournalEvent::Failed { .. }
            | JournalEvent::Started { .. }
            | JournalEvent::NotStarted { .. }
            | JournalEvent::Signalled { .. }
            | JournalEvent::Printed { .. }
            | JournalEvent::InputSent { .. }
            | JournalEvent::InputLost { .. }
            | JournalEvent::Exited { .. }
            | JournalEvent::Gone { .. }
            | JournalEvent::Crashed { .. } => {}
        }
    }
    took
}

/// A duration with two or three significant digits: `4.2ms`, `312ms`, `1.25s`.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_micros() {
            0..1_000 => write!(f, "{:.0?}", self.0),
            1_000..10_000 => write!(f, "{:.1?}", self.0),
            10_000..1_000_000 => write!(f, "{:.0?}", self.0),
            _ => write!(f, "{:.2?}", self.0),
        }
    }
}
