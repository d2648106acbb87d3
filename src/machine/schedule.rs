//! What a policy does, computed beforehand: the delays, and the time until a process is given up.

use std::time::Duration;

use super::{LongRun, Policy, Restart};
use crate::backoff::Wait;

impl Policy {
    /// Returns the delay after the `failures`-th failure in a row, counted from 1, as the interval of its
    /// jitter.
    ///
    /// ```
    /// use childminder::Policy;
    ///
    /// assert_eq!(Policy::default().delay(3).to_string(), "4s");
    /// assert_eq!(Policy::pebble().delay(3).to_string(), "2s to 2.2s");
    /// ```
    pub fn delay(&self, failures: u32) -> Wait {
        let delay = self.growth.delay(failures, self.min_restart_delay, self.max_restart_delay);
        self.jitter.spread(delay)
    }

    /// Returns the delay after a run that was long enough to reset the delay.
    pub(super) fn delay_after_long_run(&self) -> Wait {
        match self.long_run {
            LongRun::AtOnce => Wait::exactly(Duration::ZERO),
            LongRun::FirstDelay => self.delay(1),
        }
    }

    /// Returns the delays of a process whose every start fails, from the first, as the intervals of their
    /// jitter. The delays of a monitor are exactly these, or lie in these intervals.
    ///
    /// They end where the process is certainly given up; there is none if it is never restarted.
    ///
    /// ```
    /// use childminder::Policy;
    ///
    /// let seconds = Policy::default().schedule().map(|wait| wait.min.as_secs()).take(13);
    /// assert!(seconds.eq([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600]));
    ///
    /// let delays: Vec<String> = Policy::supervisord().schedule().map(|wait| wait.to_string()).collect();
    /// assert_eq!(delays, ["1s", "2s", "3s"]); // the fourth failure is the last
    /// ```
    pub fn schedule(&self) -> impl Iterator<Item = Wait> + use<> {
        let policy = *self;
        let count = match (self.restart, self.give_up) {
            (Restart::Never, _) => 0,
            (_, Some(give_up)) if self.gives_up(Duration::ZERO) => give_up.failures.saturating_sub(1),
            _ => u32::MAX,
        };
        (1..=count).map(move |failures| policy.delay(failures))
    }

    /// Returns the time from the first start of a process until it is given up, if each of its runs fails
    /// after `run_length`, ready from its start. With jitter it is an interval. `None` if the process is
    /// never given up, or only if the random part of some delays happens to be short.
    ///
    /// ```
    /// use std::time::Duration;
    /// use childminder::Policy;
    ///
    /// // Four runs of half a second, with delays of 1, 2 and 3 s between them.
    /// let time = Policy::supervisord().time_until_gives_up(Duration::from_millis(500));
    /// assert_eq!(time.map(|time| time.to_string()).as_deref(), Some("8s"));
    /// // A run of `threshold` or more starts the count over.
    /// assert_eq!(Policy::supervisord().time_until_gives_up(Duration::from_secs(1)), None);
    /// ```
    pub fn time_until_gives_up(&self, run_length: Duration) -> Option<Wait> {
        if self.restart == Restart::Never || !self.gives_up(run_length) {
            return None;
        }
        let failures = self.give_up?.failures;
        let runs = Wait::exactly(run_length.saturating_mul(failures));
        Some(self.waits(run_length, failures - 1).fold(runs, |sum, wait| sum + wait))
    }

    /// Whether a process whose every run fails after `run_length` is certainly given up, which then happens
    /// at failure number `give_up.failures`. Delays never shrink. So if the first failures do not all lie in
    /// the window, no later ones do.
    fn gives_up(&self, run_length: Duration) -> bool {
        let Some(give_up) = self.give_up else { return false };
        let Some(within) = give_up.within else {
            let is_first = give_up.failures == 1 && self.long_run == LongRun::FirstDelay;
            return is_first || !self.is_long(run_length);
        };
        // From the first of these failures to the last one.
        let runs = Wait::exactly(run_length.saturating_mul(give_up.failures.saturating_sub(1)));
        let span =
            self.waits(run_length, give_up.failures.saturating_sub(1)).fold(runs, |sum, wait| sum + wait);
        span.max <= within
    }

    /// Returns the first `count` delays of a process whose every run fails after `run_length`.
    fn waits(&self, run_length: Duration, count: u32) -> impl Iterator<Item = Wait> + use<> {
        let policy = *self;
        let is_long = self.is_long(run_length);
        (1..=count).map(move |failures| match is_long {
            true => policy.delay_after_long_run(),
            false => policy.delay(failures),
        })
    }

    fn is_long(&self, run_length: Duration) -> bool {
        run_length >= self.reset_after_ready.unwrap_or(self.threshold)
    }
}
