//! Changes of policies and definitions while processes run.

use std::time::{Duration, Instant};

use childminder::machine::{
    Containment, Definition, Dependency, Event, Machine, Output, Replaced, RunId, SignalTarget, SpawnStep,
};
use childminder::{Exit, Phase, Policy, Restart, Signal, SpawnError, Until};

use super::harness::Harness;

#[test]
fn f_187_a_new_policy_applies_from_the_next_decision_on() {
    let mut harness = Harness::running();
    harness.add("web");
    harness.code("web", 1);
    harness.take_log();
    let slow = Policy { min_restart_delay: Duration::from_secs(7), ..Policy::default() };
    harness.set_policy("web", slow);
    assert_eq!(harness.next_start("web"), Some(1.0), "the delay that has begun stays");
    harness.set_policy("web", slow);
    assert_eq!(harness.take_log(), ["web has a new policy"], "published if it is another one");
    harness.advance(1.0);
    harness.code("web", 1);
    assert_eq!(harness.next_start("web"), Some(15.0), "the second delay of the new policy");
    harness.advance_to(15.0);
    harness.stop("web");
    harness.set_policy("web", Policy { restart: Restart::Never, kill_time: Duration::ZERO, ..slow });
    assert_eq!(harness.status("web").kill_at, Some(harness.now() + Duration::from_secs(5)));
    harness.code("web", 1);
    harness.advance(28.0);
    harness.code("web", 1);
    assert_eq!(harness.phase("web"), Phase::Failed);
    assert!(harness.machine.set_policy("no", slow, harness.now()).is_err());
}

/// A machine whose specs are words, and what happens in it.
struct Words {
    machine: Machine<&'static str>,
    now: Instant,
}

impl Words {
    fn new(definition: Definition<&'static str>) -> Self {
        let mut words = Self { machine: Machine::new(), now: Instant::now() };
        words.machine.start_service(words.now).unwrap();
        words.machine.add_process("web".parse().unwrap(), definition, words.now).unwrap();
        words
    }

    fn replace(&mut self, definition: Definition<&'static str>) -> Replaced {
        self.machine.replace_process("web", definition, self.now).unwrap()
    }

    /// Answers all starts. Returns what was started, signalled and published.
    fn settle(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Spawn { run, spec, .. } => log.push(format!("{spec}{run}")),
                Output::Signal { signal: Signal::CONT, .. } => {}
                Output::Signal { run, target, signal } => log.push(format!("{signal} {run} {target:?}")),
                Output::Notice(notice) if notice.run.is_none() => log.push(notice.to_string()),
                _ => {}
            }
        }
        log
    }

    fn started(&mut self) -> RunId {
        let run = self.machine.run("web").unwrap();
        self.machine.handle_event(Event::Started { run, pid: 7, containment: Containment::Group }, self.now);
        run
    }

    fn exits(&mut self, code: i32) {
        let run = self.machine.run("web").unwrap();
        self.machine.handle_event(Event::Closed { run }, self.now);
        let exit = Exit::Code(code);
        self.machine.handle_event(Event::Exited { run, exit, remaining: vec![] }, self.now);
        self.machine.handle_timeout(self.now);
    }
}

#[test]
fn f_188_the_same_definition_changes_nothing() {
    let mut words = Words::new(Definition::new("one"));
    words.started();
    words.settle();
    assert_eq!(words.replace(Definition::new("one")), Replaced::Unchanged);
    assert!(words.settle().is_empty());
}

#[test]
fn f_188_another_program_is_started_after_the_old_one_was_stopped_in_its_own_way() {
    let mut words = Words::new(Definition { stop_signal: Signal::INT, ..Definition::new("one") });
    assert_eq!(words.settle(), ["web was added", "one#1"]);
    words.started();
    let two =
        Definition { stop_signal: Signal::QUIT, stop_target: SignalTarget::Leader, ..Definition::new("two") };
    assert_eq!(words.replace(two.clone()), Replaced::Restarting);
    assert_eq!(words.settle(), ["web has a new definition", "INT #1 Group"]);
    words.exits(1);
    assert_eq!(words.settle(), ["two#2"], "at once, since that was no failure");
    let status = words.machine.status("web").unwrap();
    assert!(status.last.is_none() && status.failures == 0, "it counts as new: {status:?}");
    // Also if the old one has not been reported as started.
    words.replace(Definition::new("three"));
    assert_eq!(words.settle(), ["web has a new definition"]);
    words.started();
    assert_eq!(words.settle(), ["QUIT #2 Leader"]);
    words.exits(1);
    assert_eq!(words.settle(), ["three#3"]);
}

#[test]
fn f_188_the_rest_of_a_definition_changes_without_a_restart() {
    let mut words = Words::new(Definition::new("one"));
    words.started();
    words.settle();
    let policy = Policy { restart: Restart::Never, ..Policy::default() };
    assert_eq!(words.replace(Definition { policy, ..Definition::new("one") }), Replaced::Updated);
    assert_eq!(words.settle(), ["web has a new definition"]);
    assert_eq!(words.machine.status("web").unwrap().phase, Phase::Up);
    words.exits(1);
    assert_eq!(words.machine.status("web").unwrap().phase, Phase::Failed);
    assert_eq!(words.replace(Definition { policy, ..Definition::new("two") }), Replaced::Restarting);
    assert_eq!(words.settle(), ["web has a new definition", "two#2"], "what has failed is new as well");
}

#[test]
fn f_188_a_replaced_process_does_not_wait_for_the_delay_of_the_old_one_and_stays_held() {
    let mut words = Words::new(Definition::new("one"));
    words.started();
    words.exits(1);
    words.settle();
    words.replace(Definition::new("two"));
    assert_eq!(words.settle(), ["web has a new definition", "two#2"]);
    let status = words.machine.status("web").unwrap();
    assert!(status.last.is_none() && status.failures == 0, "it counts as new: {status:?}");
    assert_eq!(status.delay, Duration::from_secs(1));
    words.machine.hold_process("web", words.now).unwrap();
    words.started();
    words.exits(0);
    words.settle();
    words.replace(Definition::new("three"));
    assert_eq!(words.settle(), ["web has a new definition"]);
    words.machine.release_process("web", words.now).unwrap();
    assert_eq!(words.settle(), ["web is no longer held", "three#3"]);
}

#[test]
fn f_188_a_process_started_by_hand_in_a_stopped_service_is_replaced_by_a_run_too() {
    let mut words = Words::new(Definition::new("one"));
    words.started();
    words.machine.stop_service(words.now);
    words.exits(0);
    words.machine.start_process("web", words.now).unwrap();
    words.started();
    words.settle();
    words.replace(Definition::new("two"));
    words.exits(0);
    assert_eq!(words.settle(), ["web has a new definition", "TERM #2 Group", "two#3"]);
}

#[test]
fn f_188_a_failed_start_of_the_old_program_does_not_count_for_the_new_one() {
    let policy = Policy { restart: Restart::Never, ..Policy::default() };
    let mut words = Words::new(Definition { policy, ..Definition::new("one") });
    words.replace(Definition { policy, ..Definition::new("two") });
    words.settle();
    let run = words.machine.run("web").unwrap();
    let error = SpawnError::new(SpawnStep::Exec, "one", std::io::ErrorKind::NotFound.into());
    words.machine.handle_event(Event::SpawnFailed { run, error }, words.now);
    words.machine.handle_timeout(words.now);
    assert_eq!(words.settle(), ["two#2"]);
}

#[test]
fn f_188_new_dependencies_are_checked_and_take_effect() {
    let mut words = Words::new(Definition::new("one"));
    words.machine.add_process("db".parse().unwrap(), Definition::new("db"), words.now).unwrap();
    words.started();
    words.settle();
    let after = |name: &str| vec![Dependency::new(name.parse().unwrap(), Until::Started)];
    for (name, error) in [
        ("web", "the processes wait for each other: web -> web"),
        ("cache", "web -> cache: there is no process \"cache\"; add it first"),
    ] {
        let definition = Definition { after: after(name), ..Definition::new("two") };
        let result = words.machine.replace_process("web", definition, words.now);
        assert_eq!(result.unwrap_err().to_string(), error);
        assert!(words.settle().is_empty(), "nothing has changed");
    }
    words.replace(Definition { after: after("db"), ..Definition::new("two") });
    words.exits(0);
    assert_eq!(words.settle().pop().unwrap(), "web waits for db (started)");
    assert_eq!(words.replace(Definition::new("two")), Replaced::Updated);
    assert_eq!(words.settle(), ["web has a new definition", "two#3"], "it waits for nothing any more");
}
