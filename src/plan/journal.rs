//! The journal of a run: everything that happened, in order, with the time.

use std::time::Duration;

use crate::machine::{Exit, Name, Signal, SpawnError, Stream};

/// Output that comes within this time after the last of the same stream, with nothing in between, is one burst.
const BURST: Duration = Duration::from_millis(10);

/// What happened in one run of a [`Plan`](super::Plan).
///
/// It is data: [`entries`](Self::entries) are to be looked through. [`timeline_svg`](Self::timeline_svg) draws it, and
/// [`to_jsonl`](Self::to_jsonl) writes it down, one object for each line.
#[derive(Clone, Debug)]
pub struct Journal {
    plan: String,
    steps: Vec<String>,
    processes: Vec<Name>,
    entries: Vec<JournalEntry>,
}

/// One thing that happened, and when.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JournalEntry {
    /// How long after the beginning of the run.
    pub at: Duration,
    /// What.
    pub happened: JournalEvent,
}

/// What can happen in a run. Steps are counted from 1.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JournalEvent {
    /// A step began.
    StepBegan {
        /// Which one.
        step: usize,
    },
    /// A step is done.
    StepEnded {
        /// Which one.
        step: usize,
    },
    /// A process runs.
    Started {
        /// Which one.
        process: Name,
        /// Its process id.
        pid: u32,
    },
    /// A process could not be started.
    NotStarted {
        /// Which one.
        process: Name,
        /// At which step of the start, and why.
        error: SpawnError,
    },
    /// A signal was sent to the group of a process.
    Signalled {
        /// Which process.
        process: Name,
        /// Which signal.
        signal: Signal,
    },
    /// A process has printed something: all that came in one burst.
    OutputMatch {
        /// Which process.
        process: Name,
        /// On which of its streams.
        stream: Stream,
        /// How many bytes.
        bytes: u64,
        /// How many ends of lines are among them.
        lines: u64,
        /// How long after the beginning of the run the last of it came.
        until: Duration,
    },
    /// A process was given something on its standard input.
    Given {
        /// Which process.
        process: Name,
        /// How many bytes.
        bytes: usize,
    },
    /// A process has ended.
    Exited {
        /// Which one.
        process: Name,
        /// How.
        exit: Exit,
    },
    /// A process and its whole group are gone, and their output has come to its end.
    Gone {
        /// Which one.
        process: Name,
    },
    /// A process was killed on purpose, to see whether the plan [survives](super::CrashPoints) that.
    Crashed {
        /// Which one.
        process: Name,
    },
    /// The plan failed. What follows is the cleaning up.
    Failed {
        /// At which step; the last one if it failed behind that.
        step: usize,
        /// Whose fault it is, or who was waited for in vain.
        processes: Vec<Name>,
        /// Why, in one line.
        reason: String,
    },
}

impl Journal {
    pub(super) fn new(plan: String, steps: Vec<String>, processes: Vec<Name>) -> Self {
        Self { plan, steps, processes, entries: Vec::new() }
    }

    /// The name of the plan.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    /// The text of each step; the first one has number 1.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// All processes of the plan, in the order in which they are started.
    pub fn processes(&self) -> &[Name] {
        &self.processes
    }

    /// What happened, in order.
    pub fn entries(&self) -> &[JournalEntry] {
        &self.entries
    }

    pub(super) fn push(&mut self, at: Duration, happened: JournalEvent) {
        self.entries.push(JournalEntry { at, happened });
    }

    /// Output goes on in the burst before it, if nothing came in between: so a process that never stops printing does
    /// not fill the memory.
    pub(super) fn printed(&mut self, at: Duration, process: &Name, stream: Stream, bytes: u64, lines: u64) {
        if let Some(JournalEntry {
            happened:
                JournalEvent::OutputMatch { process: last, stream: same, bytes: all, lines: count, until },
            ..
        }) = self.entries.last_mut()
            && last == process
            && *same == stream
            && at <= *until + BURST
        {
            *all += bytes;
            *count += lines;
            *until = at;
            return;
        }
        let process = process.clone();
        self.push(at, JournalEvent::OutputMatch { process, stream, bytes, lines, until: at });
    }
}
