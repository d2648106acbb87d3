//! The rules by which delays grow.
//!
//! Products are computed in nanoseconds instead of seconds: whole numbers up to 2^53 (a hundred days) and
//! powers of two are exact as floating-point numbers, so a delay that doubles is exact to the nanosecond.

use std::time::Duration;

use super::error::{BackoffError, BackoffProblem};

/// The longest duration of a policy, a hundred years: it keeps deadlines from overflowing the clock.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The highest exponent. It keeps the power of a large factor finite, and a delay that doubles has reached
/// the longest duration long before.
const HIGHEST_POWER: u32 = 100;

/// The rule by which a delay grows from a minimum to a maximum, from one failure in a row to the next.
///
/// ```
/// use std::time::Duration;
/// use childminder::backoff::Growth;
///
/// let delays = |growth: Growth| {
///     let (min, max) = (Duration::from_secs(1), Duration::from_secs(5));
///     [1, 2, 3, 4].map(|failures| growth.delay(failures, min, max).as_secs_f64())
/// };
/// assert_eq!(delays(Growth::Doubling), [1.0, 2.0, 4.0, 5.0]);
/// assert_eq!(delays(Growth::Factor(1.5)), [1.0, 1.5, 2.25, 3.375]);
/// assert_eq!(delays(Growth::Linear(Duration::from_secs(3))), [1.0, 4.0, 5.0, 5.0]);
/// assert_eq!(delays(Growth::DoublingAfterFirst), [0.0, 1.0, 2.0, 4.0]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Growth {
    /// Each delay is twice the last.
    #[default]
    Doubling,
    /// Each delay is the last times this factor, which may not be below 1.
    Factor(f64),
    /// Each delay is longer than the last by this step.
    Linear(Duration),
    /// The delay reaches the maximum in this number of steps, which may not be zero, each of which multiplies
    /// it by the same factor: like `RestartSteps=` of systemd.
    Steps(u32),
    /// Every delay is the minimum.
    Fixed,
    /// There is no delay after the first failure in a row. The second delay is the minimum, and each further
    /// one is twice the last: like the kubelet.
    DoublingAfterFirst,
    /// There is no delay. A [`Policy`](crate::Policy) accepts this only with a limit to the number of
    /// failures.
    AtOnce,
}

/// Factors are compared bit by bit, so that every value equals itself.
impl PartialEq for Growth {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Factor(ours), Self::Factor(theirs)) => ours.to_bits() == theirs.to_bits(),
            (Self::Linear(ours), Self::Linear(theirs)) => ours == theirs,
            (Self::Steps(ours), Self::Steps(theirs)) => ours == theirs,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Growth {}

impl Growth {
    /// Returns the delay after the `failures`-th failure in a row, counted from 1. It is at most `max`, and
    /// never shorter than the one before. If a factor is not a number, it is `max`.
    pub fn delay(self, failures: u32, min: Duration, max: Duration) -> Duration {
        let earlier = failures.saturating_sub(1);
        match self {
            Self::Doubling => grown(min, 2.0, earlier, max),
            Self::Factor(factor) => grown(min, factor, earlier, max),
            Self::Linear(step) => min.saturating_add(step.saturating_mul(earlier)).min(max),
            Self::Steps(steps) if earlier >= steps => max,
            Self::Steps(steps) => {
                let ratio = max.as_nanos() as f64 / min.as_nanos() as f64;
                grown(min, ratio.powf(f64::from(earlier) / f64::from(steps)), 1, max)
            }
            Self::Fixed => min.min(max),
            Self::DoublingAfterFirst if earlier == 0 => Duration::ZERO,
            Self::DoublingAfterFirst => grown(min, 2.0, earlier - 1, max),
            Self::AtOnce => Duration::ZERO,
        }
    }

    /// Checks the number in it.
    ///
    /// # Errors
    ///
    /// [`BackoffError`] with the field `factor`, `step` or `steps`.
    ///
    /// ```
    /// use childminder::backoff::Growth;
    ///
    /// let error = Growth::Factor(0.5).check().unwrap_err();
    /// assert_eq!(error.to_string(), "factor is 0.5, which is below 1, so delays would shrink");
    /// ```
    pub fn check(self) -> Result<(), BackoffError> {
        let wrong = |field, problem| Err(BackoffError { field, problem });
        match self {
            Self::Factor(factor) if factor.is_nan() => wrong("factor", BackoffProblem::NotANumber),
            Self::Factor(factor) if factor < 1.0 => wrong("factor", BackoffProblem::BelowOne(factor)),
            Self::Linear(step) if step > LONGEST => wrong("step", BackoffProblem::TooLong),
            Self::Steps(0) => wrong("steps", BackoffProblem::Zero),
            _ => Ok(()),
        }
    }
}

/// Returns `initial × factor^min(100, n)`, rounded to the nanosecond, at most `max`; `max` if it is not a
/// number.
fn grown(initial: Duration, factor: f64, n: u32, max: Duration) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let power = factor.powi(i32::try_from(n.min(HIGHEST_POWER)).expect("a hundred at most"));
    let nanos = (initial.as_nanos() as f64 * power).round();
    if nanos < max.as_nanos() as f64 {
        let nanos = nanos as u128;
        Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
    } else {
        max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_is_exact_to_the_nanosecond_however_long() {
        let initial = Duration::new(100 * 24 * 60 * 60, 1);
        let mut expected = initial;
        for n in 0..25 {
            assert_eq!(grown(initial, 2.0, n, Duration::MAX), expected);
            expected = expected.saturating_mul(2);
        }
    }

    #[test]
    fn other_factors_are_right_to_the_nearest_nanosecond() {
        let grown =
            |nanos, factor, n| grown(Duration::from_nanos(nanos), factor, n, Duration::MAX).as_nanos();
        assert_eq!(grown(1_000_000_000, 1.5, 10), 57_665_039_063);
        assert_eq!(grown(1, 1.5, 1), 2);
        assert_eq!(grown(1, 1.25, 1), 1);
        assert_eq!(grown(7, 1.0, 1_000_000), 7);
        assert_eq!(grown(3, 3.0, 4), 243);
    }

    #[test]
    fn f_67_what_is_no_number_or_does_not_fit_is_the_maximum() {
        let max = Duration::from_secs(60);
        for factor in [1e300, f64::MAX, f64::INFINITY, f64::NAN] {
            assert_eq!(grown(Duration::from_secs(1), factor, 3, max), max, "{factor}");
        }
        assert_eq!(grown(Duration::MAX, 1.1, 7, Duration::MAX), Duration::MAX);
        assert_eq!(grown(Duration::from_nanos(1), 2.0, u32::MAX, Duration::MAX), Duration::MAX);
        assert_eq!(grown(2 * max, 1.0, 0, max), max);
        for growth in [Growth::Steps(3), Growth::Steps(0), Growth::Linear(Duration::MAX)] {
            assert_eq!(growth.delay(u32::MAX, Duration::from_secs(1), max), max, "{growth:?}");
            assert!(growth.delay(2, Duration::ZERO, max) <= max, "{growth:?}");
        }
    }

    #[test]
    fn every_rule_starts_at_the_minimum_or_at_once_and_never_shrinks() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(10));
        let millis = |growth: Growth, failures: &[u32]| -> Vec<u128> {
            failures.iter().map(|&failures| growth.delay(failures, min, max).as_millis()).collect()
        };
        let first = [1, 2, 3, 4, 5, 8, 9];
        for (growth, expected) in [
            (Growth::Doubling, [100, 200, 400, 800, 1600, 10_000, 10_000]),
            (Growth::Factor(1.0), [100; 7]),
            (Growth::Factor(3.0), [100, 300, 900, 2700, 8100, 10_000, 10_000]),
            (Growth::Linear(Duration::from_millis(50)), [100, 150, 200, 250, 300, 450, 500]),
            // 100 ms × 100^(i/4): the square root of ten is 3.162.
            (Growth::Steps(4), [100, 316, 1000, 3162, 10_000, 10_000, 10_000]),
            (Growth::Fixed, [100; 7]),
            (Growth::DoublingAfterFirst, [0, 100, 200, 400, 800, 6400, 10_000]),
            (Growth::AtOnce, [0; 7]),
        ] {
            assert_eq!(millis(growth, &first), expected, "{growth:?}");
            assert!((1..300).map(|n| growth.delay(n, min, max)).is_sorted(), "{growth:?}");
            assert!(growth.delay(u32::MAX, min, max) <= max, "{growth:?}");
        }
    }

    #[test]
    fn f_190_a_growth_that_makes_no_sense_names_its_field() {
        let error = |growth: Growth| growth.check().unwrap_err().to_string();
        assert_eq!(error(Growth::Factor(0.99)), "factor is 0.99, which is below 1, so delays would shrink");
        assert_eq!(error(Growth::Factor(f64::NAN)), "factor is not a number");
        assert_eq!(error(Growth::Linear(Duration::MAX)), "step is longer than a hundred years");
        assert_eq!(error(Growth::Steps(0)), "steps is zero, so failures would never be slowed");
        assert_eq!(Growth::Factor(f64::INFINITY).check(), Ok(()));
    }

    #[test]
    fn growths_are_equal_if_their_rules_and_numbers_are() {
        let all = [
            Growth::Doubling,
            Growth::Factor(2.0),
            Growth::Factor(f64::NAN),
            Growth::Linear(Duration::ZERO),
            Growth::Linear(Duration::MAX),
            Growth::Steps(1),
            Growth::Steps(2),
            Growth::Fixed,
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all.iter().enumerate().all(|(j, other)| (one == other) == (i == j)), "{one:?}");
        }
    }
}
