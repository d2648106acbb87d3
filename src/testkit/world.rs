//! The simulated world: programs with their scripts, processes, the clock, and the trace.
//!
//! Nothing here waits or calls foreign code. Wakers are collected in [`World::woken`], and called by
//! [`Sim`](super::Sim) when the world is unlocked.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::io;
use std::path::PathBuf;
use std::task::{Poll, Waker};

use super::answer::answer;
use super::clock::{Clock, Due, Seconds};
use super::process::{Action, Run};
use super::script::Script;
use crate::host::{ProbeError, ProbeOwner, ProbeTarget, Spec, Stdin};
use crate::machine::{Exit, Signal, SpawnError, SpawnStep};

/// The reason why a run is in the table: handles and agenda entries with its number are removed before it.
const UNREAPED: &str = "a run is in the table until it is reaped";

/// The state behind the lock of a [`Sim`](super::Sim).
#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Clock<Event>,
    programs: BTreeMap<String, Program>,
    /// The processes that are not reaped, by number.
    pub(super) runs: BTreeMap<u64, Run>,
    /// The addresses served by processes outside of this world.
    pub(super) strangers: Vec<ProbeTarget>,
    /// The number of calls of `spawn`.
    spawns: u64,
    /// The process id that was assigned last.
    last_pid: u32,
    pub(super) trace: String,
    pub(super) woken: Vec<Waker>,
}

/// A scheduled action of a process.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) run: u64,
    pub(super) action: Action,
}

/// A program and its scripts.
#[derive(Debug, Default)]
struct Program {
    upcoming: VecDeque<Script>,
    /// The script of the last run, repeated when there is no upcoming one.
    latest: Option<Script>,
    /// The number of runs whose process or group is alive.
    live: usize,
    max_live: usize,
}

impl Program {
    fn next_script(&mut self) -> Option<Script> {
        if let Some(script) = self.upcoming.pop_front() {
            self.latest = Some(script);
        }
        self.latest.clone()
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::new(),
            programs: BTreeMap::new(),
            runs: BTreeMap::new(),
            strangers: Vec::new(),
            spawns: 0,
            last_pid: 100,
            trace: String::new(),
            woken: Vec::new(),
        }
    }

    /// Appends a line to the trace.
    pub(super) fn log(&mut self, what: fmt::Arguments<'_>) {
        writeln!(self.trace, "{} {what}", Seconds(self.clock.elapsed())).expect("writing to a string");
    }

    pub(super) fn add_script(&mut self, program: String, script: Script) {
        self.programs.entry(program).or_default().upcoming.push_back(script);
    }

    pub(super) fn max_live(&self, program: &str) -> usize {
        self.programs.get(program).map_or(0, |program| program.max_live)
    }

    /// Returns the oldest live run of a program.
    pub(super) fn live_run(&self, program: &str) -> Option<u64> {
        self.runs
            .iter()
            .find(|(_, run)| run.program == program && run.exit.is_none())
            .map(|(number, _)| *number)
    }

    /// Performs the first agenda entry that is due. Returns `false` if there is none.
    pub(super) fn perform_next(&mut self) -> bool {
        match self.clock.pop_due() {
            Some(Due::Timer(waker)) => self.woken.push(waker),
            Some(Due::Event(Event { run, action })) => self.perform(run, action),
            None => return false,
        }
        true
    }

    /// Starts a process. Returns its number and its process id.
    pub(super) fn spawn(&mut self, spec: &Spec) -> Result<(u64, u32), SpawnError> {
        self.spawns += 1;
        let number = self.spawns;
        let program = spec.get_program().to_string_lossy().into_owned();
        let script = self.programs.get_mut(&program).and_then(Program::next_script);
        let script = script.unwrap_or_else(missing_program);
        if let Some(error) = script.failure(spec) {
            self.log(format_args!("fail {program}#{number} {error}"));
            return Err(error);
        }
        self.log(format_args!("spawn {program}#{number}"));
        let known = self.programs.entry(program.clone()).or_default();
        known.live += 1;
        known.max_live = known.max_live.max(known.live);
        let started = self.clock.elapsed();
        let mut run = Run::new(program, self.last_pid + 1, started, script, spec);
        let pid = run.pid;
        self.last_pid = run.members.last().copied().unwrap_or(pid);
        run.scheduled = run
            .actions()
            .map(|(at, action)| self.clock.schedule(at, Event { run: number, action }))
            .collect();
        self.runs.insert(number, run);
        Ok((number, pid))
    }

    /// Returns the program itself if it has a script. This is not recorded in the trace.
    pub(super) fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        let program = spec.get_program();
        let has_script = self.programs.contains_key(&*program.to_string_lossy());
        let script = if has_script { Script::new() } else { missing_program() };
        script.failure(spec).map_or_else(|| Ok(program.into()), Err)
    }

    /// Returns the owner of `target`. Processes outside of this world come first, then the process `owner`.
    pub(super) fn probe(
        &mut self,
        target: &ProbeTarget,
        owner: Option<u32>,
    ) -> Result<ProbeOwner, ProbeError> {
        self.log(format_args!("probe {target}"));
        if let Some(answer) = answer(self.strangers.iter(), target) {
            return answer.map(|()| ProbeOwner::Stranger("an unrelated process".to_owned()));
        }
        let now = self.clock.elapsed();
        let mut other = None;
        for run in self.runs.values() {
            let Some(answer) = answer(run.serves(now), target) else { continue };
            if Some(run.pid) == owner {
                return answer.map(|()| ProbeOwner::Own);
            }
            let name = || ProbeOwner::Stranger(format!("pid {} ({})", run.pid, run.program));
            other.get_or_insert_with(|| answer.map(|()| name()));
        }
        other.unwrap_or_else(|| Err(io::Error::from_raw_os_error(libc::ECONNREFUSED).into()))
    }

    pub(super) fn run(&mut self, number: u64) -> &mut Run {
        self.runs.get_mut(&number).expect(UNREAPED)
    }

    fn perform(&mut self, number: u64, action: Action) {
        match action {
            Action::Print(index) => {
                let run = self.runs.get_mut(&number).expect(UNREAPED);
                self.woken.extend(run.print(index));
            }
            Action::Exit(exit) => self.exit(number, exit),
            Action::Die => self.kill(number),
            Action::CloseLeak => {
                let run = self.runs.get_mut(&number).expect(UNREAPED);
                run.leak = None;
                self.woken.extend(run.readers());
            }
        }
    }

    /// Sends a signal to the group of a run.
    pub(super) fn signal(&mut self, number: u64, signal: Signal) {
        let run = self.runs.get_mut(&number).expect(UNREAPED);
        if signal == Signal::KILL {
            // A second KILL does not delay the effect of the first one.
            if run.is_alive() && run.kill.is_none() {
                let after = run.script.unkillable;
                run.kill = Some(self.clock.schedule(after, Event { run: number, action: Action::Die }));
            }
        } else if signal == run.stop_signal && run.exit.is_none() {
            // The exit cancels the effects of further stop signals.
            if let Some(after) = run.script.exits_after_term {
                let exit = run.script.exit_on_term.unwrap_or(Exit::Signal { signal, core: false });
                run.scheduled
                    .push(self.clock.schedule(after, Event { run: number, action: Action::Exit(exit) }));
            }
        }
        let program = run.program.clone();
        self.log(format_args!("signal {program}#{number} {signal}"));
    }

    /// Writes to the standard input of a run, of which the process takes all or nothing.
    pub(super) fn write(&mut self, number: u64, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let run = &self.runs[&number];
        if run.exit.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if run.script.ignores_input {
            return Poll::Pending;
        }
        self.log_run(number, "input", bytes.escape_ascii());
        Poll::Ready(Ok(bytes.len()))
    }

    /// Appends a line about a run to the trace.
    pub(super) fn log_run(&mut self, number: u64, verb: &str, what: impl fmt::Display) {
        let program = self.runs[&number].program.clone();
        self.log(format_args!("{verb} {program}#{number} {what}"));
    }

    /// Ends the process itself. The other members of its group stay alive.
    pub(super) fn exit(&mut self, number: u64, exit: Exit) {
        let run = self.runs.get_mut(&number).expect(UNREAPED);
        run.exit = Some(exit);
        run.stdin = Stdin::Null;
        for key in run.scheduled.drain(..) {
            self.clock.cancel(key);
        }
        if !run.script.leaks_output.is_zero() {
            let after = run.script.leaks_output;
            run.leak = Some(self.clock.schedule(after, Event { run: number, action: Action::CloseLeak }));
        }
        self.woken.extend(run.waiter.take());
        let program = run.program.clone();
        self.log(format_args!("exit {program}#{number} {exit}"));
        self.close_if_gone(number);
    }

    /// Applies KILL to the process and its group.
    fn kill(&mut self, number: u64) {
        let run = self.runs.get_mut(&number).expect(UNREAPED);
        run.members.clear();
        match run.exit {
            Some(_) => self.close_if_gone(number),
            None => self.exit(number, Exit::Signal { signal: Signal::KILL, core: false }),
        }
    }

    /// Closes the run if no member of its group is alive.
    fn close_if_gone(&mut self, number: u64) {
        let run = self.runs.get_mut(&number).expect(UNREAPED);
        if run.is_alive() {
            return;
        }
        // A pending KILL must not end the run a second time.
        if let Some(key) = run.kill.take() {
            self.clock.cancel(key);
        }
        self.woken.extend(run.readers());
        let dropped = run.dropped;
        self.programs.get_mut(&run.program).expect("a run has a program").live -= 1;
        if dropped {
            self.reap(number);
        }
    }

    /// Kills and reaps a run that the monitor has dropped. An unkillable run is reaped when KILL takes
    /// effect.
    pub(super) fn release(&mut self, number: u64) {
        let run = self.run(number);
        run.dropped = true;
        if !run.is_alive() {
            return self.reap(number);
        }
        let at_once = run.script.unkillable.is_zero();
        self.signal(number, Signal::KILL);
        if at_once {
            self.kill(number);
        }
    }

    fn reap(&mut self, number: u64) {
        let run = self.runs.remove(&number).expect("a run is reaped once");
        if let Some(key) = run.leak {
            self.clock.cancel(key);
        }
        self.log(format_args!("reap {}#{number}", run.program));
    }
}

/// The script of a program that does not exist.
fn missing_program() -> Script {
    Script::fails(SpawnStep::Find, libc::ENOENT)
}
