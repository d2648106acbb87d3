//! Groups that are restarted together.

use childminder::machine::{Definition, RestartGroup, Strategy};
use childminder::{Phase, Policy, Restart, Until};

use super::harness::Harness;

fn member(group: &str, strategy: Strategy) -> Definition<()> {
    let restart_group = Some(RestartGroup { name: group.parse().unwrap(), strategy });
    Definition { restart_group, ..Definition::new(()) }
}

/// Three members and one process outside, all of which have run for two seconds.
fn group(strategy: Strategy) -> Harness {
    let mut harness = Harness::running();
    for name in ["a", "b", "c"] {
        harness.define(name, member("g", strategy));
    }
    harness.add("other");
    harness.advance(2.0);
    assert_eq!(harness.up(), "a b c other");
    harness.expect("0.0 spawn a#1\n0.0 spawn b#2\n0.0 spawn c#3\n0.0 spawn other#4");
    harness
}

#[test]
fn f_186_one_for_all_restarts_exactly_the_members_and_in_their_order() {
    let mut harness = group(Strategy::OneForAll);
    harness.code("b", 1);
    harness.expect(
        "2.0 exit b#2 code 1
         2.0 reap b#2
         2.0 signal c#3 TERM
         2.0 signal c#3 CONT
         2.0 signal a#1 TERM
         2.0 signal a#1 CONT",
    );
    harness.code("a", 0);
    harness.advance(0.0);
    assert_eq!((harness.phase("a"), harness.phase("b")), (Phase::Blocked, Phase::Blocked));
    assert_eq!(
        harness.why("a"),
        "a is restarted with its group g after the end of b; b is restarted with its group g after the end of b; it \
         exited with code 1 after 2.0 s"
    );
    harness.advance(1.0);
    harness.code("c", 0);
    harness.advance(0.0);
    harness.expect(
        "2.0 exit a#1 code 0
         2.0 reap a#1
         3.0 exit c#3 code 0
         3.0 reap c#3
         3.0 spawn a#5
         3.0 spawn b#6
         3.0 spawn c#7",
    );
    assert_eq!(harness.status("a").failures, 0, "it was asked to end");
    assert_eq!(
        harness.why("a"),
        "a has been running for 0 ms; it is restarted with its group g after the end of b; b \
         exited with code 1 after 2.0 s"
    );
}

#[test]
fn f_186_rest_for_one_restarts_the_members_that_were_added_later() {
    for (name, up) in [("a", "other"), ("b", "a other"), ("c", "a b other")] {
        let mut harness = group(Strategy::RestForOne);
        harness.code(name, 1);
        assert_eq!(harness.up(), up);
        for other in ["a", "b", "c"].iter().filter(|other| !up.contains(**other) && **other != name) {
            harness.code(other, 0);
        }
        harness.advance(0.0);
        assert_eq!(harness.up(), "a b c other");
    }
}

#[test]
fn f_186_the_group_waits_for_the_delay_of_the_first_member() {
    let mut harness = group(Strategy::OneForAll);
    for name in ["a", "b", "c"] {
        harness.stop(name);
        harness.code(name, 0);
    }
    harness.advance(0.5);
    assert_eq!(harness.up(), "a b c other");
    harness.code("b", 1); // an instant death: the delay is a second
    harness.code("a", 0);
    harness.code("c", 0);
    harness.advance(0.999);
    assert_eq!(harness.up(), "other");
    harness.advance(0.001);
    assert_eq!(harness.up(), "a b c other");
}

#[test]
fn f_186_a_stop_a_hold_and_an_end_without_a_restart_affect_no_other_member() {
    let mut harness = group(Strategy::OneForAll);
    harness.stop("a");
    harness.code("a", 1);
    harness.advance(0.0);
    harness.hold("b");
    harness.code("b", 1);
    harness.set_policy("c", Policy { restart: Restart::Never, ..Policy::default() });
    harness.code("c", 1);
    harness.advance(10.0);
    assert_eq!((harness.up().as_str(), harness.status("a").restarts), ("a other", 1));
}

#[test]
fn f_186_the_group_is_not_held_up_by_a_first_member_that_does_not_come_back() {
    for step in ["hold", "remove", "start", "replace"] {
        let mut harness = group(Strategy::OneForAll);
        harness.code("b", 1);
        harness.code("a", 0);
        harness.advance(0.0);
        assert_eq!(harness.phase("a"), Phase::Blocked);
        match step {
            "hold" => harness.hold("b"),
            "remove" => harness.remove("b"),
            "start" => harness.start("b"),
            _ => {
                let now = harness.now();
                harness.machine.replace_process("b", Definition::new(()), now).unwrap();
                harness.advance(0.0);
            }
        }
        harness.code("c", 0);
        harness.advance(0.0);
        assert!(harness.up().starts_with("a") && harness.up().contains('c'), "{step}: {}", harness.up());
    }
}

#[test]
fn f_186_members_that_are_down_stay_down_and_members_that_die_meanwhile_come_back_with_the_group() {
    let mut harness = group(Strategy::OneForAll);
    harness.hold("a");
    harness.code("a", 0);
    harness.code("b", 1);
    harness.code("c", 1);
    harness.advance(0.0);
    assert_eq!((harness.up().as_str(), harness.phase("a")), ("b c other", Phase::Held));
}

#[test]
fn f_186_a_stop_of_the_service_ends_the_restart_of_a_group() {
    let mut harness = group(Strategy::OneForAll);
    harness.code("b", 1);
    harness.stop_service();
    for name in ["a", "c", "other"] {
        harness.code(name, 0);
    }
    harness.advance(60.0);
    assert_eq!(harness.up(), "");
    harness.start_service();
    assert_eq!(harness.up(), "a b c other");
}

#[test]
fn f_186_dependencies_within_a_group_give_the_order() {
    let mut harness = Harness::new();
    for (name, after) in [("db", ""), ("api", "db"), ("web", "api")] {
        let after: Vec<(&str, Until)> =
            (!after.is_empty()).then_some((after, Until::Ready)).into_iter().collect();
        let after = Harness::definition(&after).after;
        harness.define(name, Definition { after, ..member("g", Strategy::OneForAll) });
    }
    harness.start_service();
    harness.advance(2.0);
    assert_eq!(harness.up(), "db api web");
    harness.code("web", 1);
    assert_eq!((harness.phase("api"), harness.phase("db")), (Phase::Stopping, Phase::Up));
    harness.code("api", 0);
    harness.code("db", 0);
    harness.advance(0.0);
    assert_eq!(harness.up(), "db api web");
}

#[test]
fn f_186_a_member_that_still_waits_for_others_after_the_restart_of_its_group_says_so() {
    let mut harness = group(Strategy::OneForAll);
    harness.after("db", &[]);
    let after = Harness::definition(&[("db", Until::Ready)]).after;
    harness.ready("db");
    harness.define("d", Definition { after, ..member("g", Strategy::OneForAll) });
    harness.advance(2.0);
    assert_eq!(harness.up(), "a b c other db d");
    harness.not_ready("db", "standby");
    harness.code("b", 1);
    harness.code("d", 0);
    harness.advance(0.0);
    assert!(harness.phase("d") == Phase::Blocked && harness.status("d").blocked_on.is_none());
    harness.take_log();
    harness.code("a", 0);
    harness.code("c", 0);
    harness.advance(0.0);
    assert_eq!(harness.up(), "a b c other db");
    assert!(harness.take_log().contains(&"d waits for db (ready)".to_owned()));
    assert_eq!(harness.status("d").blocked_on.unwrap().to_string(), "db (ready)");
}

#[test]
fn f_186_a_member_that_ends_during_a_restart_joins_it() {
    let mut harness = group(Strategy::RestForOne);
    harness.code("b", 1);
    harness.code("a", 1);
    harness.advance(1.0);
    assert_eq!(harness.up(), "other", "c is not gone yet");
    harness.code("c", 0);
    harness.advance(0.0);
    assert_eq!(harness.up(), "a b c other");
}

#[test]
fn f_186_members_that_leave_the_group_during_a_restart_do_not_hold_it_up() {
    for leaver in ["b", "c"] {
        let mut harness = group(Strategy::OneForAll);
        harness.start_service();
        harness.stop("b");
        harness.code("b", 0);
        harness.advance(0.5);
        harness.code("b", 1); // its delay is a second
        harness.code("a", 0);
        if leaver == "b" {
            harness.code("c", 0);
        }
        let now = harness.now();
        harness.machine.replace_process(leaver, Definition::new(()), now).unwrap();
        harness.advance(1.0);
        assert!(harness.up().starts_with("a b"), "{leaver}: {}", harness.up());
    }
}

#[test]
fn f_186_a_name_that_is_added_again_without_the_group_is_no_member() {
    let mut harness = group(Strategy::OneForAll);
    harness.remove("c");
    harness.add("c");
    harness.code("c", 0);
    harness.advance(2.0);
    harness.code("b", 1);
    assert_eq!((harness.phase("a"), harness.phase("c")), (Phase::Stopping, Phase::Up));
}

#[test]
fn f_186_a_kill_of_the_service_ends_the_restart_of_a_group() {
    let mut harness = group(Strategy::OneForAll);
    harness.code("b", 1);
    harness.code("c", 0);
    harness.advance(0.0);
    assert_eq!((harness.phase("b"), harness.phase("c")), (Phase::Blocked, Phase::Blocked));
    harness.kill_service();
    harness.code("a", 0);
    harness.code("other", 0);
    assert_eq!(harness.machine.runs().count(), 0);
    harness.start_service();
    assert_eq!(harness.up(), "a b c other");
}

#[test]
fn f_186_one_group_has_one_strategy() {
    let mut harness = group(Strategy::OneForAll);
    let (now, other) = (harness.now(), member("g", Strategy::RestForOne));
    let error = harness.machine.add_process("d".parse().unwrap(), other.clone(), now).unwrap_err();
    assert!(
        error.to_string().starts_with("the restart group \"g\" has another strategy for \"a\""),
        "{error}"
    );
    for name in ["a", "b", "c"] {
        harness.remove(name);
        harness.code(name, 0);
    }
    assert!(
        harness.machine.add_process("d".parse().unwrap(), other.clone(), now).is_ok(),
        "the group is gone"
    );
    harness.define("e", other);
    harness.advance(2.0);
    harness.code("e", 1);
    assert_eq!(harness.phase("d"), Phase::Up, "the new group has its own strategy");
}
