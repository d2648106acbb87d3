//! The delays of one process: how often it has failed in a row, and what follows from that.

use std::time::Duration;

use super::growth::Growth;

/// The delay before the next start of a process, which grows from a minimum to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    growth: Growth,
    min: Duration,
    max: Duration,
    /// The number of failures since it was at its minimum.
    failures: u32,
}

impl Backoff {
    /// Begins before the first failure.
    pub(crate) fn new(growth: Growth, min: Duration, max: Duration) -> Self {
        Self { growth, min, max, failures: 0 }
    }

    /// Returns the delay that the next [`grow`](Self::grow) will return.
    pub(crate) fn next(&self) -> Duration {
        self.growth.delay(self.failures.saturating_add(1), self.min, self.max)
    }

    /// Counts a failure, and returns the delay after it.
    pub(crate) fn grow(&mut self) -> Duration {
        let wait = self.next();
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Returns to the minimum.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_min_to_max_and_start_over_after_a_reset() {
        let mut backoff = Backoff::new(Growth::Doubling, Duration::from_secs(3), Duration::from_secs(10));
        let mut waits = || backoff.grow().as_secs();
        assert_eq!([waits(), waits(), waits(), waits()], [3, 6, 10, 10]);
        backoff.reset();
        assert_eq!(backoff.grow(), Duration::from_secs(3));
    }

    #[test]
    fn f_67_a_delay_at_its_largest_does_not_overflow() {
        let mut backoff = Backoff::new(Growth::Doubling, Duration::MAX, Duration::MAX);
        assert_eq!([backoff.grow(), backoff.grow(), backoff.next()], [Duration::MAX; 3]);
    }
}
