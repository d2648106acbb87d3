//! The explorer: what is explored, and what must hold.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::config::{Config, Nature};
use super::step::StepKind;
use super::view::View;
use crate::machine::{Definition, Event, Exit, Machine, Name};

/// A check of a state.
type Check = Arc<dyn Fn(&View<'_>) -> bool + Send + Sync>;

/// A search through every order of events for a few processes, over the machine that ships.
///
/// See the [module](super) for what a step is, which checks are built in, and an example.
#[derive(Clone)]
pub struct Explorer {
    config: Config,
    pub(super) checks: Vec<(String, Check)>,
    pub(super) depth: usize,
    pub(super) stop_limit: Duration,
}

impl Explorer {
    /// Creates an explorer without processes, with a depth of 8 and every kind of step except
    /// [`Closes`](StepKind::Closes), [`SlowTime`](StepKind::SlowTime), [`Recovers`](StepKind::Recovers) and
    /// [`StaleReady`](StepKind::StaleReady).
    pub fn new() -> Self {
        Self { config: Config::new(), checks: Vec::new(), depth: 8, stop_limit: Duration::from_secs(30) }
    }

    /// Adds a process. It is added to the machine before the first step.
    ///
    /// # Panics
    ///
    /// If a process of this name was added before.
    #[must_use]
    #[track_caller]
    pub fn process(mut self, name: Name, definition: Definition<()>) -> Self {
        assert!(!self.config.names.contains(&name), "there is a process {name:?} already");
        self.config.add(name, definition);
        self
    }

    /// Holds a process before the first step.
    ///
    /// # Panics
    ///
    /// If there is no process of this name.
    #[must_use]
    #[track_caller]
    pub fn held(mut self, name: &str) -> Self {
        self.nature(name).is_held = true;
        self
    }

    /// Excludes that a process is found to be unhealthy when [`findings`](Self::findings) are looked for,
    /// because nothing checks that. Default: every process may be.
    ///
    /// # Panics
    ///
    /// If there is no process of this name.
    #[must_use]
    #[track_caller]
    pub fn without_health_check(mut self, name: &str) -> Self {
        self.nature(name).has_health_check = false;
        self
    }

    /// Notes that the condition for the readiness of a process may be met by another process, such as one
    /// that an earlier run has left behind. Default: only by its own run.
    ///
    /// # Panics
    ///
    /// If there is no process of this name.
    #[must_use]
    #[track_caller]
    pub fn ready_by_any_process(mut self, name: &str) -> Self {
        self.nature(name).is_ready_by_any = true;
        self
    }

    /// Sets the time that a stop may take before it is a [finding](Self::findings). Default: 30 s, after
    /// which Kubernetes kills a container.
    #[must_use]
    pub fn stop_limit(mut self, limit: Duration) -> Self {
        self.stop_limit = limit;
        self
    }

    #[track_caller]
    fn nature(&mut self, name: &str) -> &mut Nature {
        let index = self.config.names.iter().position(|known| *known == *name);
        let Some(index) = index else { panic!("there is no process {name:?}; add it first") };
        &mut self.config.natures[index]
    }

    /// Sets the kinds of steps. With fewer kinds, a search reaches a greater depth.
    #[must_use]
    pub fn steps(mut self, kinds: impl IntoIterator<Item = StepKind>) -> Self {
        self.config.kinds = kinds.into_iter().collect();
        self
    }

    /// Sets the exits of processes that exit by themselves. Default: code 0 and code 1.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn exits(mut self, exits: impl IntoIterator<Item = Exit>) -> Self {
        self.config.exits = exits.into_iter().collect();
        assert!(!self.config.exits.is_empty(), "a process has an exit");
        self
    }

    /// Sets the maximum number of steps of [`run`](Self::run) and [`findings`](Self::findings). Default: 8.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// Adds a check, which must hold after every step. The built-in checks are always made.
    #[must_use]
    pub fn check(
        mut self,
        name: impl Into<String>,
        holds: impl Fn(&View<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name.into(), Arc::new(holds)));
        self
    }

    /// Passes every event through a function on its way to the machine, as a driver with a bug would. So a
    /// test can show that the checks find this bug.
    #[must_use]
    pub fn driver(mut self, driver: impl Fn(&Machine<()>, Event) -> Event + Send + Sync + 'static) -> Self {
        self.config.driver = Some(Arc::new(driver));
        self
    }

    /// Returns what is explored, with the dependencies looked up.
    pub(super) fn connected(&self) -> Config {
        let mut config = self.config.clone();
        config.connect();
        config
    }
}

impl Default for Explorer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Explorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explorer")
            .field("processes", &self.config.names)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}
