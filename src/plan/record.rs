//! What is kept of a run while it goes on: the journal, the logs, and the news that the machine has not heard.

use std::time::{Duration, Instant};

use memchr::memchr_iter;

use super::files::Files;
use super::journal::{Journal, JournalEvent};
use super::planned::ProcessRef;
use super::script::Script;
use super::vm::Event;
use crate::machine::{Exit, Name, Signal, SpawnError, Stream};
use crate::search::SequentialSearch;

/// The record of a run.
pub(super) struct Record {
    began: Instant,
    pub(super) journal: Journal,
    pub(super) files: Files,
    takes: Vec<Take>,
    news: Vec<(Event, Instant)>,
}

/// What one process has done so far.
struct Take {
    name: Name,
    wanted: SequentialSearch,
    /// How many lines each of its streams has had.
    lines: [u64; 2],
}

impl Record {
    pub(super) fn new(script: &Script, files: Files, began: Instant) -> Self {
        let names = script.cast.iter().map(|role| role.name.clone()).collect();
        let takes = script.cast.iter().map(|role| Take {
            name: role.name.clone(),
            wanted: SequentialSearch::new(role.wanted.iter().cloned()),
            lines: [0; 2],
        });
        Self {
            began,
            journal: Journal::new(script.name.clone(), script.texts(), names),
            files,
            takes: takes.collect(),
            news: Vec::new(),
        }
    }

    /// The news since the last time, in order.
    pub(super) fn take_news(&mut self) -> Vec<(Event, Instant)> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn note(&mut self, happened: JournalEvent, now: Instant) {
        self.journal.push(self.since(now), happened);
    }

    pub(super) fn started(&mut self, process: ProcessRef, pid: u32, now: Instant) {
        self.note(JournalEvent::Started { process: self.name(process), pid }, now);
        self.news.push((Event::Started(process), now));
    }

    pub(super) fn not_started(&mut self, process: ProcessRef, error: SpawnError, now: Instant) {
        self.note(JournalEvent::NotStarted { process: self.name(process), error: error.clone() }, now);
        self.news.push((Event::NotStarted(process, error), now));
    }

    pub(super) fn signalled(&mut self, process: ProcessRef, signal: Signal, now: Instant) {
        self.note(JournalEvent::Signalled { process: self.name(process), signal }, now);
        if signal == Signal::KILL {
            self.news.push((Event::Killed(process), now));
        }
    }

    pub(super) fn printed(&mut self, process: ProcessRef, stream: Stream, bytes: &[u8], now: Instant) {
        let at = self.since(now);
        let take = &mut self.takes[process.index()];
        let lines = memchr_iter(b'\n', bytes).count() as u64;
        // Before what has been found in them, which may take the script to its next step: a crash comes first.
        if lines > 0 {
            let count = &mut take.lines[stream as usize];
            *count += lines;
            self.news.push((Event::Printed { process, stream, lines: *count }, now));
        }
        let found = take.wanted.found();
        take.wanted.feed(stream, bytes);
        if take.wanted.found() > found {
            self.news.push((Event::Found { process, count: take.wanted.found() }, now));
        }
        if bytes.is_empty() {
            return;
        }
        self.journal.printed(at, &take.name, stream, bytes.len() as u64, lines);
        if let Err(problem) = self.files.write(process, stream, bytes) {
            self.news.push((Event::Broken(problem), now));
        }
    }

    pub(super) fn exited(&mut self, process: ProcessRef, exit: Exit, now: Instant) {
        self.note(JournalEvent::Exited { process: self.name(process), exit }, now);
        self.news.push((Event::Exited(process, exit), now));
    }

    pub(super) fn gone(&mut self, process: ProcessRef, now: Instant) {
        self.note(JournalEvent::Gone { process: self.name(process) }, now);
        self.news.push((Event::Gone(process), now));
    }

    /// Nobody waits for the run any more.
    pub(super) fn given_up(&mut self, now: Instant) {
        let mut step = 1;
        for entry in self.journal.entries() {
            match entry.happened {
                JournalEvent::StepBegan { step: begun } => step = begun,
                // What follows is only the cleaning up.
                JournalEvent::Failed { .. } => return,
                _ => {}
            }
        }
        let reason = "given up: nobody waits for the run any more".to_owned();
        self.note(JournalEvent::Failed { step, processes: Vec::new(), reason }, now);
    }

    /// How long after the beginning.
    pub(super) fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    fn name(&self, process: ProcessRef) -> Name {
        self.takes[process.index()].name.clone()
    }
}
