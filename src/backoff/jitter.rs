//! Jitter: a random part of a delay, from a seed.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::error::{BackoffError, BackoffProblem};

/// The random part that is added to each delay, at most a fraction of it.
///
/// With jitter, many processes that fail together do not restart together. It is uniformly distributed from
/// zero to the fraction, and is added after the maximum is applied, so the longest delay is the maximum plus
/// the fraction of the maximum. Default: [`NONE`](Self::NONE).
///
/// ```
/// use std::time::Duration;
/// use childminder::backoff::Jitter;
///
/// let jitter = Jitter::new(0.25)?;
/// let wait = jitter.spread(Duration::from_secs(4));
/// assert_eq!((wait.min.as_secs(), wait.max.as_secs()), (4, 5));
/// assert_eq!(Jitter::new(1.5).unwrap_err().field(), "jitter");
/// # Ok::<(), childminder::backoff::BackoffError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Jitter {
    millionths: u32,
}

impl Jitter {
    /// No jitter.
    pub const NONE: Self = Self { millionths: 0 };

    /// At most a tenth of each delay.
    pub const TENTH: Self = Self { millionths: Self::ONE / 10 };

    const ONE: u32 = 1_000_000;

    /// Creates jitter of at most this fraction of a delay, from 0 to 1, rounded to a millionth.
    ///
    /// # Errors
    ///
    /// [`BackoffError`] with the field `jitter` if the fraction is not a number, negative, or above 1.
    pub fn new(fraction: f64) -> Result<Self, BackoffError> {
        let problem = if fraction.is_nan() {
            BackoffProblem::NotANumber
        } else if fraction < 0.0 {
            BackoffProblem::Negative
        } else if fraction > 1.0 {
            BackoffProblem::AboveOne(fraction)
        } else {
            return Ok(Self { millionths: (fraction * f64::from(Self::ONE)).round() as u32 });
        };
        Err(BackoffError { field: "jitter", problem })
    }

    /// Returns the fraction.
    pub fn fraction(self) -> f64 {
        f64::from(self.millionths) / f64::from(Self::ONE)
    }

    /// Returns the interval in which `delay` lies with jitter.
    pub fn spread(self, delay: Duration) -> Wait {
        // Divided first, so that a hundred years do not overflow; the rest is below a microsecond.
        let most = (delay / Self::ONE).saturating_mul(self.millionths);
        let rest = Duration::from_nanos(
            (delay.as_nanos() % u128::from(Self::ONE)) as u64 * u64::from(self.millionths)
                / u64::from(Self::ONE),
        );
        Wait { min: delay, max: delay.saturating_add(most).saturating_add(rest) }
    }

    /// Returns `delay` with the jitter that belongs to `seed` and `n`.
    pub(crate) fn apply(self, delay: Duration, seed: u64, n: u64) -> Duration {
        let Wait { min, max } = self.spread(delay);
        let extra = u64::try_from((max - min).as_nanos()).unwrap_or(u64::MAX - 1);
        min.saturating_add(Duration::from_nanos(random(seed, n, extra + 1)))
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Jitter").field(&self.fraction()).finish()
    }
}

/// A delay that is known beforehand, as an interval: with jitter, its end is later than its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    /// The shortest delay.
    pub min: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Wait {
    /// Creates the interval of a delay without jitter.
    pub const fn exactly(delay: Duration) -> Self {
        Self { min: delay, max: delay }
    }

    /// Returns whether `delay` lies in the interval.
    pub fn contains(self, delay: Duration) -> bool {
        self.min <= delay && delay <= self.max
    }
}

impl std::ops::Add for Wait {
    type Output = Self;

    /// Returns the interval of two delays, one after the other.
    fn add(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }
}

/// Displayed as one duration, or as two with `to` between them.
impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.min)?;
        if self.max > self.min { write!(f, " to {:?}", self.max) } else { Ok(()) }
    }
}

/// Returns a number below `end`, which is not zero. It depends on nothing but the seed and `n`.
pub(crate) fn random(seed: u64, n: u64, end: u64) -> u64 {
    // The seed passes through the generator before `n` is added, so that neighbouring seeds give unrelated
    // numbers.
    let seed = Rng::with_seed(seed).u64(..).wrapping_add(n);
    Rng::with_seed(seed).u64(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_191_jitter_is_a_fraction_from_zero_to_one() {
        let error = |fraction| Jitter::new(fraction).unwrap_err().to_string();
        assert_eq!(error(f64::NAN), "jitter is not a number");
        assert_eq!(error(-0.1), "jitter is negative");
        assert_eq!(
            error(1.01),
            "jitter is 1.01, which is above 1; it is a fraction of the delay, such as 0.1"
        );
        assert_eq!(Jitter::new(1.0).map(Jitter::fraction), Ok(1.0));
        assert_eq!([Jitter::new(0.0), Jitter::new(0.1)], [Ok(Jitter::NONE), Ok(Jitter::TENTH)]);
        assert_eq!(format!("{:?}", Jitter::new(0.125).unwrap()), "Jitter(0.125)");
    }

    #[test]
    fn f_191_jitter_stays_in_its_interval_and_fills_it() {
        let jitter = Jitter::new(0.1).unwrap();
        for delay in [Duration::from_nanos(15), Duration::from_secs(1), Duration::from_secs(3600)] {
            let wait = jitter.spread(delay);
            assert_eq!(wait.min, delay);
            assert_eq!(wait.max, delay + delay / 10, "{delay:?}");
            let all: Vec<Duration> = (0..5000).map(|n| jitter.apply(delay, 7, n)).collect();
            assert!(all.iter().all(|delay| wait.contains(*delay)));
            let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
            assert!((*most - *least).as_nanos() * 100 >= (wait.max - wait.min).as_nanos() * 99);
        }
        assert_eq!(Jitter::NONE.apply(Duration::MAX, 7, 7), Duration::MAX);
        assert_eq!(jitter.spread(Duration::MAX).max, Duration::MAX);
        assert_eq!(jitter.apply(Duration::MAX, 7, 7), Duration::MAX);
        let exact = Jitter::new(0.333_333).unwrap().spread(Duration::new(100_000_000, 999_999_999));
        assert_eq!(exact.max - exact.min, Duration::from_nanos(33_333_300_333_332_999));
    }

    #[test]
    fn jitter_depends_on_the_seed_and_the_number_only() {
        let jitter = Jitter::new(1.0).unwrap();
        let delay = |seed, n| jitter.apply(Duration::from_secs(1), seed, n);
        assert_eq!(delay(1, 2), delay(1, 2));
        assert_ne!(delay(1, 2), delay(1, 3));
        assert_ne!(delay(1, 2), delay(2, 2));
        assert_ne!(delay(1, 2), delay(2, 1));
    }

    #[test]
    fn a_wait_is_shown_as_one_duration_or_two() {
        let wait = Wait::exactly(Duration::from_millis(1500));
        assert_eq!(wait.to_string(), "1.5s");
        assert_eq!(
            (wait + Jitter::new(0.5).unwrap().spread(Duration::from_secs(1))).to_string(),
            "2.5s to 3s"
        );
    }
}
