//! Rehearsals: scripted processes on the pure machine.

use std::error::Error;
use std::fmt::Write;
use std::time::{Duration, Instant};

use childminder::machine::{
    Definition, Dependency, Event, GiveUp, Input, Machine, OnEnd, OnGiveUp, Output, SpawnStep,
};
use childminder::testkit::rehearse::{Behaviour, Happening, Moment, Rehearsal, Scenario};
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Name, Phase, Policy, ProcessMonitor, Restart, Signal, SpawnError, Spec, Until};
use fastrand::Rng;

use super::secs;

fn name(name: &str) -> Name {
    name.parse().expect("a name")
}

fn with(policy: Policy) -> Definition<()> {
    Definition { policy, ..Definition::new(()) }
}

fn run(scenario: &Scenario) -> Rehearsal {
    scenario.run().expect("the scenario can be run")
}

#[test]
fn a_rehearsal_is_the_story_that_an_operator_would_have_seen() {
    let give_up = Some(GiveUp { failures: 3, within: None, then: OnGiveUp::StayDown });
    let policy = Policy { give_up, kill_time: secs(2.0), ..Policy::default() };
    let db = Definition { ready: Some(secs(60.0)), ..with(policy) };
    let after = vec![Dependency { on_end: OnEnd::Restart, ..Dependency::new(name("db"), Until::Ready) }];
    let web = Definition { after, ..with(policy) };
    let crash = Behaviour::new().start_takes(secs(2.0)).lives(secs(0.5)).exits(Exit::Code(7));
    let rehearsal = run(&Scenario::new()
        .length(secs(100.0))
        .process(name("db"), db)
        .behaves("db", Behaviour::new().start_takes(Duration::ZERO).ready_after(secs(5.0)))
        .process(name("web"), web)
        .behaves("web", Behaviour::new().start_takes(Duration::ZERO).ignores_term())
        .behaves("web", crash)
        .at(secs(50.0), Happening::Exits { name: name("db"), exit: Exit::Lost }));
    let expected = "\
00:00:00.000 db was added
00:00:00.000 web was added
00:00:00.000 web waits for db (ready)
00:00:00.000 db#1 started, pid 1
00:00:05.000 db#1 is ready
00:00:05.000 web#2 started, pid 1
00:00:50.000 db#1 exited with status lost after 50.0 s
00:00:50.000 db#1 starts again at once
00:00:50.000 web#2 sent TERM, KILL in 2.0 s
00:00:50.000 db#3 started, pid 1
00:00:52.000 web#2 killed
00:00:52.000 web#2 stopped with signal KILL after 47.0 s
00:00:52.000 web#2 starts again at once
00:00:52.000 web waits for db (ready)
00:00:55.000 db#3 is ready
00:00:57.000 web#4 started, pid 1
00:00:57.500 web#4 exited with code 7 after 500 ms
";
    assert!(rehearsal.log().starts_with(expected), "{}", rehearsal.log());
    let (db, web) = (rehearsal.process("db").unwrap(), rehearsal.process("web").unwrap());
    assert_eq!((db.starts, db.restarts, db.failures, db.kills), (2, 1, 1, 0));
    // Twice five seconds until it is ready.
    assert_eq!((db.downtime, db.outages, db.first_ready), (secs(10.0), 2, Some(secs(5.0))));
    assert_eq!((db.phase, web.phase), (Phase::Up, Phase::GaveUp));
    // The restart that the database has caused is no failure. From 57.5 s on: 1 s, 2 + 0.5, 2 s, 2 + 0.5.
    assert_eq!((web.starts, web.failures, web.kills, web.longest_stop), (4, 3, 1, Some(secs(2.0))));
    assert_eq!(web.given_up.len(), 1);
    assert_eq!(web.given_up[0].at, secs(65.5));
    assert_eq!(web.given_up[0].notice, "is given up after 3 failures in a row");
    assert_eq!(web.given_up[0].last, "exited with code 7 after 500 ms");
    // It was up from 5 s to 50 s, and three times for half a second.
    assert_eq!(web.downtime, secs(100.0 - 45.0 - 1.5));
    assert_eq!((web.longest_outage, web.longest_outage_at), (secs(34.5), Some(secs(65.5))));
    assert_eq!((rehearsal.cut(), rehearsal.stop_time()), (None, Some(Duration::ZERO)));
}

#[test]
fn every_behaviour_has_its_effect() {
    let ready = |timeout| Definition { ready: Some(secs(timeout)), ..Definition::new(()) };
    let new = || Behaviour::new().start_takes(Duration::ZERO);
    let unready = new().ready_after(secs(1.0)).not_ready_after(secs(11.0)).ready_after(secs(14.0));
    let missing = SpawnError::new(SpawnStep::Exec, "x", std::io::ErrorKind::NotFound.into());
    let command = Definition { stop_command: true, ..with(Policy::default()) };
    let scenario = Scenario::new()
        .length(secs(100.0))
        .process(name("never"), ready(10.0))
        .behaves("never", new().never_ready())
        .process(name("flaps"), ready(10.0))
        .behaves("flaps", unready)
        .process(name("sick"), Definition::new(()))
        .behaves("sick", new().unhealthy_after(secs(30.0)).stop_takes(secs(1.0)))
        .process(name("broken"), Definition::new(()))
        .behaves("broken", new().cannot_start(missing))
        .process(name("clumsy"), Definition::new(()))
        .behaves("clumsy", new().fails(2, 3).lives(secs(20.0)))
        .process(name("commanded"), command.clone())
        .behaves("commanded", new().stop_takes(secs(3.0)))
        .process(name("needy"), Definition::new(()))
        .behaves("needy", new())
        .at(secs(10.0), Happening::Breaks { name: name("needy"), exit: Exit::Code(9), lasts: secs(4.0) })
        .process(name("deaf"), command)
        .behaves("deaf", new().ignores_term());
    let rehearsal = run(&scenario);
    let of = |name: &str| rehearsal.process(name).expect("it was added");
    // Every ten seconds and a delay of 1, 2, 4, 8 and 16 s.
    assert_eq!((of("never").starts, of("never").failures, of("never").downtime), (6, 6, secs(100.0)));
    assert_eq!((of("flaps").restarts, of("flaps").failures, of("flaps").downtime), (0, 0, secs(4.0)));
    assert_eq!((of("sick").restarts, of("sick").failures, of("sick").downtime), (3, 3, secs(3.0)));
    // Delays of 1, 2, 4, 8, 16 and 32 s.
    assert_eq!((of("broken").starts, of("broken").failures), (7, 7));
    // At 0, 1 and 3 s, then at 23, 24 and 26 s, and so on.
    assert_eq!((of("clumsy").starts, of("clumsy").downtime), (15, secs(15.0)));
    // It is missing from 10 s to 14 s. Starts are at 10, 11, 13 and 17 s.
    assert_eq!((of("needy").outages, of("needy").longest_outage_at), (1, Some(secs(10.0))));
    assert_eq!((of("needy").starts, of("needy").downtime), (5, secs(7.0)));
    assert_eq!((of("commanded").longest_stop, of("commanded").kills), (Some(secs(3.0)), 0));
    assert_eq!((of("deaf").longest_stop, of("deaf").kills), (Some(secs(5.0)), 1));
    assert_eq!(rehearsal.stop_time(), Some(secs(5.0)));
    assert!(rehearsal.log().contains("never#1 is not ready: its condition did not hold within 10.0 s\n"));
    assert!(rehearsal.log().contains("broken#4 not started: cannot execute x"), "{}", rehearsal.log());
}

#[test]
fn what_is_held_completed_removed_or_stopped_is_not_down() {
    let never = with(Policy { restart: Restart::Never, ..Policy::default() });
    let new = || Behaviour::new().start_takes(Duration::ZERO);
    let scenario = Scenario::new()
        .length(secs(100.0))
        .without_service()
        .at(secs(0.0), Input::StartService)
        .at(secs(0.0), Input::Add { name: name("once"), definition: Box::new(never.clone()) })
        .behaves("once", new().lives(secs(10.0)).exits(Exit::Code(0)))
        .at(secs(0.0), Input::Add { name: name("fails"), definition: Box::new(never) })
        .behaves("fails", new().lives(secs(10.0)))
        .at(secs(0.0), Input::Add { name: name("held"), definition: Box::new(Definition::new(())) })
        .behaves("held", new().stop_takes(secs(1.0)))
        .at(secs(20.0), Input::Hold { name: name("held") })
        .at(secs(50.0), Input::Hold { name: name("held") })
        .at(secs(60.0), Input::Release { name: name("held") })
        .at(secs(70.0), Input::Remove { name: name("held") })
        .at(secs(70.5), Input::Stop { name: name("held") })
        .at(secs(80.0), Input::StopService);
    let rehearsal = run(&scenario);
    let of = |name: &str| rehearsal.process(name).map(|process| (process.downtime, process.phase));
    assert_eq!(of("once"), Some((Duration::ZERO, Phase::Completed)));
    // A failure after which it is not restarted is down until the service is stopped by a command.
    assert_eq!(of("fails"), Some((secs(70.0), Phase::Failed)));
    assert_eq!(of("held"), Some((Duration::ZERO, Phase::Down)));
    let refused: Vec<String> = rehearsal.refused().iter().map(|(at, why)| format!("{at:?} {why}")).collect();
    assert_eq!(refused, ["70.5s there is no process \"held\""]);
    assert_eq!(rehearsal.stop_time(), None);
}

#[test]
fn after_a_stop_of_all_everything_is_down() {
    let give_up = Some(GiveUp { failures: 1, within: None, then: OnGiveUp::StopAll });
    let policy = Policy { give_up, ..Policy::default() };
    let rehearsal = run(&Scenario::new()
        .length(secs(100.0))
        .process(name("web"), Definition::new(()))
        .behaves("web", Behaviour::new().start_takes(Duration::ZERO))
        .process(name("worker"), with(policy))
        .behaves("worker", Behaviour::new().fails(1, 1).start_takes(secs(40.0))));
    assert_eq!(rehearsal.process("web").map(|web| web.downtime), Some(secs(60.0)));
    assert_eq!(rehearsal.process("worker").map(|worker| worker.downtime), Some(secs(100.0)));
}

#[test]
fn a_loop_without_a_delay_ends_early() {
    let policy = Policy { threshold: Duration::ZERO, ..Policy::default() };
    let scenario = |takes| {
        Scenario::new()
            .process(name("web"), with(policy))
            .behaves("web", Behaviour::new().start_takes(takes).lives(Duration::ZERO))
            .max_inputs(400_000)
    };
    let still = run(&scenario(Duration::ZERO));
    assert_eq!((still.cut(), still.stop_time()), (Some(Duration::ZERO), None));
    assert!(still.inputs() < 100_000, "{}", still.inputs());
    let long = run(&scenario(Duration::from_millis(1)));
    assert!(long.cut().is_some_and(|at| at > secs(60.0)), "{:?}", long.cut());
    assert!(long.to_string().contains("\nends at 00:0"), "{long}");
    assert_eq!((long.notices().len(), still.omitted()), (100_000, 0));
    assert!(long.omitted() > 100_000, "{}", long.omitted());
}

#[test]
fn a_scenario_that_cannot_be_run_names_the_process() {
    let error = |scenario: Scenario| scenario.run().unwrap_err();
    let web = || Scenario::new().process(name("web"), Definition::new(()));
    let unknown = error(web().behaves("wbe", Behaviour::new()));
    assert_eq!(unknown.to_string(), "there is no process \"wbe\" in this scenario; there is \"web\"");
    assert_eq!(unknown.process(), Some("wbe"));
    assert!(unknown.source().is_some());
    let unknown = error(web().at(secs(1.0), Input::Stop { name: name("db") }));
    assert_eq!(unknown.to_string(), "there is no process \"db\" in this scenario; add it with `process`");
    let add = Input::Add { name: name("db"), definition: Box::new(Definition::new(())) };
    let late = error(web().at(secs(1.0), add).held(name("db")));
    assert_eq!(late.to_string(), unknown.to_string());
    let twice = error(web().process(name("web"), Definition::new(())));
    assert_eq!(twice.to_string(), "cannot add `web`: there is a process \"web\" already");
    let after = vec![Dependency::new(name("db"), Until::Started)];
    let alone = error(Scenario::new().process(name("web"), Definition { after, ..Definition::new(()) }));
    assert!(alone.to_string().starts_with("cannot start the service: "), "{alone}");
    assert!(alone.process().is_none() && alone.source().is_some());
}

#[test]
fn random_lives_depend_on_the_seed_the_name_and_the_run_only() {
    let spawns = |seed, other: bool, policy| {
        let mut scenario = Scenario::new().seed(seed).length(secs(3600.0));
        if other {
            scenario = scenario.process(name("other"), Definition::new(()));
        }
        scenario = scenario
            .process(name("web"), with(policy))
            .behaves("web", Behaviour::new().lives_between(secs(1.0), secs(100.0)));
        let mut lives = Vec::new();
        let mut note = |moment: &Moment<'_>| {
            for output in moment.outputs {
                if let Output::Notice(notice) = output
                    && let childminder::machine::NoticeKind::Exited { lived, .. } = notice.kind
                    && notice.name == "web"
                {
                    lives.push(lived);
                }
            }
        };
        scenario.observe(&mut note).unwrap();
        // The last one is that of the stop.
        lives.pop();
        lives
    };
    let lives = spawns(1, false, Policy::default());
    assert!(lives.len() > 50, "{lives:?}");
    assert_eq!(spawns(1, true, Policy::default()), lives);
    let slower = spawns(1, false, Policy { threshold: secs(50.0), ..Policy::default() });
    assert!(slower.len() < lives.len() && lives.starts_with(&slower), "{slower:?} {lives:?}");
    assert_ne!(spawns(2, false, Policy::default())[0], lives[0]);
}

/// A process of a random story.
struct Part {
    name: String,
    policy: Policy,
    lives: Vec<Option<Duration>>,
    stop_takes: Option<Duration>,
    after: Option<String>,
}

fn parts(rng: &mut Rng) -> Vec<Part> {
    let part = |rng: &mut Rng, index: usize| {
        let give_up = rng.bool().then(|| GiveUp {
            failures: rng.u32(1..4),
            within: rng.bool().then(|| secs(30.0)),
            then: if rng.u8(..4) == 0 { OnGiveUp::StopAll } else { OnGiveUp::StayDown },
        });
        let policy = Policy {
            threshold: Duration::from_millis(rng.u64(..3000)),
            kill_time: Duration::from_millis(rng.u64(..3000)),
            restart: [Restart::Always, Restart::Always, Restart::OnFailure][rng.usize(..3)],
            give_up,
            ..Policy::default()
        };
        let life = |rng: &mut Rng| rng.bool().then(|| Duration::from_micros(rng.u64(1..20_000_000)));
        Part {
            name: format!("p{index}"),
            policy,
            lives: (0..rng.usize(1..6)).map(|_| life(rng)).collect(),
            stop_takes: rng.bool().then(|| Duration::from_micros(rng.u64(1..3_000_000))),
            after: (index > 0 && rng.bool()).then(|| format!("p{}", rng.usize(..index))),
        }
    };
    (0..rng.usize(1..4)).map(|index| part(rng, index)).collect()
}

/// Returns commands at times in microseconds that no process has.
fn commands(rng: &mut Rng, parts: &[Part]) -> Vec<(Duration, u8, String)> {
    let mut commands: Vec<_> = (0..rng.usize(..6))
        .map(|_| {
            let at = Duration::from_nanos(rng.u64(1..60_000_000) * 1000 + 500);
            (at, rng.u8(..6), parts[rng.usize(..parts.len())].name.clone())
        })
        .collect();
    commands.sort();
    commands
}

/// Returns what the simulated world has seen of the real monitor.
fn simulated(parts: &[Part], commands: &[(Duration, u8, String)], length: Duration) -> String {
    let sim = Sim::new();
    let (monitor, driver) = ProcessMonitor::new(sim.clone());
    sim.spawn(driver);
    for part in parts {
        for life in &part.lives {
            let mut script = Script::new().exits_after_term(Duration::ZERO);
            script = match life {
                Some(life) => script.lives(*life).exits(Exit::Code(1)),
                None => script,
            };
            script = match part.stop_takes {
                Some(takes) => script.exits_after_term(takes),
                None => script.ignores_term(),
            };
            sim.script(part.name.clone(), script);
        }
        let mut spec = Spec::new(&part.name).policy(part.policy);
        if let Some(after) = &part.after {
            spec = spec.after_with(Dependency {
                on_end: OnEnd::Restart,
                ..Dependency::new(name(after), Until::Started)
            });
        }
        monitor.add_process(&part.name, spec).unwrap();
    }
    monitor.start_service().unwrap();
    let mut now = Duration::ZERO;
    for (at, kind, of) in commands {
        sim.advance(*at - now);
        now = *at;
        match kind {
            0 => drop(monitor.stop_process(of).unwrap()),
            1 => monitor.start_process(of).unwrap(),
            2 => drop(monitor.hold_process(of).unwrap()),
            3 => monitor.release_process(of).unwrap(),
            4 => drop(monitor.restart_all()),
            _ => drop(monitor.signal_process(of, Signal::KILL).unwrap()),
        }
    }
    sim.advance(length - now);
    drop(monitor.stop_service());
    sim.advance(secs(10.0));
    let is_signal = |line: &&str| line.split(' ').nth(1) == Some("signal");
    sim.trace().lines().filter(|line| !is_signal(line)).map(|line| format!("{line}\n")).collect()
}

/// Returns a random scenario of a minute, with commands.
pub(crate) fn random_scenario(seed: u64) -> Scenario {
    let mut rng = Rng::with_seed(seed);
    let parts = parts(&mut rng);
    scenario(&parts, &commands(&mut rng, &parts), secs(60.0))
}

fn scenario(parts: &[Part], commands: &[(Duration, u8, String)], length: Duration) -> Scenario {
    let mut scenario = Scenario::new().length(length);
    for part in parts {
        let after = part.after.iter().map(|after| Dependency {
            on_end: OnEnd::Restart,
            ..Dependency::new(name(after), Until::Started)
        });
        let definition = Definition { after: after.collect(), ..with(part.policy) };
        scenario = scenario.process(name(&part.name), definition);
        for life in &part.lives {
            let mut behaviour = Behaviour::new().start_takes(Duration::ZERO);
            behaviour = match life {
                Some(life) => behaviour.lives(*life),
                None => behaviour,
            };
            behaviour = match part.stop_takes {
                Some(takes) => behaviour.stop_takes(takes),
                None => behaviour.ignores_term(),
            };
            scenario = scenario.behaves(&part.name, behaviour);
        }
    }
    for (at, kind, of) in commands {
        let name = name(of);
        let input = match kind {
            0 => Input::Stop { name },
            1 => Input::Start { name },
            2 => Input::Hold { name },
            3 => Input::Release { name },
            4 => Input::RestartAll,
            _ => Input::Signal { name, signal: Signal::KILL },
        };
        scenario = scenario.at(*at, input);
    }
    scenario
}

/// Returns the same of a rehearsal.
fn rehearsed(parts: &[Part], commands: &[(Duration, u8, String)], length: Duration) -> String {
    let scenario = scenario(parts, commands, length);
    let (mut names, mut trace) = (Vec::new(), String::new());
    let mut note = |moment: &Moment<'_>| {
        let nanos = format!("{:09}", moment.at.subsec_nanos());
        let decimals = if moment.at.subsec_nanos() == 0 { "0" } else { nanos.trim_end_matches('0') };
        let at = format!("{}.{decimals}", moment.at.as_secs());
        // Times are whole nanoseconds, of which a number of this size keeps all.
        let line =
            |trace: &mut String, verb, run: childminder::machine::RunId, names: &[String], what: &str| {
                let of = &names[run.number() as usize - 1];
                writeln!(trace, "{at} {verb} {of}{run}{what}").unwrap();
            };
        if let Input::Event(Event::Exited { run, exit, .. }) = moment.input {
            line(&mut trace, "exit", *run, &names, &format!(" {exit}"));
        }
        for output in moment.outputs {
            match output {
                Output::Spawn { run, name, .. } => {
                    names.push(name.to_string());
                    line(&mut trace, "spawn", *run, &names, "");
                }
                Output::Reap { run } => line(&mut trace, "reap", *run, &names, ""),
                _ => {}
            }
        }
    };
    scenario.observe(&mut note).unwrap();
    trace
}

/// Two worlds that have nothing in common but the machine.
#[test]
fn a_rehearsal_and_the_simulated_world_agree_about_random_stories() {
    let (mut restarts, mut kills) = (0, 0);
    for seed in 0..400 {
        let mut rng = Rng::with_seed(seed);
        let parts = parts(&mut rng);
        let commands = commands(&mut rng, &parts);
        let length = secs(60.0);
        let (expected, found) = (simulated(&parts, &commands, length), rehearsed(&parts, &commands, length));
        let times = |trace: &str| -> Vec<String> {
            let mut lines: Vec<String> = trace.lines().map(str::to_owned).collect();
            // What happens at one instant has no order.
            lines.sort();
            lines
        };
        let policies: Vec<_> = parts.iter().map(|part| (part.policy, &part.lives, &part.after)).collect();
        assert_eq!(
            times(&found),
            times(&expected),
            "seed {seed}: {commands:?} {policies:?}\nrehearsed:\n{found}\nsimulated:\n{expected}"
        );
        restarts += found.matches(" spawn ").count() - parts.len();
        kills += found.matches("signal KILL").count();
    }
    assert!(restarts > 1000 && kills > 100, "{restarts} restarts, {kills} kills");
}

#[test]
fn the_inputs_of_a_rehearsal_make_another_machine_decide_the_same() {
    let mut inputs = 0;
    for seed in 0..50 {
        let mut rng = Rng::with_seed(seed);
        let parts = parts(&mut rng);
        let mut scenario = Scenario::new().length(secs(600.0)).seed(seed);
        for part in &parts {
            let policy = Policy { jitter: childminder::backoff::Jitter::TENTH, ..part.policy };
            let life = Behaviour::new().lives_between(Duration::ZERO, secs(2.0));
            scenario = scenario.process(name(&part.name), with(policy)).behaves(&part.name, life);
        }
        let epoch = Instant::now();
        let mut machine = Machine::with_seed(seed);
        let rehearsal = scenario.observe(|moment| {
            machine.handle_input(moment.input.clone(), epoch + moment.at).unwrap();
            for output in moment.outputs {
                let text = |output: &Output<()>| match output {
                    Output::Notice(notice) => notice.to_string(),
                    output => format!("{output:?}"),
                };
                let found = machine.poll_output().expect("an output");
                assert_eq!(text(&found), text(output));
            }
            assert!(machine.poll_output().is_none());
        });
        inputs += rehearsal.unwrap().inputs();
    }
    assert!(inputs > 5000, "{inputs}");
}
