//! A harness for the machine without a driver: it answers every spawn, advances virtual time from one
//! deadline to the next, and records what happens.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::time::{Duration, Instant};

use childminder::machine::{
    Containment, Definition, Dependency, Event, Machine, Output, RunId, SignalTarget, SpawnStep,
    SurvivalReason, SurvivingProcess,
};
use childminder::{Exit, Notice, Phase, Policy, Signal, SpawnError, Status, Until};

pub(crate) struct Harness {
    pub(crate) machine: Machine<()>,
    pub(crate) epoch: Instant,
    pub(crate) now: Instant,
    story: String,
    /// The runs that are not reaped, with their names in the record.
    live: HashMap<RunId, String>,
    /// The names whose starts fail, with the error number.
    refused: HashMap<String, i32>,
    /// Whether starts are answered at once.
    prompt: bool,
    /// The members that outlive the leader, by run.
    left: HashMap<RunId, Vec<u32>>,
    /// The names whose output stays open after the exit.
    leaky: HashSet<String>,
    /// The targets of all signals, and the signals.
    pub(crate) signals: Vec<(SignalTarget, Signal)>,
    /// The reasons why processes survive KILL.
    reasons: HashMap<u32, SurvivalReason>,
    /// The processes that are dead when the survivors are described.
    found_dead: HashSet<u32>,
    /// The notices about runs.
    pub(crate) notices: Vec<Notice>,
    /// All notices as sentences, with those about processes.
    pub(crate) log: Vec<String>,
    /// The number of times that the machine has listed a family.
    pub(crate) family_checks: u32,
}

impl Harness {
    pub(crate) fn new() -> Self {
        let epoch = Instant::now();
        Self {
            machine: Machine::new(),
            epoch,
            now: epoch,
            story: String::new(),
            live: HashMap::new(),
            refused: HashMap::new(),
            prompt: true,
            left: HashMap::new(),
            leaky: HashSet::new(),
            signals: Vec::new(),
            reasons: HashMap::new(),
            found_dead: HashSet::new(),
            notices: Vec::new(),
            log: Vec::new(),
            family_checks: 0,
        }
    }

    /// Creates a harness whose service runs.
    pub(crate) fn running() -> Self {
        let mut harness = Self::new();
        harness.start_service();
        harness
    }

    pub(crate) fn add(&mut self, name: &str) {
        self.add_with(name, Policy::default());
    }

    pub(crate) fn add_with(&mut self, name: &str, policy: Policy) {
        let definition = Definition { policy, ..Definition::new(()) };
        self.machine.add_process(name.parse().unwrap(), definition, self.now).unwrap();
        self.settle();
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.machine.remove_process(name, self.now).unwrap();
        self.settle();
    }

    pub(crate) fn start(&mut self, name: &str) {
        self.machine.start_process(name, self.now).unwrap();
        self.settle();
    }

    pub(crate) fn stop(&mut self, name: &str) {
        self.machine.stop_process(name, self.now).unwrap();
        self.settle();
    }

    pub(crate) fn hold(&mut self, name: &str) {
        self.machine.hold_process(name, self.now).unwrap();
        self.settle();
    }

    pub(crate) fn release(&mut self, name: &str) {
        self.machine.release_process(name, self.now).unwrap();
        self.settle();
    }

    pub(crate) fn signal(&mut self, name: &str, signal: Signal) -> bool {
        let heard = self.machine.signal_process(name, signal).unwrap();
        self.settle();
        heard
    }

    pub(crate) fn restart_all(&mut self) {
        self.machine.restart_all(self.now);
        self.settle();
    }

    pub(crate) fn start_service(&mut self) {
        self.machine.start_service(self.now).unwrap();
        self.settle();
    }

    pub(crate) fn stop_service(&mut self) {
        self.machine.stop_service(self.now);
        self.settle();
    }

    pub(crate) fn kill_service(&mut self) {
        self.machine.kill_service(self.now);
        self.settle();
    }

    /// Lets starts of `name` fail with this error number, or succeed again.
    pub(crate) fn refuse(&mut self, name: &str, code: Option<i32>) {
        match code {
            Some(code) => self.refused.insert(name.to_owned(), code),
            None => self.refused.remove(name),
        };
    }

    /// Leaves starts unanswered until [`Self::answer`].
    pub(crate) fn defer_starts(&mut self) {
        self.prompt = false;
    }

    pub(crate) fn answer(&mut self, run: RunId) {
        self.event(Event::Started { run, pid: pid(run), containment: Containment::Group });
    }

    /// Keeps the output of `name` open after its exits.
    pub(crate) fn leaks(&mut self, name: &str) {
        self.leaky.insert(name.to_owned());
    }

    /// Lets this process survive KILL for this reason.
    pub(crate) fn survives(&mut self, pid: u32, reason: SurvivalReason) {
        self.reasons.insert(pid, reason);
    }

    /// Lets this process be found dead when the survivors are described.
    pub(crate) fn found_dead(&mut self, pid: u32) {
        self.found_dead.insert(pid);
    }

    /// Adds a process with this definition.
    pub(crate) fn define(&mut self, name: &str, definition: Definition<()>) {
        self.machine.add_process(name.parse().unwrap(), definition, self.now).unwrap();
        self.settle();
    }

    /// Adds a process that starts after others. It has a readiness condition with a timeout of a minute.
    pub(crate) fn after(&mut self, name: &str, after: &[(&str, Until)]) {
        self.define(name, Self::definition(after));
    }

    pub(crate) fn definition(after: &[(&str, Until)]) -> Definition<()> {
        let after = after.iter().map(|(on, until)| Dependency::new(on.parse().unwrap(), *until)).collect();
        Definition { after, ready: Some(Duration::from_secs(60)), ..Definition::new(()) }
    }

    pub(crate) fn ready(&mut self, name: &str) {
        self.event(Event::Ready { run: self.run(name) });
    }

    pub(crate) fn not_ready(&mut self, name: &str, reason: &str) {
        self.event(Event::NotReady { run: self.run(name), reason: reason.into() });
    }

    pub(crate) fn unhealthy(&mut self, name: &str, reason: &str) {
        self.event(Event::Unhealthy { run: self.run(name), reason: reason.into() });
    }

    pub(crate) fn set_policy(&mut self, name: &str, policy: Policy) {
        self.machine.set_policy(name, policy, self.now).unwrap();
        self.settle();
    }

    /// Returns why a process is in its state. The chain ends in a root cause.
    #[track_caller]
    pub(crate) fn why(&self, name: &str) -> String {
        let why = self.machine.why(name, self.now).unwrap();
        assert!(why.causes().last().unwrap().is_root(), "{why}");
        why.to_string()
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Returns all notices since the last call as sentences, with those about processes.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Returns the names of the processes that run, in the order in which they were added.
    pub(crate) fn up(&self) -> String {
        let statuses = self.machine.statuses();
        let up = statuses.iter().filter(|status| status.phase == Phase::Up);
        up.map(|status| status.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Ends the leader and its output.
    pub(crate) fn exit(&mut self, name: &str, exit: Exit) {
        self.exit_leaving(name, exit, &[]);
    }

    pub(crate) fn code(&mut self, name: &str, code: i32) {
        self.exit(name, Exit::Code(code));
    }

    pub(crate) fn killed(&mut self, name: &str, signal: Signal) {
        self.exit(name, Exit::Signal { signal, core: false });
    }

    /// Ends the leader, but not these members of its family.
    pub(crate) fn exit_leaving(&mut self, name: &str, exit: Exit, left: &[u32]) {
        let run = self.run(name);
        let at = self.at();
        writeln!(self.story, "{at} exit {name}{run} {exit}").unwrap();
        if left.is_empty() && !self.leaky.contains(name) {
            self.event(Event::Closed { run });
        }
        self.left.insert(run, left.to_vec());
        self.event(Event::Exited { run, exit, remaining: left.to_vec() });
    }

    /// Ends the rest of the family and the output. The machine notices at its next check.
    pub(crate) fn group_ends(&mut self, name: &str) {
        self.group_dies(name);
        self.event(Event::Closed { run: self.run(name) });
    }

    /// Ends the rest of the family, while a stranger keeps the output open.
    pub(crate) fn group_dies(&mut self, name: &str) {
        self.left.insert(self.run(name), Vec::new());
    }

    pub(crate) fn run(&self, name: &str) -> RunId {
        self.machine.run(name).unwrap_or_else(|| panic!("{name} does not run:\n{}", self.story))
    }

    pub(crate) fn status(&self, name: &str) -> Status {
        self.machine.status(name).unwrap()
    }

    pub(crate) fn phase(&self, name: &str) -> Phase {
        self.status(name).phase
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.machine.handle_event(event, self.now);
        self.settle();
    }

    /// Advances time from one deadline to the next.
    pub(crate) fn advance(&mut self, seconds: f64) {
        self.advance_by(Duration::from_secs_f64(seconds));
    }

    pub(crate) fn advance_by(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Advances time to this number of seconds from the beginning.
    pub(crate) fn advance_to(&mut self, seconds: f64) {
        let now = (self.now - self.epoch).as_secs_f64();
        self.advance(seconds - now);
    }

    /// Returns the time of the next start of `name`, in seconds from the beginning.
    pub(crate) fn next_start(&self, name: &str) -> Option<f64> {
        self.status(name).next_start.map(|at| (at - self.epoch).as_secs_f64())
    }

    /// Returns the next deadline of the machine, in seconds from the beginning.
    pub(crate) fn deadline(&self) -> Option<f64> {
        self.machine.poll_timeout().map(|at| (at - self.epoch).as_secs_f64())
    }

    /// Compares the record since the last call.
    #[track_caller]
    pub(crate) fn expect(&mut self, story: &str) {
        let expected: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let actual = std::mem::take(&mut self.story);
        assert_eq!(actual.lines().collect::<Vec<_>>(), expected, "the actual record is on the left");
    }

    /// Returns the notices since the last call as sentences.
    pub(crate) fn sentences(&mut self) -> Vec<String> {
        self.notices.drain(..).map(|notice| notice.to_string()).collect()
    }

    fn at(&self) -> String {
        let seconds = (self.now - self.epoch).as_secs_f64();
        let text = format!("{seconds:.3}");
        let short = text.trim_end_matches('0');
        if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
    }

    fn settle(&mut self) {
        let at = self.at();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Spawn { run, name, spec: () } => {
                    writeln!(self.story, "{at} spawn {name}{run}").unwrap();
                    if let Some(&code) = self.refused.get(&*name) {
                        let error =
                            SpawnError::new(SpawnStep::Exec, &*name, std::io::Error::from_raw_os_error(code));
                        self.machine.handle_event(Event::SpawnFailed { run, error }, self.now);
                        continue;
                    }
                    self.live.insert(run, format!("{name}{run}"));
                    if self.prompt {
                        self.machine.handle_event(
                            Event::Started { run, pid: pid(run), containment: Containment::Group },
                            self.now,
                        );
                    }
                }
                Output::Signal { run, target, signal } => {
                    self.signals.push((target, signal));
                    let live = self.live.get(&run).expect("a signal goes to a run that is not reaped");
                    writeln!(self.story, "{at} signal {live} {signal}").unwrap();
                }
                Output::ListFamily { run } => {
                    self.family_checks += 1;
                    let left = self.left.get(&run).cloned().unwrap_or_default();
                    self.machine.handle_event(Event::Family { run, remaining: left }, self.now);
                }
                Output::RunStopCommand { run } => {
                    let live = &self.live[&run];
                    writeln!(self.story, "{at} stop command for {live}").unwrap();
                }
                Output::KillStopCommand { run } => {
                    let live = &self.live[&run];
                    writeln!(self.story, "{at} kill stop command for {live}").unwrap();
                }
                Output::DescribeSurvivors { run, pids } => {
                    let processes = pids.iter().filter_map(|pid| {
                        let reason = self.reasons.get(pid).copied();
                        let is_dead = self.found_dead.contains(pid);
                        let reason = reason.unwrap_or(SurvivalReason::OutOfReach);
                        (!is_dead).then(|| SurvivingProcess::new(*pid, "", reason))
                    });
                    let processes = processes.collect();
                    self.machine.handle_event(Event::Survivors { run, processes }, self.now);
                }
                Output::Reap { run } => {
                    let live = self.live.remove(&run).expect("a run is reaped once");
                    writeln!(self.story, "{at} reap {live}").unwrap();
                }
                Output::Notice(notice) => {
                    self.log.push(notice.to_string());
                    if notice.run.is_some() {
                        self.notices.push(notice);
                    }
                }
            }
        }
    }
}

fn pid(run: RunId) -> u32 {
    100 + u32::try_from(run.number()).unwrap()
}
