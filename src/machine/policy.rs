//! How patiently a process is kept alive: the five durations, and what makes them valid.

use std::fmt;
use std::time::Duration;

use crate::backoff::{Backoff, BackoffPolicy};

/// When a process is restarted, and how long it may take to stop.
///
/// The defaults are those of Twisted's `ProcessMonitor`, so that a program moved over behaves as it did. A monitor
/// has one policy for all its processes; a process may bring its own ([`Spec::policy`](crate::Spec::policy)).
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
    /// A run shorter than this (strictly) is an instant death: it waits the current delay before the next start,
    /// and the delay doubles. A run of this length or more is restarted at once and resets the delay (PM-24…26).
    /// Zero: no death is an instant one. Default: 1 s.
    pub threshold: Duration,
    /// How long a process, with its whole group, has to end after the stop signal before it gets KILL (PM-34).
    /// Zero: KILL follows at once. Default: 5 s.
    pub kill_time: Duration,
    /// The wait after the first instant death. Not zero, or a crash loop would never be slowed. Default: 1 s.
    pub min_restart_delay: Duration,
    /// The longest wait; the doubling ends here. Not below `min_restart_delay` (PM-27). Default: 3600 s.
    pub max_restart_delay: Duration,
    /// How long the end of a run waits for the end of its output when something else still holds the pipe, most
    /// often a grandchild that left the process group (PM-22, F-17). Zero: not at all. Default: 200 ms.
    pub leak_timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            threshold: Duration::from_secs(1),
            kill_time: Duration::from_secs(5),
            min_restart_delay: Duration::from_secs(1),
            max_restart_delay: Duration::from_secs(3600),
            leak_timeout: Duration::from_millis(200),
        }
    }
}

impl Policy {
    /// The longest duration any field may have: a hundred years. So no deadline can overflow a clock (F-67).
    pub const LONGEST: Duration = BackoffPolicy::LONGEST;

    /// How long a process may outlive KILL before the stop is reported as failed: 2 s.
    pub const KILL_GRACE: Duration = Duration::from_secs(2);

    /// Twisted's four numbers, in seconds, with the default `leak_timeout`.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] naming the field that is not a number, negative, too large, zero where it may not be, or a
    /// minimum above its maximum (PM-27, PMT-6).
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
    /// [`PolicyError`] that names `field` if the number is NaN, negative, or above [`Policy::LONGEST`].
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
        Err(PolicyError { field, problem })
    }

    /// Tells whether the fields make sense together. Every `add_process` asks this.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] naming the first field that does not.
    pub fn check(&self) -> Result<(), PolicyError> {
        let Self { threshold, kill_time, min_restart_delay, max_restart_delay, leak_timeout } = *self;
        for (field, duration) in [
            ("threshold", threshold),
            ("kill_time", kill_time),
            ("min_restart_delay", min_restart_delay),
            ("max_restart_delay", max_restart_delay),
            ("leak_timeout", leak_timeout),
        ] {
            if duration > Self::LONGEST {
                return Err(PolicyError { field, problem: PolicyProblem::TooLong });
            }
        }
        if min_restart_delay.is_zero() {
            return Err(PolicyError { field: "min_restart_delay", problem: PolicyProblem::Zero });
        }
        if min_restart_delay > max_restart_delay {
            let problem = PolicyProblem::AboveMaximum { min: min_restart_delay, max: max_restart_delay };
            return Err(PolicyError { field: "min_restart_delay", problem });
        }
        Ok(())
    }

    /// The waits that a process dying instantly every time goes through, first to last: they double from the
    /// minimum to the maximum and stay there. What happens equals this list exactly.
    ///
    /// ```
    /// use childminder::Policy;
    ///
    /// let seconds: Vec<u64> = Policy::default().schedule().map(|wait| wait.as_secs()).take(13).collect();
    /// assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600]);
    /// ```
    pub fn schedule(&self) -> impl Iterator<Item = Duration> + use<> {
        let mut backoff = self.backoff();
        std::iter::repeat_with(move || backoff.grow())
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(self.min_restart_delay, self.max_restart_delay)
    }
}

/// Why a [`Policy`] is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The field as it is spelled in [`Policy`].
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: PolicyProblem,
}

/// What can be wrong with a field of a [`Policy`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// NaN was given where seconds were expected.
    NotANumber,
    /// Less than zero seconds.
    Negative,
    /// Longer than [`Policy::LONGEST`].
    TooLong,
    /// Zero, where zero would mean a busy loop.
    Zero,
    /// The minimum is above the maximum.
    AboveMaximum {
        /// The minimum given.
        min: Duration,
        /// The maximum given.
        max: Duration,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match &self.problem {
            PolicyProblem::NotANumber => write!(f, "{field} is not a number"),
            PolicyProblem::Negative => write!(f, "{field} is negative"),
            PolicyProblem::TooLong => write!(f, "{field} is longer than a hundred years"),
            PolicyProblem::Zero => write!(f, "{field} is zero, so a crash loop would never be slowed"),
            PolicyProblem::AboveMaximum { min, max } => {
                write!(f, "{field} is {min:?}, which is above max_restart_delay, {max:?}")
            }
        }
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(endless.check().unwrap_err().field, "leak_timeout");
    }
}
