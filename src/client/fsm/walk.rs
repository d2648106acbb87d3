//! Random walks: commands, news, stale news and time in any order, carried out at once or later, with what must hold
//! after every step.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::client::setback::ConnectError;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A failure prints the shortest walk that shows it.
    #[test]
    fn cs_1_to_23_every_future_resolves_and_one_connection_is_open_at_most(
        stable in any::<bool>(),
        keep_alive in any::<bool>(),
        steps in prop::collection::vec(any::<u16>(), 64),
    ) {
        let mut walk = Walk::new(stable, keep_alive);
        for step in steps {
            walk.step(step);
        }
        walk.come_to_rest();
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// A machine, the world around it, and what is known of both without asking the machine.
struct Walk {
    fsm: Fsm,
    now: Instant,
    /// Wanted, and not carried out yet.
    queue: VecDeque<Output>,
    world: World,
    /// Whether it is to be connected: the last command.
    wanted: bool,
    /// Since when the connection is one that waiters are given.
    up: Option<Instant>,
    failures: u32,
    given_up: bool,
    waiting: Vec<(WaiterId, Option<u32>, u32)>,
    stops: BTreeSet<StopId>,
    /// Ids of waiters and stops so far.
    ids: u64,
    last: LinkId,
    /// A wait has just been settled.
    patience_ends: bool,
}

/// What is under way.
#[derive(Debug, Default)]
struct World {
    attempt: Option<LinkId>,
    preparation: Option<LinkId>,
    open: Option<LinkId>,
    lost: bool,
    ping: Option<LinkId>,
    looked_at: Option<LinkId>,
    asked: Option<LinkId>,
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
            last: LinkId(0),
            patience_ends: false,
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
            24 | 25 => self.look(),
            19 => self.input(Input::Tick), // early
            20..=22 => self.tick(),
            23 => self.now += Duration::from_millis(u64::from(choice) * 20),
            _ => return self.carry_out(),
        }
        // Mostly at once.
        if choice % 3 > 0 {
            self.carry_out();
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
        self.news(id, News::Connected);
    }

    fn attempt_fails(&mut self, for_good: bool) {
        let Some(id) = self.world.attempt.take() else { return };
        self.news(id, News::Failed(DisconnectReason::Failed(error(for_good))));
    }

    fn preparation_ends(&mut self, well: bool) {
        let Some(id) = self.world.preparation.take() else { return };
        self.news(
            id,
            if well { News::Prepared } else { News::Rejected(DisconnectReason::Rejected(error(false))) },
        );
    }

    fn lose(&mut self) {
        let Some(id) = self.world.open.filter(|_| !self.world.lost) else { return };
        self.world.lost = true;
        self.news(id, News::Lost(DisconnectReason::Ended));
    }

    fn look(&mut self) {
        let Some(id) = self.world.looked_at.take() else { return };
        if self.world.lost { self.lose() } else { self.news(id, News::Alive) }
    }

    fn ping_ends(&mut self, well: bool) {
        let Some(id) = self.world.ping.take() else { return };
        self.news(id, if well { News::Ponged } else { News::Mute(DisconnectReason::Mute(error(false))) });
    }

    fn answer_delay(&mut self, seconds: u32) {
        let Some(id) = self.world.asked.take() else { return };
        self.news(id, News::Delay(seconds * SECOND));
    }

    /// Late news of a connection that is not the last.
    fn stale(&mut self, choice: u32) {
        let Some(id) = self.last.0.checked_sub(1).filter(|id| *id > 0) else { return };
        let news = [
            News::Connected,
            News::Failed(DisconnectReason::Failed(error(true))),
            News::Prepared,
            News::Rejected(DisconnectReason::Rejected(error(true))),
            News::Lost(DisconnectReason::Ended),
            News::Ponged,
            News::Alive,
            News::Mute(DisconnectReason::Mute(error(true))),
            News::Delay(SECOND),
        ];
        let before = format!("{:?}", self.fsm);
        self.news(LinkId(id), news[choice as usize % news.len()].clone());
        assert_eq!(format!("{:?}", self.fsm), before, "stale news has changed something");
    }

    fn tick(&mut self) {
        if let Some(at) = self.fsm.poll_timeout() {
            self.now = self.now.max(at);
            self.input(Input::Tick);
            let next = self.fsm.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "what was due is due again");
        }
    }

    fn news(&mut self, id: LinkId, news: News) {
        self.input(Input::News(id, news));
    }

    fn input(&mut self, input: Input) {
        self.fsm.handle(input, self.now);
        while let Some(output) = self.fsm.poll_output() {
            self.wants(&output);
            self.queue.push_back(output);
        }
        if mem::take(&mut self.patience_ends) {
            let lost =
                |(_, patience, seen): &&(_, Option<u32>, u32)| patience.is_some_and(|p| p.max(1) <= *seen);
            assert_eq!(self.waiting.iter().find(lost), None, "has waited too long");
        }
    }

    /// Looks whether the machine may want this.
    fn wants(&mut self, output: &Output) {
        match output {
            Output::Connect(id) => {
                assert!(self.wanted && !self.given_up, "an attempt that nobody wants");
                assert!(*id > self.last, "a number is used twice");
                self.last = *id;
            }
            Output::Tell(ClientState::Connected { since }) => {
                assert!(self.wanted);
                self.up = Some(*since);
            }
            Output::AskDelay(id, failures) => {
                assert_eq!(*id, self.last);
                self.count_failure();
                assert_eq!(*failures, self.failures);
            }
            Output::GiveUp { failures, .. } => {
                self.count_failure();
                assert_eq!(*failures, self.failures);
                (self.wanted, self.given_up) = (false, true);
            }
            Output::Succeed(waiter) => {
                assert!(self.up.is_some(), "given what there is not");
                self.answered(*waiter);
            }
            Output::Fail(waiter, refusal) => {
                let (patience, seen) = self.answered(*waiter);
                match refusal {
                    Refusal::Stopped => assert!(!self.wanted && !self.given_up),
                    Refusal::GivenUp(_) => assert!(self.given_up),
                    Refusal::Failed { .. } => {
                        assert_eq!(
                            patience.map(|patience| patience.max(1)),
                            Some(seen),
                            "too early or too late"
                        );
                    }
                }
            }
            Output::Stopped(stop) => {
                assert!(self.stops.remove(stop), "a stop is done twice");
                assert!(self.wanted || self.waiting.is_empty(), "waiters fail before the stop is done");
            }
            Output::Retry { .. } => {
                assert!(self.wanted);
                self.patience_ends = true;
            }
            Output::Tell(_)
            | Output::Prepare(_)
            | Output::Ping(_)
            | Output::Look(_)
            | Output::Close(_)
            | Output::Abort
            | Output::Duplicate => {}
        }
    }

    fn answered(&mut self, waiter: WaiterId) -> (Option<u32>, u32) {
        let place = self.waiting.iter().position(|(id, ..)| *id == waiter).expect("answered once");
        let (_, patience, seen) = self.waiting.remove(place);
        (patience, seen)
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

    /// Does what is wanted.
    fn carry_out(&mut self) {
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
                Output::Abort => *world = World { asked: world.asked, ..World::default() },
                Output::Look(id) => {
                    assert_eq!(world.open, Some(id));
                    world.looked_at = Some(id);
                }
                Output::AskDelay(id, _) => {
                    assert!(world.attempt.is_none() && world.open.is_none(), "asked beside {world:?}");
                    world.asked = Some(id);
                }
                Output::Stopped(_) => {
                    assert!(world.attempt.is_none() && world.open.is_none(), "stopped beside {world:?}");
                }
                Output::Succeed(_) => assert!(world.open.is_some() && world.preparation.is_none()),
                Output::Fail(..)
                | Output::Tell(_)
                | Output::Retry { .. }
                | Output::GiveUp { .. }
                | Output::Duplicate => {}
            }
        }
        assert!(self.wanted || self.world.attempt.is_none(), "an attempt after a stop");
        assert!(
            self.wanted || self.fsm.poll_timeout().is_none() || self.world.open.is_some(),
            "a timer too many"
        );
    }

    /// Whoever waits is answered, once it is stopped; and it is stopped, once the grace is over.
    fn come_to_rest(&mut self) {
        self.carry_out();
        self.stop();
        self.carry_out();
        if self.fsm.poll_timeout().is_some() {
            assert!(self.world.open.is_some(), "it closes nothing");
            self.tick();
            self.carry_out();
        }
        assert_eq!((self.fsm.poll_timeout(), self.world.open), (None, None));
        assert_eq!(self.waiting, []);
        assert_eq!(self.stops, BTreeSet::new());
        assert!(self.fsm.is_idle());
    }
}

fn error(for_good: bool) -> ConnectError {
    let error = io::Error::from_raw_os_error(libc::ECONNREFUSED);
    if for_good { ConnectError::permanent(error) } else { error.into() }
}
