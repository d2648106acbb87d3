//! The builder of a plan.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::building::check_timeout;
use super::call::Call;
use super::planned::PlanId;
use super::script::{Excerpt, Op, Script, list};
use super::*;
use crate::host::{Host, Spec};
use crate::machine::{Name, Signal};
use crate::ready::{Condition, OutputMatch};
use crate::sys::System;

/// How long a step may take, if nothing else is said (PL-14).
const TIMEOUT: Duration = Duration::from_secs(20);

/// An integration test as a script: start these, wait for that, kill this one. *No process may end unless the script
/// expects it just then*: a server that dies while a client is waited for fails the plan at that moment.
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
/// Each process leads a group of its own, has the environment and the working directory of this program, reads from
/// `/dev/null` unless a step [sends](Self::send_input) it something (PL-8), and dies with this program, be that killed. Whatever the
/// outcome, nothing is left of it when the plan ends: what a process leaves behind in its group is killed when it ends
/// (PL-17), and after a failure everything is, before the error is returned (PL-15).
///
/// Steps are taken one after the other. Those that take no time of their own, that is [`spawn`](Self::spawn),
/// [`spawn_all`](Self::spawn_all), [`send_input`](Self::send_input) and [`close_input`](Self::close_input), judge nobody:
/// a process that ends meanwhile is judged by the step that follows, so that it is no matter of luck how soon it ends.
///
/// The output of each process is in `<process>.stdout` and `<process>.stderr`, in a directory that each run makes for
/// itself, below `CHILDMINDER_PLAN_DIR` or else the system's directory for temporary files. It is deleted when all went
/// well, and kept when not, or with `CHILDMINDER_KEEP=1` (PL-6); then `journal.jsonl` and `timeline.svg` are in it, too. The output is
/// also logged, or shown with the test that failed, as that of a [`Service`](crate::Service) is.
///
/// A plan can be run again and again, and each run begins anew.
#[derive(Clone)]
pub struct Plan {
    pub(super) id: PlanId,
    pub(super) host: Arc<dyn Host>,
    pub(super) script: Script,
}

/// Making one.
impl Plan {
    /// An empty plan with this name, which is also part of the name of its directory.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when it is no [`Name`]: there may be no slash in it.
    pub fn new(name: &str) -> Result<Self, PlanError> {
        Self::on(System::new(), name)
    }

    /// The same in another world, such as a [`Sim`](crate::testkit::Sim): there the commands are looked up, and there they
    /// run.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn on(host: impl Host, name: &str) -> Result<Self, PlanError> {
        let plan =
            Self { id: PlanId::new(), host: Arc::new(host), script: Script::new(name.to_owned(), TIMEOUT) };
        match Name::new(name) {
            Ok(_) => Ok(plan),
            Err(error) => Err(plan.mistake(None, PlanMistake::Name(error))),
        }
    }

    /// Sets how long each step may take that has no time-out of its own, whenever it was recorded. Default: 20 s.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when that is no time at all, or too long.
    pub fn timeout(&mut self, timeout: Duration) -> Result<(), PlanError> {
        check_timeout(timeout).map_err(|mistake| self.mistake(None, mistake))?;
        self.script.timeout = timeout;
        Ok(())
    }
}

/// Recording steps. Nothing runs yet (PL-1).
impl Plan {
    /// Starts a process, such as `["echo", "hello"]` or a [`Spec`]. It is called by the last part of its program's path,
    /// with `-1`, `-2`, … behind it if that is taken (PL-5).
    ///
    /// # Errors
    ///
    /// [`PlanError`] when the command is not found or cannot be executed (PL-3), or the spec cannot work.
    pub fn spawn(&mut self, spec: impl Into<Spec>) -> Result<ProcessRef, PlanError> {
        let [process] = self.spawn_all([spec])?;
        Ok(process)
    }

    /// The same with a name of its own, for its files and for whatever is said of it.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn), and when the name is no [`Name`] or is taken.
    pub fn spawn_as(&mut self, name: &str, spec: impl Into<Spec>) -> Result<ProcessRef, PlanError> {
        let spec = spec.into();
        let text = format!("spawn {name}: {spec}");
        let refuse = |plan: &Self, mistake| Err(plan.mistake(Some(text.clone()), mistake));
        let name = match Name::new(name) {
            Ok(name) => name,
            Err(error) => return refuse(self, PlanMistake::Name(error)),
        };
        if self.is_taken(&name) {
            return refuse(self, PlanMistake::NameTaken(name));
        }
        let process = self.cast(name, spec, &text)?;
        self.record(Op::Spawn(vec![process]));
        Ok(process)
    }

    /// Starts several processes in one step, one right after the other.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn); then none of them is recorded.
    pub fn spawn_all<S: Into<Spec>, const N: usize>(
        &mut self,
        specs: [S; N],
    ) -> Result<[ProcessRef; N], PlanError> {
        let specs = specs.map(Into::into);
        let text = match &specs[..] {
            [] => {
                let text = "spawn all: nobody".to_owned();
                return Err(self.mistake(Some(text), PlanMistake::NoProcess));
            }
            [spec] => format!("spawn {spec}"),
            specs => format!("spawn all: {}", list(specs.iter().map(Spec::to_string))),
        };
        let before = self.script.cast.len();
        for spec in specs {
            let name = self.free_name(&spec);
            if let Err(error) = self.cast(name, spec, &text) {
                self.script.cast.truncate(before);
                return Err(error);
            }
        }
        let processes = std::array::from_fn(|i| ProcessRef::new(self.id, before + i));
        self.record(Op::Spawn(processes.to_vec()));
        Ok(processes)
    }

    /// Waits until a process has ended as expected: `0`, `Signal::TERM`, `Exit::any()`, … It may have ended already when
    /// the step begins, if it was started just before it (PL-18).
    ///
    /// # Errors
    ///
    /// [`PlanError`] when an earlier step expects its end.
    pub fn wait(
        &mut self,
        process: ProcessRef,
        expected: impl Into<Expected>,
    ) -> Result<StepMut<'_>, PlanError> {
        self.wait_all([(process, expected)])
    }

    /// Waits until all these processes have ended, in whatever order, each as expected (PL-13). The time-out is one for
    /// all.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when an earlier step expects the end of one, when one stands there twice, or none at all.
    pub fn wait_all<E: Into<Expected>>(
        &mut self,
        processes: impl IntoIterator<Item = (ProcessRef, E)>,
    ) -> Result<StepMut<'_>, PlanError> {
        let ends = processes.into_iter().map(|(process, expected)| (process, expected.into())).collect();
        self.ending(Op::Wait(ends))
    }

    /// Asks a process to end, by TERM to its whole group or by the [stop signal](Spec::stop_signal) of its spec, and waits
    /// until it has ended as expected: by the signal, `Signal::TERM`, or with `0`, if it handles that (PL-12). After the kill time, which is 5 s unless the spec has a
    /// [`Policy`](crate::Policy) of its own, it gets KILL, and that is another end than expected (PL-14). A process that has ended
    /// before is an unexpected exit (PL-11).
    ///
    /// # Errors
    ///
    /// [`PlanError`] when an earlier step expects its end.
    pub fn kill(
        &mut self,
        process: ProcessRef,
        expected: impl Into<Expected>,
    ) -> Result<StepMut<'_>, PlanError> {
        let signal = self.known(process).map_or(Signal::TERM, |role| role.spec.get_stop_signal());
        self.kill_with(process, signal, expected)
    }

    /// The same with another signal.
    ///
    /// # Errors
    ///
    /// As [`kill`](Self::kill).
    pub fn kill_with(
        &mut self,
        process: ProcessRef,
        signal: Signal,
        expected: impl Into<Expected>,
    ) -> Result<StepMut<'_>, PlanError> {
        self.ending(Op::Kill { process, signal, expected: expected.into() })
    }

    /// Waits until a process has printed something: a text, or what a [`OutputMatch`] says. Each such step looks behind what
    /// those before it have found in the same stream, and the first one from the start of the process; so nothing is missed
    /// that was printed before the step began, and nothing is found twice. Of a stream that is not looked at meanwhile the
    /// last 128 KiB are kept.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when that can never be, or an earlier step expects the end of the process.
    pub fn wait_for_output(
        &mut self,
        process: ProcessRef,
        wanted: impl Into<OutputMatch>,
    ) -> Result<StepMut<'_>, PlanError> {
        let wanted = wanted.into();
        let check = self
            .check(process)
            .and_then(|()| Condition::from(wanted.clone()).check().map_err(PlanMistake::Condition));
        let text = || Some(format!("wait for {}: {wanted}", self.called(process)));
        check.map_err(|mistake| self.mistake(text(), mistake))?;
        let role = &mut self.script.cast[process.index()];
        role.wanted.push(wanted);
        let wanted = role.wanted.len();
        Ok(self.record(Op::WaitForOutput { process, wanted }))
    }

    /// Waits until a process is ready: it answers on its port, it has notified, a command succeeds, … Whatever was met
    /// since its start counts. A process that ends before is an unexpected exit.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when that can never be, or an earlier step expects the end of the process.
    pub fn wait_until(
        &mut self,
        process: ProcessRef,
        condition: impl Into<Condition>,
    ) -> Result<StepMut<'_>, PlanError> {
        let condition = condition.into();
        let check = self.check(process).and_then(|()| condition.check().map_err(PlanMistake::Condition));
        let text = || Some(format!("wait until {}: {condition}", self.called(process)));
        check.map_err(|mistake| self.mistake(text(), mistake))?;
        Ok(self.record(Op::WaitUntil { process, condition }))
    }

    /// Calls something on a thread of its own, and waits until it returns: an error and a panic fail the plan (PL-19). What
    /// blocks for longer than the step may take is left to itself. `what` says in the script what it does.
    pub fn call<R: IntoStepResult>(
        &mut self,
        what: &str,
        call: impl Fn() -> R + Send + Sync + 'static,
    ) -> StepMut<'_> {
        self.record(Op::Call { what: what.to_owned(), call: Call::blocking(call) })
    }

    /// The same with a future, which runs beside the plan on the executor of [`run_async`](Self::run_async). When the
    /// step takes too long it is dropped.
    pub fn call_async<R: IntoStepResult, F: Future<Output = R> + Send + 'static>(
        &mut self,
        what: &str,
        call: impl Fn() -> F + Send + Sync + 'static,
    ) -> StepMut<'_> {
        self.record(Op::Call { what: what.to_owned(), call: Call::future(call) })
    }

    /// Writes to the standard input of a process, which is a pipe then and stays open until it is
    /// [closed](Self::close_input) or the plan ends. The step is done when all of it is in the pipe, or when the process has
    /// ended: it is no matter of luck then whether it has read what it never wanted, and the step that follows judges its end.
    /// A process that closes its input and lives on fails the step.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when an earlier step closes the input or expects the end of the process, or its spec gives it another
    /// input.
    pub fn send_input(
        &mut self,
        process: ProcessRef,
        input: impl Into<Vec<u8>>,
    ) -> Result<StepMut<'_>, PlanError> {
        let input: Vec<u8> = input.into();
        self.use_input(process, format!("send {}: {}", self.called(process), Excerpt(&input)))?;
        Ok(self.record(Op::Send { process, input: input.into() }))
    }

    /// Closes the standard input of a process: it reads the end.
    ///
    /// # Errors
    ///
    /// As [`send_input`](Self::send_input).
    pub fn close_input(&mut self, process: ProcessRef) -> Result<StepMut<'_>, PlanError> {
        self.use_input(process, format!("close the input of {}", self.called(process)))?;
        self.script.cast[process.index()].closed_by = Some(self.script.steps.len());
        Ok(self.record(Op::CloseInput { process }))
    }
}

/// Looking at what was recorded.
impl Plan {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.script.name
    }

    /// The text of each step (PL-2). The plan itself, shown with `{}`, is all of it.
    pub fn ops(&self) -> Vec<String> {
        self.script.texts()
    }
}

/// Running it.
impl Plan {
    /// Runs it, on this thread, and returns when nothing of it is left.
    ///
    /// # Errors
    ///
    /// [`PlanError`] with the whole story of the first thing that was not as expected.
    pub fn run(&self) -> Result<Report, PlanError> {
        futures_lite::future::block_on(self.run_async())
    }

    /// The same for asynchronous code, on any executor. Dropping the future kills all that was started, with all groups,
    /// and keeps the directory.
    pub fn run_async(&self) -> RunFuture {
        RunFuture::new(self.host.clone(), self.script.clone(), None)
    }
}

/// A step that was recorded, to say more about it.
#[derive(Debug)]
pub struct StepMut<'a> {
    pub(super) plan: &'a mut Plan,
}

impl StepMut<'_> {
    /// Sets how long this step may take. Default: the plan's [`timeout`](Plan::timeout).
    ///
    /// # Errors
    ///
    /// [`PlanError`] when that is no time at all, or too long.
    pub fn within(self, timeout: Duration) -> Result<(), PlanError> {
        if let Err(mistake) = check_timeout(timeout) {
            return Err(self.plan.mistake_in_last(mistake));
        }
        self.plan.script.last_step().timeout = Some(timeout);
        Ok(())
    }
}

/// The script, a line for each step.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.script, f)
    }
}

/// The same as shown with `{}`.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.script, f)
    }
}
