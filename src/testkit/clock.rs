//! Virtual time, and the agenda of what happens when.
//!
//! The agenda is one ordered map. Its key is the whole rule of precedence: first by time, then events of the world
//! before timers, then by the order in which things were scheduled.

use std::collections::BTreeMap;
use std::fmt;
use std::task::Waker;
use std::time::Duration;

/// A clock that stands still until it is moved, with an agenda of events `E` and timers.
#[derive(Debug)]
pub(super) struct Clock<E> {
    elapsed: Duration,
    agenda: BTreeMap<Key, Due<E>>,
    /// Counts the entries ever made, so that no two keys are equal.
    entries: u64,
}

/// What the agenda holds.
#[derive(Debug)]
pub(super) enum Due<E> {
    /// Something happens in the world.
    Event(E),
    /// Somebody wanted to be woken.
    Timer(Waker),
}

/// The place of one entry in the agenda. The order of the fields is the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    at: Duration,
    rank: Rank,
    entry: u64,
}

/// Who goes first when both are due at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Event,
    Timer,
}

impl<E> Clock<E> {
    /// Ten thousand years. What is scheduled for later than this never happens, so `Duration::MAX` means "never".
    pub(super) const END: Duration = Duration::from_secs(10_000 * 365 * 24 * 60 * 60);

    pub(super) fn new() -> Self {
        Self { elapsed: Duration::ZERO, agenda: BTreeMap::new(), entries: 0 }
    }

    /// How far the clock has been moved in all.
    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Lets `event` happen `after` this long.
    pub(super) fn schedule(&mut self, after: Duration, event: E) -> Key {
        self.enter(self.elapsed.saturating_add(after), Rank::Event, Due::Event(event))
    }

    /// Wakes `waker` at `at`.
    pub(super) fn set_timer(&mut self, at: Duration, waker: Waker) -> Key {
        self.enter(at, Rank::Timer, Due::Timer(waker))
    }

    fn enter(&mut self, at: Duration, rank: Rank, due: Due<E>) -> Key {
        self.entries += 1;
        let key = Key { at, rank, entry: self.entries };
        self.agenda.insert(key, due);
        key
    }

    /// The waker of a timer that has not gone off, for whoever polls it again to replace.
    pub(super) fn timer(&mut self, key: Key) -> Option<&mut Waker> {
        match self.agenda.get_mut(&key)? {
            Due::Timer(waker) => Some(waker),
            Due::Event(_) => None,
        }
    }

    /// Takes an entry back; nothing if it is not there any more.
    pub(super) fn cancel(&mut self, key: Key) {
        self.agenda.remove(&key);
    }

    /// When the next thing is due, however late the clock is.
    pub(super) fn next(&self) -> Option<Duration> {
        self.agenda.first_key_value().map(|(key, _)| key.at).filter(|at| *at < Self::END)
    }

    /// Takes the first thing that is due by now.
    pub(super) fn pop_due(&mut self) -> Option<Due<E>> {
        let first = self.agenda.first_entry()?;
        (first.key().at <= self.elapsed).then(|| first.remove())
    }

    /// Moves the clock forward to `at`; never back.
    pub(super) fn move_to(&mut self, at: Duration) {
        self.elapsed = self.elapsed.max(at);
    }
}

/// A duration in seconds, with as few decimals as it needs and at least one: `0.0`, `12.5`, `0.001`.
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
    fn f_68_events_go_before_timers_and_equals_in_the_order_they_were_scheduled() {
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
    fn what_is_cancelled_or_beyond_the_end_of_time_is_never_due() {
        let mut clock = Clock::new();
        let key = clock.schedule(SECOND, "cancelled");
        clock.cancel(key);
        clock.cancel(key);
        clock.move_to(SECOND);
        clock.schedule(Duration::MAX, "never");
        assert_eq!(clock.next(), None);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut clock = Clock::<()>::new();
        clock.move_to(SECOND);
        clock.move_to(Duration::ZERO);
        assert_eq!(clock.elapsed(), SECOND);
    }

    #[test]
    fn seconds_have_no_more_decimals_than_they_need() {
        let text = |nanos| Seconds(Duration::from_nanos(nanos)).to_string();
        assert_eq!(text(0), "0.0");
        assert_eq!(text(12_500_000_000), "12.5");
        assert_eq!(text(1_000_000), "0.001");
        assert_eq!(text(3_600_000_000_001), "3600.000000001");
    }
}
