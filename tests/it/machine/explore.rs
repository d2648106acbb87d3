//! Every order of events for two and three processes, and bugs that it has to find.

use std::thread;
use std::time::Duration;

use childminder::machine::{Definition, Dependency, Event, GiveUp, OnEnd, OnGiveUp, RestartGroup, Strategy};
use childminder::testkit::explore::{Counterexample, Explored, Explorer, ReplayError, StepKind};
use childminder::{Exit, Phase, Policy, Restart, Until};

#[test]
fn f_195_a_million_states_of_two_and_three_processes_hold_every_check() {
    let searches = [
        ("two processes", two().depth(7)),
        ("after one that is ready", database(OnEnd::Stay).depth(7)),
        ("restarted with one that is ready", database(OnEnd::Restart).depth(7)),
        ("after one that completes", one_shot().depth(7)),
        ("given up after two failures in a row", given_up(None, OnGiveUp::StayDown).depth(6)),
        ("given up after two failures in 3 s", given_up(Some(3), OnGiveUp::StayDown).depth(6)),
        ("given up with everything else", given_up(Some(3), OnGiveUp::StopAll).depth(6)),
        ("one for all", group(Strategy::OneForAll).depth(5)),
        ("rest for one", group(Strategy::RestForOne).depth(5)),
        ("a chain", chain().depth(6)),
        ("a chain in a group", chain_in_a_group().depth(6)),
    ];
    let results = thread::scope(|scope| {
        let threads = searches.map(|(name, search)| scope.spawn(move || (name, search.run().unwrap())));
        threads.map(|thread| thread.join().expect("a search does not panic"))
    });
    let total: u64 = results.iter().map(|(_, Explored { states, .. })| states).sum();
    for (name, explored) in &results {
        println!("{name}: {explored}");
    }
    println!("{total} states in all");
    assert!(total >= 1_000_000, "{total} states");
}

#[test]
fn a_search_is_complete_when_there_are_no_other_states() {
    let explorer = Explorer::new().process(name("a"), Definition::new(())).steps([
        StepKind::Start,
        StepKind::Started,
        StepKind::Exits,
        StepKind::Stop,
    ]);
    let explored = explorer.clone().depth(1000).run().unwrap();
    assert!(explored.is_complete && explored.depth < 500, "{explored}");
    // The same states are found without looking further.
    let again = explorer.clone().depth(explored.depth).run().unwrap();
    assert_eq!(again.states, explored.states);
    assert!(explorer.depth(explored.depth - 1).run().unwrap().states < explored.states);
}

#[test]
fn f_197_a_driver_that_reports_a_late_exit_as_that_of_the_next_run_is_found() {
    // The successor is taken for dead while it lives.
    let found = two().depth(8).driver(|machine, event| match event {
        Event::Exited { run, exit, remaining } if machine.runs().all(|live| live != run) => {
            let run = machine.runs().next().unwrap_or(run);
            Event::Exited { run, exit, remaining }
        }
        event => event,
    });
    expect_short(found.run().unwrap_err(), &found);
}

#[test]
fn f_198_a_driver_that_reports_late_readiness_as_that_of_the_next_run_is_found() {
    // The dependent is started on the readiness of a run that is over.
    let found = database(OnEnd::Stay).depth(8).driver(|machine, event| match event {
        Event::Ready { run } if machine.run("db") != Some(run) => {
            Event::Ready { run: machine.run("db").unwrap_or(run) }
        }
        event => event,
    });
    let counterexample = found.run().unwrap_err();
    assert_eq!(counterexample.check(), "nothing is started before its dependencies permit it");
    expect_short(counterexample, &found);
}

#[test]
fn f_199_a_counterexample_of_a_user_is_shortest_and_can_be_run_again() {
    let without_database = |explorer: Explorer| {
        explorer.check("web runs with db", |view| !view.is_up("web") || view.is_up("db"))
    };
    let explorer = without_database(database(OnEnd::Stay)).depth(7).steps(
        StepKind::ALL
            .into_iter()
            .filter(|kind| !matches!(kind, StepKind::Start | StepKind::Closes | StepKind::Recovers)),
    );
    let found = explorer.run().unwrap_err();
    assert_eq!(found.check(), "web runs with db");
    // Then the database is removed and the server is started, in one order or the other.
    assert_eq!(found.steps()[..3], ["start the service", "db is started", "db is ready"]);
    assert_eq!(found.steps().len(), 5, "{found}");
    assert_eq!(explorer.replay(&found.scenario()), Err(ReplayError::Found(found.clone())));
    // With the outputs as comments, as it is printed.
    let story = found.to_string();
    let story = story.split_once('\n').unwrap().1;
    assert_eq!(explorer.replay(story), Err(ReplayError::Found(found.clone())));
    assert!(story.contains("\nweb is started\n  # web#2 started, pid 1\n"), "{story}");
    let not_possible = explorer.replay("start the service\ndb is ready").unwrap_err();
    assert!(
        not_possible
            .to_string()
            .starts_with("line 2: `db is ready` is not possible here; possible: stop the service")
    );
    let not_a_step = explorer.replay("start db\n").map_err(|error| error.to_string());
    assert!(not_a_step.unwrap_err().starts_with("line 1: `start db` is not possible here"));
    let not_a_step = explorer.replay("\n# a comment\ndance").unwrap_err().to_string();
    assert_eq!(
        not_a_step,
        "line 3: `dance` is not a step of these processes; copy the steps of a counterexample"
    );

    // A random walk finds it as well, and leaves out what is not needed.
    let walked = explorer.walks(1000, 64, 7).unwrap_err();
    assert_eq!((walked.check(), walked.steps().len()), (found.check(), found.steps().len()));
    assert!(without_database(database(OnEnd::Restart)).steps(quiet()).depth(7).run().is_ok());
}

#[test]
fn f_184_a_stop_that_is_called_off_leaves_no_process_without_what_it_is_restarted_with() {
    use StepKind::{Exits, Ready, StartService, Started, Stop, StopService};
    let steps = [StartService, StopService, Started, Ready, Stop, Exits];
    let explored = chain().exits([Exit::Code(1)]).steps(steps).depth(9).run().unwrap();
    println!("{explored}");
}

/// The kinds of steps without a command to start a process although its dependencies do not permit it.
fn quiet() -> impl Iterator<Item = StepKind> {
    StepKind::ALL.into_iter().filter(|kind| {
        use StepKind::{Closes, Recovers, SlowTime, Start, StartService};
        !matches!(kind, Start | StartService | Closes | SlowTime | Recovers)
    })
}

#[test]
fn a_check_sees_the_machine_and_the_world() {
    let explorer = database(OnEnd::Stay).depth(5).check("the machine agrees", |view| {
        let is_up = view.is("db", Phase::Up);
        let spawns = view.outputs().len() < 100;
        let status =
            view.status("db").is_none_or(|status| status.ready_since.is_some() == view.is_ready("db"));
        (!is_up || view.is_alive("db")) && status && spawns && view.machine().status("nobody").is_none()
    });
    explorer.run().unwrap();
}

/// A counterexample has at most eight steps, and does not hold when it is run again.
fn expect_short(found: Counterexample, explorer: &Explorer) {
    assert!(found.steps().len() <= 8, "{found}");
    assert_eq!(explorer.replay(&found.scenario()), Err(ReplayError::Found(found)));
}

fn name(name: &str) -> childminder::Name {
    name.parse().unwrap()
}

pub(crate) fn two() -> Explorer {
    Explorer::new().process(name("a"), Definition::new(())).process(name("b"), Definition::new(()))
}

pub(crate) fn database(on_end: OnEnd) -> Explorer {
    let db = Definition { ready: Some(Duration::from_secs(10)), ..Definition::new(()) };
    let after = Dependency { on_end, ..Dependency::new(name("db"), Until::Ready) };
    let web = Definition { after: vec![after], ..Definition::new(()) };
    Explorer::new().process(name("db"), db).process(name("web"), web)
}

pub(crate) fn one_shot() -> Explorer {
    let policy = Policy { restart: Restart::OnFailure, ..Policy::default() };
    let init = Definition { policy, ..Definition::new(()) };
    let after = vec![Dependency::new(name("init"), Until::Completed)];
    let web = Definition { after, stop_command: true, ..Definition::new(()) };
    Explorer::new().process(name("init"), init).process(name("web"), web)
}

pub(crate) fn given_up(within: Option<u64>, then: OnGiveUp) -> Explorer {
    let give_up = Some(GiveUp { failures: 2, within: within.map(Duration::from_secs), then });
    let policy = Policy { give_up, ..Policy::default() };
    let failing = Definition { policy, ..Definition::new(()) };
    Explorer::new().process(name("a"), failing).process(name("b"), Definition::new(()))
}

pub(crate) fn group(strategy: Strategy) -> Explorer {
    let group = Some(RestartGroup { name: name("group"), strategy });
    let member = Definition { restart_group: group, ..Definition::new(()) };
    Explorer::new()
        .process(name("a"), member.clone())
        .process(name("b"), member.clone())
        .process(name("c"), member)
}

pub(crate) fn chain() -> Explorer {
    let worker =
        Definition { after: vec![Dependency::new(name("web"), Until::Started)], ..Definition::new(()) };
    database(OnEnd::Restart).process(name("worker"), worker)
}

pub(crate) fn chain_in_a_group() -> Explorer {
    let group = Some(RestartGroup { name: name("group"), strategy: Strategy::RestForOne });
    let first = Definition { restart_group: group, ..Definition::new(()) };
    let after = Dependency { on_end: OnEnd::Restart, ..Dependency::new(name("a"), Until::Started) };
    let second = Definition { after: vec![after], ..first.clone() };
    let last = Definition { after: vec![Dependency::new(name("b"), Until::Started)], ..Definition::new(()) };
    Explorer::new().process(name("a"), first).process(name("b"), second).process(name("c"), last)
}
