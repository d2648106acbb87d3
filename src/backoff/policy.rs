//! The delay before the next connection attempt, as a pure function of the number of failures.

use std::time::Duration;

use super::error::{BackoffError, BackoffProblem};
use super::growth::{Growth, LONGEST};
use super::jitter::random;

/// The delays between the connection attempts of a [`ClientService`](crate::ClientService).
///
/// After the `n`-th failure in a row, counted from 1, the delay is
///
/// ```text
/// delay(n) = growth.delay(n + 1, initial_delay, max_delay) + jitter(n)
/// ```
///
/// With the default growth the first part is `min(initial_delay × 1.5^min(100, n), max_delay)`. This is the
/// formula of Twisted, with two details that are easily missed. The first delay is *not* `initial_delay` but
/// the one after it: 1.5 s by default, before jitter. And jitter is added after the maximum is applied: by
/// default a delay may be longer than 60 s, but not as long as 61 s. If the power overflows, the delay is
/// `max_delay`.
///
/// The same policy and the same `n` always give the same delay, and the delays of a service are exactly those
/// of [`schedule`](Self::schedule).
///
/// ```
/// use std::time::Duration;
/// use childminder::backoff::BackoffPolicy;
///
/// let policy = BackoffPolicy { jitter: Duration::ZERO, ..BackoffPolicy::default() };
/// let seconds: Vec<f64> = policy.schedule().map(|wait| wait.as_secs_f64()).take(5).collect();
/// assert_eq!(seconds, [1.5, 2.25, 3.375, 5.0625, 7.59375]);
/// assert_eq!(policy.delay(1_000_000), Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffPolicy {
    /// The delay that grows. It may not be zero. Default: 1 s.
    pub initial_delay: Duration,
    /// The maximum delay before jitter. It may not be below `initial_delay`. Default: 60 s.
    pub max_delay: Duration,
    /// The growth from one failure to the next. Its factor may not be below 1, and
    /// [`Growth::AtOnce`] is not accepted. Default: `Growth::Factor(1.5)`.
    pub growth: Growth,
    /// The upper bound of the jitter, which is uniformly distributed from zero to just below this. If it is
    /// zero, there is no jitter. Default: 1 s.
    pub jitter: Duration,
    /// The seed of the jitter. Default: a random one for each `default()`, so that a thousand clients of one
    /// server do not reconnect at the same times.
    pub seed: u64,
}

impl Default for BackoffPolicy {
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            growth: Growth::Factor(1.5),
            jitter: Duration::from_secs(1),
            seed: fastrand::u64(..),
        }
    }
}

impl BackoffPolicy {
    /// The maximum of every field: a hundred years. It keeps deadlines from overflowing the clock.
    pub const LONGEST: Duration = LONGEST;

    /// Creates a policy from numbers of seconds, in the order of Twisted's `backoffPolicy`, with a random
    /// seed.
    ///
    /// # Errors
    ///
    /// [`BackoffError`] with the field that is not a number, negative or too large, or that
    /// [`check`](Self::check) rejects.
    ///
    /// ```
    /// use childminder::backoff::BackoffPolicy;
    ///
    /// let error = BackoffPolicy::from_secs(1.0, 60.0, 0.5, 1.0).unwrap_err();
    /// assert_eq!(error.to_string(), "factor is 0.5, which is below 1, so delays would shrink");
    /// ```
    pub fn from_secs(
        initial_delay: f64,
        max_delay: f64,
        factor: f64,
        jitter: f64,
    ) -> Result<Self, BackoffError> {
        let policy = Self {
            initial_delay: seconds("initial_delay", initial_delay)?,
            max_delay: seconds("max_delay", max_delay)?,
            growth: Growth::Factor(factor),
            jitter: seconds("jitter", jitter)?,
            ..Self::default()
        };
        policy.check()?;
        Ok(policy)
    }

    /// Checks the fields and their combination. Services call this before they use a policy.
    ///
    /// # Errors
    ///
    /// [`BackoffError`] with the first field that is not valid.
    pub fn check(&self) -> Result<(), BackoffError> {
        let Self { initial_delay, max_delay, growth, jitter, seed: _ } = *self;
        let wrong = |field, problem| Err(BackoffError { field, problem });
        for (field, duration) in
            [("initial_delay", initial_delay), ("max_delay", max_delay), ("jitter", jitter)]
        {
            if duration > Self::LONGEST {
                return wrong(field, BackoffProblem::TooLong);
            }
        }
        if initial_delay.is_zero() {
            return wrong("initial_delay", BackoffProblem::Zero);
        }
        if max_delay < initial_delay {
            let problem = BackoffProblem::BelowInitial { initial: initial_delay, max: max_delay };
            return wrong("max_delay", problem);
        }
        if growth == Growth::AtOnce {
            return wrong("growth", BackoffProblem::Endless);
        }
        growth.check()
    }

    /// Returns the delay after the `n`-th failure in a row, counted from 1.
    pub fn delay(&self, n: u32) -> Duration {
        let delay = self.growth.delay(n.saturating_add(1), self.initial_delay, self.max_delay);
        delay.saturating_add(self.jitter(n))
    }

    /// Returns the delays if every attempt fails, from the first. The delays of a service are exactly these,
    /// as long as its failure count is not reset. A stop of the service does not reset it.
    pub fn schedule(&self) -> impl Iterator<Item = Duration> + use<> {
        let policy = *self;
        (1..=u32::MAX).map(move |n| policy.delay(n))
    }

    fn jitter(&self, n: u32) -> Duration {
        match u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX) {
            0 => Duration::ZERO,
            end => Duration::from_nanos(random(self.seed, n.into(), end)),
        }
    }
}

/// Converts a number of seconds to a duration.
fn seconds(field: &'static str, seconds: f64) -> Result<Duration, BackoffError> {
    let problem = if seconds.is_nan() {
        BackoffProblem::NotANumber
    } else if seconds < 0.0 {
        BackoffProblem::Negative
    } else if seconds > BackoffPolicy::LONGEST.as_secs_f64() {
        BackoffProblem::TooLong
    } else {
        return Ok(Duration::from_secs_f64(seconds));
    };
    Err(BackoffError { field, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady() -> BackoffPolicy {
        BackoffPolicy { jitter: Duration::ZERO, ..BackoffPolicy::default() }
    }

    #[test]
    fn cs_4_the_formula_is_the_originals_and_the_first_wait_is_initial_times_factor() {
        let table = [
            (1, 1.5),
            (2, 2.25),
            (3, 3.375),
            (4, 5.0625),
            (5, 7.59375),
            (6, 11.390625),
            (7, 17.085_937_5),
            (8, 25.628_906_25),
            (9, 38.443_359_375),
            (10, 57.665_039_063),
            (11, 60.0),
            (12, 60.0),
            (100, 60.0),
            (1751, 60.0),
            (1_000_000, 60.0),
            (u32::MAX, 60.0),
        ];
        for (n, seconds) in table {
            assert_eq!(steady().delay(n), Duration::from_secs_f64(seconds), "n = {n}");
        }
    }

    #[test]
    fn cs_weak_10_a_power_that_overflows_is_the_cap() {
        for factor in [1e10, 1e300, f64::MAX, f64::INFINITY] {
            let policy = BackoffPolicy { growth: Growth::Factor(factor), ..steady() };
            assert_eq!(policy.check(), Ok(()));
            assert_eq!(policy.delay(2_000), policy.max_delay, "{factor}");
        }
        // The exponent ends at a hundred, also below the maximum.
        let slow =
            BackoffPolicy { growth: Growth::Factor(1.01), max_delay: Duration::from_secs(3600), ..steady() };
        assert_eq!(slow.delay(100), slow.delay(101));
        assert!(slow.delay(99) < slow.delay(100) && slow.delay(100) < slow.max_delay);
    }

    #[test]
    fn a_client_has_the_growths_of_a_monitor_from_their_second_delay_on() {
        let seconds = |growth| {
            let policy = BackoffPolicy { growth, ..steady() };
            [1, 2, 3, 7].map(|n| policy.delay(n).as_secs())
        };
        assert_eq!(seconds(Growth::Doubling), [2, 4, 8, 60]);
        assert_eq!(seconds(Growth::Linear(Duration::from_secs(5))), [6, 11, 16, 36]);
        assert_eq!(seconds(Growth::Fixed), [1, 1, 1, 1]);
        assert_eq!(seconds(Growth::DoublingAfterFirst), [1, 2, 4, 60]);
    }

    #[test]
    fn test_backoff_policy_jitter_comes_after_the_cap_and_stays_in_its_range() {
        let policy = BackoffPolicy { seed: 7, ..BackoffPolicy::default() };
        let extra: Vec<Duration> = (1..=10_000).map(|n| policy.delay(n) - steady().delay(n)).collect();
        assert!(extra.iter().all(|jitter| *jitter < policy.jitter));
        let mean = extra.iter().sum::<Duration>() / 10_000;
        assert!(mean.abs_diff(policy.jitter / 2) < Duration::from_millis(20), "{mean:?}");
        assert!(extra.iter().any(|jitter| *jitter > policy.jitter.mul_f64(0.99)));
        assert!((11..100).any(|n| policy.delay(n) > policy.max_delay));
    }

    #[test]
    fn the_schedule_is_what_happens_and_a_seed_of_its_own_is_another() {
        let policy = BackoffPolicy { seed: 7, ..BackoffPolicy::default() };
        let other = BackoffPolicy { seed: 8, ..policy };
        // The order of the calls does not matter.
        let mut backwards: Vec<_> = (1..=50).rev().map(|n| policy.delay(n)).collect();
        backwards.reverse();
        assert!(policy.schedule().take(50).eq(backwards.iter().copied()));
        assert!(other.schedule().zip(&backwards).take(50).all(|(other, ours)| other != *ours));
        assert_ne!(BackoffPolicy::default().seed, BackoffPolicy::default().seed);
    }

    #[test]
    fn f_67_numbers_that_make_no_sense_name_their_field() {
        let error = |i, m, f, j| BackoffPolicy::from_secs(i, m, f, j).unwrap_err().to_string();
        assert_eq!(error(f64::NAN, 60.0, 1.5, 1.0), "initial_delay is not a number");
        assert_eq!(error(-1.0, 60.0, 1.5, 1.0), "initial_delay is negative");
        assert_eq!(error(0.0, 60.0, 1.5, 1.0), "initial_delay is zero, so failures would never be slowed");
        assert_eq!(error(1.0, f64::INFINITY, 1.5, 1.0), "max_delay is longer than a hundred years");
        assert_eq!(error(2.0, 1.0, 1.5, 1.0), "max_delay is 1s, which is below initial_delay, 2s");
        assert_eq!(error(1.0, 60.0, f64::NAN, 1.0), "factor is not a number");
        assert_eq!(error(1.0, 60.0, 0.99, 1.0), "factor is 0.99, which is below 1, so delays would shrink");
        assert_eq!(error(1.0, 60.0, 1.5, -0.1), "jitter is negative");
        let endless = BackoffPolicy { jitter: Duration::MAX, ..BackoffPolicy::default() };
        assert_eq!(endless.check().unwrap_err().field(), "jitter");
        let eager = BackoffPolicy { growth: Growth::AtOnce, ..BackoffPolicy::default() };
        let error = eager.check().unwrap_err().to_string();
        assert_eq!(error, "growth has no delays, so failures would never be slowed");
        assert!(BackoffPolicy::from_secs(1.0, 1.0, 1.0, 0.0).is_ok());
    }
}
