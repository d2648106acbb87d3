//! One turn of the machine: the time it is, and where the consequences go.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Name, Notice, NoticeKind, Output, RunId};

/// What a process needs to know of the machine it is in while something happens to it.
#[derive(Debug)]
pub(super) struct Turn<'a, S> {
    pub(super) now: Instant,
    /// Whether the service runs.
    pub(super) running: bool,
    /// The process's place in the machine's table.
    pub(super) slot: usize,
    pub(super) runs: &'a mut u64,
    pub(super) out: &'a mut VecDeque<Output<S>>,
}

impl<S> Turn<'_, S> {
    pub(super) fn next_run(&mut self) -> RunId {
        *self.runs += 1;
        RunId::new(*self.runs, self.slot)
    }

    pub(super) fn push(&mut self, output: Output<S>) {
        self.out.push_back(output);
    }

    pub(super) fn tell(&mut self, name: Name, run: RunId, kind: NoticeKind) {
        self.push(Output::Notice(Notice { at: self.now, name, run, kind }));
    }
}
