//! Virtual time, with an agenda of events and timers.
//!
//! The agenda is one ordered map. Its key defines the order of entries: by time, then events before timers,
//! then by the order in which they were scheduled.

use std::collections::BTreeMap;
use std::fmt;
use std::task::Waker;
use std::time::{Duration, Instant};

/// Returns a time at which virtual time may begin. It means nothing by itself.
pub(super) fn origin() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time needs an origin")]
    Instant::now()
}

/// A clock that is moved by its owner, with an agenda of events `E` and timers.
#[derive(Debug)]
pub(super) struct Clock<E> {
    elapsed: Duration,
    agenda: BTreeMap<Key, Due<E>>,
    /// The number of entries so far, so that no two keys are equal.
    entries: u64,
}

/// An entry of the agenda.
#[derive(Debug)]
pub(super) enum Due<E> {
    /// An event in the simulated world.
    Event(E),
    /// A timer, with the waker of its future.
    Timer(Waker),
}

/// The position of an entry in the agenda. The fields are compared in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    at: Duration,
    rank: Rank,
    entry: u64,
}

/// The order of entries that are due at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Event,
    Timer,
}

impl<E> Clock<E> {
    /// Ten thousand years. Entries for a later time are never due, so `Duration::MAX` means "never".
    pub(super) const END: Duration = Duration::from_secs(10_000 * 365 * 24 * 60 * 60);

    pub(super) fn new() -> Self {
        Self { elapsed: Duration::ZERO, agenda: BTreeMap::new(), entries: 0 }
    }

    /// Returns the virtual time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Schedules `event` for `after` from now.
    pub(super) fn schedule(&mut self, after: Duration, event: E) -> Key {
        self.enter(self.elapsed.saturating_add(after), Rank::Event, Due::Event(event))
    }

    /// Schedules a call of `waker` at `at`.
    pub(super) fn set_timer(&mut self, at: Duration, waker: Waker) -> Key {
        self.enter(at, Rank::Timer, Due::Timer(waker))
    }

    fn enter(&mut self, at: Duration, rank: Rank, due: Due<E>) -> Key {
        self.entries += 1;
        let key = Key { at, rank, entry: self.entries };
        self.agenda.insert(key, due);
        key
    }

    /// Returns the waker of a pending timer, to be replaced when its future is polled again.
    pub(super) fn timer(&mut self, key: Key) -> Option<&mut Waker> {
        match self.agenda.get_mut(&key)? {
            Due::Timer(waker) => Some(waker),
            Due::Event(_) => None,
        }
    }

    /// Removes an entry, if it is still in the agenda.
    pub(super) fn cancel(&mut self, key: Key) {
        self.agenda.remove(&key);
    }

    /// Returns the time of the first entry, which may be in the past.
    pub(super) fn next(&self) -> Option<Duration> {
        self.agenda.first_key_value().map(|(key, _)| key.at).filter(|at| *at < Self::END)
    }

    /// Removes and returns the first entry that is due.
    pub(super) fn pop_due(&mut self) -> Option<Due<E>> {
        let first = self.agenda.first_entry()?;
        (first.key().at <= self.elapsed).then(|| first.remove())
    }

    /// Moves the clock forward to `at`; never back.
    pub(super) fn move_to(&mut self, at: Duration) {
        self.elapsed = self.elapsed.max(at);
    }
}

/// Displays a duration in seconds, with as few decimals as possible and at least one: `0.0`, `12.5`, `0.001`.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = format!("{:09}", self.0.subsec_nanos());
        let decimals = nanos.trim_end_matches('0');
        write!(f, "{}.{}", self.0.as_secs(), if decimals.is_empty() { "0" } else { decimals })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pop(clock: &mut Clock<&'static str>) -> Option<&'static str> {
        clock.pop_due().map(|due| match due {
            Due::Event(event) => event,
            Due::Timer(_) => "timer",
        })
    }

    #[test]
    fn f_68_events_come_before_timers_and_ties_in_the_order_of_scheduling() {
        let mut clock = Clock::new();
        clock.set_timer(SECOND, Waker::noop().clone());
        clock.schedule(2 * SECOND, "later");
        clock.schedule(SECOND, "first");
        clock.schedule(SECOND, "second");
        assert_eq!((pop(&mut clock), clock.next()), (None, Some(SECOND)));
        clock.move_to(SECOND);
        assert_eq!([(); 4].map(|()| pop(&mut clock)), [Some("first"), Some("second"), Some("timer"), None]);
        assert_eq!(clock.next(), Some(2 * SECOND));
    }

    #[test]
    fn cancelled_entries_and_entries_beyond_the_end_are_never_due() {
        let mut clock = Clock::new();
        let key = clock.schedule(SECOND, "cancelled");
        clock.cancel(key);
        clock.cancel(key);
        clock.move_to(SECOND);
        clock.schedule(Duration::MAX, "never");
        assert_eq!(clock.next(), None);
    }

    #[test]
    fn the_clock_never_moves_back() {
        let mut clock = Clock::<()>::new();
        clock.move_to(SECOND);
        clock.move_to(Duration::ZERO);
        assert_eq!(clock.elapsed(), SECOND);
    }

    #[test]
    fn seconds_have_as_few_decimals_as_possible() {
        let text = |nanos| Seconds(Duration::from_nanos(nanos)).to_string();
        assert_eq!(text(0), "0.0");
        assert_eq!(text(12_500_000_000), "12.5");
        assert_eq!(text(1_000_000), "0.001");
        assert_eq!(text(3_600_000_000_001), "3600.000000001");
    }
}
