//! The journal sorted by step and by process, still in times.
//!
//! A run may be interrupted at any time, so a journal may stop anywhere. Therefore every end is optional, and
//! nothing here relies on the order of entries: an exit without a start is a run of no length, and a start
//! without an exit lasts until the next start or the end of the picture.

use std::time::Duration;

use crate::machine::{Exit, Name, Signal, SpawnError, Stream};
use crate::plan::journal::{Journal, JournalEvent};

/// The content of a picture.
pub(super) struct Chart<'j> {
    pub(super) plan: &'j str,
    pub(super) steps: Vec<Step<'j>>,
    pub(super) lanes: Vec<Lane<'j>>,
    pub(super) failure: Option<Failure<'j>>,
    /// The time of the last event.
    pub(super) length: Duration,
}

pub(super) struct Step<'j> {
    pub(super) number: usize,
    pub(super) text: &'j str,
    pub(super) began: Option<Duration>,
    pub(super) ended: Option<Duration>,
}

/// The events of one process.
pub(super) struct Lane<'j> {
    pub(super) name: &'j Name,
    pub(super) runs: Vec<Run>,
    pub(super) bursts: Vec<Burst>,
    pub(super) marks: Vec<Mark<'j>>,
    /// Whether the run failed because of this process.
    pub(super) has_failed: bool,
}

/// The life of a process from a start to its end.
pub(super) struct Run {
    pub(super) began: Duration,
    pub(super) pid: Option<u32>,
    pub(super) exited: Option<(Duration, Exit)>,
    /// The time when its descendants were gone as well.
    pub(super) gone: Option<Duration>,
}

#[derive(Clone, Copy)]
pub(super) struct Burst {
    pub(super) stream: Stream,
    pub(super) from: Duration,
    pub(super) until: Duration,
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

/// An event that takes no time.
pub(super) struct Mark<'j> {
    pub(super) at: Duration,
    pub(super) kind: Kind<'j>,
}

pub(super) enum Kind<'j> {
    Signal(Signal),
    /// The number of bytes that were sent to its standard input.
    Input(usize),
    /// The number of bytes that were withheld before a crash.
    LostInput(usize),
    /// A kill on purpose, at this crash point.
    Crash(&'j str),
    NotStarted(&'j SpawnError),
}

pub(super) struct Failure<'j> {
    pub(super) at: Duration,
    pub(super) step: usize,
    pub(super) reason: &'j str,
}

impl<'j> Chart<'j> {
    pub(super) fn new(journal: &'j Journal) -> Self {
        let steps = journal.steps().iter().enumerate();
        let mut chart = Self {
            plan: journal.plan(),
            steps: steps.map(|(i, text)| Step { number: i + 1, text, began: None, ended: None }).collect(),
            lanes: journal.processes().iter().map(Lane::new).collect(),
            failure: None,
            length: Duration::ZERO,
        };
        for entry in journal.entries() {
            chart.length = chart.length.max(entry.at);
            chart.note(entry.at, &entry.event);
        }
        chart
    }

    /// Returns whether all steps ended and the run did not fail.
    pub(super) fn has_passed(&self) -> bool {
        self.failure.is_none() && !self.steps.is_empty() && self.steps.iter().all(|step| step.ended.is_some())
    }

    pub(super) fn has_failed_at(&self, step: usize) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.step == step)
    }

    fn note(&mut self, at: Duration, event: &'j JournalEvent) {
        match event {
            JournalEvent::StepBegan { step } => {
                if let Some(step) = self.step(*step) {
                    step.began = Some(at);
                }
            }
            JournalEvent::StepEnded { step } => {
                if let Some(step) = self.step(*step) {
                    step.began.get_or_insert(at);
                    step.ended = Some(at);
                }
            }
            JournalEvent::Started { process, pid } => self.lane(process).runs.push(Run::new(at, Some(*pid))),
            JournalEvent::NotStarted { process, error } => self.mark(process, at, Kind::NotStarted(error)),
            JournalEvent::Signalled { process, signal } => {
                // The KILL of a crash is part of the crash.
                let is_of_crash = *signal == Signal::KILL && self.lane(process).is_crashing();
                if !is_of_crash {
                    self.mark(process, at, Kind::Signal(*signal));
                }
            }
            JournalEvent::InputSent { process, bytes } => self.mark(process, at, Kind::Input(*bytes)),
            JournalEvent::InputLost { process, bytes } => self.mark(process, at, Kind::LostInput(*bytes)),
            JournalEvent::Crashed { process, point } => self.mark(process, at, Kind::Crash(point)),
            JournalEvent::Printed { process, stream, bytes, lines, until } => {
                self.length = self.length.max(*until);
                let burst = Burst { stream: *stream, from: at, until: *until, bytes: *bytes, lines: *lines };
                self.lane(process).bursts.push(burst);
            }
            JournalEvent::Exited { process, exit } => self.lane(process).run(at).exited = Some((at, *exit)),
            JournalEvent::Gone { process } => {
                let lane = self.lane(process);
                match lane.runs.last_mut() {
                    Some(run) => run.gone = Some(at),
                    None => lane.runs.push(Run { gone: Some(at), ..Run::new(at, None) }),
                }
            }
            JournalEvent::Failed { step, processes, reason } => {
                if self.failure.is_none() {
                    self.failure = Some(Failure { at, step: *step, reason });
                    processes.iter().for_each(|process| self.lane(process).has_failed = true);
                }
            }
        }
    }

    fn step(&mut self, number: usize) -> Option<&mut Step<'j>> {
        number.checked_sub(1).and_then(|index| self.steps.get_mut(index))
    }

    /// Returns the lane of a process, and adds one if the journal has not announced the process.
    fn lane(&mut self, process: &'j Name) -> &mut Lane<'j> {
        let index = self.lanes.iter().position(|lane| lane.name == process).unwrap_or_else(|| {
            self.lanes.push(Lane::new(process));
            self.lanes.len() - 1
        });
        &mut self.lanes[index]
    }

    fn mark(&mut self, process: &'j Name, at: Duration, kind: Kind<'j>) {
        self.lane(process).marks.push(Mark { at, kind });
    }
}

impl<'j> Lane<'j> {
    fn new(name: &'j Name) -> Self {
        Self { name, runs: Vec::new(), bursts: Vec::new(), marks: Vec::new(), has_failed: false }
    }

    /// Returns the index of the run in progress at a time.
    pub(super) fn run_at(&self, at: Duration) -> Option<usize> {
        self.runs.iter().rposition(|run| run.began <= at)
    }

    /// Returns whether the process was killed on purpose during a run.
    pub(super) fn was_crashed(&self, run: usize) -> bool {
        let mut crashes = self.marks.iter().filter(|mark| matches!(mark.kind, Kind::Crash(_)));
        crashes.any(|mark| self.run_at(mark.at) == Some(run))
    }

    /// Returns whether the run in progress was crashed and has not exited.
    fn is_crashing(&self) -> bool {
        let is_up = self.runs.last().is_some_and(|run| run.exited.is_none());
        is_up && self.was_crashed(self.runs.len() - 1)
    }

    /// Returns the run that an exit at `at` belongs to.
    fn run(&mut self, at: Duration) -> &mut Run {
        if self.runs.last().is_none_or(|run| run.exited.is_some()) {
            self.runs.push(Run::new(at, None));
        }
        self.runs.last_mut().expect("one was pushed if there was none")
    }
}

impl Run {
    fn new(began: Duration, pid: Option<u32>) -> Self {
        Self { began, pid, exited: None, gone: None }
    }
}
