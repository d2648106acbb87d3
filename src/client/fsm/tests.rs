//! Every state and every input, and the stories behind the behaviours' ids.

use std::fmt;
use std::time::Duration;

use super::*;
use crate::client::setback::ConnectError;

const SECOND: Duration = Duration::from_secs(1);

/// A machine with a clock, which says what it wants in words.
struct Bench {
    fsm: Fsm,
    now: Instant,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a story needs an instant to begin at")]
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

    fn say(&mut self, input: Input) -> String {
        self.fsm.handle(input, self.now);
        let outputs = std::iter::from_fn(|| self.fsm.poll_output());
        outputs.map(|output| Words(&output).to_string()).collect::<Vec<_>>().join(", ")
    }

    fn news(&mut self, id: u64, news: News) -> String {
        self.say(Input::News(LinkId(id), news))
    }

    fn tick_after(&mut self, time: Duration) -> String {
        self.now += time;
        self.say(Input::Tick)
    }

    fn start(&mut self) -> String {
        self.say(Input::Start)
    }

    fn stop(&mut self, stop: u64) -> String {
        self.say(Input::Stop(StopId(stop)))
    }

    fn when(&mut self, waiter: u64, failures: Option<u32>) -> String {
        self.say(Input::When(WaiterId(waiter), failures))
    }

    fn fail(&mut self, id: u64) -> String {
        self.news(id, failed()) + " / " + &self.news(id, News::Delay(SECOND))
    }

    fn connect(&mut self, id: u64) -> String {
        let said = self.news(id, News::Connected) + " / " + &self.news(id, News::Prepared);
        if said.ends_with("look") { said + " / " + &self.news(id, News::Alive) } else { said }
    }
}

fn failed() -> News {
    News::Failed(DisconnectReason::Failed(ConnectError::new("no")))
}

fn lost() -> News {
    News::Lost(DisconnectReason::Ended)
}

/// An output in a few words.
struct Words<'a>(&'a Output);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Output::Connect(id) => write!(f, "connect #{}", id.0),
            Output::Prepare(id) => write!(f, "prepare #{}", id.0),
            Output::Ping(id) => write!(f, "ping #{}", id.0),
            Output::Look(_) => write!(f, "look"),
            Output::Close(id) => write!(f, "close #{}", id.0),
            Output::Abort => write!(f, "abort"),
            Output::AskDelay(id, failures) => write!(f, "ask #{} {failures}", id.0),
            Output::Retry { failures, delay, reason } => {
                write!(f, "retry {failures} in {delay:?} ({reason})")
            }
            Output::Succeed(waiter) => write!(f, "give {}", waiter.0),
            Output::Fail(waiter, refusal) => match refusal {
                Refusal::Stopped => write!(f, "fail {} stopped", waiter.0),
                Refusal::Failed { failures, .. } => write!(f, "fail {} after {failures}", waiter.0),
                Refusal::GivenUp(_) => write!(f, "fail {} given up", waiter.0),
            },
            Output::Stopped(stop) => write!(f, "done {}", stop.0),
            Output::Tell(state) => match state {
                ClientState::Stopped => write!(f, "Stopped"),
                ClientState::Connecting => write!(f, "Connecting"),
                ClientState::Connected { .. } => write!(f, "Connected"),
                ClientState::Waiting { .. } => write!(f, "Waiting"),
                ClientState::Closing => write!(f, "Closing"),
                ClientState::GivenUp { .. } => write!(f, "GivenUp"),
            },
            Output::GiveUp { failures, reason } => write!(f, "give up after {failures} ({reason})"),
            Output::Duplicate => write!(f, "duplicate"),
        }
    }
}

/// What it takes to get there.
type WayInto = fn(&mut Bench);

/// The states, each with the way there. The number that is alive, if any, is 1.
const STATES: [(&str, WayInto); 11] = [
    ("new", |_| {}),
    ("stopped", |bench| drop(bench.stop(0))),
    ("given up", |bench| {
        bench.start();
        bench.news(1, News::Failed(DisconnectReason::Failed(ConnectError::permanent("no"))));
    }),
    ("connecting", |bench| drop(bench.start())),
    ("preparing", |bench| {
        bench.start();
        bench.news(1, News::Connected);
    }),
    ("connected", |bench| {
        bench.start();
        bench.connect(1);
    }),
    ("pinged", |bench| {
        bench.start();
        bench.connect(1);
        bench.tick_after(10 * SECOND);
    }),
    ("asking", |bench| {
        bench.start();
        bench.news(1, failed());
    }),
    ("waiting", |bench| {
        bench.start();
        bench.fail(1);
    }),
    ("closing", |bench| {
        bench.start();
        bench.connect(1);
        bench.stop(0);
    }),
    ("restarting", |bench| {
        bench.start();
        bench.connect(1);
        bench.stop(0);
        bench.start();
    }),
];

/// The table of states and commands, written down. What is not in it is fine and changes nothing.
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
            let mut bench = Bench::new(|settings| settings.keep_alive = Some(10 * SECOND));
            reach(&mut bench);
            bench.now += 100 * SECOND;
            let said = bench.say(input.clone());
            table += &format!("{state} {command}: {said}\n");
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
        connecting late: abort, ask #1 1\n\
        preparing start: duplicate\n\
        preparing stop: Closing, close #1\n\
        preparing when: \n\
        preparing late: abort, ask #1 1\n\
        connected start: duplicate\n\
        connected stop: Closing, close #1\n\
        connected when: look\n\
        connected late: ping #1\n\
        pinged start: duplicate\n\
        pinged stop: Closing, close #1\n\
        pinged when: look\n\
        pinged late: abort, ask #1 1\n\
        asking start: duplicate\n\
        asking stop: Stopped, done 7\n\
        asking when: \n\
        asking late: \n\
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
fn cs_3_5_6_18_every_news_in_every_state() {
    let rejected = || News::Rejected(DisconnectReason::Rejected(ConnectError::new("no")));
    let mute = || News::Mute(DisconnectReason::Mute(ConnectError::new("no")));
    let news: [(&str, News); 9] = [
        ("connected", News::Connected),
        ("failed", failed()),
        ("prepared", News::Prepared),
        ("rejected", rejected()),
        ("lost", lost()),
        ("ponged", News::Ponged),
        ("alive", News::Alive),
        ("mute", mute()),
        ("delay", News::Delay(2 * SECOND)),
    ];
    let mut table = String::new();
    for (state, reach) in STATES {
        for (name, news) in &news {
            let mut bench = Bench::new(|settings| settings.keep_alive = Some(10 * SECOND));
            reach(&mut bench);
            let before = format!("{:?}", bench.fsm);
            let said = bench.news(1, news.clone());
            if before == format!("{:?}", bench.fsm) {
                assert_eq!(said, "", "{state} {name}");
            } else {
                table += &format!("{state} {name}: {said}\n");
            }
            // News of a number that is not alive changes nothing, whatever it is.
            let before = format!("{:?}", bench.fsm);
            assert_eq!(bench.news(9, news.clone()), "");
            assert_eq!(format!("{:?}", bench.fsm), before);
        }
    }
    let expected = "\
        connecting connected: prepare #1\n\
        connecting failed: ask #1 1\n\
        preparing prepared: Connected\n\
        preparing rejected: abort, ask #1 1\n\
        preparing lost: abort, ask #1 1\n\
        connected lost: abort, ask #1 1\n\
        connected mute: abort, ask #1 1\n\
        pinged lost: abort, ask #1 1\n\
        pinged ponged: \n\
        pinged mute: abort, ask #1 1\n\
        asking delay: retry 1 in 2s (cannot connect: no), Waiting\n\
        closing lost: abort, Stopped, done 0\n\
        restarting lost: abort, done 0, Connecting, connect #2\n";
    assert_eq!(table, expected);
}

#[test]
fn cs_4_7_the_retry_is_settled_before_those_fail_who_have_waited_long_enough() {
    let mut bench = Bench::new(|_| {});
    bench.start();
    for (waiter, patience) in [(1, None), (2, Some(0)), (3, Some(1)), (4, Some(2)), (5, Some(3))] {
        assert_eq!(bench.when(waiter, patience), "");
    }
    let retry = |n| format!("ask #{n} {n} / retry {n} in 1s (cannot connect: no), Waiting");
    assert_eq!(bench.fail(1), retry(1) + ", fail 2 after 1, fail 3 after 1");
    bench.tick_after(SECOND);
    // Counted from when it asked.
    bench.when(6, Some(2));
    assert_eq!(bench.fail(2), retry(2) + ", fail 4 after 2");
    bench.tick_after(SECOND);
    assert_eq!(bench.fail(3), retry(3) + ", fail 5 after 3, fail 6 after 3");
    bench.tick_after(SECOND);
    assert_eq!(bench.connect(4), "prepare #4 / Connected, look / give 1");
    // The loss of a connection that was up is nothing that a waiter counts.
    assert_eq!(bench.when(7, Some(1)), "look");
    assert_eq!(bench.news(4, lost()), "abort, ask #4 1");
    // Nor is it given a connection that is lost before anybody has looked.
    assert_eq!(bench.news(4, News::Alive), "");
    assert_eq!(bench.when(8, Some(1)), "");
    assert_eq!(
        bench.news(4, News::Delay(SECOND)),
        "retry 1 in 1s (the peer has ended the connection), Waiting"
    );
}

#[test]
fn cs_5_21_the_count_starts_over_after_a_connection_and_survives_a_stop() {
    let mut bench = Bench::new(|_| {});
    bench.start();
    bench.fail(1);
    bench.stop(1);
    bench.start();
    assert_eq!(bench.news(2, failed()), "ask #2 2");
    bench.news(2, News::Delay(SECOND));
    bench.tick_after(SECOND);
    bench.connect(3);
    assert_eq!(bench.news(3, lost()), "abort, ask #3 1");
}

#[test]
fn cs_weak_9_with_stable_after_only_a_connection_that_lived_so_long_starts_the_count_over() {
    let mut bench = Bench::new(|settings| settings.stable_after = 10 * SECOND);
    bench.start();
    for n in 1..=5 {
        bench.connect(n);
        bench.now += Duration::from_millis(9_999);
        assert_eq!(bench.news(n, lost()), format!("abort, ask #{n} {n}"));
        bench.news(n, News::Delay(SECOND));
        bench.tick_after(SECOND);
    }
    bench.connect(6);
    bench.now += 10 * SECOND;
    // A stop ends it as well.
    bench.stop(1);
    bench.news(6, lost());
    bench.start();
    assert_eq!(bench.news(7, failed()), "ask #7 1");
}

#[test]
fn cs_14_15_who_waits_across_a_restart_is_given_the_new_connection() {
    let mut bench = Bench::new(|_| {});
    bench.start();
    bench.connect(1);
    assert_eq!(bench.stop(1), "Closing, close #1");
    assert_eq!(bench.when(2, None), "");
    assert_eq!(bench.start(), "");
    assert_eq!(bench.stop(3), "");
    assert_eq!(bench.start(), "");
    assert_eq!(bench.news(1, lost()), "abort, done 1, done 3, Connecting, connect #2");
    assert_eq!(bench.connect(2), "prepare #2 / Connected, look / give 2");
}

#[test]
fn cs_13_waiters_fail_before_the_stop_is_done() {
    let mut bench = Bench::new(|_| {});
    bench.start();
    bench.when(1, None);
    bench.news(1, News::Connected);
    bench.stop(2);
    bench.when(3, Some(1));
    bench.stop(4);
    assert_eq!(bench.news(1, lost()), "abort, Stopped, fail 1 stopped, fail 3 stopped, done 2, done 4");
}

#[test]
fn cs_17_cs_weak_6_who_waits_before_the_first_start_hopes_for_it_and_a_stop_ends_that() {
    let mut bench = Bench::new(|_| {});
    bench.when(1, Some(1));
    assert_eq!(bench.stop(2), "fail 1 stopped, done 2");
    let mut bench = Bench::new(|_| {});
    bench.when(1, Some(1));
    bench.start();
    assert_eq!(bench.connect(1), "prepare #1 / Connected, look / give 1");
}

#[test]
fn cs_22_who_is_forgotten_is_not_answered() {
    let mut bench = Bench::new(|_| {});
    bench.start();
    bench.when(1, Some(1));
    bench.when(2, Some(1));
    assert_eq!(bench.say(Input::Forget(WaiterId(1))), "");
    assert!(bench.fail(1).ends_with("Waiting, fail 2 after 1"));
}

#[test]
fn a_permanent_failure_ends_the_retrying_and_tells_everybody() {
    let mut bench = Bench::new(|_| {});
    bench.start();
    bench.fail(1);
    bench.tick_after(SECOND);
    bench.when(1, None);
    bench.news(2, News::Connected);
    let reason = DisconnectReason::Rejected(ConnectError::permanent("wrong password"));
    assert_eq!(
        bench.news(2, News::Rejected(reason)),
        "abort, give up after 2 (cannot prepare the connection: wrong password), GivenUp, fail 1 given up"
    );
    assert_eq!(bench.fsm.poll_timeout(), None);
    assert_eq!(bench.when(2, None), "fail 2 given up");
    assert_eq!(bench.start(), "Connecting, connect #3");
    assert_eq!(bench.when(3, None), "");
}

#[test]
fn cs_23_an_attempt_and_a_preparation_have_their_time_each_and_not_more() {
    let mut bench = Bench::new(|_| {});
    bench.start();
    assert_eq!(bench.tick_after(Duration::from_millis(29_999)), "");
    bench.news(1, News::Connected);
    assert_eq!(bench.tick_after(Duration::from_millis(29_999)), "");
    assert_eq!(bench.tick_after(Duration::from_millis(1)), "abort, ask #1 1");
    assert_eq!(bench.news(1, News::Delay(SECOND)), "retry 1 in 1s (not connected within 30s), Waiting");
}

#[test]
fn pings_keep_a_connection_that_answers_and_end_one_that_does_not() {
    let mut bench = Bench::new(|settings| settings.keep_alive = Some(10 * SECOND));
    bench.start();
    bench.connect(1);
    assert_eq!(bench.tick_after(10 * SECOND), "ping #1");
    bench.now += 4 * SECOND;
    assert_eq!(bench.news(1, News::Ponged), "");
    assert_eq!(bench.tick_after(Duration::from_millis(9_999)), "");
    assert_eq!(bench.tick_after(Duration::from_millis(1)), "ping #1");
    assert_eq!(bench.tick_after(Duration::from_millis(9_999)), "");
    assert_eq!(bench.tick_after(Duration::from_millis(1)), "abort, ask #1 1");
    assert!(bench.news(1, News::Delay(SECOND)).contains("no answer to a ping within 10s"));
}

#[test]
fn f_67_no_time_is_too_long_for_the_clock() {
    let mut bench = Bench::new(|settings| {
        *settings = Settings {
            attempt_timeout: Duration::MAX,
            stable_after: Duration::MAX,
            close_grace: Duration::MAX,
            keep_alive: Some(Duration::MAX),
        };
    });
    bench.start();
    bench.news(1, failed());
    bench.news(1, News::Delay(Duration::MAX));
    assert_eq!(bench.fsm.poll_timeout(), Some(bench.now + crate::backoff::BackoffPolicy::LONGEST));
    bench.tick_after(crate::backoff::BackoffPolicy::LONGEST);
    bench.connect(2);
    assert_eq!(bench.stop(1), "Closing, close #2");
}

#[test]
fn cs_weak_8_a_close_has_its_grace_and_not_more() {
    let mut bench = Bench::new(|_| {});
    bench.start();
    bench.connect(1);
    bench.stop(1);
    assert_eq!(bench.tick_after(Duration::from_millis(4_999)), "");
    assert_eq!(bench.stop(2), "");
    assert_eq!(bench.tick_after(Duration::from_millis(1)), "abort, Stopped, done 1, done 2");
}
