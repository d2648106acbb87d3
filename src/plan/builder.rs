//! The builder of a plan.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::call::{Call, IntoStepResult};
use super::error::{PlanError, PlanErrorKind};
use super::process::{Expected, PlanId, ProcessRef};
use super::run::{Report, RunFuture};
use super::script::{Excerpt, Op, Script, check_timeout, list};
use crate::host::{Host, Spec};
use crate::machine::{Name, Signal};
use crate::ready::{Condition, OutputMatch};
use crate::sys::System;

/// The default timeout of a step.
const TIMEOUT: Duration = Duration::from_secs(20);

/// An integration test of several processes, written as a script: start these processes, wait for that
/// output, stop this one. *A process may end only while a step expects it to end*: a server that dies while
/// the plan waits for a client fails the plan at that moment.
///
/// ```
/// use childminder::{Exit, Plan, Signal};
///
/// let mut plan = Plan::new("hello")?;
/// let sleeper = plan.spawn(["sleep", "1000"])?;
/// let hello = plan.spawn(["echo", "hello"])?;
/// plan.wait(hello, Exit::success())?;
/// plan.kill(sleeper, Signal::TERM)?;
/// assert_eq!(plan.ops().len(), 4); // nothing has run yet
/// let report = plan.run()?;
/// assert!(report.took() < std::time::Duration::from_secs(100));
/// # Ok::<(), childminder::PlanError>(())
/// ```
///
/// # Processes
///
/// Each process leads its own process group, inherits the environment and the working directory of this
/// program, reads from `/dev/null` unless a step [sends](Self::send_input) it input, and is killed when this
/// program ends, even by SIGKILL. When the plan ends, with or without an error, none of its processes is
/// left: descendants that a process leaves behind are killed when it ends, in its process group or not, and
/// after a failure everything is killed before the error is returned. How far that reaches depends on the
/// [`Containment`](crate::machine::Containment). Processes that KILL does not end are
/// [named](PlanError::survivors), each with its id, its command and the reason.
///
/// # Steps
///
/// Steps are executed in order. [`spawn`](Self::spawn), [`spawn_all`](Self::spawn_all),
/// [`send_input`](Self::send_input) and [`close_input`](Self::close_input) take no time of their own: a
/// process that ends during such a step is checked by the next step, so that the result does not depend on
/// how fast it ends.
///
/// # Files
///
/// The output of each process is in `<process>.stdout` and `<process>.stderr`, in a new directory per run,
/// below `CHILDMINDER_PLAN_DIR` or the system's directory for temporary files. The directory is deleted after
/// success; it is kept after a failure, or with `CHILDMINDER_KEEP=1`, and then also contains `journal.jsonl`
/// and `timeline.svg`. Output is also logged, or shown with the failed test, like that of a
/// [`Service`](crate::Service).
///
/// A plan can be run several times; each run starts afresh.
#[derive(Clone)]
pub struct Plan {
    pub(super) id: PlanId,
    pub(super) host: Arc<dyn Host>,
    pub(super) script: Script,
}

/// Creating a plan.
impl Plan {
    /// Returns an empty plan with this name. The name is also part of the name of its directories.
    ///
    /// Its processes run with the strongest [containment](System::with_strongest_containment) that this
    /// machine offers.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if it is not a valid [`Name`], which contains no slash, or if the system lacks the
    /// resources for an event loop.
    pub fn new(name: &str) -> Result<Self, PlanError> {
        let system = System::with_strongest_containment().map_err(|error| {
            let what = "cannot start the event loop".to_owned();
            let kind = PlanErrorKind::System { what, error: Arc::new(error) };
            PlanError::early(name, Vec::new(), None, kind)
        })?;
        Self::on(system, name)
    }

    /// Returns an empty plan on another host, such as a [`Sim`](crate::testkit::Sim). Programs are looked up
    /// and run there.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if the name is not a valid [`Name`].
    pub fn on(host: impl Host, name: &str) -> Result<Self, PlanError> {
        let plan =
            Self { id: PlanId::new(), host: Arc::new(host), script: Script::new(name.to_owned(), TIMEOUT) };
        match Name::new(name) {
            Ok(_) => Ok(plan),
            Err(error) => Err(plan.reject(None, PlanErrorKind::InvalidName(error))),
        }
    }

    /// Sets the timeout of all steps that have none of their own, including those already recorded. Default:
    /// 20 s.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if the timeout is zero or longer than [`Policy::LONGEST`](crate::Policy::LONGEST).
    pub fn timeout(&mut self, timeout: Duration) -> Result<(), PlanError> {
        check_timeout(timeout).map_err(|kind| self.reject(None, kind))?;
        self.script.timeout = timeout;
        Ok(())
    }
}

/// Recording steps. Nothing runs yet.
impl Plan {
    /// Records a step that starts a process, such as `["echo", "hello"]` or a [`Spec`]. The process is named
    /// after the last part of the path of its program, with `-1`, `-2`, … appended if that name is taken.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if the program is not found or cannot be executed, or if the spec is invalid.
    pub fn spawn(&mut self, spec: impl Into<Spec>) -> Result<ProcessRef, PlanError> {
        let [process] = self.spawn_all([spec])?;
        Ok(process)
    }

    /// Records a step that starts a process with this name, which is used for its log files and in messages.
    ///
    /// # Errors
    ///
    /// [`PlanError`] as from [`spawn`](Self::spawn), and if the name is invalid or taken.
    pub fn spawn_as(&mut self, name: &str, spec: impl Into<Spec>) -> Result<ProcessRef, PlanError> {
        let spec = spec.into();
        let text = format!("spawn {name}: {spec}");
        let reject = |plan: &Self, kind| Err(plan.reject(Some(text.clone()), kind));
        let name = match Name::new(name) {
            Ok(name) => name,
            Err(error) => return reject(self, PlanErrorKind::InvalidName(error)),
        };
        if self.is_taken(&name) {
            return reject(self, PlanErrorKind::NameTaken(name));
        }
        let process = self.add_process(name, spec, &text)?;
        self.record(Op::Spawn(vec![process]));
        Ok(process)
    }

    /// Records one step that starts several processes, in order.
    ///
    /// # Errors
    ///
    /// [`PlanError`] as from [`spawn`](Self::spawn); then no process is recorded.
    pub fn spawn_all<S: Into<Spec>, const N: usize>(
        &mut self,
        specs: [S; N],
    ) -> Result<[ProcessRef; N], PlanError> {
        let specs = specs.map(Into::into);
        let text = match &specs[..] {
            [] => {
                let text = "spawn all: no process".to_owned();
                return Err(self.reject(Some(text), PlanErrorKind::NoProcess));
            }
            [spec] => format!("spawn {spec}"),
            specs => format!("spawn all: {}", list(specs.iter().map(Spec::to_string))),
        };
        let before = self.script.processes.len();
        for spec in specs {
            let name = self.free_name(&spec);
            if let Err(error) = self.add_process(name, spec, &text) {
                self.script.processes.truncate(before);
                return Err(error);
            }
        }
        let processes = std::array::from_fn(|i| ProcessRef::new(self.id, before + i));
        self.record(Op::Spawn(processes.to_vec()));
        Ok(processes)
    }

    /// Records a step that waits until a process has ended as expected: `0`, `Signal::TERM`, `Exit::any()`, …
    /// The process may already have ended when the step begins, if the steps between its start and this one
    /// take no time.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if an earlier step already expects the process to end.
    pub fn wait(
        &mut self,
        process: ProcessRef,
        expected: impl Into<Expected>,
    ) -> Result<StepMut<'_>, PlanError> {
        self.wait_all([(process, expected)])
    }

    /// Records a step that waits until all these processes have ended, in any order, each as expected. They
    /// share one timeout.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if an earlier step already expects one of them to end, if one is listed twice, or if the
    /// list is empty.
    pub fn wait_all<E: Into<Expected>>(
        &mut self,
        processes: impl IntoIterator<Item = (ProcessRef, E)>,
    ) -> Result<StepMut<'_>, PlanError> {
        let ends = processes.into_iter().map(|(process, expected)| (process, expected.into())).collect();
        self.ending(Op::Wait(ends))
    }

    /// Records a step that stops a process, with TERM or the [stop signal](Spec::stop_signal) of its spec,
    /// and waits until it has ended as expected: by the signal, `Signal::TERM`, or with `0` if it handles the
    /// signal. After the kill time, which is 5 s unless the spec has its own [`Policy`](crate::Policy), it is
    /// sent KILL, which is a failure unless expected. A process that ended before the step began is a failure
    /// as well.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if an earlier step already expects the process to end.
    pub fn kill(
        &mut self,
        process: ProcessRef,
        expected: impl Into<Expected>,
    ) -> Result<StepMut<'_>, PlanError> {
        let signal = self.known(process).map_or(Signal::TERM, |def| def.spec.get_stop_signal());
        self.kill_with(process, signal, expected)
    }

    /// Records a step that stops a process as [`kill`](Self::kill) does, but with this signal.
    ///
    /// # Errors
    ///
    /// [`PlanError`] as from [`kill`](Self::kill).
    pub fn kill_with(
        &mut self,
        process: ProcessRef,
        signal: Signal,
        expected: impl Into<Expected>,
    ) -> Result<StepMut<'_>, PlanError> {
        self.ending(Op::Kill { process, signal, expected: expected.into() })
    }

    /// Records a step that waits until a process has printed a text, or the match of an [`OutputMatch`]. Each
    /// such step searches behind the matches of the earlier ones in the same stream, and the first one from
    /// the start of the process; so output from before the step is found, and no output is found twice. Of a
    /// stream that no step searches in the meantime, the last 128 KiB are kept.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if the match is invalid, or if an earlier step expects the process to end.
    pub fn wait_for_output(
        &mut self,
        process: ProcessRef,
        wanted: impl Into<OutputMatch>,
    ) -> Result<StepMut<'_>, PlanError> {
        let wanted = wanted.into();
        let check = self
            .check(process)
            .and_then(|()| Condition::from(wanted.clone()).check().map_err(PlanErrorKind::InvalidCondition));
        let text = || Some(format!("wait for {}: {wanted}", self.display_name(process)));
        check.map_err(|kind| self.reject(text(), kind))?;
        let def = &mut self.script.processes[process.index()];
        def.wanted.push(wanted);
        let wanted = def.wanted.len();
        Ok(self.record(Op::WaitForOutput { process, wanted }))
    }

    /// Records a step that waits until a process is ready: it accepts connections on its port, it has sent
    /// its readiness notification, a command succeeds, … A condition that was met since the start of the
    /// process counts. A process that ends first is a failure.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if the condition is invalid, or if an earlier step expects the process to end.
    pub fn wait_until(
        &mut self,
        process: ProcessRef,
        condition: impl Into<Condition>,
    ) -> Result<StepMut<'_>, PlanError> {
        let condition = condition.into();
        let check =
            self.check(process).and_then(|()| condition.check().map_err(PlanErrorKind::InvalidCondition));
        let text = || Some(format!("wait until {}: {condition}", self.display_name(process)));
        check.map_err(|kind| self.reject(text(), kind))?;
        Ok(self.record(Op::WaitUntil { process, condition }))
    }

    /// Records a step that calls a function on its own thread, and waits until it returns; an error or a
    /// panic fails the plan. `what` describes the call in the script. If the function does not return before
    /// the timeout of the step, the plan goes on without it.
    pub fn call<R: IntoStepResult>(
        &mut self,
        what: &str,
        call: impl Fn() -> R + Send + Sync + 'static,
    ) -> StepMut<'_> {
        self.record(Op::Call { what: what.to_owned(), call: Call::blocking(call) })
    }

    /// Records a step that runs a future on the executor of [`run_async`](Self::run_async), beside the plan,
    /// until it is ready. It is dropped at the timeout of the step.
    pub fn call_async<R: IntoStepResult, F: Future<Output = R> + Send + 'static>(
        &mut self,
        what: &str,
        call: impl Fn() -> F + Send + Sync + 'static,
    ) -> StepMut<'_> {
        self.record(Op::Call { what: what.to_owned(), call: Call::future(call) })
    }

    /// Records a step that writes to the standard input of a process. The input is then a pipe, which stays
    /// open until a step [closes](Self::close_input) it or the plan ends. The step is done when all bytes are
    /// in the pipe, or when the process has ended; the next step checks that end, so the result does not
    /// depend on whether the process has read input it did not want. A process that closes its input and
    /// keeps running fails the step.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if an earlier step closes the input or expects the process to end, or if its spec sets
    /// another input.
    pub fn send_input(
        &mut self,
        process: ProcessRef,
        input: impl Into<Vec<u8>>,
    ) -> Result<StepMut<'_>, PlanError> {
        let input: Vec<u8> = input.into();
        self.use_input(process, format!("send {}: {}", self.display_name(process), Excerpt(&input)))?;
        Ok(self.record(Op::Send { process, input: input.into() }))
    }

    /// Records a step that closes the standard input of a process, which then reads end-of-file.
    ///
    /// # Errors
    ///
    /// [`PlanError`] as from [`send_input`](Self::send_input).
    pub fn close_input(&mut self, process: ProcessRef) -> Result<StepMut<'_>, PlanError> {
        self.use_input(process, format!("close the input of {}", self.display_name(process)))?;
        self.script.processes[process.index()].closed_by = Some(self.script.steps.len());
        Ok(self.record(Op::CloseInput { process }))
    }
}

/// Inspecting the script.
impl Plan {
    /// Returns the name of the plan.
    pub fn name(&self) -> &str {
        &self.script.name
    }

    /// Returns the text of each step. `{}` shows the plan as a whole.
    pub fn ops(&self) -> Vec<String> {
        self.script.texts()
    }
}

/// Running the plan.
impl Plan {
    /// Runs the plan on this thread, and returns when none of its processes is left.
    ///
    /// # Errors
    ///
    /// [`PlanError`] about the first event that was not as expected.
    pub fn run(&self) -> Result<Report, PlanError> {
        System::block_on(self.run_async())
    }

    /// Returns a future that runs the plan, on any executor. Dropping it kills all processes of the plan, and
    /// keeps the directory.
    pub fn run_async(&self) -> RunFuture {
        RunFuture::new(self.host.clone(), self.script.clone(), None)
    }
}

/// A recorded step, whose timeout can be set.
#[derive(Debug)]
pub struct StepMut<'a> {
    pub(super) plan: &'a mut Plan,
}

impl StepMut<'_> {
    /// Sets the timeout of this step. Default: the [`timeout`](Plan::timeout) of the plan.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if the timeout is zero or longer than [`Policy::LONGEST`](crate::Policy::LONGEST).
    pub fn within(self, timeout: Duration) -> Result<(), PlanError> {
        if let Err(kind) = check_timeout(timeout) {
            return Err(self.plan.reject_last(kind));
        }
        self.plan.script.last_step().timeout = Some(timeout);
        Ok(())
    }
}

/// Writes the script, one line per step.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.script, f)
    }
}

/// Writes the same text as `Display`.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
