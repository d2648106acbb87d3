//! Drives the state machine with the standard library alone: threads, processes and channels.
//!
//! This is the structure of a driver. The machine decides; the loop below executes outputs and reports
//! events. Write such a loop to use the decisions of childminder in an event loop of your own. It is a
//! demonstration only: signals are sent to the process and not to its group, output is inherited, and exits
//! are reported after the process is reaped.

use std::collections::HashMap;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use childminder::machine::{
    Containment, Definition, Event, Machine, Output, RunId, SpawnStep, SurvivalReason, SurvivingProcess,
};
use childminder::{Exit, Policy, Signal, SpawnError};

/// The specification of a process is up to the driver; here it is a command line for the shell.
type CommandLine = &'static str;

struct Loop {
    machine: Machine<CommandLine>,
    pids: HashMap<RunId, u32>,
    events: (Sender<Event>, Receiver<Event>),
}

#[expect(clippy::disallowed_methods, reason = "this loop has its own clock")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut driver = Loop { machine: Machine::new(), pids: HashMap::new(), events: channel() };
    let policy = Policy { min_restart_delay: Duration::from_millis(50), ..Policy::default() };
    let definition = Definition { policy, ..Definition::new("echo here I am; sleep 0.1; exit 1") };
    driver.machine.add_process("flaky".parse()?, definition, now())?;

    driver.machine.start_service(now())?;
    driver.run_until(now() + Duration::from_millis(700));
    driver.machine.stop_service(now());
    driver.run_until(now() + Duration::from_secs(10));
    Ok(())
}

impl Loop {
    /// Drives the machine until `end`, or until nothing runs and nothing is scheduled.
    fn run_until(&mut self, end: Instant) {
        loop {
            // 1. Execute its outputs.
            while let Some(output) = self.machine.poll_output() {
                self.execute(output);
            }
            if self.machine.runs().next().is_none() && self.machine.poll_timeout().is_none() {
                return;
            }
            // 2. Wait for an event or its next deadline.
            let wake = self.machine.poll_timeout().map_or(end, |at| at.min(end));
            match self.events.1.recv_timeout(wake.saturating_duration_since(now())) {
                Ok(event) => self.machine.handle_event(event, now()),
                Err(RecvTimeoutError::Timeout) if now() >= end => return,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    self.machine.handle_timeout(now());
                }
            }
        }
    }

    fn execute(&mut self, output: Output<CommandLine>) {
        match output {
            Output::Spawn { run, name: _, spec } => {
                match Command::new("sh").args(["-c", spec]).stdin(Stdio::null()).spawn() {
                    Ok(child) => {
                        self.pids.insert(run, child.id());
                        self.machine.handle_event(
                            Event::Started { run, pid: child.id(), containment: Containment::Group },
                            now(),
                        );
                        self.wait_for(run, child);
                    }
                    Err(error) => {
                        let error = SpawnError::new(SpawnStep::Exec, "sh", error);
                        self.machine.handle_event(Event::SpawnFailed { run, error }, now());
                    }
                }
            }
            Output::Signal { run, signal, .. } => self.signal(run, signal),
            Output::ListFamily { run } => {
                self.machine.handle_event(Event::Family { run, remaining: Vec::new() }, now());
            }
            // There are no stop commands, and nothing is known about survivors.
            Output::RunStopCommand { .. } | Output::KillStopCommand { .. } => {}
            Output::DescribeSurvivors { run, pids } => {
                let unknown = |pid| SurvivingProcess::new(pid, "", SurvivalReason::OutOfReach);
                let processes = pids.into_iter().map(unknown).collect();
                self.machine.handle_event(Event::Survivors { run, processes }, now());
            }
            Output::Reap { run } => {
                self.pids.remove(&run);
            }
            Output::Notice(notice) => println!("{notice}"),
        }
    }

    /// Reports the exit from a thread. There is no output to close here.
    fn wait_for(&self, run: RunId, mut child: Child) {
        let events = self.events.0.clone();
        thread::spawn(move || {
            let exit = child.wait().map_or(Exit::Lost, exit);
            let _ = events.send(Event::Closed { run });
            let _ = events.send(Event::Exited { run, exit, remaining: Vec::new() });
        });
    }

    fn signal(&self, run: RunId, signal: Signal) {
        if let Some(pid) = self.pids.get(&run) {
            let _ = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal().and_then(Signal::from_number)) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal { signal, core: status.core_dumped() },
        (None, None) => Exit::Lost,
    }
}
