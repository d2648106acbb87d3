//! The state machine that decides whether a start is ready: one gate for one run.
//!
//! Its rules, in order of precedence:
//!
//! 1. The death of the process fails the start at once, whichever conditions were met before.
//! 2. Events come before time. A condition that is met at the very deadline counts, and so does an uptime as
//!    long as the timeout.
//! 3. When the condition holds, the gate first asks whether the process is still alive. Output is read before
//!    a death is seen, and a program that prints "ready" and crashes must not count as ready.
//! 4. Then the start is ready or has failed, once and finally.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::condition::{Condition, Leaf, Node};
use super::leaf::{LeafEvent, LeafState};
use crate::drive::StateMachine;
use crate::host::health::{ConditionStatus, FailureCause};
use crate::machine::{Exit, SpawnError};

/// A condition with numbered leaves, in the order in which they were written.
#[derive(Clone, Debug)]
pub(super) struct FlatCondition {
    tree: Tree,
    leaves: Vec<Leaf>,
}

/// The tree of a condition, whose leaves are indices.
#[derive(Clone, Debug)]
enum Tree {
    All(Vec<Self>),
    Any(Vec<Self>),
    Leaf(usize),
}

impl FlatCondition {
    pub(super) fn new(condition: &Condition) -> Self {
        let mut leaves = Vec::new();
        let tree = Tree::number(&condition.0, &mut leaves);
        Self { tree, leaves }
    }

    /// Returns whether the condition holds in this state of its leaves.
    pub(super) fn holds(&self, leaves: &[LeafState]) -> bool {
        self.tree.holds(leaves)
    }

    /// Returns the leaves with their numbers.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (usize, &Leaf)> {
        self.leaves.iter().enumerate()
    }
}

impl Tree {
    /// Numbers the leaves of `node`. An `all` within an `all` is dissolved into it, so that its parts wait
    /// for those of the outer one before they are probed.
    fn number(node: &Node, leaves: &mut Vec<Leaf>) -> Self {
        match node {
            Node::All(nodes) => {
                let mut flat = Vec::new();
                for node in nodes {
                    match Self::number(node, leaves) {
                        Self::All(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                Self::All(flat)
            }
            Node::Any(nodes) => Self::Any(nodes.iter().map(|node| Self::number(node, leaves)).collect()),
            Node::Leaf(leaf) => {
                leaves.push(leaf.clone());
                Self::Leaf(leaves.len() - 1)
            }
        }
    }

    fn holds(&self, leaves: &[LeafState]) -> bool {
        match self {
            Self::All(trees) => trees.iter().all(|tree| tree.holds(leaves)),
            Self::Any(trees) => trees.iter().any(|tree| tree.holds(leaves)),
            Self::Leaf(leaf) => leaves[*leaf].is_met(),
        }
    }

    /// Adds the leaves for which attempts are to be made now: in an `all` once everything that is only waited
    /// for has arrived, in an `any` at once. A leaf that cannot change the result any more is left out.
    fn list_attempted(&self, leaves: &[LeafState], list: &mut Vec<usize>) {
        if self.holds(leaves) {
            return;
        }
        match self {
            Self::All(trees) => {
                if trees.iter().all(|tree| tree.holds(leaves) || tree.takes_attempts(leaves)) {
                    trees.iter().for_each(|tree| tree.list_attempted(leaves, list));
                }
            }
            Self::Any(trees) => trees.iter().for_each(|tree| tree.list_attempted(leaves, list)),
            Self::Leaf(leaf) => list.extend(leaves[*leaf].takes_attempts().then_some(*leaf)),
        }
    }

    /// Returns whether any leaf in this tree takes attempts.
    fn takes_attempts(&self, leaves: &[LeafState]) -> bool {
        match self {
            Self::All(trees) | Self::Any(trees) => trees.iter().any(|tree| tree.takes_attempts(leaves)),
            Self::Leaf(leaf) => leaves[*leaf].takes_attempts(),
        }
    }
}

/// Decides whether one run is ready.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Gate {
    tree: Tree,
    leaves: Vec<LeafState>,
    timeout: Duration,
    started: Option<Instant>,
    state: State,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The process has not been started.
    NotStarted,
    /// The process was started at this time.
    Waiting(Instant),
    /// The condition holds, and it is being checked whether the process is alive.
    CheckingAlive,
    /// The start is ready or has failed.
    Over,
}

/// Something that happened to the start.
#[derive(Debug)]
pub(crate) enum Event {
    /// The process runs, with this id. The timeout counts from now on.
    Started(u32),
    /// The process could not be started.
    SpawnFailed(SpawnError),
    /// The process will not be started.
    Abandoned,
    /// Something happened to this leaf.
    Leaf(usize, LeafEvent),
    /// The process has printed something.
    Printed,
    /// The process is alive, in response to [`Output::CheckAlive`].
    Alive,
    /// The process has died.
    Exited(Exit),
}

/// Something to be done by the driver of the gate.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) enum Output {
    /// Make an attempt for this leaf. Its result is a [`LeafEvent::Attempt`] with the number of the attempt.
    Attempt { leaf: usize, number: u32 },
    /// Check whether the process is alive. The result is an [`Event::Alive`] or [`Event::Exited`].
    CheckAlive,
    /// The start is ready. This is the last output.
    Ready,
    /// The start has failed. This is the last output.
    Failed(FailureCause),
}

impl StateMachine for Gate {
    type Event = Event;
    type Output = Output;

    /// Handles an event. Events before the start and after the end are ignored.
    fn handle_event(&mut self, event: Event, now: Instant) {
        match (event, self.state) {
            (Event::Started(_), State::NotStarted) => {
                self.started = Some(now);
                self.state = State::Waiting(now);
                self.advance(now);
            }
            (Event::SpawnFailed(error), State::NotStarted) => self.fail(FailureCause::SpawnFailed(error)),
            (Event::Abandoned, State::NotStarted) => self.fail(FailureCause::NeverStarted),
            (Event::Leaf(leaf, event), State::Waiting(started)) => {
                self.leaves[leaf].handle_event(event, started, now);
                self.advance(now);
            }
            (Event::Printed, State::Waiting(_)) => {
                self.leaves.iter_mut().for_each(LeafState::handle_output);
                self.advance(now);
            }
            (Event::Alive, State::CheckingAlive) => self.finish(Output::Ready),
            (Event::Exited(exit), State::Waiting(_) | State::CheckingAlive) => {
                self.fail(FailureCause::Exited(exit));
            }
            (
                Event::Started(_)
                | Event::SpawnFailed(_)
                | Event::Abandoned
                | Event::Leaf(..)
                | Event::Printed
                | Event::Alive
                | Event::Exited(_),
                _,
            ) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.meet_uptimes(now);
        if self.deadline().is_some_and(|deadline| deadline <= now) && !self.tree.holds(&self.leaves) {
            self.fail(FailureCause::TimedOut(self.timeout));
        } else {
            self.advance(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let State::Waiting(started) = self.state else { return None };
        let uptimes = self.leaves.iter().filter_map(LeafState::missing_uptime);
        let uptimes = uptimes.filter_map(|uptime| started.checked_add(uptime));
        let attempts = self.attempted().into_iter().filter_map(|leaf| self.leaves[leaf].next_attempt());
        self.deadline().into_iter().chain(uptimes).chain(attempts).min()
    }
}

impl Gate {
    /// Creates a gate for a run that has not started. `timeout` counts from the start.
    pub(super) fn new(condition: &FlatCondition, timeout: Duration) -> Self {
        Self {
            tree: condition.tree.clone(),
            leaves: condition.leaves.iter().cloned().map(LeafState::new).collect(),
            timeout,
            started: None,
            state: State::NotStarted,
            outputs: VecDeque::new(),
        }
    }

    /// Returns the leaf with this number.
    pub(super) fn leaf(&self, leaf: usize) -> &Leaf {
        self.leaves[leaf].leaf()
    }

    /// Returns the status of each leaf, in the order in which they were written.
    pub(super) fn statuses(&self, now: Instant) -> Vec<ConditionStatus> {
        self.leaves.iter().map(|leaf| leaf.status(self.started, now)).collect()
    }

    /// Returns the time since the start.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        self.started.map_or(Duration::ZERO, |started| now.saturating_duration_since(started))
    }

    /// Proceeds as far as the known events allow.
    fn advance(&mut self, now: Instant) {
        self.meet_uptimes(now);
        if !matches!(self.state, State::Waiting(_)) {
            return;
        }
        if self.tree.holds(&self.leaves) {
            self.state = State::CheckingAlive;
            self.outputs.clear();
            self.outputs.push_back(Output::CheckAlive);
            return;
        }
        for leaf in self.attempted() {
            let number = self.leaves[leaf].begin_attempt(now);
            self.outputs.extend(number.map(|number| Output::Attempt { leaf, number }));
        }
    }

    /// Marks the uptimes that have been reached, however late this is noticed. One longer than the timeout is
    /// never met.
    fn meet_uptimes(&mut self, now: Instant) {
        let State::Waiting(started) = self.state else { return };
        let reached = now.saturating_duration_since(started).min(self.timeout);
        for leaf in &mut self.leaves {
            if let Some(uptime) = leaf.missing_uptime().filter(|uptime| *uptime <= reached) {
                leaf.set_met(uptime);
            }
        }
    }

    fn attempted(&self) -> Vec<usize> {
        let mut list = Vec::new();
        self.tree.list_attempted(&self.leaves, &mut list);
        list
    }

    /// Returns when the timeout expires; never if the clock cannot represent it.
    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(started) => started.checked_add(self.timeout),
            State::NotStarted | State::CheckingAlive | State::Over => None,
        }
    }

    fn fail(&mut self, cause: FailureCause) {
        self.finish(Output::Failed(cause));
    }

    /// Ends with this verdict. Pending outputs are discarded.
    fn finish(&mut self, verdict: Output) {
        self.state = State::Over;
        self.outputs.clear();
        self.outputs.push_back(verdict);
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;
