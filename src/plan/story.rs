//! The story of a failed plan as text.
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
//! The first line alone says what was wrong, for those who see no more of it. All times of one column are of one kind: how
//! long the steps took, and when something happened, counted from the beginning. The headings of last lines are the names
//! of the files that have the rest.

use std::fmt;
use std::time::Duration;

use super::error::{PlanProblem, PlanStory};
use super::journal::{Journal, JournalEvent};
use crate::machine::{Name, Signal};

/// How much of the text of a step is shown, in characters.
const WIDEST: usize = 120;

/// Of how many processes more is told than their names: enough to see what they have in common.
const MOST_PROCESSES: usize = 8;

pub(super) fn write(f: &mut fmt::Formatter<'_>, story: &PlanStory) -> fmt::Result {
    let PlanStory { plan, problem, step, steps, journal, tails: _, survivors, directory } = story;
    write!(f, "plan {plan} {}", if directory.is_some() { "failed" } else { "cannot work" })?;
    match step {
        Some(step) if *step > steps.len() && directory.is_some() => write!(f, " behind its last step")?,
        Some(step) => write!(f, " at step {step}")?,
        None => {}
    }
    if let Some(after) = failed_after(journal) {
        write!(f, " after {}", Span(after))?;
    }
    // What somebody else has to say may have lines of its own.
    write!(f, ": {}", problem.to_string().replace('\n', "\n      "))?;
    write_steps(f, story)?;
    if let PlanProblem::TimedOut { progress, .. } = problem {
        progress.iter().try_for_each(|progress| write!(f, "\n  {progress}"))?;
    }
    write_processes(f, story)?;
    if let Some(survivors) = survivors {
        write!(f, "\n  {survivors}")?;
    }
    match directory {
        Some(directory) => write!(f, "\n  logs, journal and timeline.svg: {}", directory.display()),
        None => Ok(()),
    }
}

/// The script, with a mark at the step that failed, and how long each has taken.
fn write_steps(f: &mut fmt::Formatter<'_>, story: &PlanStory) -> fmt::Result {
    let times = times(&story.journal, story.steps.len());
    let has_run = times.iter().any(Option::is_some);
    for (i, (text, time)) in story.steps.iter().zip(times).enumerate() {
        let mark = if Some(i + 1) == story.step { '>' } else { ' ' };
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

/// What became of those that the problem is about, and what they said last.
fn write_processes(f: &mut fmt::Formatter<'_>, story: &PlanStory) -> fmt::Result {
    let about = story.problem.processes();
    for process in about.iter().take(MOST_PROCESSES) {
        let Some(life) = life(&story.journal, process) else { continue };
        write!(f, "\n  {process}{life}")?;
        let mut is_silent = true;
        for (_, stream, lines) in story.tails.iter().filter(|(name, _, _)| name == process) {
            is_silent = false;
            write!(f, "\n  {process}.{stream} ends with:")?;
            lines.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
        }
        if is_silent {
            write!(f, "; it printed nothing")?;
        }
    }
    match about.len().saturating_sub(MOST_PROCESSES) {
        0 => Ok(()),
        more => write!(f, "\n  … and {more} more"),
    }
}

/// What happened to a process up to the failure: `, pid 4711: started at 3.8ms, TERM at 1.20s, still running`. `None` if it
/// was not started.
fn life(journal: &Journal, who: &Name) -> Option<String> {
    let is_failure = |happened: &JournalEvent| matches!(happened, JournalEvent::Failed { .. });
    let mut last_pid = None;
    let mut events = Vec::new();
    let mut is_up = false;
    for entry in journal.entries().iter().take_while(|entry| !is_failure(&entry.happened)) {
        let at = Span(entry.at);
        match &entry.happened {
            JournalEvent::Started { process, pid } if process == who => {
                last_pid = Some(*pid);
                is_up = true;
                events.push(format!("started at {at}"));
            }
            // CONT comes with every stop, and would explain nothing.
            JournalEvent::Signalled { process, signal }
                if process == who && is_up && *signal != Signal::CONT =>
            {
                events.push(format!("{signal} at {at}"));
            }
            JournalEvent::Crashed { process } if process == who => {
                events.push(format!("killed on purpose at {at}"))
            }
            JournalEvent::Exited { process, exit } if process == who => {
                is_up = false;
                events.push(format!("ended with {exit} at {at}"));
            }
            JournalEvent::Started { .. }
            | JournalEvent::Signalled { .. }
            | JournalEvent::Crashed { .. }
            | JournalEvent::Exited { .. }
            | JournalEvent::StepBegan { .. }
            | JournalEvent::StepEnded { .. }
            | JournalEvent::NotStarted { .. }
            | JournalEvent::OutputMatch { .. }
            | JournalEvent::Given { .. }
            | JournalEvent::Gone { .. }
            | JournalEvent::Failed { .. } => {}
        }
    }
    if is_up {
        events.push("still running".to_owned());
    }
    last_pid.map(|pid| format!(", pid {pid}: {}", events.join(", ")))
}

fn failed_after(journal: &Journal) -> Option<Duration> {
    let failure =
        journal.entries().iter().find(|entry| matches!(entry.happened, JournalEvent::Failed { .. }));
    failure.map(|entry| entry.at)
}

/// How long each step took; the one that failed, until then. `None` if it did not begin.
fn times(journal: &Journal, steps: usize) -> Vec<Option<Duration>> {
    let mut began = vec![None; steps];
    let mut took = vec![None; steps];
    for entry in journal.entries() {
        match entry.happened {
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
            | JournalEvent::OutputMatch { .. }
            | JournalEvent::Given { .. }
            | JournalEvent::Exited { .. }
            | JournalEvent::Gone { .. }
            | JournalEvent::Crashed { .. } => {}
        }
    }
    took
}

/// A duration for people, with two digits or three: `4.2ms`, `312ms`, `1.25s`.
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
