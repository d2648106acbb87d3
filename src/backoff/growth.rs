//! The one formula.
//!
//! The product is taken in whole nanoseconds, not in floating seconds: a delay of a nanosecond more than a thousand
//! years doubles to exactly twice that. Only the power itself is a floating number, and a power of two is exact there.

use std::time::Duration;

/// Beyond this power nothing grows any more. It keeps the power of a large factor finite (CS, #9476), and whatever
/// doubles has long reached the longest duration there is.
const HIGHEST_POWER: u32 = 100;

/// `initial × factor^min(100, n)`, at most `max`. What cannot be told as a number is `max`.
pub(super) fn grown(initial: Duration, factor: f64, n: u32, max: Duration) -> Duration {
    let power = factor.powi(i32::try_from(n.min(HIGHEST_POWER)).expect("a hundred at most"));
    match product(initial.as_nanos(), power) {
        Some(nanos) if nanos < max.as_nanos() => duration(nanos),
        Some(_) | None => max,
    }
}

/// `nanos × power`, to the nearest; `None` if it overflows or is no number.
fn product(nanos: u128, power: f64) -> Option<u128> {
    let (mantissa, exponent) = parts(power)?;
    let product = nanos.checked_mul(mantissa)?;
    if exponent < 0 {
        let shift = exponent.unsigned_abs();
        let half = 1_u128.checked_shl(shift - 1)?;
        Some(product.checked_add(half)?.checked_shr(shift).unwrap_or(0))
    } else if exponent.unsigned_abs() <= product.leading_zeros() {
        Some(product.checked_shl(exponent.unsigned_abs()).unwrap_or(0))
    } else {
        None
    }
}

/// A positive number as `mantissa × 2^exponent`, the mantissa odd, and so as small as can be.
fn parts(number: f64) -> Option<(u128, i32)> {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    const BIAS: i32 = f64::MAX_EXP - 1;
    if !number.is_normal() || number.is_sign_negative() {
        return None;
    }
    let bits = number.to_bits();
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1) | (1 << MANTISSA_BITS);
    let exponent = i32::try_from(bits >> MANTISSA_BITS).ok()? - BIAS - i32::try_from(MANTISSA_BITS).ok()?;
    let zeros = mantissa.trailing_zeros();
    Some((u128::from(mantissa >> zeros), exponent + i32::try_from(zeros).ok()?))
}

/// Less than the longest duration.
fn duration(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let (seconds, rest) = (nanos / SECOND, nanos % SECOND);
    match (u64::try_from(seconds), u32::try_from(rest)) {
        (Ok(seconds), Ok(rest)) => Duration::new(seconds, rest),
        (Err(_), _) | (_, Err(_)) => Duration::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_is_exact_to_the_nanosecond_however_long() {
        let initial = Duration::new(31_557_600_000, 1); // A thousand years and a nanosecond.
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
