//! The story of a failed plan as text.
//!
//! ```text
//! plan shop failed at step 3 after 1.2s: server ended with code 3, and this step does not expect it to end
//!      1  spawn server: /usr/bin/shop-server           4ms
//!      2  wait until server: port 4242                 85ms
//!   >  3  wait for client: code 0                      1.1s
//!      4  kill server with TERM: code 0
//!   server's last lines:
//!     panic: out of stock
//!   logs: /tmp/childminder-shop-Xy12
//! ```

use std::fmt;
use std::time::Duration;

use super::error::{PlanProblem, PlanStory};
use super::journal::{Happened, Journal};

/// How wide the texts of the steps may make the column of times.
const WIDEST: usize = 72;

pub(super) fn write(f: &mut fmt::Formatter<'_>, story: &PlanStory) -> fmt::Result {
    let PlanStory { plan, problem, step, steps, journal, tails, survivors, directory } = story;
    write!(f, "plan {plan} {}", if directory.is_some() { "failed" } else { "cannot work" })?;
    match step {
        Some(step) if *step > steps.len() => write!(f, " behind its last step")?,
        Some(step) => write!(f, " at step {step}")?,
        None => {}
    }
    if let Some(after) = failed_after(journal) {
        write!(f, " after {}", Span(after))?;
    }
    write!(f, ": {problem}")?;
    write_steps(f, story)?;
    if let PlanProblem::TimedOut { progress, .. } = problem {
        progress.iter().try_for_each(|progress| write!(f, "\n  {progress}"))?;
    }
    for (name, tail) in tails {
        if tail.is_empty() {
            write!(f, "\n  {name} has printed nothing")?;
            continue;
        }
        write!(f, "\n  {name}'s last lines:")?;
        tail.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
    }
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
    let width = story.steps.iter().map(|text| text.chars().count()).max().unwrap_or(0).min(WIDEST);
    for (i, (text, time)) in story.steps.iter().zip(times).enumerate() {
        let mark = if Some(i + 1) == story.step { '>' } else { ' ' };
        write!(f, "\n  {mark}{:>3}  ", i + 1)?;
        match time {
            Some(time) => write!(f, "{text:width$}  {}", Span(time))?,
            None => write!(f, "{text}")?,
        }
    }
    Ok(())
}

fn failed_after(journal: &Journal) -> Option<Duration> {
    let failure = journal.entries().iter().find(|entry| matches!(entry.happened, Happened::Failed { .. }));
    failure.map(|entry| entry.at)
}

/// How long each step took; the one that failed, until then. `None` if it did not begin.
fn times(journal: &Journal, steps: usize) -> Vec<Option<Duration>> {
    let mut began = vec![None; steps];
    let mut took = vec![None; steps];
    for entry in journal.entries() {
        match entry.happened {
            Happened::StepBegan { step } => began[step - 1] = Some(entry.at),
            Happened::StepEnded { step } => took[step - 1] = began[step - 1].map(|began| entry.at - began),
            Happened::Failed { step, .. } if step <= steps => {
                took[step - 1] = began[step - 1].map(|began| entry.at - began);
            }
            Happened::Failed { .. }
            | Happened::Started { .. }
            | Happened::NotStarted { .. }
            | Happened::Signalled { .. }
            | Happened::Printed { .. }
            | Happened::Given { .. }
            | Happened::Exited { .. }
            | Happened::Gone { .. }
            | Happened::Crashed { .. } => {}
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
