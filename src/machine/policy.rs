//! The policy of a process, and which values are valid.

use std::time::Duration;

use super::policy_error::{PolicyError, PolicyProblem};
use super::{ExitSet, GiveUp, LongRun, Restart};
use crate::backoff::{BackoffPolicy, Growth, Jitter};

/// When a process is restarted, and how long it may take to stop.
///
/// The defaults are those of Twisted's `ProcessMonitor`. A monitor has one policy for all its processes; a
/// process may have its own ([`Spec::policy`](crate::Spec::policy)).
///
/// ```
/// use std::time::Duration;
/// use childminder::Policy;
///
/// let patient = Policy { kill_time: Duration::from_secs(30), ..Policy::default() };
/// assert!(patient.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A run that is shorter than this is an instant death: the next start waits for the current delay, and
    /// the delay doubles. After a run of this length or more the process is restarted at once, and the delay
    /// is reset.
    ///
    /// If this is zero, no run is an instant death. A start that *fails* always waits, also
    /// then. Default: 1 s.
    pub threshold: Duration,
    /// The time from the stop signal to KILL, for the process and its whole family. If this is zero, KILL
    /// follows at once. Default: 5 s.
    pub kill_time: Duration,
    /// The delay after the first instant death. It may not be zero, because a crash loop would never be
    /// slowed. Default: 1 s.
    pub min_restart_delay: Duration,
    /// The maximum delay, at which the doubling ends. It may not be below `min_restart_delay`. Default: 3600
    /// s.
    pub max_restart_delay: Duration,
    /// The time that the end of a run waits for the end of its output if another process holds the pipes
    /// open, most often a descendant that is not found as a member of the family. Default: 200 ms.
    pub leak_timeout: Duration,
    /// After which runs the process is restarted. Default: always.
    pub restart: Restart,
    /// The exits that are a success. Default: code 0.
    pub success: ExitSet,
    /// The growth of the delay from `min_restart_delay` to `max_restart_delay`. Default: it doubles.
    pub growth: Growth,
    /// The random part of each delay. Default: none.
    pub jitter: Jitter,
    /// The delay after a run that was long enough to reset the delay. Default: none.
    pub long_run: LongRun,
    /// The time of being ready after which a run resets the delay and is restarted at once, in the place of
    /// `threshold`; a process without a condition for its readiness is ready from its start. Default: `None`,
    /// `threshold` applies.
    pub reset_after_ready: Option<Duration>,
    /// When the process is given up. Default: never.
    pub give_up: Option<GiveUp>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            threshold: Duration::from_secs(1),
            kill_time: Duration::from_secs(5),
            min_restart_delay: Duration::from_secs(1),
            max_restart_delay: Duration::from_secs(3600),
            leak_timeout: Duration::from_millis(200),
            restart: Restart::Always,
            success: ExitSet::default(),
            growth: Growth::Doubling,
            jitter: Jitter::NONE,
            long_run: LongRun::AtOnce,
            reset_after_ready: None,
            give_up: None,
        }
    }
}

impl Policy {
    /// The maximum of every field: a hundred years. It keeps deadlines from overflowing the clock.
    pub const LONGEST: Duration = BackoffPolicy::LONGEST;

    /// The time that a process may outlive KILL before the stop is reported as failed: 2 s. On a loaded
    /// system, processes that only need a CPU to die have up to 10 s.
    pub const KILL_GRACE: Duration = Duration::from_secs(2);

    /// Creates a policy from numbers of seconds, as Twisted has them, with the default `leak_timeout`.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with the field that is not a number, negative, too large, zero where it may not be, or
    /// a minimum above its maximum.
    ///
    /// ```
    /// use childminder::Policy;
    ///
    /// let error = Policy::from_secs(1.0, f64::NAN, 1.0, 3600.0).unwrap_err();
    /// assert_eq!(error.to_string(), "kill_time is not a number");
    /// ```
    pub fn from_secs(
        threshold: f64,
        kill_time: f64,
        min_restart_delay: f64,
        max_restart_delay: f64,
    ) -> Result<Self, PolicyError> {
        let policy = Self {
            threshold: Self::parse_seconds("threshold", threshold)?,
            kill_time: Self::parse_seconds("kill_time", kill_time)?,
            min_restart_delay: Self::parse_seconds("min_restart_delay", min_restart_delay)?,
            max_restart_delay: Self::parse_seconds("max_restart_delay", max_restart_delay)?,
            ..Self::default()
        };
        policy.check()?;
        Ok(policy)
    }

    /// Converts a number of seconds to a duration.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with `field` if the number is NaN, negative, or above [`Policy::LONGEST`].
    pub fn parse_seconds(field: &'static str, seconds: f64) -> Result<Duration, PolicyError> {
        let problem = if seconds.is_nan() {
            PolicyProblem::NotANumber
        } else if seconds < 0.0 {
            PolicyProblem::Negative
        } else if seconds > Self::LONGEST.as_secs_f64() {
            PolicyProblem::TooLong
        } else {
            return Ok(Duration::from_secs_f64(seconds));
        };
        Err(PolicyError::new(field, problem))
    }

    /// Checks the fields and their combination. Monitors call this before they use a policy.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with the first field that is not valid.
    pub fn check(&self) -> Result<(), PolicyError> {
        let Self { threshold, kill_time, min_restart_delay, max_restart_delay, leak_timeout, .. } = *self;
        let reset_after_ready = self.reset_after_ready.unwrap_or_default();
        let within = self.give_up.and_then(|give_up| give_up.within);
        for (field, duration) in [
            ("threshold", threshold),
            ("kill_time", kill_time),
            ("min_restart_delay", min_restart_delay),
            ("max_restart_delay", max_restart_delay),
            ("leak_timeout", leak_timeout),
            ("reset_after_ready", reset_after_ready),
            ("give_up.within", within.unwrap_or_default()),
        ] {
            if duration > Self::LONGEST {
                return Err(PolicyError::new(field, PolicyProblem::TooLong));
            }
        }
        if min_restart_delay.is_zero() {
            return Err(PolicyError::new("min_restart_delay", PolicyProblem::Zero));
        }
        if min_restart_delay > max_restart_delay {
            let problem = PolicyProblem::AboveMaximum { min: min_restart_delay, max: max_restart_delay };
            return Err(PolicyError::new("min_restart_delay", problem));
        }
        self.growth.check().map_err(PolicyError::of_growth)?;
        if self.growth == Growth::AtOnce && self.give_up.is_none() {
            return Err(PolicyError::new("growth", PolicyProblem::Endless));
        }
        match self.give_up {
            Some(GiveUp { failures: 0, .. }) => {
                Err(PolicyError::new("give_up.failures", PolicyProblem::NoFailures))
            }
            Some(GiveUp { failures, .. }) if failures > GiveUp::MAX_FAILURES => {
                Err(PolicyError::new("give_up.failures", PolicyProblem::TooManyFailures(failures)))
            }
            Some(GiveUp { within: Some(Duration::ZERO), .. }) => {
                Err(PolicyError::new("give_up.within", PolicyProblem::NoWindow))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::OnGiveUp;

    #[test]
    fn f_67_pm_27_pmt_6_numbers_that_make_no_sense_name_their_field() {
        let error = |t, k, m, big| Policy::from_secs(t, k, m, big).unwrap_err().to_string();
        assert_eq!(error(f64::NAN, 5.0, 1.0, 3600.0), "threshold is not a number");
        assert_eq!(error(1.0, -1.0, 1.0, 3600.0), "kill_time is negative");
        assert_eq!(
            error(1.0, 5.0, 0.0, 3600.0),
            "min_restart_delay is zero, so a crash loop would never be slowed"
        );
        assert_eq!(
            error(1.0, 5.0, 10.0, 3.0),
            "min_restart_delay is 10s, which is above max_restart_delay, 3s"
        );
        for endless in [f64::INFINITY, 1e30, 9.3e18, f64::MAX] {
            assert_eq!(error(1.0, 5.0, 1.0, endless), "max_restart_delay is longer than a hundred years");
        }
        assert_eq!(Policy::from_secs(1.0, 5.0, 1.0, 3600.0), Ok(Policy::default()));
        assert!(Policy::from_secs(0.0, 0.0, 1e-9, 1e-9).is_ok());
        let endless = Policy { leak_timeout: Duration::MAX, ..Policy::default() };
        assert_eq!(endless.check().unwrap_err().field(), "leak_timeout");
    }

    #[test]
    fn f_190_f_192_restarts_without_sense_name_their_field() {
        let error = |policy: Policy| policy.check().unwrap_err().to_string();
        let growth = |growth| error(Policy { growth, ..Policy::default() });
        assert_eq!(
            growth(Growth::Factor(0.5)),
            "growth.factor is 0.5, which is below 1, so delays would shrink"
        );
        assert_eq!(growth(Growth::Steps(0)), "growth.steps is zero, so failures would never be slowed");
        assert_eq!(growth(Growth::Linear(Duration::MAX)), "growth.step is longer than a hundred years");
        assert_eq!(
            growth(Growth::AtOnce),
            "growth has no delays, so a crash loop would never be slowed; set `give_up` or another growth"
        );
        let give_up = |failures, within| {
            let give_up = Some(GiveUp { failures, within, then: OnGiveUp::StayDown });
            error(Policy { give_up, growth: Growth::AtOnce, ..Policy::default() })
        };
        assert_eq!(
            give_up(0, None),
            "give_up.failures is zero, so the process would be given up before its first failure"
        );
        assert_eq!(give_up(1_000_000, None), "give_up.failures is 1000000; at most 10000 are possible");
        assert_eq!(
            give_up(1, Some(Duration::ZERO)),
            "give_up.within is zero, so no failure would ever count"
        );
        assert_eq!(give_up(1, Some(Duration::MAX)), "give_up.within is longer than a hundred years");
    }
}
