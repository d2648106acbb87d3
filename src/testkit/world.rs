//! What there is in the fake world: the programs with their scripts, the processes, the clock, and the trace of all
//! that happened.
//!
//! Nothing here waits or calls out. Whoever is to be woken is collected in [`World::woken`], and woken by
//! [`Sim`](super::Sim) when the world is not locked any more.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::io;
use std::path::PathBuf;
use std::task::Waker;

use super::answer::answer;
use super::clock::{Clock, Due, Seconds};
use super::process::{Deed, Run};
use super::script::Script;
use crate::host::{ProbeError, ProbeOwner, ProbeTarget, Spec, Stdin};
use crate::machine::{Exit, Signal, SpawnError, SpawnStep};

/// Why a run is there when it is asked for: all that knows its number ends with it, the agenda too.
const UNREAPED: &str = "a run stays in the table until it is reaped";

/// Everything that the lock of a [`Sim`](super::Sim) guards.
#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Clock<Event>,
    programs: BTreeMap<String, Program>,
    /// The processes that are not reaped, by their number.
    pub(super) runs: BTreeMap<u64, Run>,
    /// Where somebody answers who is no process of this world.
    pub(super) strangers: Vec<ProbeTarget>,
    /// Counts the calls of `spawn`.
    spawns: u64,
    /// The process id that was given last.
    last_pid: u32,
    pub(super) trace: String,
    pub(super) woken: Vec<Waker>,
}

/// Something that a process does.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) run: u64,
    pub(super) deed: Deed,
}

/// What there is to know of a program.
#[derive(Debug, Default)]
struct Program {
    upcoming: VecDeque<Script>,
    /// What the last run did, and what all do when nothing is upcoming.
    latest: Option<Script>,
    /// Runs of which something is alive, the process or its group.
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
        writeln!(self.trace, "{} {what}", Seconds(self.clock.elapsed())).expect("a string takes everything");
    }

    pub(super) fn add_script(&mut self, program: String, script: Script) {
        self.programs.entry(program).or_default().upcoming.push_back(script);
    }

    pub(super) fn max_live(&self, program: &str) -> usize {
        self.programs.get(program).map_or(0, |program| program.max_live)
    }

    /// The run of this program that has been alive longest.
    pub(super) fn live_run(&self, program: &str) -> Option<u64> {
        self.runs
            .iter()
            .find(|(_, run)| run.program == program && run.exit.is_none())
            .map(|(number, _)| *number)
    }

    /// Does the first thing that is due by now; `false` if nothing is.
    pub(super) fn do_next(&mut self) -> bool {
        match self.clock.pop_due() {
            Some(Due::Timer(waker)) => self.woken.push(waker),
            Some(Due::Event(Event { run, deed })) => self.perform(run, deed),
            None => return false,
        }
        true
    }

    /// Starts a process; its number and its process id.
    pub(super) fn spawn(&mut self, spec: &Spec) -> Result<(u64, u32), SpawnError> {
        self.spawns += 1;
        let number = self.spawns;
        let program = spec.get_program().to_string_lossy().into_owned();
        let script = self.programs.get_mut(&program).and_then(Program::next_script);
        let script = script.unwrap_or_else(unwritten);
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
        run.plans =
            run.life().map(|(at, deed)| self.clock.schedule(at, Event { run: number, deed })).collect();
        self.runs.insert(number, run);
        Ok((number, pid))
    }

    /// The program itself, if it has a script. This is no event: it leaves no trace.
    pub(super) fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        let program = spec.get_program();
        let is_written = self.programs.contains_key(&*program.to_string_lossy());
        let script = if is_written { Script::new() } else { unwritten() };
        script.failure(spec).map_or_else(|| Ok(program.into()), Err)
    }

    /// Who answers at `target`. The stranger was there first; and whoever asks for its own process gets that.
    pub(super) fn probe(
        &mut self,
        target: &ProbeTarget,
        owner: Option<u32>,
    ) -> Result<ProbeOwner, ProbeError> {
        self.log(format_args!("probe {target}"));
        if let Some(answer) = answer(self.strangers.iter(), target) {
            return answer.map(|()| ProbeOwner::Stranger("a stranger".to_owned()));
        }
        let now = self.clock.elapsed();
        let mut of_others = None;
        for run in self.runs.values() {
            let Some(answer) = answer(run.serves(now), target) else { continue };
            if Some(run.pid) == owner {
                return answer.map(|()| ProbeOwner::Own);
            }
            let name = || ProbeOwner::Stranger(format!("pid {} ({})", run.pid, run.program));
            of_others.get_or_insert_with(|| answer.map(|()| name()));
        }
        of_others.unwrap_or_else(|| Err(io::Error::from_raw_os_error(libc::ECONNREFUSED).into()))
    }

    pub(super) fn run(&mut self, number: u64) -> &mut Run {
        self.runs.get_mut(&number).expect(UNREAPED)
    }

    fn perform(&mut self, number: u64, deed: Deed) {
        match deed {
            Deed::Print(index) => {
                let run = self.runs.get_mut(&number).expect(UNREAPED);
                self.woken.extend(run.print(index));
            }
            Deed::End(exit) => self.end(number, exit),
            Deed::Die => self.die(number),
            Deed::CloseLeak => {
                let run = self.runs.get_mut(&number).expect(UNREAPED);
                run.leak = None;
                self.woken.extend(run.readers());
            }
        }
    }

    /// Sends a signal to the group.
    pub(super) fn signal(&mut self, number: u64, signal: Signal) {
        let run = self.runs.get_mut(&number).expect(UNREAPED);
        if signal == Signal::KILL {
            // The first one counts: a second KILL gives the unkillable no more time.
            if run.is_alive() && run.kill.is_none() {
                let after = run.script.unkillable;
                run.kill = Some(self.clock.schedule(after, Event { run: number, deed: Deed::Die }));
            }
        } else if signal == run.stop_signal && run.exit.is_none() {
            // Of several the first one counts: whatever ends it cancels its other plans.
            if let Some(after) = run.script.heeds_term_after {
                let exit = run.script.exit_on_term.unwrap_or(Exit::Signal { signal, core: false });
                run.plans.push(self.clock.schedule(after, Event { run: number, deed: Deed::End(exit) }));
            }
        }
        let program = run.program.clone();
        self.log(format_args!("signal {program}#{number} {signal}"));
    }

    /// The process itself has died; of its group whoever outlives it lives on.
    pub(super) fn end(&mut self, number: u64, exit: Exit) {
        let run = self.runs.get_mut(&number).expect(UNREAPED);
        run.exit = Some(exit);
        run.stdin = Stdin::Null;
        for key in run.plans.drain(..) {
            self.clock.cancel(key);
        }
        if !run.script.leaks_output.is_zero() {
            let after = run.script.leaks_output;
            run.leak = Some(self.clock.schedule(after, Event { run: number, deed: Deed::CloseLeak }));
        }
        self.woken.extend(run.waiter.take());
        let program = run.program.clone();
        self.log(format_args!("exit {program}#{number} {exit}"));
        self.close_if_gone(number);
    }

    /// KILL takes effect: on the process, and on all of its group.
    fn die(&mut self, number: u64) {
        let run = self.runs.get_mut(&number).expect(UNREAPED);
        run.members.clear();
        match run.exit {
            Some(_) => self.close_if_gone(number),
            None => self.end(number, Exit::Signal { signal: Signal::KILL, core: false }),
        }
    }

    /// After a death: if it was the last one of the group, the run is over.
    fn close_if_gone(&mut self, number: u64) {
        let run = self.runs.get_mut(&number).expect(UNREAPED);
        if run.is_alive() {
            return;
        }
        // A KILL on its way finds nobody; it must not end the run a second time.
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

    /// The monitor has let go of the process: what is left of the group gets KILL, and then it is reaped. One that
    /// hangs in the kernel is reaped when KILL takes effect.
    pub(super) fn release(&mut self, number: u64) {
        let run = self.run(number);
        run.dropped = true;
        if !run.is_alive() {
            return self.reap(number);
        }
        let at_once = run.script.unkillable.is_zero();
        self.signal(number, Signal::KILL);
        if at_once {
            self.die(number);
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

/// As in the real world, a program that nobody wrote cannot be found.
fn unwritten() -> Script {
    Script::fails(SpawnStep::Find, libc::ENOENT)
}
