//! Readiness and health in virtual time: what is done with the verdicts, story by story.

use childminder::host::ProbeTarget;
use childminder::machine::Stream;
use childminder::ready::{Liveness, OutputMatch};
use childminder::testkit::{Script, Sim};
use childminder::{Condition, Exit, Notices, Phase, Policy, ProcessMonitor, Spec, Until};

use super::notices::drain;
use super::{expect, monitor, secs};

/// A policy that makes failures visible in a trace: the next start is always one second later.
fn paced() -> Policy {
    Policy { max_restart_delay: secs(1.0), ..Policy::default() }
}

fn web() -> Spec {
    Spec::new("web").policy(paced())
}

fn prints(at: f64, text: &str) -> Script {
    Script::new().prints(secs(at), Stream::Stdout, text)
}

/// The text of each notice that is about readiness or health.
fn verdicts(sim: &Sim, notices: &mut Notices) -> Vec<String> {
    let texts = drain(sim, notices);
    texts.into_iter().filter(|text| text.contains("ready") || text.contains("healthy")).collect()
}

#[test]
fn f_200_a_run_is_ready_at_the_moment_at_which_its_condition_holds() {
    let (sim, monitor) = monitor();
    let mut notices = monitor.notices();
    sim.script("web", prints(0.3, "listening"));
    monitor.add_process("web", web().ready(Condition::output("listening"))).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(0.2));
    let status = monitor.status("web").unwrap();
    assert_eq!((status.phase, status.ready_since), (Phase::Up, None));
    let ticket = monitor.wait_ready("web").unwrap();
    sim.block_on(ticket).unwrap();
    assert_eq!(sim.elapsed(), secs(0.3), "not at the end of the line, and no poll later");
    let status = monitor.status("web").unwrap();
    assert_eq!(status.ready_since, Some(monitor.now()));
    assert_eq!(verdicts(&sim, &mut notices), ["web#1 is ready"]);
    sim.block_on(monitor.wait_ready("web").unwrap()).unwrap();
    assert_eq!(sim.elapsed(), secs(0.3), "a process that is ready is not waited for");
}

#[test]
fn f_205_a_run_that_is_not_ready_in_time_is_stopped_and_restarted_as_a_failure() {
    let (sim, monitor) = monitor();
    let mut notices = monitor.notices();
    sim.script("web", prints(0.5, "loading\n").exits_on_term(Exit::Code(0)));
    sim.script("web", prints(0.5, "loading\nlistening\n"));
    let ready = Condition::all([Condition::output("loading"), Condition::output("listening")]);
    monitor.add_process("web", web().ready(ready).ready_timeout(secs(4.0))).unwrap();
    monitor.start_service().unwrap();
    sim.block_on(monitor.wait_ready("web").unwrap()).unwrap();
    expect(
        &sim,
        "0.0 spawn web#1
         4.0 signal web#1 TERM
         4.0 signal web#1 CONT
         4.0 exit web#1 code 0
         4.0 reap web#1
         5.0 spawn web#2",
    );
    assert_eq!(sim.elapsed(), secs(5.5), "the ticket waits over restarts");
    assert_eq!(
        verdicts(&sim, &mut notices),
        [
            "web#1 is not ready: timed out after 4s, output \"listening\": missing after 4.0s",
            "web#2 is ready",
        ]
    );
}

#[test]
fn f_205_readiness_at_the_very_deadline_counts() {
    let (sim, monitor) = monitor();
    sim.script("web", prints(4.0, "listening"));
    monitor.add_process("web", web().ready(Condition::output("listening")).ready_timeout(secs(4.0))).unwrap();
    monitor.start_service().unwrap();
    sim.block_on(monitor.wait_ready("web").unwrap()).unwrap();
    assert_eq!(sim.elapsed(), secs(4.0));
}

#[test]
fn f_206_an_unhealthy_run_is_reported_ended_and_restarted() {
    let (sim, monitor) = monitor();
    let mut notices = monitor.notices();
    let status = |status| ProbeTarget::Http { port: 80, path: "/health".to_owned(), status };
    let sick = Script::new().serves(secs(0.0), status(200.into())).serves(secs(10.5), status(503.into()));
    sim.script("web", sick.ignores_term());
    sim.script("web", Script::new().serves(secs(0.0), status(200.into())));
    let liveness = Liveness { every: secs(2.0), failures: 2, grace: secs(1.0) };
    let alive = web().ready(Condition::port(80)).alive(Condition::http(80, "/health"), liveness);
    monitor.add_process("web", alive).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(30.0));
    let story: Vec<String> =
        sim.trace().lines().filter(|line| !line.contains("probe")).map(str::to_owned).collect();
    assert_eq!(
        story,
        [
            "0.0 spawn web#1",
            "13.0 signal web#1 TERM",
            "13.0 signal web#1 CONT",
            "18.0 signal web#1 KILL",
            "18.0 exit web#1 signal KILL",
            "18.0 reap web#1",
            "18.0 spawn web#2",
        ]
    );
    let probes = sim.trace().lines().filter(|line| line.contains("probe http")).count();
    assert_eq!(probes, 7 + 6, "at 1, 3, …, 13 s; then at 19, 21, …, 29 s");
    assert_eq!(
        verdicts(&sim, &mut notices),
        [
            "web#1 is ready",
            "web#1 is unhealthy: 2 checks in a row failed, at last http://localhost:80/health with status 200: \
             answered with status 503",
            "web#2 is ready",
        ]
    );
}

#[test]
fn f_206_without_a_condition_for_readiness_checks_begin_at_the_start() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new());
    let liveness = Liveness { every: secs(2.0), failures: 1, grace: secs(3.0) };
    monitor.add_process("web", web().alive(Condition::port(80), liveness)).unwrap();
    monitor.start_service().unwrap();
    sim.run_until_idle();
    assert!(monitor.status("web").unwrap().ready_since.is_some());
    sim.advance(secs(3.5));
    assert!(sim.trace().starts_with("0.0 spawn web#1\n3.0 probe port 80\n3.0 signal web#1 TERM\n"));
}

#[test]
fn f_207_readiness_belongs_to_a_run() {
    let (sim, monitor) = monitor();
    // Together the runs have printed the text at 2.1 s.
    sim.script("web", prints(1.9, "listen").lives(secs(2.0)).exits(Exit::Code(1)));
    sim.script("web", prints(0.1, "ing\n").prints(secs(0.7), Stream::Stdout, "listening"));
    monitor.add_process("web", web().ready(Condition::output("listening"))).unwrap();
    sim.script("client", Script::new());
    monitor.add_process("client", Spec::new("client").after("web", Until::Ready)).unwrap();
    monitor.start_service().unwrap();
    sim.block_on(monitor.wait_ready("client").unwrap()).unwrap();
    let starts: Vec<String> =
        sim.trace().lines().filter(|line| line.contains("spawn")).map(str::to_owned).collect();
    let [_, second, client] = &*starts else { panic!("{starts:#?}") };
    let at = |line: &str| line.split(' ').next().unwrap().parse::<f64>().unwrap();
    assert!((at(client) - at(second) - 0.7).abs() < 1e-9, "{starts:#?}");
    sim.kill_from_outside("web", Exit::Code(1));
    sim.run_until_idle();
    let status = monitor.status("web").unwrap();
    assert_eq!(status.ready_since, None, "{status:?}");
}

#[test]
fn f_208_a_process_without_requirements_costs_no_probe_and_is_ready_when_it_runs() {
    let (sim, monitor) = monitor();
    sim.script("web", Script::new());
    monitor.add_process("web", web()).unwrap();
    monitor.start_service().unwrap();
    sim.block_on(monitor.wait_ready("web").unwrap()).unwrap();
    sim.advance(secs(3600.0));
    expect(&sim, "0.0 spawn web#1");
}

#[test]
fn a_spec_with_other_requirements_replaces_the_run() {
    use childminder::machine::Replaced;

    let (sim, monitor) = monitor();
    sim.script("web", prints(0.1, "one two"));
    let spec = |text| web().ready(OutputMatch::text(text));
    monitor.add_process("web", spec("one")).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(2.0));
    assert_eq!(monitor.replace_process("web", spec("one")).unwrap(), Replaced::Unchanged);
    assert_eq!(monitor.replace_process("web", spec("two")).unwrap(), Replaced::Restarting);
    sim.advance(secs(2.0));
    assert_eq!(monitor.status("web").unwrap().run.map(|run| run.number()), Some(2));
}

#[test]
fn the_last_line_of_output_completes_an_explanation() {
    let sim = Sim::new();
    let (monitor, driver) = ProcessMonitor::builder().tail(10).build(sim.clone()).unwrap();
    sim.spawn(driver);
    sim.script("db", prints(0.1, "no space left\n").lives(secs(0.2)).exits(Exit::Code(1)));
    monitor.add_process("db", Spec::new("db")).unwrap();
    sim.script("web", Script::new());
    monitor.add_process("web", Spec::new("web").after("db", Until::Ready)).unwrap();
    monitor.start_service().unwrap();
    sim.advance(secs(0.5));
    let why = monitor.why("db").unwrap();
    assert_eq!(why.last_line(), Some("no space left"));
    assert!(why.to_string().ends_with("no space left"), "{why}");
}
