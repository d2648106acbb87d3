//! The record of a run while it goes on: the journal, the log files, and the events for the executor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memchr_iter;

use super::executor::Event;
use super::files::Files;
use super::process::ProcessRef;
use super::script::Script;
use crate::host::tap::{Observer, ProcessSlot};
use crate::machine::{Exit, Name, Signal, SpawnError, Stream};
use crate::plan::journal::{Journal, JournalEvent};
use crate::search::SequentialSearch;
use crate::sync::Lock;

/// The record of a run so far.
pub(super) struct RunLog {
    began: Instant,
    pub(super) journal: Journal,
    pub(super) files: Files,
    processes: Vec<ProcessLog>,
    /// The events that the executor has not handled yet.
    events: Vec<(Event, Instant)>,
}

/// The output of one process so far.
struct ProcessLog {
    name: Name,
    wanted: SequentialSearch,
    /// The number of lines in each stream.
    lines: [u64; 2],
}

/// Records one process of a run. Its successor after a crash gets another observer.
pub(super) struct ProcessObserver {
    process: ProcessRef,
    log: Arc<Lock<RunLog>>,
}

impl RunLog {
    pub(super) fn new(script: &Script, files: Files, began: Instant) -> Self {
        let names = script.processes.iter().map(|process| process.name.clone());
        let processes = script.processes.iter().map(|process| ProcessLog {
            name: process.name.clone(),
            wanted: SequentialSearch::new(process.wanted.iter().cloned()),
            lines: [0; 2],
        });
        Self {
            began,
            journal: Journal::new(&script.name, script.texts(), names),
            files,
            processes: processes.collect(),
            events: Vec::new(),
        }
    }

    /// Returns the events since the last call, in order.
    pub(super) fn take_events(&mut self) -> Vec<(Event, Instant)> {
        std::mem::take(&mut self.events)
    }

    /// Appends an event to the journal.
    pub(super) fn note(&mut self, event: JournalEvent, now: Instant) {
        self.journal.push(self.since(now), event);
    }

    /// Notes that the future of the run was dropped before its end, unless the run had failed before.
    pub(super) fn note_abandoned(&mut self, now: Instant) {
        let mut step = 1;
        for entry in self.journal.entries() {
            match entry.event {
                JournalEvent::StepBegan { step: began } => step = began,
                // The rest is the cleanup.
                JournalEvent::Failed { .. } => return,
                _ => {}
            }
        }
        let reason = "the run was dropped before its end".to_owned();
        self.note(JournalEvent::Failed { step, processes: Vec::new(), reason }, now);
    }

    /// Returns the time since the beginning of the run.
    pub(super) fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    fn printed(&mut self, process: ProcessRef, stream: Stream, bytes: &[u8], now: Instant) {
        let at = self.since(now);
        let log = &mut self.processes[process.index()];
        let lines = memchr_iter(b'\n', bytes).count() as u64;
        // Before a match in these lines, which may take the script to its next step: a crash comes first.
        if lines > 0 {
            let count = &mut log.lines[stream as usize];
            *count += lines;
            self.events.push((Event::Printed { process, stream, lines: *count }, now));
        }
        let found = log.wanted.found();
        log.wanted.feed(stream, bytes);
        if log.wanted.found() > found {
            self.events.push((Event::Found { process, count: log.wanted.found() }, now));
        }
        if bytes.is_empty() {
            return;
        }
        let (name, bytes_read) = (log.name.clone(), bytes.len() as u64);
        self.journal
            .push(at, JournalEvent::Printed { process: name, stream, bytes: bytes_read, lines, until: at });
        if let Err(problem) = self.files.write(process, stream, bytes) {
            self.events.push((Event::Broken(problem), now));
        }
    }
}

impl ProcessObserver {
    pub(super) fn new(process: ProcessRef, log: Arc<Lock<RunLog>>) -> Self {
        Self { process, log }
    }

    /// Appends an event about the process to the journal, and queues one for the executor.
    fn report(&self, event: Option<Event>, entry: impl FnOnce(Name) -> JournalEvent, at: Instant) {
        let mut log = self.log.lock();
        let entry = entry(log.processes[self.process.index()].name.clone());
        log.note(entry, at);
        log.events.extend(event.map(|event| (event, at)));
    }
}

impl Observer for ProcessObserver {
    fn started(&self, pid: u32, _: &Arc<ProcessSlot>, at: Instant) {
        let event = Event::Started(self.process);
        self.report(Some(event), |process| JournalEvent::Started { process, pid }, at);
    }

    fn start_failed(&self, error: &SpawnError, at: Instant) {
        let event = Event::NotStarted(self.process, error.clone());
        let error = error.clone();
        self.report(Some(event), |process| JournalEvent::NotStarted { process, error }, at);
    }

    fn read(&self, stream: Stream, bytes: &[u8], at: Instant) {
        self.log.lock().printed(self.process, stream, bytes, at);
    }

    fn signalled(&self, signal: Signal, at: Instant) {
        let event = (signal == Signal::KILL).then_some(Event::Killed(self.process));
        self.report(event, |process| JournalEvent::Signalled { process, signal }, at);
    }

    fn exited(&self, exit: Exit, at: Instant) {
        let event = Event::Exited(self.process, exit);
        self.report(Some(event), |process| JournalEvent::Exited { process, exit }, at);
    }

    fn dropped(&self, at: Instant) {
        let event = Event::Gone(self.process);
        self.report(Some(event), |process| JournalEvent::Gone { process }, at);
    }

    /// Does nothing: a host that is dropped ends the run.
    fn abandoned(&self, _: Instant) {}
}
