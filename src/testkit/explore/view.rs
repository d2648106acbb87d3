//! A state, as checks of users see it.

use std::fmt;
use std::time::Instant;

use super::config::Config;
use super::world::World;
use crate::machine::{Machine, Output, Phase, Status};

/// A state of an exploration, for an [`Explorer::check`](super::Explorer::check).
///
/// It has the machine, and what is true in the world, which the machine may not know yet.
pub struct View<'a> {
    world: &'a World,
    config: &'a Config,
}

impl<'a> View<'a> {
    pub(super) fn new(world: &'a World, config: &'a Config) -> Self {
        Self { world, config }
    }

    /// Returns the machine.
    pub fn machine(&self) -> &'a Machine<()> {
        &self.world.machine
    }

    /// Returns the time.
    pub fn now(&self) -> Instant {
        self.world.now
    }

    /// Returns the outputs of the last step.
    pub fn outputs(&self) -> &'a [Output<()>] {
        &self.world.outputs
    }

    /// Returns the status of a process in the machine; `None` if it was removed or never added.
    pub fn status(&self, name: &str) -> Option<Status> {
        self.world.machine.status(name)
    }

    /// Returns whether the machine has this process in this phase.
    pub fn is(&self, name: &str, phase: Phase) -> bool {
        self.status(name).is_some_and(|status| status.phase == phase)
    }

    /// Returns whether a process really lives: it was started and has not exited.
    pub fn is_alive(&self, name: &str) -> bool {
        self.run(name).is_some_and(super::run::Run::is_alive)
    }

    /// Returns whether a process really lives and was not asked to end.
    pub fn is_up(&self, name: &str) -> bool {
        self.run(name).is_some_and(super::run::Run::is_up)
    }

    /// Returns whether a process really lives, was not asked to end, and is ready. One without a condition
    /// for its readiness is ready while it lives.
    pub fn is_ready(&self, name: &str) -> bool {
        let index = self.config.names.iter().position(|known| known == name);
        index.is_some_and(|index| {
            let has_condition = self.config.definitions[index].ready.is_some();
            self.world.processes[index].is_ready(has_condition)
        })
    }

    fn run(&self, name: &str) -> Option<&'a super::run::Run> {
        let index = self.config.names.iter().position(|known| known == name)?;
        self.world.processes[index].run.as_ref()
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("machine", self.machine()).finish_non_exhaustive()
    }
}
