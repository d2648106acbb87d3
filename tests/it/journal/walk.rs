//! A thousand random journals: of monitors in a simulated world, and of machines.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use childminder::journal::{Journal, JournalFile, Program};
use childminder::machine::{
    Containment, Definition, Dependency, Event, GiveUp, Input, Machine, OnEnd, OnGiveUp, Output,
    RestartGroup, RunId, SpawnStep, Strategy, Stream,
};
use childminder::testkit::Script;
use childminder::{Exit, Policy, Restart, Signal, SpawnError, Spec, Until};

use super::{monitor, secs};

/// Numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// Returns a seed that is new for each run of the tests, and prints it.
fn seed() -> u64 {
    let seed = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_nanos() as u64);
    println!("seed {seed}");
    seed
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn policy(random: &mut Random) -> Policy {
    let give_up = GiveUp { failures: 3, within: Some(secs(30.0)), then: OnGiveUp::StayDown };
    match random.below(5) {
        0 => Policy { give_up: Some(give_up), ..Policy::kubernetes() },
        1 => Policy::systemd(),
        2 => Policy { restart: Restart::OnFailure, ..Policy::pebble() },
        3 => Policy { kill_time: Duration::ZERO, ..Policy::supervisord() },
        _ => Policy::default(),
    }
}

fn dependency(random: &mut Random) -> Dependency {
    let until = [Until::Started, Until::Ready, Until::Completed][random.below(3) as usize];
    let on_end = if random.one_in(2) { OnEnd::Restart } else { OnEnd::Stay };
    Dependency { on_end, ..Dependency::new(NAMES[random.below(4) as usize].parse().unwrap(), until) }
}

fn group(random: &mut Random) -> Option<RestartGroup> {
    let group = RestartGroup { name: "g".parse().unwrap(), strategy: Strategy::OneForAll };
    random.one_in(3).then_some(group)
}

/// Records a monitor with random scripts and commands. Returns its journal.
fn record(seed: u64, path: &Path) -> Journal {
    let random = &mut Random(seed);
    // Some journals have many segments.
    let file = JournalFile::new(path);
    let file = if random.one_in(3) { file.max_entries(200) } else { file };
    let (sim, monitor) = monitor(file);
    for name in NAMES {
        for _ in 0..=random.below(3) {
            let script = Script::new().lives(Duration::from_millis(random.below(20_000)));
            let exit = if random.one_in(3) { Exit::Code(0) } else { Exit::Code(1) };
            let script = match random.below(6) {
                0 => Script::fails(SpawnStep::Exec, libc::EACCES),
                1 => script.exits(exit).leaves_behind(1),
                2 => script.exits(exit).ignores_term(),
                3 => script.exits(exit).leaks_output(secs(1.0)),
                4 => script.exits(exit).prints(secs(0.1), Stream::Stdout, "one\ntwo"),
                _ => Script::new().exits_after_term(secs(2.0)),
            };
            sim.script(name, script);
        }
    }
    for _ in 0..40 {
        let name = NAMES[random.below(4) as usize];
        let spec = |random: &mut Random| {
            let spec = Spec::new(name).arg(random.below(3).to_string()).policy(policy(random));
            let spec = if random.one_in(2) { spec.after_with(dependency(random)) } else { spec };
            match group(random) {
                Some(group) => spec.restart_group(group),
                None => spec,
            }
        };
        // Some of these are refused.
        match random.below(14) {
            0..3 => drop(monitor.add_process(name, spec(random))),
            3 => drop(monitor.remove_process(name)),
            4 => drop(monitor.start_process(name)),
            5 => drop(monitor.stop_process(name)),
            6 => drop(monitor.hold_process(name)),
            7 => drop(monitor.release_process(name)),
            8 => drop(monitor.signal_process(name, Signal::HUP)),
            9 => drop(monitor.set_policy(name, policy(random))),
            10 => drop(monitor.replace_process(name, spec(random))),
            11 => drop(monitor.start_service()),
            12 if random.one_in(3) => drop(monitor.kill_service()),
            12 => drop(monitor.stop_service()),
            _ => drop(monitor.restart_all()),
        }
        sim.advance(Duration::from_millis(random.below(10_000)));
    }
    drop(monitor);
    sim.advance(secs(60.0));
    sim.drop_futures();
    Journal::read(path).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}

#[test]
fn f_310_the_journals_of_random_monitors_are_replayed_identically() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("random.journal");
    let (first, mut decisions, mut segments) = (seed(), 0, 0);
    for seed in first..first + 200 {
        let journal = record(seed, &path);
        let verified = journal.verify().unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        assert_eq!(verified.lost, 0, "seed {seed}");
        decisions += verified.decisions;
        segments += u64::from(journal.header().segment > 0);
        let _ = fs::remove_file(path.with_extension("journal.1"));
    }
    assert!(decisions > 10_000 && segments > 10, "{decisions} decisions, {segments} later segments");
}

/// Puts random inputs into a machine, most of them answers to its outputs.
fn walk(random: &mut Random) -> Vec<(Duration, Input<Program>)> {
    let epoch = Instant::now();
    let (mut machine, mut at, mut inputs) = (Machine::new(), Duration::ZERO, Vec::new());
    let mut runs: Vec<(RunId, bool)> = Vec::new();
    for number in 0..120 {
        let name = NAMES[random.below(4) as usize].parse().unwrap();
        let definition = Box::new(Definition {
            policy: policy(random),
            after: random.one_in(2).then(|| dependency(random)).into_iter().collect(),
            restart_group: group(random),
            ready: random.one_in(4).then_some(secs(3.0)),
            stop_command: random.one_in(4),
            ..Definition::new(Program::new("program", number))
        });
        let input = match random.below(20) {
            0 | 1 => Input::Add { name, definition },
            2 => Input::Remove { name },
            3 => Input::Replace { name, definition, restart: random.one_in(2) },
            4 => Input::Stop { name },
            5 => Input::Start { name },
            6 => Input::Hold { name },
            7 => Input::Release { name },
            8 => Input::StartService,
            9 if random.one_in(4) => Input::KillService,
            9 if random.one_in(2) => Input::StopService,
            9 => Input::RestartAll,
            10..13 => {
                at += Duration::from_nanos(random.below(4_000_000_000));
                Input::Timeout
            }
            _ => {
                if runs.is_empty() {
                    continue;
                }
                let index = random.below(runs.len() as u64) as usize;
                let (run, is_started) = &mut runs[index];
                let run = *run;
                let reason = || "no answer".into();
                let remaining = if random.one_in(3) { vec![17, 18] } else { Vec::new() };
                Input::Event(match (std::mem::replace(is_started, true), random.below(8)) {
                    (false, 0) => {
                        let error = std::io::Error::from_raw_os_error(libc::ENOENT);
                        Event::SpawnFailed { run, error: SpawnError::new(SpawnStep::Find, "program", error) }
                    }
                    (false, _) => Event::Started { run, pid: 16, containment: Containment::Family },
                    (true, 0 | 1) => Event::Closed { run },
                    (true, 2) => Event::Ready { run },
                    (true, 3) => Event::NotReady { run, reason: reason() },
                    (true, 4) => Event::StopCommandEnded { run, result: Ok(()) },
                    (true, 5) => Event::Family { run, remaining },
                    (true, _) => Event::Exited { run, exit: Exit::Code(random.below(3) as i32), remaining },
                })
            }
        };
        if machine.handle_input(input.clone(), epoch + at).is_ok() {
            inputs.push((at, input));
        }
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Spawn { run, .. } => runs.push((run, false)),
                Output::Reap { run } => runs.retain(|(known, _)| *known != run),
                _ => {}
            }
        }
    }
    inputs
}

#[test]
fn f_310_the_journals_of_random_machines_are_replayed_identically() {
    let (first, mut decisions) = (seed(), 0);
    for seed in first..first + 800 {
        let journal = Journal::from_inputs(0, walk(&mut Random(seed))).with_decisions();
        let text = journal.to_text();
        let read =
            Journal::parse(text.as_bytes()).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        let verified = read.verify().unwrap_or_else(|difference| panic!("seed {seed}: {difference}\n{text}"));
        decisions += verified.decisions;
        assert_eq!(read.to_text(), text, "seed {seed}");
        // From the middle, with a checkpoint.
        let end = read.since(journal.length() / 2);
        let end =
            Journal::parse(end.to_text().as_bytes()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let verified = end.verify().unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        assert!(verified.inputs > 0 && end.entries().len() <= read.entries().len() + 1, "seed {seed}");
    }
    assert!(decisions > 20_000, "{decisions} decisions");
}
