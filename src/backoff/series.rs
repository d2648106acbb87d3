//! The delays of one process: how often it has failed in a row, and what follows from that.

use std::time::Duration;

use super::growth::Growth;

/// The delay before the next start of a process, which grows from a minimum to a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    growth: Growth,
    min: Duration,
    max: Duration,
    /// Whether the end of a long run is the first failure of a new series.
    counts_long_runs: bool,
    /// The number of failures since it was at its minimum.
    failures: u32,
}

impl Backoff {
    /// Begins before the first failure.
    pub(crate) fn new(growth: Growth, min: Duration, max: Duration, counts_long_runs: bool) -> Self {
        Self { growth, min, max, counts_long_runs, failures: 0 }
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

    /// Starts over after a run that was long enough for that, and returns the delay after it.
    pub(crate) fn start_over(&mut self) -> Duration {
        self.failures = 0;
        if self.counts_long_runs { self.grow() } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_min_to_max_and_start_over_after_a_long_run() {
        for (counts_long_runs, after) in [(false, [0, 3]), (true, [3, 6])] {
            let (min, max) = (Duration::from_secs(3), Duration::from_secs(10));
            let mut backoff = Backoff::new(Growth::Doubling, min, max, counts_long_runs);
            let mut waits = || backoff.grow().as_secs();
            assert_eq!([waits(), waits(), waits(), waits()], [3, 6, 10, 10]);
            assert_eq!([backoff.start_over().as_secs(), backoff.grow().as_secs()], after);
        }
    }

    #[test]
    fn f_67_a_delay_at_its_largest_does_not_overflow() {
        let mut backoff = Backoff::new(Growth::Doubling, Duration::MAX, Duration::MAX, true);
        assert_eq!([backoff.grow(), backoff.grow(), backoff.next()], [Duration::MAX; 3]);
    }
}
