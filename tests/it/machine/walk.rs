//! Random walks: commands, events, late events and time in any order, with checks after every step. They
//! reach states that are too many steps away for a search through all orders.

use std::thread;
use std::time::Duration;

use childminder::machine::{Definition, GiveUp, OnEnd, OnGiveUp, Strategy};
use childminder::testkit::explore::{Explorer, StepKind};
use childminder::{Exit, Policy, Signal};

use super::explore;

/// A hundred thousand walks of 64 steps. A failure prints the steps that are needed for it.
#[test]
fn i_1_to_15_f_196_hold_on_every_walk() {
    let stop_command = Definition { stop_command: true, ..Definition::new(()) };
    let single = explore::two().process("c".parse().unwrap(), stop_command);
    let walks = [
        (40_000, single),
        (10_000, explore::database(OnEnd::Stay)),
        (10_000, explore::one_shot()),
        (10_000, explore::chain()),
        (10_000, explore::group(Strategy::OneForAll)),
        (10_000, explore::chain_in_a_group()),
        (10_000, policies()),
    ];
    assert_eq!(walks.iter().map(|(count, _)| count).sum::<u64>(), 100_000);
    thread::scope(|scope| {
        for (count, explorer) in walks {
            let explorer = explorer.steps(StepKind::ALL);
            let walk = move || explorer.walks(count, 64, seed()).unwrap_or_else(|error| panic!("{error}"));
            scope.spawn(walk);
        }
    });
}

/// Returns a new seed for each run of the tests, and prints it.
fn seed() -> u64 {
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    println!("seed {seed}");
    seed
}

/// Processes with all kinds of policies.
fn policies() -> Explorer {
    let exits = [Exit::Code(0), Exit::Code(3), Exit::Signal { signal: Signal::TERM, core: false }];
    let window = GiveUp { failures: 3, within: Some(Duration::from_secs(4)), then: OnGiveUp::StayDown };
    let row = GiveUp { failures: 3, within: None, then: OnGiveUp::StopAll };
    let reset_after_ready = Some(Duration::from_millis(700));
    let policies = [
        Policy { give_up: Some(window), reset_after_ready, ..Policy::kubernetes() },
        Policy { give_up: Some(row), success: Policy::default().success.code(3), ..Policy::systemd() },
        Policy { kill_time: Duration::ZERO, ..Policy::supervisord() },
        Policy { threshold: Duration::from_millis(300), ..Policy::pebble() },
    ];
    let mut explorer = Explorer::new().exits(exits);
    for (index, policy) in policies.into_iter().enumerate() {
        let ready = index.is_multiple_of(2).then_some(Duration::from_secs(2));
        let definition = Definition { policy, ready, ..Definition::new(()) };
        explorer = explorer.process(format!("p{index}").parse().unwrap(), definition);
    }
    explorer
}
