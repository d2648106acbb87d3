//! The one sleep of a driver.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Instant;

use super::{Host, SleepFuture};

/// A sleep until the next deadline. Made anew only when the deadline changes.
#[derive(Default)]
pub(crate) struct Alarm(Option<(Instant, SleepFuture)>);

impl Alarm {
    /// Ready when `at` has come.
    pub(crate) fn poll(&mut self, at: Instant, host: &dyn Host, cx: &mut Context<'_>) -> Poll<()> {
        let (_, sleep) = match &mut self.0 {
            Some(set) if set.0 == at => set,
            other => other.insert((at, host.sleep_until(at))),
        };
        let poll = sleep.as_mut().poll(cx);
        if poll.is_ready() {
            self.clear();
        }
        poll
    }

    /// There is no deadline.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.0.as_ref().map(|(at, _)| at)).finish()
    }
}
