//! Every state with every input, and scenarios for the behaviours.

use std::fmt;
use std::time::Duration;

use super::*;
use crate::client::error::ConnectError;

const SECOND: Duration = Duration::from_secs(1);

/// A machine with a clock. Its outputs are described in words.
struct Harness {
    fsm: Fsm,
    now: Instant,
}

impl Harness {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test needs an instant to begin at")]
        let now = Instant::now();
        let mut settings = Settings {
            attempt_timeout: 30 * SECOND,
            stable_after: Duration::ZERO,
            close_grace: 5 * SECOND,
            keep_alive: None,
        };
        change(&mut settings);
        Self { fsm: Fsm::new(settings), now }
    }

    /// Handles an input and returns the outputs.
    fn handle(&mut self, input: Input) -> String {
        self.fsm.handle(input, self.now);
        let outputs = std::iter::from_fn(|| self.fsm.poll_output());
        outputs.map(|output| Words(&output).to_string()).collect::<Vec<_>>().join(", ")
    }

    fn event(&mut self, id: u64, event: Event) -> String {
        self.handle(Input::Event(AttemptId(id), event))
    }

    fn tick_after(&mut self, time: Duration) -> String {
        self.now += time;
        self.handle(Input::Tick)
    }

    fn start(&mut self) -> String {
        self.handle(Input::Start)
    }

    fn stop(&mut self, stop: u64) -> String {
        self.handle(Input::Stop(StopId(stop)))
    }

    fn when(&mut self, waiter: u64, failures: Option<u32>) -> String {
        self.handle(Input::When(WaiterId(waiter), failures))
    }

    fn fail(&mut self, id: u64) -> String {
        self.event(id, failed()) + " / " + &self.event(id, Event::Delay(SECOND))
    }

    fn connect(&mut self, id: u64) -> String {
        let outputs = self.event(id, Event::Connected) + " / " + &self.event(id, Event::Prepared);
        if outputs.ends_with("check") { outputs + " / " + &self.event(id, Event::Alive) } else { outputs }
    }
}

fn failed() -> Event {
    Event::ConnectFailed(DisconnectReason::ConnectFailed(ConnectError::new("no")))
}

fn lost() -> Event {
    Event::Lost(DisconnectReason::Closed)
}

/// Describes an output in a few words.
struct Words<'a>(&'a Output);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Output::Connect(id) => write!(f, "connect #{}", id.0),
            Output::Prepare(id) => write!(f, "prepare #{}", id.0),
            Output::Ping(id) => write!(f, "ping #{}", id.0),
            Output::CheckAlive(_) => write!(f, "check"),
            Output::Close(id) => write!(f, "close #{}", id.0),
            Output::Abort => write!(f, "abort"),
            Output::ComputeDelay(id, failures) => write!(f, "delay #{} {failures}", id.0),
            Output::LogRetry { failures, delay, reason } => {
                write!(f, "retry {failures} in {delay:?} ({reason})")
            }
            Output::ResolveWaiter(waiter) => write!(f, "resolve {}", waiter.0),
            Output::FailWaiter(waiter, error) => match error {
                ConnectWaitError::Stopped => write!(f, "fail {} stopped", waiter.0),
                ConnectWaitError::Failed { failures, .. } => write!(f, "fail {} after {failures}", waiter.0),
                ConnectWaitError::GivenUp(_) => write!(f, "fail {} given up", waiter.0),
                ConnectWaitError::Closed | ConnectWaitError::NotDriven(_) => unreachable!("not an output"),
            },
            Output::ResolveStop(stop) => write!(f, "done {}", stop.0),
            Output::Publish(state) => match state {
                ClientState::Stopped => write!(f, "Stopped"),
                ClientState::Connecting => write!(f, "Connecting"),
                ClientState::Connected { .. } => write!(f, "Connected"),
                ClientState::Waiting { .. } => write!(f, "Waiting"),
                ClientState::Closing => write!(f, "Closing"),
                ClientState::GivenUp { .. } => write!(f, "GivenUp"),
            },
            Output::LogGivenUp { failures, reason } => write!(f, "give up after {failures} ({reason})"),
            Output::LogDuplicateStart => write!(f, "duplicate"),
        }
    }
}

/// Brings a machine into a state.
type Reach = fn(&mut Harness);

/// The states, and how to reach each of them. The current id, if any, is 1.
const STATES: [(&str, Reach); 11] = [
    ("new", |_| {}),
    ("stopped", |harness| drop(harness.stop(0))),
    ("given up", |harness| {
        harness.start();
        harness
            .event(1, Event::ConnectFailed(DisconnectReason::ConnectFailed(ConnectError::permanent("no"))));
    }),
    ("connecting", |harness| drop(harness.start())),
    ("preparing", |harness| {
        harness.start();
        harness.event(1, Event::Connected);
    }),
    ("connected", |harness| {
        harness.start();
        harness.connect(1);
    }),
    ("pinged", |harness| {
        harness.start();
        harness.connect(1);
        harness.tick_after(10 * SECOND);
    }),
    ("computing", |harness| {
        harness.start();
        harness.event(1, failed());
    }),
    ("waiting", |harness| {
        harness.start();
        harness.fail(1);
    }),
    ("closing", |harness| {
        harness.start();
        harness.connect(1);
        harness.stop(0);
    }),
    ("restarting", |harness| {
        harness.start();
        harness.connect(1);
        harness.stop(0);
        harness.start();
    }),
];

/// The outputs of every state for every command.
#[test]
fn cs_1_2_8_to_17_every_command_in_every_state() {
    let commands: [(&str, Input); 4] = [
        ("start", Input::Start),
        ("stop", Input::Stop(StopId(7))),
        ("when", Input::When(WaiterId(8), None)),
        ("late", Input::Tick),
    ];
    let mut table = String::new();
    for (state, reach) in STATES {
        for (command, input) in &commands {
            let mut harness = Harness::new(|settings| settings.keep_alive = Some(10 * SECOND));
            reach(&mut harness);
            harness.now += 100 * SECOND;
            let outputs = harness.handle(input.clone());
            table += &format!("{state} {command}: {outputs}\n");
        }
    }
    let expected = "\
        new start: Connecting, connect #1\n\
        new stop: done 7\n\
        new when: \n\
        new late: \n\
        stopped start: Connecting, connect #1\n\
        stopped stop: done 7\n\
        stopped when: fail 8 stopped\n\
        stopped late: \n\
        given up start: Connecting, connect #2\n\
        given up stop: Stopped, done 7\n\
        given up when: fail 8 given up\n\
        given up late: \n\
        connecting start: duplicate\n\
        connecting stop: abort, Stopped, done 7\n\
        connecting when: \n\
        connecting late: abort, delay #1 1\n\
        preparing start: duplicate\n\
        preparing stop: Closing, close #1\n\
        preparing when: \n\
        preparing late: abort, delay #1 1\n\
        connected start: duplicate\n\
        connected stop: Closing, close #1\n\
        connected when: check\n\
        connected late: ping #1\n\
        pinged start: duplicate\n\
        pinged stop: Closing, close #1\n\
        pinged when: check\n\
        pinged late: abort, delay #1 1\n\
        computing start: duplicate\n\
        computing stop: Stopped, done 7\n\
        computing when: \n\
        computing late: \n\
        waiting start: duplicate\n\
        waiting stop: Stopped, done 7\n\
        waiting when: \n\
        waiting late: Connecting, connect #2\n\
        closing start: \n\
        closing stop: \n\
        closing when: \n\
        closing late: abort, Stopped, done 0\n\
        restarting start: duplicate\n\
        restarting stop: \n\
        restarting when: \n\
        restarting late: abort, done 0, Connecting, connect #2\n";
    assert_eq!(table, expected);
}

#[test]
fn cs_3_5_6_18_every_event_in_every_state() {
    let rejected = || Event::PrepareFailed(DisconnectReason::PrepareFailed(ConnectError::new("no")));
    let ping_failed = || Event::PingFailed(DisconnectReason::PingFailed(ConnectError::new("no")));
    let events: [(&str, Event); 9] = [
        ("connected", Event::Connected),
        ("failed", failed()),
        ("prepared", Event::Prepared),
        ("rejected", rejected()),
        ("lost", lost()),
        ("ping answered", Event::PingAnswered),
        ("alive", Event::Alive),
        ("ping failed", ping_failed()),
        ("delay", Event::Delay(2 * SECOND)),
    ];
    let mut table = String::new();
    for (state, reach) in STATES {
        for (name, event) in &events {
            let mut harness = Harness::new(|settings| settings.keep_alive = Some(10 * SECOND));
            reach(&mut harness);
            let before = format!("{:?}", harness.fsm);
            let outputs = harness.event(1, event.clone());
            if before == format!("{:?}", harness.fsm) {
                assert_eq!(outputs, "", "{state} {name}");
            } else {
                table += &format!("{state} {name}: {outputs}\n");
            }
            // An event with another id changes nothing.
            let before = format!("{:?}", harness.fsm);
            assert_eq!(harness.event(9, event.clone()), "");
            assert_eq!(format!("{:?}", harness.fsm), before);
        }
    }
    let expected = "\
        connecting connected: prepare #1\n\
        connecting failed: delay #1 1\n\
        preparing prepared: Connected\n\
        preparing rejected: abort, delay #1 1\n\
        preparing lost: abort, delay #1 1\n\
        connected lost: abort, delay #1 1\n\
        connected ping failed: abort, delay #1 1\n\
        pinged lost: abort, delay #1 1\n\
        pinged ping answered: \n\
        pinged ping failed: abort, delay #1 1\n\
        computing delay: retry 1 in 2s (cannot connect: no), Waiting\n\
        closing lost: abort, Stopped, done 0\n\
        restarting lost: abort, done 0, Connecting, connect #2\n";
    assert_eq!(table, expected);
}

#[test]
fn cs_4_7_the_retry_is_scheduled_before_waiters_at_their_limit_fail() {
    let mut harness = Harness::new(|_| {});
    harness.start();
    for (waiter, failures) in [(1, None), (2, Some(0)), (3, Some(1)), (4, Some(2)), (5, Some(3))] {
        assert_eq!(harness.when(waiter, failures), "");
    }
    let retry = |n| format!("delay #{n} {n} / retry {n} in 1s (cannot connect: no), Waiting");
    assert_eq!(harness.fail(1), retry(1) + ", fail 2 after 1, fail 3 after 1");
    harness.tick_after(SECOND);
    // Failures are counted from the beginning of the wait.
    harness.when(6, Some(2));
    assert_eq!(harness.fail(2), retry(2) + ", fail 4 after 2");
    harness.tick_after(SECOND);
    assert_eq!(harness.fail(3), retry(3) + ", fail 5 after 3, fail 6 after 3");
    harness.tick_after(SECOND);
    assert_eq!(harness.connect(4), "prepare #4 / Connected, check / resolve 1");
    // The loss of a connection that was up does not count for a waiter.
    assert_eq!(harness.when(7, Some(1)), "check");
    assert_eq!(harness.event(4, lost()), "abort, delay #4 1");
    // Nor does it receive a connection that is lost before the check.
    assert_eq!(harness.event(4, Event::Alive), "");
    assert_eq!(harness.when(8, Some(1)), "");
    assert_eq!(
        harness.event(4, Event::Delay(SECOND)),
        "retry 1 in 1s (the peer closed the connection), Waiting"
    );
}

#[test]
fn cs_5_21_the_count_starts_over_after_a_connection_and_survives_a_stop() {
    let mut harness = Harness::new(|_| {});
    harness.start();
    harness.fail(1);
    harness.stop(1);
    harness.start();
    assert_eq!(harness.event(2, failed()), "delay #2 2");
    harness.event(2, Event::Delay(SECOND));
    harness.tick_after(SECOND);
    harness.connect(3);
    assert_eq!(harness.event(3, lost()), "abort, delay #3 1");
}

#[test]
fn cs_weak_9_with_stable_after_only_a_connection_with_that_uptime_resets_the_count() {
    let mut harness = Harness::new(|settings| settings.stable_after = 10 * SECOND);
    harness.start();
    for n in 1..=5 {
        harness.connect(n);
        harness.now += Duration::from_millis(9_999);
        assert_eq!(harness.event(n, lost()), format!("abort, delay #{n} {n}"));
        harness.event(n, Event::Delay(SECOND));
        harness.tick_after(SECOND);
    }
    harness.connect(6);
    harness.now += 10 * SECOND;
    // A stop counts as its end, too.
    harness.stop(1);
    harness.event(6, lost());
    harness.start();
    assert_eq!(harness.event(7, failed()), "delay #7 1");
}

#[test]
fn cs_14_15_a_waiter_during_a_restart_receives_the_new_connection() {
    let mut harness = Harness::new(|_| {});
    harness.start();
    harness.connect(1);
    assert_eq!(harness.stop(1), "Closing, close #1");
    assert_eq!(harness.when(2, None), "");
    assert_eq!(harness.start(), "");
    assert_eq!(harness.stop(3), "");
    assert_eq!(harness.start(), "");
    assert_eq!(harness.event(1, lost()), "abort, done 1, done 3, Connecting, connect #2");
    assert_eq!(harness.connect(2), "prepare #2 / Connected, check / resolve 2");
}

#[test]
fn cs_13_waiters_fail_before_the_stop_is_done() {
    let mut harness = Harness::new(|_| {});
    harness.start();
    harness.when(1, None);
    harness.event(1, Event::Connected);
    harness.stop(2);
    harness.when(3, Some(1));
    harness.stop(4);
    assert_eq!(harness.event(1, lost()), "abort, Stopped, fail 1 stopped, fail 3 stopped, done 2, done 4");
}

#[test]
fn cs_17_cs_weak_6_a_waiter_before_the_first_start_waits_for_it_and_a_stop_ends_that() {
    let mut harness = Harness::new(|_| {});
    harness.when(1, Some(1));
    assert_eq!(harness.stop(2), "fail 1 stopped, done 2");
    let mut harness = Harness::new(|_| {});
    harness.when(1, Some(1));
    harness.start();
    assert_eq!(harness.connect(1), "prepare #1 / Connected, check / resolve 1");
}

#[test]
fn cs_22_a_waiter_that_is_removed_is_not_resolved() {
    let mut harness = Harness::new(|_| {});
    harness.start();
    harness.when(1, Some(1));
    harness.when(2, Some(1));
    assert_eq!(harness.handle(Input::Forget(WaiterId(1))), "");
    assert!(harness.fail(1).ends_with("Waiting, fail 2 after 1"));
}

#[test]
fn a_permanent_failure_ends_the_retries_and_fails_all_waiters() {
    let mut harness = Harness::new(|_| {});
    harness.start();
    harness.fail(1);
    harness.tick_after(SECOND);
    harness.when(1, None);
    harness.event(2, Event::Connected);
    let reason = DisconnectReason::PrepareFailed(ConnectError::permanent("wrong password"));
    assert_eq!(
        harness.event(2, Event::PrepareFailed(reason)),
        "abort, give up after 2 (cannot prepare the connection: wrong password), GivenUp, fail 1 given up"
    );
    assert_eq!(harness.fsm.poll_timeout(), None);
    assert_eq!(harness.when(2, None), "fail 2 given up");
    assert_eq!(harness.start(), "Connecting, connect #3");
    assert_eq!(harness.when(3, None), "");
}

#[test]
fn cs_23_connecting_and_preparing_have_the_attempt_timeout_each() {
    let mut harness = Harness::new(|_| {});
    harness.start();
    assert_eq!(harness.tick_after(Duration::from_millis(29_999)), "");
    harness.event(1, Event::Connected);
    assert_eq!(harness.tick_after(Duration::from_millis(29_999)), "");
    assert_eq!(harness.tick_after(Duration::from_millis(1)), "abort, delay #1 1");
    assert_eq!(harness.event(1, Event::Delay(SECOND)), "retry 1 in 1s (not connected within 30s), Waiting");
}

#[test]
fn a_connection_is_kept_while_pings_are_answered_and_ended_when_one_is_not() {
    let mut harness = Harness::new(|settings| settings.keep_alive = Some(10 * SECOND));
    harness.start();
    harness.connect(1);
    assert_eq!(harness.tick_after(10 * SECOND), "ping #1");
    harness.now += 4 * SECOND;
    assert_eq!(harness.event(1, Event::PingAnswered), "");
    assert_eq!(harness.tick_after(Duration::from_millis(9_999)), "");
    assert_eq!(harness.tick_after(Duration::from_millis(1)), "ping #1");
    assert_eq!(harness.tick_after(Duration::from_millis(9_999)), "");
    assert_eq!(harness.tick_after(Duration::from_millis(1)), "abort, delay #1 1");
    assert!(harness.event(1, Event::Delay(SECOND)).contains("no answer to a ping within 10s"));
}

#[test]
fn f_67_no_time_is_too_long_for_the_clock() {
    let mut harness = Harness::new(|settings| {
        *settings = Settings {
            attempt_timeout: Duration::MAX,
            stable_after: Duration::MAX,
            close_grace: Duration::MAX,
            keep_alive: Some(Duration::MAX),
        };
    });
    harness.start();
    harness.event(1, failed());
    harness.event(1, Event::Delay(Duration::MAX));
    assert_eq!(harness.fsm.poll_timeout(), Some(harness.now + crate::backoff::BackoffPolicy::LONGEST));
    harness.tick_after(crate::backoff::BackoffPolicy::LONGEST);
    harness.connect(2);
    assert_eq!(harness.stop(1), "Closing, close #2");
}

#[test]
fn cs_weak_8_a_close_ends_after_the_grace_period() {
    let mut harness = Harness::new(|_| {});
    harness.start();
    harness.connect(1);
    harness.stop(1);
    assert_eq!(harness.tick_after(Duration::from_millis(4_999)), "");
    assert_eq!(harness.stop(2), "");
    assert_eq!(harness.tick_after(Duration::from_millis(1)), "abort, Stopped, done 1, done 2");
}
