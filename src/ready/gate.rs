//! The machine that decides whether a start is ready: one gate for one run.
//!
//! It is driven as [`Machine`](crate::machine::Machine) is: something goes in, with the time it is; what to do comes out; and it
//! says when to come back. What it decides, and in which order:
//!
//! 1. A death decides at once, whatever was met before (SV-19, F-84).
//! 2. News comes before time. What is met at the very deadline counts (F-85), and so does an uptime as long as the
//!    time-out.
//! 3. When all has come the gate does not open yet: it wants somebody to look whether the process is alive. The last
//!    line of a program is read before its death is seen, and one that prints "ready" and falls over is not ready.
//! 4. Then it opens, or it has failed; one of them, once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::condition::{Condition, Leaf};
use super::progress::ConditionStatus;
use super::tally::{Tally, Word};
use super::tree::Tree;
use super::verdict::Cause;
use crate::drive::StateMachine;
use crate::machine::{Exit, SpawnError};

/// Decides whether one run is ready.
#[derive(Debug)]
pub(crate) struct Gate {
    tree: Tree,
    tallies: Vec<Tally>,
    timeout: Duration,
    started: Option<Instant>,
    state: State,
    out: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not started.
    Closed,
    /// Started, at this time.
    Waiting(Instant),
    /// All has come. Is it alive?
    Looking,
    /// It has opened, or never will.
    Over,
}

/// What can happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// The process runs, with this id. From now on time counts.
    Started(u32),
    /// There is no process.
    SpawnFailed(SpawnError),
    /// Nobody will start it.
    Abandoned,
    /// News of a leaf.
    Leaf(usize, Word),
    /// It has printed something, whatever it was.
    OutputMatch,
    /// The answer to [`Output::Look`], if it is.
    Alive,
    /// The process has died.
    Exited(Exit),
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Output {
    /// Ask for this leaf, and answer with [`Word::Answer`] and the number of the attempt.
    Ask { leaf: usize, attempt: u32 },
    /// Look whether the process is alive, and answer with [`Event::Alive`] or [`Event::Exited`].
    Look,
    /// It is ready. Nothing comes after this.
    Ready,
    /// It will not be. Nothing comes after this.
    Failed(Cause),
}

impl StateMachine for Gate {
    type Event = Event;
    type Output = Output;

    /// Takes in news. What is not awaited is ignored: news before the start, news after the end.
    fn handle_event(&mut self, event: Event, now: Instant) {
        match (event, self.state) {
            (Event::Started(_), State::Closed) => {
                self.started = Some(now);
                self.state = State::Waiting(now);
                self.advance(now);
            }
            (Event::SpawnFailed(error), State::Closed) => self.fail(Cause::SpawnFailed(error)),
            (Event::Abandoned, State::Closed) => self.fail(Cause::NeverStarted),
            (Event::Leaf(leaf, word), State::Waiting(started)) => {
                self.tallies[leaf].hear(word, started, now);
                self.advance(now);
            }
            (Event::OutputMatch, State::Waiting(_)) => {
                self.tallies.iter_mut().for_each(Tally::stir);
                self.advance(now);
            }
            (Event::Alive, State::Looking) => self.end(Output::Ready),
            (Event::Exited(exit), State::Waiting(_) | State::Looking) => self.fail(Cause::Exited(exit)),
            (
                Event::Started(_)
                | Event::SpawnFailed(_)
                | Event::Abandoned
                | Event::Leaf(..)
                | Event::OutputMatch
                | Event::Alive
                | Event::Exited(_),
                _,
            ) => {}
        }
    }

    /// Does what has become due. Too early, too late and too often do no harm.
    fn handle_timeout(&mut self, now: Instant) {
        self.meet_uptimes(now);
        if self.deadline().is_some_and(|deadline| deadline <= now) && !self.tree.holds(&self.tallies) {
            self.fail(Cause::TimedOut(self.timeout));
        } else {
            self.advance(now);
        }
    }

    /// The next thing to do, in order. Ask until `None`.
    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Self::handle_timeout`]; never, if `None`.
    fn poll_timeout(&self) -> Option<Instant> {
        let State::Waiting(started) = self.state else { return None };
        let uptimes = self.tallies.iter().filter_map(Tally::missing_uptime);
        let uptimes = uptimes.filter_map(|uptime| started.checked_add(uptime));
        let rests = self.asked().into_iter().filter_map(|leaf| self.tallies[leaf].resting_until());
        self.deadline().into_iter().chain(uptimes).chain(rests).min()
    }
}

impl Gate {
    /// A gate for a run that has not started. `timeout` counts from the start.
    pub(super) fn new(condition: &Condition, timeout: Duration) -> Self {
        let (tree, leaves) = Tree::of(condition);
        Self {
            tree,
            tallies: leaves.into_iter().map(Tally::new).collect(),
            timeout,
            started: None,
            state: State::Closed,
            out: VecDeque::new(),
        }
    }

    /// The leaf with this number.
    pub(super) fn leaf(&self, leaf: usize) -> &Leaf {
        self.tallies[leaf].leaf()
    }

    /// How far each leaf has come, in the order they were written.
    pub(super) fn report(&self, now: Instant) -> Vec<ConditionStatus> {
        self.tallies.iter().map(|tally| tally.report(self.started, now)).collect()
    }

    /// How long it has been since the start.
    pub(super) fn took(&self, now: Instant) -> Duration {
        self.started.map_or(Duration::ZERO, |started| now.saturating_duration_since(started))
    }

    /// Goes on as far as what is known allows.
    fn advance(&mut self, now: Instant) {
        self.meet_uptimes(now);
        if !matches!(self.state, State::Waiting(_)) {
            return;
        }
        if self.tree.holds(&self.tallies) {
            self.state = State::Looking;
            self.out.clear();
            self.out.push_back(Output::Look);
            return;
        }
        for leaf in self.asked() {
            let attempt = self.tallies[leaf].ask(now);
            self.out.extend(attempt.map(|attempt| Output::Ask { leaf, attempt }));
        }
    }

    /// An uptime is met when it was reached, however late that is seen; one beyond the time-out never is (SV-13).
    fn meet_uptimes(&mut self, now: Instant) {
        let State::Waiting(started) = self.state else { return };
        let reached = now.saturating_duration_since(started).min(self.timeout);
        for tally in &mut self.tallies {
            if let Some(uptime) = tally.missing_uptime().filter(|uptime| *uptime <= reached) {
                tally.meet(uptime);
            }
        }
    }

    fn asked(&self) -> Vec<usize> {
        let mut list = Vec::new();
        self.tree.list_asked(&self.tallies, &mut list);
        list
    }

    /// A time-out that no clock can tell never comes.
    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(started) => started.checked_add(self.timeout),
            State::Closed | State::Looking | State::Over => None,
        }
    }

    fn fail(&mut self, cause: Cause) {
        self.end(Output::Failed(cause));
    }

    /// What was still to be done is not done any more.
    fn end(&mut self, verdict: Output) {
        self.state = State::Over;
        self.out.clear();
        self.out.push_back(verdict);
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;
