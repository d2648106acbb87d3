//! The relations of a process to others of its monitor.

use super::Spec;
use crate::machine::{Dependency, Name, RestartGroup, Until};

impl Spec {
    /// Adds a process that has to be started, ready or completed before this one is started. Default: none.
    ///
    /// Processes may be added in any order; names are looked up when the service starts, or at once if it
    /// runs. When the service stops, a process is stopped before those that it depends on. If the other
    /// process ends earlier, this one runs on; see [`after_with`](Self::after_with).
    ///
    /// ```
    /// use childminder::{Spec, Until};
    ///
    /// let spec = Spec::new("web").after("db", Until::Ready).after("migration", Until::Completed);
    /// assert_eq!(spec.get_after().len(), 2);
    /// ```
    #[must_use]
    pub fn after(mut self, name: &str, until: Until) -> Self {
        match Name::new(name) {
            Ok(name) => self.after.push(Dependency::new(name, until)),
            Err(error) => self.after_error = self.after_error.or_else(|| Some(Box::new(error))),
        }
        self
    }

    /// Adds a dependency, which also says what follows when the other process ends.
    ///
    /// ```
    /// use childminder::machine::{Dependency, OnEnd};
    /// use childminder::{Spec, Until};
    ///
    /// let database = Dependency::new("db".parse()?, Until::Ready);
    /// let spec = Spec::new("web").after_with(Dependency { on_end: OnEnd::Restart, ..database });
    /// # drop(spec);
    /// # Ok::<(), childminder::machine::NameError>(())
    /// ```
    #[must_use]
    pub fn after_with(mut self, dependency: Dependency) -> Self {
        self.after.push(dependency);
        self
    }

    /// Sets the group with which this process is restarted. Default: none.
    ///
    /// ```
    /// use childminder::Spec;
    /// use childminder::machine::{RestartGroup, Strategy};
    ///
    /// let group = RestartGroup { name: "pipeline".parse()?, strategy: Strategy::OneForAll };
    /// let spec = Spec::new("reader").restart_group(group);
    /// # drop(spec);
    /// # Ok::<(), childminder::machine::NameError>(())
    /// ```
    #[must_use]
    pub fn restart_group(mut self, group: RestartGroup) -> Self {
        self.restart_group = Some(group);
        self
    }

    /// Returns what this process waits for before it is started.
    pub fn get_after(&self) -> &[Dependency] {
        &self.after
    }

    /// Whether `other` starts the same program in the same way. It may differ in what a monitor alone decides
    /// by: the policy, the stop signal and its target, the dependencies and the restart group.
    /// [`replace_process`](crate::ProcessMonitor::replace_process) restarts a process if not.
    ///
    /// ```
    /// use childminder::{Signal, Spec};
    ///
    /// let spec = Spec::new("web").arg("--fast");
    /// assert!(spec.starts_same_program(&spec.clone().stop_signal(Signal::INT)));
    /// assert!(!spec.starts_same_program(&Spec::new("web")));
    /// ```
    pub fn starts_same_program(&self, other: &Self) -> bool {
        let mut spec = self.clone();
        spec.policy.clone_from(&other.policy);
        (spec.stop_signal, spec.stop_target) = (other.stop_signal, other.stop_target);
        (spec.after, spec.restart_group) = (other.after.clone(), other.restart_group.clone());
        spec == *other
    }

    /// Returns the group with which this process is restarted.
    pub fn get_restart_group(&self) -> Option<&RestartGroup> {
        self.restart_group.as_ref()
    }
}
