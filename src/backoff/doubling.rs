//! The monitor's delays: from a minimum, doubling, up to a maximum.

use std::time::Duration;

use super::growth::grown;

/// The wait before the next attempt, and how it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    /// How often it has grown since it was at its minimum.
    growths: u32,
}

impl Backoff {
    /// Starts at `min`; never waits longer than `max`.
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, growths: 0 }
    }

    /// The wait that the next [`grow`](Self::grow) will return.
    pub(crate) fn next(&self) -> Duration {
        grown(self.min, 2.0, self.growths, self.max)
    }

    /// The wait for this attempt. The one after it is twice as long, capped.
    pub(crate) fn grow(&mut self) -> Duration {
        let wait = self.next();
        self.growths = self.growths.saturating_add(1);
        wait
    }

    /// Back to the minimum: the last attempt went well.
    pub(crate) fn reset(&mut self) {
        self.growths = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
