//! Random walks: commands, events, stale events and time in any order, with outputs executed at once or
//! later. The invariants are checked after every step.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::client::error::ConnectError;
use crate::drive::laws;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A failure prints the shortest walk that reproduces it.
    #[test]
    fn cs_1_to_23_every_future_resolves_and_at_most_one_connection_is_open(
        stable in any::<bool>(),
        keep_alive in any::<bool>(),
        steps in prop::collection::vec(any::<u16>(), 64),
    ) {
        let mut walk = Walk::new(stable, keep_alive);
        for step in steps {
            walk.step(step);
        }
        walk.finish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cs_2_the_laws_of_state_machines_hold(
        stable in any::<bool>(),
        keep_alive in any::<bool>(),
        steps in prop::collection::vec(any::<u16>(), 0..64),
    ) {
        let mut walk = Walk::new(stable, keep_alive);
        for step in steps {
            walk.step(step);
            let stale = walk.stale_id().into_iter().flat_map(|id| stale_events().map(|event| (id, event)));
            laws::check(&walk.fsm, walk.now, stale, |fsm| format!("{fsm:?}"));
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// A machine, its environment, and a model of both that does not use the machine.
struct Walk {
    fsm: Fsm,
    now: Instant,
    /// Outputs that are not executed yet.
    queue: VecDeque<Output>,
    world: World,
    /// Whether the last command was a start.
    wanted: bool,
    /// When the connection was prepared.
    up: Option<Instant>,
    failures: u32,
    given_up: bool,
    waiting: Vec<(WaiterId, Option<u32>, u32)>,
    stops: BTreeSet<StopId>,
    /// The number of waiters and stops so far.
    ids: u64,
    last: AttemptId,
    /// A retry was just scheduled, so waiters at their limit must fail.
    limits_apply: bool,
}

/// The environment: everything that is in progress.
#[derive(Debug, Default)]
struct World {
    attempt: Option<AttemptId>,
    preparation: Option<AttemptId>,
    open: Option<AttemptId>,
    lost: bool,
    ping: Option<AttemptId>,
    check: Option<AttemptId>,
    delay: Option<AttemptId>,
}

impl Walk {
    fn new(stable: bool, keep_alive: bool) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a walk needs an instant to begin at")]
        let now = Instant::now();
        let settings = Settings {
            attempt_timeout: 10 * SECOND,
            stable_after: if stable { 4 * SECOND } else { Duration::ZERO },
            close_grace: 5 * SECOND,
            keep_alive: keep_alive.then_some(3 * SECOND),
        };
        Self {
            fsm: Fsm::new(settings),
            now,
            queue: VecDeque::new(),
            world: World::default(),
            wanted: false,
            up: None,
            failures: 0,
            given_up: false,
            waiting: Vec::new(),
            stops: BTreeSet::new(),
            ids: 0,
            last: AttemptId(0),
            limits_apply: false,
        }
    }

    fn step(&mut self, step: u16) {
        let choice = u32::from(step >> 8);
        match step & 0x1f {
            0 | 1 => self.start(),
            2 => self.stop(),
            3 | 4 => self.wait((choice % 4 > 0).then_some(choice / 4 % 4)),
            5 => self.forget(choice),
            6..=8 => self.attempt_succeeds(),
            9..=11 => self.attempt_fails(choice % 16 == 0),
            12 | 13 => self.preparation_ends(choice % 4 > 0),
            14 => self.lose(),
            15 => self.ping_ends(choice % 4 > 0),
            16 | 17 => self.answer_delay(choice % 8),
            18 => self.stale(choice),
            24 | 25 => self.check(),
            19 => self.input(Input::Tick), // early
            20..=22 => self.tick(),
            23 => self.now += Duration::from_millis(u64::from(choice) * 20),
            _ => return self.execute(),
        }
        // Mostly the outputs are executed at once.
        if choice % 3 > 0 {
            self.execute();
        }
    }

    fn start(&mut self) {
        self.given_up = false;
        self.wanted = true;
        self.input(Input::Start);
    }

    fn stop(&mut self) {
        self.ids += 1;
        let stop = StopId(self.ids);
        self.stops.insert(stop);
        (self.wanted, self.given_up) = (false, false);
        self.leave_up();
        self.input(Input::Stop(stop));
    }

    fn wait(&mut self, patience: Option<u32>) {
        self.ids += 1;
        let id = WaiterId(self.ids);
        self.waiting.push((id, patience, 0));
        self.input(Input::When(id, patience));
    }

    fn forget(&mut self, choice: u32) {
        if self.waiting.is_empty() {
            return;
        }
        let (id, ..) = self.waiting.remove(choice as usize % self.waiting.len());
        self.input(Input::Forget(id));
    }

    fn attempt_succeeds(&mut self) {
        let Some(id) = self.world.attempt.take() else { return };
        assert_eq!(self.world.open, None, "two are open");
        self.world.open = Some(id);
        self.world.lost = false;
        self.event(id, Event::Connected);
    }

    fn attempt_fails(&mut self, permanent: bool) {
        let Some(id) = self.world.attempt.take() else { return };
        self.event(id, Event::ConnectFailed(DisconnectReason::ConnectFailed(error(permanent))));
    }

    fn preparation_ends(&mut self, succeeds: bool) {
        let Some(id) = self.world.preparation.take() else { return };
        self.event(
            id,
            if succeeds {
                Event::Prepared
            } else {
                Event::PrepareFailed(DisconnectReason::PrepareFailed(error(false)))
            },
        );
    }

    fn lose(&mut self) {
        let Some(id) = self.world.open.filter(|_| !self.world.lost) else { return };
        self.world.lost = true;
        self.event(id, Event::Lost(DisconnectReason::Closed));
    }

    fn check(&mut self) {
        let Some(id) = self.world.check.take() else { return };
        if self.world.lost { self.lose() } else { self.event(id, Event::Alive) }
    }

    fn ping_ends(&mut self, succeeds: bool) {
        let Some(id) = self.world.ping.take() else { return };
        self.event(
            id,
            if succeeds {
                Event::PingAnswered
            } else {
                Event::PingFailed(DisconnectReason::PingFailed(error(false)))
            },
        );
    }

    fn answer_delay(&mut self, seconds: u32) {
        let Some(id) = self.world.delay.take() else { return };
        self.event(id, Event::Delay(seconds * SECOND));
    }

    /// Handles an event of a connection that is not the latest.
    fn stale(&mut self, choice: u32) {
        let Some(id) = self.stale_id() else { return };
        let events = stale_events();
        let before = format!("{:?}", self.fsm);
        self.event(id, events[choice as usize % events.len()].clone());
        assert_eq!(format!("{:?}", self.fsm), before, "a stale event has changed something");
    }

    /// The id of the connection before the latest.
    fn stale_id(&self) -> Option<AttemptId> {
        self.last.0.checked_sub(1).filter(|id| *id > 0).map(AttemptId)
    }

    fn tick(&mut self) {
        if let Some(at) = self.fsm.poll_timeout() {
            self.now = self.now.max(at);
            self.input(Input::Tick);
            let next = self.fsm.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a deadline is due twice");
        }
    }

    fn event(&mut self, id: AttemptId, event: Event) {
        self.input(Input::Event(id, event));
    }

    fn input(&mut self, input: Input) {
        self.fsm.handle(input, self.now);
        while let Some(output) = self.fsm.poll_output() {
            self.check_output(&output);
            self.queue.push_back(output);
        }
        if mem::take(&mut self.limits_apply) {
            let lost =
                |(_, patience, seen): &&(_, Option<u32>, u32)| patience.is_some_and(|p| p.max(1) <= *seen);
            assert_eq!(self.waiting.iter().find(lost), None, "a waiter has exceeded its limit");
        }
    }

    /// Checks whether the machine may give this output.
    fn check_output(&mut self, output: &Output) {
        match output {
            Output::Connect(id) => {
                assert!(self.wanted && !self.given_up, "an attempt after a stop");
                assert!(*id > self.last, "an id is used twice");
                self.last = *id;
            }
            Output::Publish(ClientState::Connected { since }) => {
                assert!(self.wanted);
                self.up = Some(*since);
            }
            Output::ComputeDelay(id, failures) => {
                assert_eq!(*id, self.last);
                self.count_failure();
                assert_eq!(*failures, self.failures);
            }
            Output::LogGivenUp { failures, .. } => {
                self.count_failure();
                assert_eq!(*failures, self.failures);
                (self.wanted, self.given_up) = (false, true);
            }
            Output::ResolveWaiter(waiter) => {
                assert!(self.up.is_some(), "resolved without a connection");
                self.answered(*waiter);
            }
            Output::FailWaiter(waiter, error) => {
                let (limit, seen) = self.answered(*waiter);
                match error {
                    ConnectWaitError::Stopped => assert!(!self.wanted && !self.given_up),
                    ConnectWaitError::GivenUp(_) => assert!(self.given_up),
                    ConnectWaitError::Closed | ConnectWaitError::NotDriven(_) => {
                        unreachable!("not an output")
                    }
                    ConnectWaitError::Failed { .. } => {
                        assert_eq!(limit.map(|limit| limit.max(1)), Some(seen), "too early or too late");
                    }
                }
            }
            Output::ResolveStop(stop) => {
                assert!(self.stops.remove(stop), "a stop is resolved twice");
                assert!(self.wanted || self.waiting.is_empty(), "a stop is resolved before the waiters");
            }
            Output::LogRetry { .. } => {
                assert!(self.wanted);
                self.limits_apply = true;
            }
            Output::Publish(_)
            | Output::Prepare(_)
            | Output::Ping(_)
            | Output::CheckAlive(_)
            | Output::Close(_)
            | Output::Abort
            | Output::LogDuplicateStart => {}
        }
    }

    fn answered(&mut self, waiter: WaiterId) -> (Option<u32>, u32) {
        let index = self.waiting.iter().position(|(id, ..)| *id == waiter).expect("answered once");
        let (_, limit, seen) = self.waiting.remove(index);
        (limit, seen)
    }

    fn leave_up(&mut self) -> bool {
        let Some(since) = self.up.take() else { return false };
        if self.now - since >= self.fsm.settings.stable_after {
            self.failures = 0;
        }
        true
    }

    fn count_failure(&mut self) {
        if !self.leave_up() {
            self.waiting.iter_mut().for_each(|(.., seen)| *seen += 1);
        }
        self.failures += 1;
    }

    /// Executes the outputs.
    fn execute(&mut self) {
        let world = &mut self.world;
        while let Some(output) = self.queue.pop_front() {
            match output {
                Output::Connect(id) => {
                    assert!(
                        world.attempt.is_none() && world.open.is_none() && world.preparation.is_none(),
                        "an attempt beside {world:?}"
                    );
                    world.attempt = Some(id);
                }
                Output::Prepare(id) => {
                    assert_eq!(world.open, Some(id));
                    world.preparation = Some(id);
                }
                Output::Ping(id) => {
                    assert_eq!((world.open, world.ping), (Some(id), None));
                    world.ping = Some(id);
                }
                Output::Close(id) => {
                    assert_eq!(world.open, Some(id));
                    (world.preparation, world.ping) = (None, None);
                }
                Output::Abort => *world = World { delay: world.delay, ..World::default() },
                Output::CheckAlive(id) => {
                    assert_eq!(world.open, Some(id));
                    world.check = Some(id);
                }
                Output::ComputeDelay(id, _) => {
                    assert!(world.attempt.is_none() && world.open.is_none(), "a delay beside {world:?}");
                    world.delay = Some(id);
                }
                Output::ResolveStop(_) => {
                    assert!(world.attempt.is_none() && world.open.is_none(), "stopped beside {world:?}");
                }
                Output::ResolveWaiter(_) => assert!(world.open.is_some() && world.preparation.is_none()),
                Output::FailWaiter(..)
                | Output::Publish(_)
                | Output::LogRetry { .. }
                | Output::LogGivenUp { .. }
                | Output::LogDuplicateStart => {}
            }
        }
        assert!(self.wanted || self.world.attempt.is_none(), "an attempt after a stop");
        assert!(
            self.wanted || self.fsm.poll_timeout().is_none() || self.world.open.is_some(),
            "a deadline without a purpose"
        );
    }

    /// Stops the service and checks that all waiters and stops are resolved at the end of the grace period.
    fn finish(&mut self) {
        self.execute();
        self.stop();
        self.execute();
        if self.fsm.poll_timeout().is_some() {
            assert!(self.world.open.is_some(), "a deadline without a connection");
            self.tick();
            self.execute();
        }
        assert_eq!((self.fsm.poll_timeout(), self.world.open), (None, None));
        assert_eq!(self.waiting, []);
        assert_eq!(self.stops, BTreeSet::new());
        assert!(self.fsm.is_idle());
    }
}

fn error(permanent: bool) -> ConnectError {
    let error = io::Error::from_raw_os_error(libc::ECONNREFUSED);
    if permanent { ConnectError::permanent(error) } else { error.into() }
}

/// An event of every kind.
fn stale_events() -> [Event; 9] {
    [
        Event::Connected,
        Event::ConnectFailed(DisconnectReason::ConnectFailed(error(true))),
        Event::Prepared,
        Event::PrepareFailed(DisconnectReason::PrepareFailed(error(true))),
        Event::Lost(DisconnectReason::Closed),
        Event::PingAnswered,
        Event::Alive,
        Event::PingFailed(DisconnectReason::PingFailed(error(true))),
        Event::Delay(SECOND),
    ]
}
