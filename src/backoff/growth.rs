//! The growth of delays.
//!
//! The product is computed in nanoseconds instead of seconds: whole numbers up to 2^53 (a hundred days) and
//! powers of two are exact as floating-point numbers, so a delay that doubles is exact to the nanosecond.

use std::time::Duration;

/// The highest exponent. It keeps the power of a large factor finite, and a delay that doubles has reached
/// the longest duration long before.
const HIGHEST_POWER: u32 = 100;

/// Returns `initial × factor^min(100, n)`, rounded to the nanosecond, at most `max`; `max` if it is not a
/// number.
pub(super) fn grown(initial: Duration, factor: f64, n: u32, max: Duration) -> Duration {
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

/// The delay before the next start of a process, which doubles from a minimum to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    /// The number of times that it has grown since it was at its minimum.
    growths: u32,
}

impl Backoff {
    /// Begins at `min`.
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, growths: 0 }
    }

    /// Returns the delay that the next [`grow`](Self::grow) will return.
    pub(crate) fn next(&self) -> Duration {
        grown(self.min, 2.0, self.growths, self.max)
    }

    /// Returns the current delay and doubles it, up to the maximum.
    pub(crate) fn grow(&mut self) -> Duration {
        let wait = self.next();
        self.growths = self.growths.saturating_add(1);
        wait
    }

    /// Returns to the minimum.
    pub(crate) fn reset(&mut self) {
        self.growths = 0;
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
    }

    #[test]
    fn delays_double_from_min_to_max_and_start_over_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_secs(3), Duration::from_secs(10));
        let mut waits = || backoff.grow().as_secs();
        assert_eq!([waits(), waits(), waits(), waits()], [3, 6, 10, 10]);
        backoff.reset();
        assert_eq!(backoff.grow(), Duration::from_secs(3));
    }

    #[test]
    fn f_67_a_delay_at_its_largest_does_not_overflow() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!([backoff.grow(), backoff.grow(), backoff.next()], [Duration::MAX; 3]);
    }
}
