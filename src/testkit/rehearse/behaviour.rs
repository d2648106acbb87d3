//! What a scripted process does in one of its runs.

use std::time::Duration;

use crate::backoff::random;
use crate::machine::{Exit, Signal, SpawnError};

/// The actions of a process in one run, for [`Scenario::behaves`](super::Scenario::behaves).
///
/// By default a start takes a millisecond, the process is ready when it is started, lives until it is
/// stopped, and exits at once on the stop signal.
///
/// ```
/// use std::time::Duration;
/// use childminder::Exit;
/// use childminder::testkit::rehearse::Behaviour;
///
/// // A slow starter that is killed for its memory every one to three hours.
/// let server = Behaviour::new()
///     .start_takes(Duration::from_secs(2))
///     .ready_after(Duration::from_secs(5))
///     .lives_between(Duration::from_secs(3600), Duration::from_secs(10_800))
///     .exits(Exit::Code(137))
///     .stop_takes(Duration::from_secs(3));
/// # let _ = server;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a behaviour has no effect until it is passed to `Scenario::behaves`"]
pub struct Behaviour {
    pub(super) start_takes: Duration,
    pub(super) error: Option<SpawnError>,
    /// The number of starts that fail, and of how many.
    fails: Option<(u32, u32)>,
    /// The changes of readiness after the start; `None` if it is ready when it is started.
    pub(super) readiness: Option<Vec<(Duration, bool)>>,
    pub(super) unhealthy_after: Option<Duration>,
    lives: Lives,
    pub(super) exit: Exit,
    /// `None` if the stop signal is ignored.
    pub(super) stop_takes: Option<Duration>,
    /// The exit after the stop signal; `None` if the signal itself ends the process.
    stop_exit: Option<Exit>,
    pub(super) output_ends_after: Duration,
}

/// The time from a start to an exit without a signal.
#[derive(Clone, Copy, Debug)]
enum Lives {
    Forever,
    Exactly(Duration),
    Between(Duration, Duration),
}

impl Behaviour {
    /// Creates the behaviour of a process that works, and exits when it is asked to.
    pub fn new() -> Self {
        Self {
            start_takes: Duration::from_millis(1),
            error: None,
            fails: None,
            readiness: None,
            unhealthy_after: None,
            lives: Lives::Forever,
            exit: Exit::Code(1),
            stop_takes: Some(Duration::ZERO),
            stop_exit: None,
            output_ends_after: Duration::ZERO,
        }
    }

    /// Sets the time from the decision to start it to the answer of the system. Default: 1 ms, so that time
    /// passes also if a process dies at once and is restarted without a delay.
    pub fn start_takes(mut self, time: Duration) -> Self {
        self.start_takes = time;
        self
    }

    /// Makes the start fail with this error: no process exists.
    pub fn cannot_start(mut self, error: SpawnError) -> Self {
        self.error = Some(error);
        self
    }

    /// Makes the first `count` of every `of` starts of the process fail: the process exits at once, before it
    /// is ready. Starts are counted from the first one of the rehearsal.
    ///
    /// # Panics
    ///
    /// If `count` is above `of`, or `of` is zero.
    #[track_caller]
    pub fn fails(mut self, count: u32, of: u32) -> Self {
        assert!(count <= of && of > 0, "{count} of {of} starts cannot fail");
        self.fails = Some((count, of));
        self
    }

    /// Makes the process ready at this time after its start. Has an effect only if its
    /// [`Definition`](crate::machine::Definition::ready) requires readiness; otherwise a process is ready
    /// when it is started.
    pub fn ready_after(self, time: Duration) -> Self {
        self.readiness_changes(time, true)
    }

    /// Makes the process lose its readiness at this time after its start. May be called several times, also
    /// with [`ready_after`](Self::ready_after). Before it was ready, this ends the run.
    pub fn not_ready_after(self, time: Duration) -> Self {
        self.readiness_changes(time, false)
    }

    /// Makes the process never ready, if its definition requires that.
    pub fn never_ready(mut self) -> Self {
        self.readiness = Some(Vec::new());
        self
    }

    /// Makes the process unhealthy at this time after its start.
    pub fn unhealthy_after(mut self, time: Duration) -> Self {
        self.unhealthy_after = Some(time);
        self
    }

    /// Sets the time from its start to its exit. Default: it lives until it is stopped.
    pub fn lives(mut self, time: Duration) -> Self {
        self.lives = Lives::Exactly(time);
        self
    }

    /// Makes it live until it is stopped, which is the default.
    pub fn lives_forever(mut self) -> Self {
        self.lives = Lives::Forever;
        self
    }

    /// Sets the shortest and the longest time from its start to its exit. Each run has a random one, from the
    /// seed of the scenario.
    ///
    /// # Panics
    ///
    /// If `min` is above `max`.
    #[track_caller]
    pub fn lives_between(mut self, min: Duration, max: Duration) -> Self {
        assert!(min <= max, "no life is between {min:?} and {max:?}");
        self.lives = Lives::Between(min, max);
        self
    }

    /// Sets how it exits without being asked to. Default: code 1.
    pub fn exits(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Sets the time from the stop signal, or from the begin of the stop command, to the exit. Default: zero.
    pub fn stop_takes(mut self, time: Duration) -> Self {
        self.stop_takes = Some(time);
        self
    }

    /// Makes the process ignore the stop signal, so that it is killed.
    pub fn ignores_term(mut self) -> Self {
        self.stop_takes = None;
        self
    }

    /// Sets how it exits on the stop signal, as if it had a handler. Default: the signal itself ends it.
    pub fn exits_on_term(mut self, exit: Exit) -> Self {
        self.stop_exit = Some(exit);
        self
    }

    /// Sets the time from its exit to the end of its output, which another process holds open. Default: zero.
    pub fn output_ends_after(mut self, time: Duration) -> Self {
        self.output_ends_after = time;
        self
    }

    /// Whether the process runs until it is stopped: it can be started, and neither exits by itself nor
    /// becomes unhealthy.
    pub fn runs_until_stopped(&self) -> bool {
        let Self { error, lives, unhealthy_after, .. } = self;
        error.is_none() && matches!(lives, Lives::Forever) && unhealthy_after.is_none()
    }

    fn readiness_changes(mut self, time: Duration, to: bool) -> Self {
        let changes = self.readiness.get_or_insert_default();
        let index = changes.partition_point(|(at, _)| *at <= time);
        changes.insert(index, (time, to));
        self
    }

    /// Whether the start with this number, counted from 1, fails.
    pub(super) fn fails_at(&self, start: u64) -> bool {
        self.fails.is_some_and(|(count, of)| (start - 1) % u64::from(of) < u64::from(count))
    }

    /// Returns the length of the run with this number; `None` if it lives until it is stopped.
    pub(super) fn life(&self, stream: u64, start: u64) -> Option<Duration> {
        match self.lives {
            Lives::Forever => None,
            Lives::Exactly(life) => Some(life),
            Lives::Between(min, max) => {
                let span = u64::try_from((max - min).as_nanos()).unwrap_or(u64::MAX - 1);
                // Neighbouring numbers give related random numbers, so they are spread first.
                let seed = stream ^ start.wrapping_mul(0xd6e8_feb8_6659_fd93);
                Some(min + Duration::from_nanos(random(seed, start, span + 1)))
            }
        }
    }

    /// Returns the exit after the stop signal.
    pub(super) fn exit_on(&self, signal: Signal) -> Exit {
        self.stop_exit.unwrap_or(Exit::Signal { signal, core: false })
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_starts_of_each_round_fail() {
        let fails = |count, of| -> Vec<u64> {
            let behaviour = Behaviour::new().fails(count, of);
            (1..=8).filter(|start| behaviour.fails_at(*start)).collect()
        };
        assert_eq!(fails(3, 4), [1, 2, 3, 5, 6, 7]);
        assert_eq!(fails(1, 1), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(fails(0, 3).is_empty());
    }

    #[test]
    fn a_process_runs_until_it_is_stopped_unless_something_else_ends_its_run() {
        let (behaviour, second) = (Behaviour::new(), Duration::from_secs(1));
        assert!(behaviour.clone().ready_after(second).stop_takes(second).runs_until_stopped());
        assert!(!behaviour.clone().lives(second).runs_until_stopped());
        assert!(!behaviour.clone().lives_between(second, second).runs_until_stopped());
        assert!(!behaviour.unhealthy_after(second).runs_until_stopped());
    }

    #[test]
    fn a_random_life_depends_on_the_seed_and_the_run_and_lies_between_its_bounds() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(2));
        let behaviour = Behaviour::new().lives_between(min, max);
        let lives: Vec<Duration> = (1..100).map(|start| behaviour.life(7, start).unwrap()).collect();
        assert!(lives.iter().all(|life| (min..=max).contains(life)));
        assert!(lives.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(behaviour.life(7, 1), Some(lives[0]));
        assert_ne!(behaviour.life(8, 1), Some(lives[0]));
        assert_eq!(Behaviour::new().lives_between(min, min).life(7, 1), Some(min));
    }
}
