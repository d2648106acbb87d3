//! Problems of the processes themselves, with the shortest way to each.

use std::time::Duration;

use childminder::machine::{Definition, Dependency, GiveUp, OnEnd, OnGiveUp, RestartGroup, Strategy};
use childminder::testkit::explore::{Explorer, Finding, FindingKind, Reach, ReplayError, Survey};
use childminder::{Policy, Restart, Until};

#[test]
fn f_320_a_process_that_waits_for_one_that_is_not_restarted_is_found() {
    // It exits with code 0, as a server does that was asked to by a user, and nothing starts it again.
    let policy = Policy { restart: Restart::OnFailure, ..Policy::default() };
    let explorer = stack(server(policy), Policy::default(), OnEnd::Restart).depth(5);
    let [finding] = findings(&explorer);
    assert_eq!((finding.kind(), names(&finding)), (FindingKind::NeverReady, vec!["web"]));
    assert_eq!(finding.on().map(|on| on.as_str()), Some("db"));
    assert_eq!(
        finding.to_string(),
        "# web: never ready again\n\
         start the service\n\
         everything works for a while\n\
         db exits with code 0\n\
         # web is blocked on db (ready); db has completed; it exited with code 0 after 0 ms"
    );
    // All dependents have one finding.
    let late =
        Definition { after: vec![on("db", OnEnd::Stay), on("web", OnEnd::Stay)], ..Definition::new(()) };
    let [_, both] = findings(&explorer.process(name("late"), late).depth(3));
    assert_eq!(names(&both), ["web", "late"]);

    let held = stack(server(Policy::default()), Policy::default(), OnEnd::Restart).held("db").depth(2);
    let [finding] = findings(&held);
    assert_eq!((finding.kind(), finding.steps().len()), (FindingKind::NeverReady, 1), "{finding}");
}

#[test]
fn f_321_a_process_that_is_given_up_for_the_failures_of_another_one_is_found() {
    let policy = |within, then| {
        let give_up = Some(GiveUp { failures: 2, within: Some(Duration::from_secs(within)), then });
        Policy { give_up, ..Policy::default() }
    };
    let explorer = |on_end, then| stack(server(Policy::default()), policy(60, then), on_end).depth(6);
    let [finding] = findings(&explorer(OnEnd::Stay, OnGiveUp::StayDown));
    assert_eq!((finding.kind(), names(&finding)), (FindingKind::GivenUp, vec!["web"]));
    assert!(finding.steps().len() <= 8, "{finding}");
    // A restart that another process causes is no failure, and a stop of everything is seen from outside.
    let none: [Finding; 0] = findings(&explorer(OnEnd::Restart, OnGiveUp::StayDown));
    assert!(none.is_empty());
    let none: [Finding; 0] = findings(&explorer(OnEnd::Stay, OnGiveUp::StopAll));
    assert!(none.is_empty());

    // Far beyond the depth of the search, and without the steps that a walk did not need.
    let explorer = stack(server(Policy::default()), policy(3600, OnGiveUp::StayDown), OnEnd::Stay).depth(2);
    let reach = Reach { walks: 3000, ..Reach::default() };
    let survey = explorer.findings(&reach).unwrap();
    let [finding] = &survey.findings[..] else { panic!("{survey:?}") };
    assert_eq!(finding.kind(), FindingKind::GivenUp);
    assert!(finding.steps().len() <= 10, "{finding}");
    assert_eq!(explorer.review(&finding.to_string()).unwrap(), survey.findings);
}

#[test]
fn f_322_a_process_that_is_restarted_without_a_delay_that_helps_is_found() {
    let single = |policy| Explorer::new().process(name("a"), Definition { policy, ..Definition::new(()) });
    // Every run counts as long.
    let [finding] = findings(&single(Policy { threshold: Duration::ZERO, ..Policy::default() }).depth(4));
    assert_eq!(finding.kind(), FindingKind::RestartsForever);
    assert!(finding.steps().len() <= 4, "{finding}");
    // Ready for no time at all is enough to start over.
    let policy = Policy { reset_after_ready: Some(Duration::ZERO), ..Policy::default() };
    let ready = Definition { policy, ready: Some(Duration::from_secs(9)), ..Definition::new(()) };
    let [finding] = findings(&Explorer::new().process(name("a"), ready).depth(5));
    assert_eq!(finding.kind(), FindingKind::RestartsForever);
    // A hundred failures in ten seconds are never reached with a delay of 0.2 s.
    let give_up =
        Some(GiveUp { failures: 100, within: Some(Duration::from_secs(10)), then: OnGiveUp::StayDown });
    let short = Duration::from_millis(200);
    let policy = Policy { give_up, min_restart_delay: short, max_restart_delay: short, ..Policy::default() };
    let [finding] = findings(&single(policy).depth(4));
    assert_eq!(finding.kind(), FindingKind::RestartsForever);
    assert!(finding.text().contains("every 200ms"), "{finding}");
    // And these are given up, or slowed down.
    for policy in
        [Policy::twisted(), Policy::otp(), Policy::systemd(), Policy::supervisord(), Policy::pebble()]
    {
        let policy = Policy { kill_time: Duration::from_secs(5), ..policy };
        let none: [Finding; 0] = findings(&single(policy).depth(6));
        assert!(none.is_empty());
    }
}

#[test]
fn f_323_a_stop_that_takes_longer_than_is_allowed_is_found() {
    let policy = Policy { kill_time: Duration::from_secs(20), ..Policy::default() };
    let explorer = stack(server(policy), policy, OnEnd::Stay).depth(1);
    let [finding] = findings(&explorer);
    assert_eq!((finding.kind(), names(&finding)), (FindingKind::LongStop, vec!["db"]));
    assert_eq!(
        finding.to_string(),
        "# db: a stop takes too long\n\
         start the service\n\
         everything works for a while\n\
         stop the service\n\
         # if no process obeys, the stop takes 40s, which is longer than 30s: killed are web after 20s, db after \
         40s"
    );
    let none: [Finding; 0] = findings(&explorer.stop_limit(Duration::from_secs(40)));
    assert!(none.is_empty());
}

#[test]
fn f_324_a_start_on_the_readiness_of_another_process_is_found() {
    let explorer = stack(server(Policy::default()), Policy::default(), OnEnd::Restart).depth(4);
    let [finding] = findings(&explorer.clone().ready_by_any_process("db"));
    assert_eq!((finding.kind(), names(&finding)), (FindingKind::StaleReadiness, vec!["web"]));
    let steps = ["start the service", "db is started", "db is found ready because another process answers"];
    assert_eq!(finding.steps(), steps);
    let none: [Finding; 0] = findings(&explorer);
    assert!(none.is_empty());
}

#[test]
fn f_325_processes_that_are_defined_well_have_no_findings() {
    let migrate = Policy { restart: Restart::OnFailure, ..Policy::default() };
    let after = vec![on("db", OnEnd::Stay), Dependency::new(name("migrate"), Until::Completed)];
    let group = Some(RestartGroup { name: name("app"), strategy: Strategy::RestForOne });
    let web = Definition { after, restart_group: group.clone(), ..Definition::new(()) };
    let explorer = Explorer::new()
        .process(name("db"), server(Policy::default()))
        .process(
            name("migrate"),
            Definition { policy: migrate, after: vec![on("db", OnEnd::Stay)], ..Definition::new(()) },
        )
        .process(name("web"), web)
        .process(
            name("worker"),
            Definition { restart_group: group, stop_command: true, ..Definition::new(()) },
        )
        .depth(5);
    let survey = explorer.findings(&Reach { walks: 300, ..Reach::default() }).unwrap();
    let Survey { findings, explored, .. } = survey;
    assert!(
        findings.is_empty() && explored.full_depth >= 3 && explored.states > 1000,
        "{findings:?} {explored}"
    );
}

#[test]
fn f_326_a_scenario_that_does_not_fit_is_an_error_with_its_line() {
    let explorer = stack(server(Policy::default()), Policy::default(), OnEnd::Restart).depth(4);
    let error = |scenario: &str| explorer.review(scenario).unwrap_err();
    assert_eq!(
        error("# twice\nstart the service\n\nstop cache").to_string(),
        "line 4: `stop cache` is not a step of these processes; copy the steps of a counterexample"
    );
    let impossible = error("start the service\nweb is started");
    assert!(matches!(&impossible, ReplayError::NotPossible { number: 2, .. }), "{impossible}");
    assert_eq!(error("# 0 findings\n"), ReplayError::Empty);
    let nothing = "start the service\ndb is started\nstart the service\neverything works for a while\n";
    assert_eq!(explorer.review(nothing).unwrap(), []);
}

/// Returns the findings, which are as many as the caller expects. Each can be run again.
#[track_caller]
fn findings<const N: usize>(explorer: &Explorer) -> [Finding; N] {
    let survey = explorer.findings(&Reach { walks: 100, ..Reach::default() }).unwrap();
    for finding in &survey.findings {
        let again = explorer.review(&finding.to_string()).unwrap();
        assert_eq!(again, std::slice::from_ref(finding), "{finding}");
    }
    survey.findings.try_into().unwrap_or_else(|findings| panic!("{findings:#?}"))
}

fn names(finding: &Finding) -> Vec<&str> {
    finding.processes().iter().map(|name| name.as_str()).collect()
}

/// A web server that waits for a database.
fn stack(db: Definition<()>, web: Policy, on_end: OnEnd) -> Explorer {
    let web = Definition { policy: web, after: vec![on("db", on_end)], ..Definition::new(()) };
    Explorer::new().process(name("db"), db).process(name("web"), web)
}

fn server(policy: Policy) -> Definition<()> {
    Definition { policy, ready: Some(Duration::from_secs(10)), ..Definition::new(()) }
}

fn on(process: &str, on_end: OnEnd) -> Dependency {
    Dependency { on_end, ..Dependency::new(name(process), Until::Ready) }
}

fn name(name: &str) -> childminder::Name {
    name.parse().unwrap()
}
