//! Journals that are rehearsed with the recorded and with other definitions.

use std::time::Duration;

use childminder::backoff::Jitter;
use childminder::journal::{Journal, Program, WhatIf};
use childminder::machine::{Definition, Dependency, GiveUp, Input, OnGiveUp, Output, SpawnStep};
use childminder::testkit::rehearse::{Behaviour, Happening, ProcessReport, Scenario};
use childminder::{Exit, Name, Phase, Policy, Restart, SpawnError, Until};

use crate::testkit::rehearse::random_scenario;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Returns the inputs of a scenario as a journal, and its decisions with their times.
fn record(scenario: &Scenario, seed: u64) -> (Journal, Vec<String>) {
    let (mut inputs, mut decisions) = (Vec::new(), Vec::new());
    let program = |()| Program::new("serve", 1);
    scenario
        .observe(|moment| {
            inputs.push((moment.at, moment.input.clone().map_spec(program)));
            let text = |output: &Output<()>| match output {
                Output::Notice(notice) => notice.to_string(),
                output => format!("{output:?}"),
            };
            decisions.extend(moment.outputs.iter().map(|output| format!("{:?} {}", moment.at, text(output))));
        })
        .expect("the scenario can be run");
    (Journal::from_inputs(seed, inputs), decisions)
}

/// Without a change everything is decided at the same time again.
fn same(scenario: &Scenario, seed: u64) -> usize {
    let (journal, expected) = record(&scenario.clone().seed(seed), seed);
    let what_if = WhatIf::new(&journal).expect("a complete journal");
    let (_, found) = record(&what_if.scenario(), seed);
    assert_eq!(found, expected, "seed {seed}");
    let rehearsal = what_if.scenario().run().expect("it was run");
    assert_eq!(what_if.recorded(), rehearsal.processes(), "seed {seed}");
    rehearsal.processes().iter().map(|process| process.restarts as usize).sum()
}

#[test]
fn without_a_change_every_decision_of_random_journals_is_made_again_at_its_time() {
    let restarts: usize = (0..400).map(|seed| same(&random_scenario(seed), seed)).sum();
    assert!(restarts > 1000, "{restarts}");
}

#[test]
fn readiness_health_failed_starts_and_open_outputs_are_recorded_too() {
    let name = |name: &str| -> Name { name.parse().expect("a name") };
    let policy = Policy { jitter: Jitter::TENTH, ..Policy::default() };
    let with = |ready: Option<u64>, stop_command| Definition {
        ready: ready.map(secs),
        stop_command,
        policy,
        ..Definition::new(())
    };
    let new = || Behaviour::new().start_takes(Duration::from_millis(7));
    let missing = SpawnError::new(SpawnStep::Exec, "x", std::io::ErrorKind::NotFound.into());
    let scenario = Scenario::new()
        .length(secs(600))
        .process(name("flaps"), with(Some(10), false))
        .behaves("flaps", new().never_ready())
        .behaves("flaps", new().ready_after(secs(2)).not_ready_after(secs(50)).ready_after(secs(60)))
        .at(secs(300), Happening::NotReady { name: name("flaps") })
        .process(name("sick"), with(None, false))
        .behaves("sick", new().unhealthy_after(secs(40)).stop_takes(secs(3)).exits_on_term(Exit::Code(4)))
        .process(name("missing"), with(None, false))
        .behaves("missing", new().cannot_start(missing))
        .behaves("missing", new().lives(secs(9)).output_ends_after(Duration::from_millis(50)))
        .process(name("commanded"), with(None, true))
        .behaves("commanded", new().stop_takes(secs(2)))
        .at(secs(100), Input::Stop { name: name("commanded") })
        .process(name("deaf"), with(None, true))
        .behaves("deaf", new().ignores_term().output_ends_after(secs(1)))
        .at(secs(100), Input::RestartAll)
        .at(secs(200), Input::SetPolicy { name: name("deaf"), policy: Policy::kubernetes() })
        .at(secs(210), Input::Stop { name: name("deaf") })
        .at(secs(500), Input::KillService);
    for seed in 0..20 {
        assert!(same(&scenario, seed) > 30);
    }
}

#[test]
fn another_policy_meets_the_recorded_runs() {
    let scenario = Scenario::new()
        .length(secs(3600))
        .process("web".parse().unwrap(), Definition::new(()))
        .behaves("web", Behaviour::new().lives(secs(100)))
        .behaves("web", Behaviour::new().lives(Duration::ZERO))
        .behaves("web", Behaviour::new().lives(Duration::ZERO))
        .behaves("web", Behaviour::new().lives(Duration::ZERO))
        .behaves("web", Behaviour::new().lives(Duration::ZERO))
        .behaves("web", Behaviour::new());
    let (journal, _) = record(&scenario, 0);
    let mut what_if = WhatIf::new(&journal).unwrap();
    assert_eq!((what_if.recorded()[0].restarts, what_if.recorded()[0].phase), (5, Phase::Down));
    what_if.change("web", |definition| definition.policy = Policy::supervisord());
    assert_eq!(what_if.definition("web").map(|web| web.policy), Some(Policy::supervisord()));
    let rehearsal = what_if.scenario().run().unwrap();
    let web = rehearsal.process("web").unwrap();
    // After 100 s it dies four times, and is given up.
    assert_eq!((web.restarts, web.given_up.len()), (4, 1));
    assert!((secs(106)..secs(107)).contains(&web.given_up[0].at), "{:?}", web.given_up);

    // Other definitions: one is left out, and another one is new.
    let mut what_if = WhatIf::new(&journal).unwrap();
    what_if.replace_definitions(vec![("worker".parse().unwrap(), Definition::new(()))]);
    let rehearsal = what_if.scenario().run().unwrap();
    assert!(rehearsal.process("web").is_none() && rehearsal.refused().is_empty());
    assert_eq!(rehearsal.process("worker").map(|worker| worker.starts), Some(1));
    assert!(what_if.definition("web").is_none());
}

#[test]
fn a_journal_whose_beginning_is_gone_is_rehearsed_from_its_checkpoint() {
    let name = |name: &str| -> Name { name.parse().unwrap() };
    let give_up = Some(GiveUp { failures: 2, within: None, then: OnGiveUp::StayDown });
    let once = Definition {
        policy: Policy { restart: Restart::OnFailure, ..Policy::default() },
        ..Definition::new(())
    };
    let gives_up = Definition { policy: Policy { give_up, ..Policy::default() }, ..Definition::new(()) };
    let web = Definition { after: vec![Dependency::new(name("db"), Until::Ready)], ..Definition::new(()) };
    let scenario = Scenario::new()
        .length(secs(3600))
        .process(name("db"), Definition { ready: Some(secs(30)), ..Definition::new(()) })
        .behaves("db", Behaviour::new().ready_after(secs(5)))
        .process(name("web"), web)
        .behaves("web", Behaviour::new().lives(secs(1000)))
        .behaves("web", Behaviour::new().lives(secs(1000)).stop_takes(secs(2)))
        .behaves("web", Behaviour::new().lives(Duration::ZERO))
        .behaves("web", Behaviour::new())
        .process(name("once"), once)
        .behaves("once", Behaviour::new().lives(secs(3)).exits(Exit::Code(0)))
        .process(name("tired"), gives_up)
        .behaves("tired", Behaviour::new().lives(Duration::ZERO))
        .process(name("held"), Definition::new(()))
        .at(secs(10), Input::Hold { name: name("held") })
        .at(secs(2000), Input::Release { name: name("held") })
        .at(secs(2500), Input::Start { name: name("tired") });
    let (journal, _) = record(&scenario, 0);
    let end = journal.since(secs(500));
    let what_if = WhatIf::new(&end).expect("it begins with a checkpoint");
    assert!((secs(5)..=secs(500)).contains(&what_if.began_at().unwrap()), "{:?}", what_if.began_at());
    assert_eq!(WhatIf::new(&journal).unwrap().began_at(), None);
    let rehearsal = what_if.scenario().run().unwrap();
    assert!(rehearsal.refused().is_empty(), "{:?}", rehearsal.refused());
    // `once` was completed, and `tired` is given up again after the start by hand.
    let expected = [("db", 0, 0), ("web", 3, 0), ("once", 0, 0), ("tired", 1, 1), ("held", 0, 0)];
    for processes in [what_if.recorded(), rehearsal.processes()] {
        let found =
            processes.iter().map(|process| (process.name.as_str(), process.restarts, process.given_up.len()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
    // The run that was there dies when it did, and the later ones do as they did.
    let downtime = |processes: &[ProcessReport]| processes[1].downtime;
    let (recorded, found) = (downtime(what_if.recorded()), downtime(rehearsal.processes()));
    assert!(recorded.abs_diff(found) < Duration::from_millis(10), "{recorded:?} {found:?}");

    let mut what_if = what_if;
    what_if.change("web", |web| web.policy = Policy::supervisord());
    assert_eq!(what_if.definition("web").map(|web| web.after.len()), Some(1));
    assert!(what_if.scenario().run().is_ok());
}
