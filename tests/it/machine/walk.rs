//! Random walks: commands, events, stale events and time in any order, with checks after every step.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use childminder::machine::{
    Containment, Definition, Event, Machine, NoticeKind, Output, RunId, SpawnStep, StopCommandError,
    SurvivalReason, SurvivingProcess,
};
use childminder::{Exit, Phase, Policy, Signal, SpawnError};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A failure prints the shortest walk that shows it.
    #[test]
    fn i_1_to_15_hold_on_every_walk(steps in prop::collection::vec(any::<u16>(), 32..=96)) {
        let mut walk = Walk::new();
        for step in steps {
            walk.step(step);
        }
        walk.come_to_rest();
    }
}

/// A machine, its environment, and the expected state of both.
struct Walk {
    machine: Machine<()>,
    now: Instant,
    policy: Policy,
    running: bool,
    definitions: HashMap<&'static str, ExpectedProcess>,
    world: HashMap<RunId, ExpectedRun>,
    over: Vec<RunId>,
}

/// The expected state of a definition.
struct ExpectedProcess {
    held: bool,
    /// Whether a start was requested and has not happened.
    asked: bool,
    /// The number of instant deaths since the last long run.
    deaths: u32,
    /// The run that counts for it, which is not one of an earlier definition.
    own: Option<RunId>,
}

/// The expected state of a run.
struct ExpectedRun {
    name: &'static str,
    up: bool,
    since: Instant,
    leader: bool,
    members: u8,
    open: bool,
    /// The time of the stop signal.
    asked: Option<Instant>,
    killed: bool,
    /// Whether KILL may come early: a kill was requested, or the leader has died by itself.
    hurry: bool,
    died: Option<Instant>,
    /// Whether it has a stop command, and what has become of that.
    stop_command: bool,
    commanded: bool,
    command_runs: bool,
    command_failed: bool,
    termed: bool,
}

impl Walk {
    fn new() -> Self {
        Self {
            machine: Machine::new(),
            now: Instant::now(),
            policy: Policy::default(),
            running: false,
            definitions: HashMap::new(),
            world: HashMap::new(),
            over: Vec::new(),
        }
    }

    fn step(&mut self, step: u16) {
        let name = NAMES[usize::from(step >> 8) % 3];
        let choice = step >> 10;
        let now = self.now;
        match step & 0x1f {
            0 | 1 => self.add(name),
            2 => {
                let known = self.definitions.remove(name).is_some();
                assert_eq!(self.machine.remove_process(name, now).is_ok(), known);
            }
            3 | 4 => {
                let up = self.machine.status(name).is_some_and(|status| status.phase == Phase::Up);
                let note = if up {
                    |_: &mut ExpectedProcess| {}
                } else {
                    |expected: &mut ExpectedProcess| expected.asked = true
                };
                self.command(name, Machine::start_process, note);
            }
            5 | 6 => self.command(name, Machine::stop_process, |expected| expected.asked = false),
            7 => self.command(name, Machine::hold_process, |expected| {
                (expected.held, expected.asked) = (true, false)
            }),
            8 => self.command(name, Machine::release_process, |expected| expected.held = false),
            9 | 10 => {
                self.running = true;
                self.machine.start_service(now).unwrap();
            }
            11 => self.stop_service(Machine::stop_service),
            12 => {
                self.world.values_mut().for_each(|body| body.hurry = true);
                self.stop_service(Machine::kill_service);
            }
            13 => {
                self.definitions.values_mut().for_each(|expected| expected.asked = false);
                self.machine.restart_all(now);
            }
            14..=16 => self.answer(choice),
            17..=20 => self.leader_dies(choice),
            21 if choice.is_multiple_of(2) => self.stop_command_ends(choice),
            21 => self.member_dies(choice),
            22 | 23 => self.closes(choice),
            24 | 25 => self.stale(choice),
            26 => self.machine.handle_timeout(now), // early
            27..=29 => self.tick(),
            30 => self.now += Duration::from_millis(u64::from(choice) * 50),
            _ => self.now += self.policy.threshold,
        }
        self.settle();
    }

    fn add(&mut self, name: &'static str) {
        let definition = Definition { policy: self.policy, stop_command: name == "c", ..Definition::new(()) };
        let added = self.machine.add_process(name.parse().unwrap(), definition, self.now).is_ok();
        assert_eq!(added, !self.definitions.contains_key(name));
        self.definitions.entry(name).or_insert(ExpectedProcess {
            held: false,
            asked: false,
            deaths: 0,
            own: None,
        });
    }

    fn command<E>(
        &mut self,
        name: &str,
        command: fn(&mut Machine<()>, &str, Instant) -> Result<(), E>,
        note: fn(&mut ExpectedProcess),
    ) {
        let expected = self.definitions.get_mut(name);
        assert_eq!(command(&mut self.machine, name, self.now).is_ok(), expected.is_some());
        expected.map(note);
    }

    fn stop_service(&mut self, stop: fn(&mut Machine<()>, Instant)) {
        self.running = false;
        self.definitions.values_mut().for_each(|expected| expected.asked = false);
        stop(&mut self.machine, self.now);
    }

    fn pick(&self, choice: u16, which: impl Fn(&ExpectedRun) -> bool) -> Option<RunId> {
        let mut runs: Vec<RunId> =
            self.world.iter().filter(|(_, body)| which(body)).map(|(run, _)| *run).collect();
        runs.sort_unstable();
        (!runs.is_empty()).then(|| runs[usize::from(choice) % runs.len()])
    }

    fn answer(&mut self, choice: u16) {
        let Some(run) = self.pick(choice, |body| !body.up) else { return };
        if choice.is_multiple_of(4) {
            let error = SpawnError::new(SpawnStep::Exec, "x", std::io::ErrorKind::NotFound.into());
            let body = self.world.remove(&run).unwrap();
            self.over.push(run);
            self.count_death(&body, run, true);
            self.machine.handle_event(Event::SpawnFailed { run, error }, self.now);
        } else {
            let body = self.world.get_mut(&run).unwrap();
            (body.up, body.since) = (true, self.now);
            self.machine
                .handle_event(Event::Started { run, pid: 1, containment: Containment::Group }, self.now);
        }
    }

    fn leader_dies(&mut self, choice: u16) {
        let Some(run) = self.pick(choice, |body| body.up && body.leader) else { return };
        let body = self.world.get_mut(&run).unwrap();
        body.leader = false;
        body.died = Some(self.now);
        body.members = if body.killed { 0 } else { u8::try_from(choice % 5).unwrap().saturating_sub(2) };
        body.hurry |= body.asked.is_none();
        let left = vec![7; body.members.into()];
        self.machine.handle_event(Event::Exited { run, exit: Exit::Code(0), remaining: left }, self.now);
    }

    fn member_dies(&mut self, choice: u16) {
        if let Some(run) = self.pick(choice, |body| body.members > 0) {
            self.world.get_mut(&run).unwrap().members -= 1;
        }
    }

    fn stop_command_ends(&mut self, choice: u16) {
        let Some(run) = self.pick(choice / 4, |body| body.command_runs) else { return };
        let body = self.world.get_mut(&run).unwrap();
        body.command_runs = false;
        let result = if choice.is_multiple_of(4) {
            body.command_failed = true;
            Err(StopCommandError::Failed(Exit::Code(1)))
        } else {
            Ok(())
        };
        self.machine.handle_event(Event::StopCommandEnded { run, result }, self.now);
    }

    fn closes(&mut self, choice: u16) {
        if let Some(run) = self.pick(choice, |body| body.up && body.open) {
            self.world.get_mut(&run).unwrap().open = false;
            self.machine.handle_event(Event::Closed { run }, self.now);
        }
    }

    /// An event of a run that is over changes nothing.
    fn stale(&mut self, choice: u16) {
        let Some(&run) = self.over.get(usize::from(choice) % self.over.len().max(1)) else { return };
        let before = format!("{:?}", self.machine);
        for event in [
            Event::Started { run, pid: 9, containment: Containment::Group },
            Event::Exited { run, exit: Exit::Code(9), remaining: vec![9] },
            Event::Family { run, remaining: vec![9] },
            Event::Closed { run },
        ] {
            self.machine.handle_event(event, self.now);
        }
        assert_eq!(before, format!("{:?}", self.machine));
    }

    fn tick(&mut self) {
        if let Some(at) = self.machine.poll_timeout() {
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now);
        }
    }

    /// Counts the instant deaths in a row.
    fn count_death(&mut self, body: &ExpectedRun, run: RunId, failed: bool) {
        let Some(expected) = self.definitions.get_mut(body.name).filter(|expected| expected.own == Some(run))
        else {
            return;
        };
        let lived = body.died.map_or(Duration::ZERO, |at| at - body.since);
        expected.deaths = if failed || lived < self.policy.threshold { expected.deaths + 1 } else { 0 };
    }

    fn settle(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Spawn { run, name, spec: () } => self.spawned(run, &name),
                Output::Signal { run, signal, .. } => self.signalled(run, signal),
                Output::ListFamily { run } => {
                    let left = vec![7; self.world[&run].members.into()];
                    self.machine.handle_event(Event::Family { run, remaining: left }, self.now);
                }
                Output::RunStopCommand { run } => {
                    let body = self.world.get_mut(&run).expect("a stop command for a run that is over");
                    assert!(body.stop_command && !body.commanded, "a stop command is run once");
                    body.commanded = true;
                    body.command_runs = true;
                    assert!(body.asked.is_none(), "a run is stopped once");
                    body.asked = Some(self.now);
                }
                Output::KillStopCommand { run } => {
                    let body = self.world.get_mut(&run).expect("killed with its run");
                    assert!(std::mem::take(&mut body.command_runs), "it runs");
                    assert!(body.killed || !body.leader, "not before the run ends");
                }
                Output::DescribeSurvivors { run, pids } => {
                    let body = &self.world[&run];
                    assert!(body.killed, "survivors of KILL");
                    let alive = pids.into_iter().filter(|_| body.leader || body.members > 0);
                    let describe = |pid| SurvivingProcess::new(pid, "", SurvivalReason::OutOfReach);
                    let processes = alive.map(describe).collect();
                    self.machine.handle_event(Event::Survivors { run, processes }, self.now);
                }
                Output::Reap { run } => {
                    let body = self.world.remove(&run).expect("I-4: a run is reaped once");
                    assert!(!body.leader && body.members == 0, "I-14: over means that the group is empty");
                    assert!(!body.command_runs, "a stop command outlives its run");
                    self.over.push(run);
                    self.count_death(&body, run, false);
                }
                Output::Notice(notice) => {
                    if let NoticeKind::Restarting { delay, at } = notice.kind {
                        self.restarting(&notice.name, delay, at);
                    }
                }
            }
        }
        self.check();
    }

    fn spawned(&mut self, run: RunId, name: &str) {
        let name = NAMES.into_iter().find(|known| *known == name).unwrap();
        assert!(self.world.values().all(|body| body.name != name), "I-1: a second run of {name}");
        let expected = self.definitions.get_mut(name).expect("I-2: the name is not defined");
        assert!((self.running && !expected.held) || expected.asked, "I-2: {name} is not wanted");
        expected.asked = false;
        expected.own = Some(run);
        let body = ExpectedRun {
            name,
            up: false,
            since: self.now,
            leader: true,
            members: 0,
            open: true,
            asked: None,
            killed: false,
            hurry: false,
            died: None,
            stop_command: name == "c",
            commanded: false,
            command_runs: false,
            command_failed: false,
            termed: false,
        };
        assert!(self.world.insert(run, body).is_none(), "a run id is used once");
    }

    fn signalled(&mut self, run: RunId, signal: Signal) {
        let body = self.world.get_mut(&run).expect("I-9: a signal for a run that is over");
        assert!(body.up, "I-9: a signal for what is not up");
        match signal {
            Signal::KILL => {
                let due = body.asked.map(|at| at + self.policy.kill_time);
                assert!(
                    body.hurry || body.killed || due.is_some_and(|at| at <= self.now),
                    "I-8: KILL came early"
                );
                body.killed = true;
            }
            Signal::TERM if body.stop_command => {
                let is_allowed = body.command_failed || !body.leader;
                assert!(body.commanded && is_allowed, "TERM although the stop command has not failed");
                assert!(!std::mem::replace(&mut body.termed, true), "TERM is sent once");
            }
            Signal::TERM => {
                assert!(body.asked.is_none(), "TERM is sent once");
                body.asked = Some(self.now);
            }
            _ => assert_eq!(signal, Signal::CONT),
        }
    }

    fn restarting(&self, name: &str, delay: Duration, at: Instant) {
        let expected = &self.definitions[name];
        let delay_expected = match expected.deaths.checked_sub(1) {
            Some(earlier) if expected.own.is_some() => self.policy.delay(earlier + 1).min,
            _ => Duration::ZERO,
        };
        assert!(delay == delay_expected || delay.is_zero(), "I-6: {delay:?} instead of {delay_expected:?}");
        assert!(delay.is_zero() || at <= self.now + delay);
    }

    fn check(&self) {
        let mut known = HashSet::new();
        for status in self.machine.statuses() {
            let name: &str = &status.name;
            known.insert(name.to_owned());
            assert!(
                status.delay >= self.policy.min_restart_delay
                    && status.delay <= self.policy.max_restart_delay
            );
            let body = status.run.map(|run| &self.world[&run]);
            match status.phase {
                Phase::Down | Phase::Held | Phase::Waiting => assert!(body.is_none(), "I-10: {status:?}"),
                Phase::Starting => assert!(!body.unwrap().up, "I-10: {status:?}"),
                Phase::Up => {
                    assert!(body.unwrap().leader && body.unwrap().asked.is_none(), "I-10: {status:?}")
                }
                Phase::Stopping => {
                    let body = body.unwrap();
                    let due = body.asked.unwrap() + self.policy.kill_time;
                    assert!(self.machine.poll_timeout().is_some_and(|at| at <= due), "I-7: {status:?}");
                }
                Phase::Ending | Phase::Unkillable => {
                    let body = body.unwrap();
                    assert!(body.killed || !body.leader, "I-10: {status:?}");
                    if status.phase == Phase::Ending {
                        assert!(self.machine.poll_timeout().is_some(), "I-7: {status:?}");
                    }
                }
                _ => unreachable!("a phase this walk does not know"),
            }
            assert_eq!(status.phase == Phase::Waiting, status.next_start.is_some());
        }
        assert_eq!(known.len(), self.definitions.len());
        assert!(self.definitions.keys().all(|name| known.contains(*name)), "I-13");
    }

    /// After a stop, exits and time alone end every run, and nothing of it remains.
    fn come_to_rest(&mut self) {
        self.stop_service(Machine::stop_service);
        self.settle();
        for _ in 0..1000 {
            for choice in 1..4 {
                self.answer(choice);
                self.settle();
                self.member_dies(choice);
                self.closes(choice);
                self.settle();
            }
            if let Some(run) = self.pick(0, |body| body.up && body.leader && body.killed) {
                let body = self.world.get_mut(&run).unwrap();
                (body.leader, body.died) = (false, Some(self.now));
                self.machine
                    .handle_event(Event::Exited { run, exit: Exit::Code(0), remaining: vec![] }, self.now);
                self.settle();
            }
            self.tick();
            self.settle();
            if self.world.is_empty() && self.machine.poll_timeout().is_none() {
                break;
            }
        }
        assert!(self.world.is_empty(), "I-15: these never end: {:?}", self.world.keys());
        for name in NAMES {
            let _ = self.machine.remove_process(name, self.now);
        }
        self.definitions.clear();
        self.now += Policy::KILL_GRACE;
        self.tick();
        self.settle();
        assert_eq!(self.machine.runs().count(), 0);
        assert_eq!(self.machine.poll_timeout(), None);
        assert!(self.machine.statuses().is_empty());
    }
}
