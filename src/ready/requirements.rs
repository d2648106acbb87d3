//! What a spec requires of its runs: readiness, checks of its health, and a watchdog.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::condition::Condition;
use super::gate::FlatCondition;
use super::liveness::Liveness;
use super::run::RunWatch;
use crate::host::health::{HealthSpec, HealthStart};
use crate::host::{Host, InvalidRequirement, Requirement, RequirementProblem, Spec};
use crate::machine::{SpawnError, SpawnStep};
use crate::search::MessageExtractor;

/// The time that a run may take to become ready, unless the spec says otherwise.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The requirements of a spec.
#[derive(Clone, Default)]
struct Requirements {
    ready: Option<Condition>,
    ready_timeout: Option<Duration>,
    alive: Option<(Condition, Liveness)>,
    watchdog: Option<Duration>,
    /// The function that finds the message in a line of output, for conditions on the output.
    message: MessageExtractor,
}

/// Readiness and health.
impl Spec {
    /// Sets the condition under which a run of this process counts as ready. Default: none, so that it is
    /// ready when it is started.
    ///
    /// A process that waits for this one [until it is ready](crate::machine::Until::Ready) is started then. A
    /// run that is not ready within the [timeout](Self::ready_timeout) has failed: it is stopped, and
    /// restarted according to its policy.
    ///
    /// ```
    /// use childminder::{Condition, ProcessMonitor, Spec, System};
    ///
    /// let monitor = ProcessMonitor::background(System::new())?;
    /// let server = Spec::new("sh").args(["-c", "echo listening; sleep 1000"]);
    /// monitor.add_process("server", server.ready(Condition::output("listening")))?;
    /// monitor.start_service()?;
    /// monitor.wait_ready("server")?.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn ready(self, condition: impl Into<Condition>) -> Self {
        let condition = condition.into();
        self.change_requirements(|requirements| requirements.ready = Some(condition))
    }

    /// Sets the time from the start by which a run must be ready. It has no effect without a condition for
    /// [readiness](Self::ready), and may not be shorter than an uptime that the condition requires. Default:
    /// 60 s.
    #[must_use]
    pub fn ready_timeout(self, timeout: Duration) -> Self {
        self.change_requirements(|requirements| requirements.ready_timeout = Some(timeout))
    }

    /// Has each run checked regularly once it is ready. A run that fails too many checks in a row is
    /// unhealthy: that is published as a notice, the run is stopped, and its end counts as a failure.
    /// Default: no checks.
    ///
    /// The condition may consist of ports, sockets, HTTP requests and commands; output and notifications
    /// arrive only once.
    ///
    /// ```
    /// use std::time::Duration;
    /// use childminder::ready::Liveness;
    /// use childminder::{Condition, Spec};
    ///
    /// let liveness = Liveness { every: Duration::from_secs(5), ..Liveness::default() };
    /// let web = Spec::new("web").alive(Condition::http(8080, "/health"), liveness);
    /// assert!(web.check().is_ok());
    /// let never = Spec::new("web").alive(Condition::output("alive"), Liveness::default());
    /// assert_eq!(never.check().unwrap_err().field, "alive");
    /// ```
    #[must_use]
    pub fn alive(self, condition: impl Into<Condition>, liveness: Liveness) -> Self {
        let condition = condition.into();
        self.change_requirements(|requirements| requirements.alive = Some((condition, liveness)))
    }

    /// Requires that each run, once it is ready, sends `WATCHDOG=1` to the socket in `NOTIFY_SOCKET` at least
    /// this often, as `sd_notify(3)` does. Otherwise, or if it sends `WATCHDOG=trigger`, it is unhealthy, as
    /// if [checks](Self::alive) had failed. The program finds the time in `WATCHDOG_USEC` and should send
    /// twice as often. Default: none.
    #[must_use]
    pub fn watchdog(self, timeout: Duration) -> Self {
        self.change_requirements(|requirements| requirements.watchdog = Some(timeout))
    }

    /// Returns the condition of its readiness, if it has one.
    pub fn get_ready(&self) -> Option<&Condition> {
        self.requirements()?.ready.as_ref()
    }

    /// Returns the time by which a run must be ready.
    pub fn get_ready_timeout(&self) -> Duration {
        self.requirements().and_then(|requirements| requirements.ready_timeout).unwrap_or(READY_TIMEOUT)
    }

    /// Returns the checks of its health, if there are any.
    pub fn get_alive(&self) -> Option<(&Condition, Liveness)> {
        self.requirements()?.alive.as_ref().map(|(condition, liveness)| (condition, *liveness))
    }

    /// Returns the longest time between two notifications of its watchdog, if it has one.
    pub fn get_watchdog(&self) -> Option<Duration> {
        self.requirements()?.watchdog
    }

    fn requirements(&self) -> Option<&Requirements> {
        (self.get_health()? as &dyn Any).downcast_ref()
    }

    /// Requires this condition within this time. `message` finds the message in a line of output.
    #[must_use]
    pub(crate) fn ready_in(self, condition: Condition, timeout: Duration, message: MessageExtractor) -> Self {
        self.change_requirements(|requirements| {
            requirements.ready = Some(condition);
            requirements.ready_timeout = Some(timeout);
            requirements.message = message;
        })
    }

    fn change_requirements(self, change: impl FnOnce(&mut Requirements)) -> Self {
        let mut requirements = self.requirements().cloned().unwrap_or_default();
        change(&mut requirements);
        self.with_health(requirements)
    }
}

impl Requirement for Requirements {
    fn check(&self) -> Result<(), InvalidRequirement> {
        if let Some(ready) = &self.ready {
            check_condition("ready", ready)?;
            let (timeout, uptime) = (self.timeout(), ready.min_uptime());
            if timeout < uptime {
                let problem = RequirementProblem::BelowUptime(uptime);
                return Err(invalid("ready_timeout", format!("{timeout:?}"), problem));
            }
        }
        if let Some((alive, liveness)) = &self.alive {
            check_condition("alive", alive)?;
            if let Some(leaf) = alive.find_unrepeatable() {
                let reason = format!("{leaf} cannot be checked repeatedly");
                return Err(invalid("alive", alive.to_string(), RequirementProblem::Condition(reason)));
            }
            if liveness.every.is_zero() {
                return Err(invalid("alive.every", "0s".to_owned(), RequirementProblem::Zero));
            }
            if liveness.failures == 0 {
                return Err(invalid("alive.failures", "0".to_owned(), RequirementProblem::Zero));
            }
        }
        match self.watchdog {
            Some(Duration::ZERO) => Err(invalid("watchdog", "0s".to_owned(), RequirementProblem::Zero)),
            _ => Ok(()),
        }
    }

    fn is_equal(&self, other: &dyn Requirement) -> bool {
        let Some(other) = (other as &dyn Any).downcast_ref::<Self>() else { return false };
        let Self { ready, ready_timeout, alive, watchdog, message } = self;
        let is_same_message = match (message, &other.message) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, Some(_)) | (Some(_), None) => false,
        };
        is_same_message
            && (ready, ready_timeout, alive, watchdog)
                == (&other.ready, &other.ready_timeout, &other.alive, &other.watchdog)
    }
}

impl HealthSpec for Requirements {
    fn ready_timeout(&self) -> Option<Duration> {
        self.ready.is_some().then(|| self.timeout())
    }

    fn begin(&self, spec: &Spec, host: &Arc<dyn Host>) -> Result<HealthStart, SpawnError> {
        let ready = self.ready.clone().unwrap_or_else(|| Condition::all([]));
        let alive = self.alive.as_ref().map(|(alive, liveness)| (FlatCondition::new(alive), *liveness));
        let condition = FlatCondition::new(&ready);
        let watch =
            RunWatch::begin(spec, host, &condition, self.timeout(), &self.message, alive, self.watchdog);
        watch.map_err(|error| SpawnError::new(SpawnStep::Notify, spec.get_program().to_string_lossy(), error))
    }
}

impl Requirements {
    fn timeout(&self) -> Duration {
        self.ready_timeout.unwrap_or(READY_TIMEOUT)
    }
}

impl fmt::Debug for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirements")
            .field("ready", &self.ready)
            .field("ready_timeout", &self.ready_timeout)
            .field("alive", &self.alive)
            .field("watchdog", &self.watchdog)
            .finish_non_exhaustive()
    }
}

fn invalid(field: &'static str, value: String, problem: RequirementProblem) -> InvalidRequirement {
    InvalidRequirement { field, value, problem }
}

fn check_condition(field: &'static str, condition: &Condition) -> Result<(), InvalidRequirement> {
    let checked = condition.check();
    checked.map_err(|error| {
        invalid(field, condition.to_string(), RequirementProblem::Condition(error.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn error(spec: Spec) -> String {
        spec.check().unwrap_err().to_string()
    }

    #[test]
    fn f_203_a_requirement_that_can_never_be_met_names_its_field() {
        let spec = || Spec::new("web");
        assert_eq!(
            error(spec().ready(Condition::port(0))),
            "ready (port 0) cannot be met: the port must not be 0"
        );
        let slow = spec().ready(Condition::all([Condition::uptime(2 * SECOND), Condition::port(80)]));
        assert_eq!(
            error(slow.clone().ready_timeout(SECOND)),
            "ready_timeout (1s) cannot be met: it is shorter than the uptime of 2s that the condition requires"
        );
        assert!(slow.ready_timeout(2 * SECOND).check().is_ok());
        let either = Condition::any([Condition::uptime(2 * SECOND), Condition::port(80)]);
        assert!(spec().ready(either).ready_timeout(SECOND).check().is_ok());
        let alive = |liveness| error(spec().alive(Condition::port(80), liveness));
        let default = Liveness::default();
        assert_eq!(
            alive(Liveness { every: Duration::ZERO, ..default }),
            "alive.every (0s) cannot be met: it is zero"
        );
        assert_eq!(
            alive(Liveness { failures: 0, ..default }),
            "alive.failures (0) cannot be met: it is zero"
        );
        let once = Condition::all([Condition::port(80), Condition::any([Condition::sd_notify()])]);
        assert_eq!(
            error(spec().alive(once, default)),
            "alive (port 80 and notification READY=1) cannot be met: notification READY=1 cannot be checked \
             repeatedly"
        );
        assert_eq!(error(spec().watchdog(Duration::ZERO)), "watchdog (0s) cannot be met: it is zero");
    }

    #[test]
    fn specs_with_the_same_requirements_are_equal() {
        let spec = |port| Spec::new("web").ready(Condition::port(port)).watchdog(SECOND);
        assert_eq!(spec(80), spec(80));
        assert_ne!(spec(80), spec(81));
        assert_ne!(spec(80), spec(80).ready_timeout(SECOND));
        assert_ne!(spec(80), Spec::new("web"));
        assert_eq!(spec(80).get_ready().map(ToString::to_string).as_deref(), Some("port 80"));
        assert_eq!(
            (spec(80).get_ready_timeout(), spec(80).get_watchdog(), spec(80).get_alive()),
            (READY_TIMEOUT, Some(SECOND), None)
        );
    }
}
