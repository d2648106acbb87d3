//! The one formula.
//!
//! It is taken in nanoseconds, not in seconds: those are whole numbers, and whole numbers up to 2^53, which is a hundred days,
//! are exact as floating ones; so is a power of two. So what doubles is exact to the nanosecond.

use std::time::Duration;

/// Beyond this power nothing grows any more. It keeps the power of a large factor finite (CS, #9476), and whatever
/// doubles has long reached the longest duration there is.
const HIGHEST_POWER: u32 = 100;

/// `initial × factor^min(100, n)` to the nearest nanosecond, at most `max`. What cannot be told as a number is `max`.
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
}
