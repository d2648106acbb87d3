//! What a machine has to know about a spec.

use std::sync::Arc;
use std::time::Duration;

use super::{Spec, SpecError};
use crate::machine::{Definition, Policy};

/// The time that the machine waits longer than the watch, which reports a timeout with all that it knows.
const SLACK: Duration = Duration::from_secs(1);

impl Spec {
    /// Returns the definition that a [`Machine`](crate::machine::Machine) needs of this process. `policy`
    /// applies if the spec has none. A monitor makes its definitions with this, and so can a program that
    /// drives a machine itself, or asks one what would happen.
    ///
    /// ```
    /// use std::time::Instant;
    /// use childminder::machine::{Definition, Machine};
    /// use childminder::{Phase, Policy, Spec, Until};
    ///
    /// let now = Instant::now();
    /// let web = Spec::new("web").after("db", Until::Ready);
    /// let web = web.into_definition(Policy::default())?;
    /// let mut machine = Machine::new();
    /// machine.add_process("web".parse()?, web.with_spec("web"), now)?;
    /// machine.add_process("db".parse()?, Definition::new("db"), now)?;
    /// machine.start_service(now)?;
    /// assert_eq!(machine.status("web").map(|status| status.phase), Some(Phase::Blocked));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpecError`] if the spec is not [valid](Self::check).
    pub fn into_definition(self, policy: Policy) -> Result<Definition<Arc<Self>>, SpecError> {
        self.check()?;
        let has_stop_command = self.get_stop_command().next().is_some();
        Ok(Definition {
            policy: self.get_policy().unwrap_or(policy),
            stop_signal: self.get_stop_signal(),
            stop_target: self.get_stop_target(),
            stop_command: has_stop_command,
            after: self.get_after().to_vec(),
            ready: self.readiness_deadline(),
            restart_group: self.get_restart_group().cloned(),
            spec: Arc::new(self),
        })
    }

    /// Returns the time after its start by which the machine has to know that a run is ready, if a run is not
    /// ready when it is started.
    pub(crate) fn readiness_deadline(&self) -> Option<Duration> {
        self.get_health()?.ready_timeout().map(|timeout| timeout.saturating_add(SLACK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Signal, SignalTarget};

    #[test]
    fn a_definition_has_everything_that_the_machine_decides_by() {
        let own = Policy { kill_time: Duration::from_secs(7), ..Policy::default() };
        let spec = Spec::new("x").policy(own).stop_signal(Signal::INT).stop_command(["x", "stop"]);
        let definition = spec.into_definition(Policy::default()).unwrap();
        assert_eq!((definition.policy, definition.stop_signal), (own, Signal::INT));
        assert_eq!((definition.stop_target, definition.stop_command), (SignalTarget::Group, true));

        let definition = Spec::new("x").into_definition(own).unwrap();
        assert_eq!((definition.policy, definition.stop_command, definition.ready), (own, false, None));
        assert!(Spec::new("").into_definition(own).is_err());
    }
}
