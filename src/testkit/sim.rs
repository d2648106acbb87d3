//! The handle of a simulated world: scripts, time, and the trace.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::clock::{Clock, Key, Seconds, origin};
use super::executor::{Executor, Guest};
use super::script::Script;
use super::world::World;
use crate::host::{Host, ProbeFuture, ProbeTarget, Process, SleepFuture, Spec, TerminalSize};
use crate::machine::{Exit, Signal, SignalTarget, SpawnError, Stream};
use crate::sync::Lock;

/// The maximum number of steps in one instant; more are an endless loop.
const STEPS_PER_INSTANT: u32 = 1_000_000;

/// A simulated world with scripted processes and virtual time. See the [module](super) for an example.
///
/// Clones are handles to the same world. It is `Send` and `Sync`; but to be deterministic, a test should move
/// the time and poll futures on one thread.
#[derive(Clone)]
pub struct Sim(Arc<Shared>);

struct Shared {
    /// The origin of virtual time.
    epoch: Instant,
    /// Locked briefly, and never while a future is polled or woken.
    world: Lock<World>,
    executor: Executor,
    /// The number of steps since the time last moved.
    steps: AtomicU32,
}

/// Processes.
impl Sim {
    /// Creates an empty world, at 0.0 s. A program exists only if it has a [`script`](Self::script).
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            epoch: origin(),
            world: Lock::new(World::new()),
            executor: Executor::default(),
            steps: AtomicU32::new(0),
        }))
    }

    /// Adds a script for one run of `program`, which is the argument of [`Spec::new`]. Runs use the scripts
    /// in the order of these calls; the last one is repeated.
    ///
    /// A program without a script does not exist: it fails to start with ENOENT, and cannot be
    /// [located](Host::locate).
    pub fn script(&self, program: impl Into<String>, script: Script) {
        let program = program.into();
        self.world(|world| world.add_script(program, script));
    }

    /// Ends the live process of `program` now, as a crash or a signal from outside would. Other members of
    /// its group stay alive. If several processes are alive, the oldest one ends.
    ///
    /// # Panics
    ///
    /// If no process of `program` is alive; the message contains the trace.
    #[track_caller]
    pub fn kill_from_outside(&self, program: &str, exit: Exit) {
        let found = self.world(|world| {
            let number = world.live_run(program);
            number.inspect(|number| world.exit(*number, exit))
        });
        if found.is_none() {
            self.fail(&format!("no process of {program} is alive"));
        }
    }

    /// Lets an unrelated process, outside of this world, answer [probes](Host::probe) of `target` from now
    /// on, like [`Script::serves`]. Other processes that serve the same address are not reached.
    pub fn serve(&self, target: ProbeTarget) {
        self.world(|world| {
            world.log(format_args!("serve {target}"));
            world.strangers.push(target);
        });
    }

    /// Stops answering probes of `target` after [`serve`](Self::serve).
    ///
    /// # Panics
    ///
    /// If `target` is not served after a call of [`serve`](Self::serve); the message contains the trace.
    #[track_caller]
    pub fn close(&self, target: &ProbeTarget) {
        let found = self.world(|world| {
            let before = world.strangers.len();
            world.strangers.retain(|served| served != target);
            world.strangers.len() < before
        });
        if !found {
            self.fail(&format!("no unrelated process serves {target}"));
        }
        self.note(format_args!("close {target}"));
    }

    /// Returns the number of processes that are not reaped.
    pub fn live(&self) -> usize {
        self.world(|world| world.runs.len())
    }

    /// Returns the maximum number of simultaneous runs of `program` so far. A run lasts until its process and
    /// its whole group are dead. For a program that is supervised under one name this should be 1.
    pub fn max_live(&self, program: &str) -> usize {
        self.world(|world| world.max_live(program))
    }
}

/// The trace.
impl Sim {
    /// Returns the trace: one line for each thing that happened, beginning with the seconds since the start.
    /// Every line ends with a newline.
    ///
    /// ```text
    /// 0.0 spawn web#1
    /// 2.0 signal web#1 TERM
    /// 2.0 signal web#1 CONT
    /// 3.0 input web#1 reload\n
    /// 7.0 signal web#1 KILL
    /// 7.0 exit web#1 signal KILL
    /// 7.0 reap web#1
    /// 8.5 fail web#2 cannot find the program web: No such file or directory (os error 2)
    /// ```
    ///
    /// The number counts all starts in this world, from 1, including failed ones. With one monitor it is the
    /// number of the monitor's [`RunId`](crate::machine::RunId). Process ids count from 101.
    pub fn trace(&self) -> String {
        self.world(|world| world.trace.clone())
    }

    /// Adds a line with the time and `text` to the trace.
    pub fn note(&self, text: impl fmt::Display) {
        // Foreign code must not run while the world is locked.
        let text = text.to_string();
        self.world(|world| world.log(format_args!("{text}")));
    }

    /// Clears the trace.
    pub fn clear_trace(&self) {
        self.world(|world| world.trace.clear());
    }

    /// Returns the virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.world(|world| world.clock.elapsed())
    }
}

/// Time and futures.
impl Sim {
    /// Runs a future, such as the driver of a monitor, on the executor of this world. It is polled while the
    /// test moves the time, and in [`run_until_idle`](Self::run_until_idle).
    ///
    /// To start a process as the monitor does, call `Host::spawn(&sim, &spec)`.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.executor.spawn(Box::pin(future));
    }

    /// Drops all unfinished futures that were passed to [`spawn`](Self::spawn), as the end of an executor
    /// does. Without this call, a future that owns a clone of this world and never finishes is never freed.
    pub fn drop_futures(&self) {
        self.0.executor.clear();
    }

    /// Does everything that is due now, without moving the time.
    ///
    /// # Panics
    ///
    /// If that takes more than a million steps.
    #[track_caller]
    pub fn run_until_idle(&self) {
        let now = self.elapsed();
        while self.step(now) {}
    }

    /// Moves the time by `duration`, from one wake-up to the next, and does everything that is due until
    /// then, the end included.
    ///
    /// # Panics
    ///
    /// If more than a million steps are needed in one instant, or the time exceeds ten thousand years.
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        let end = self.elapsed().saturating_add(duration);
        assert!(end < Clock::<()>::END, "virtual time is limited to ten thousand years");
        while self.step(end) {}
        self.world(|world| world.clock.move_to(end));
    }

    /// Moves the time, from one wake-up to the next, until `future` is ready.
    ///
    /// # Panics
    ///
    /// If nothing is scheduled that could wake the future; the message contains the trace. Also if more than
    /// a million steps are needed in one instant.
    #[track_caller]
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut guest = Guest::new(future);
        loop {
            match guest.poll() {
                Some(Poll::Ready(value)) => return value,
                // A future that wakes itself must not starve the others.
                Some(Poll::Pending) => {
                    self.0.executor.poll_one();
                    self.count_step();
                }
                None if self.step(Clock::<()>::END) => {}
                None => {
                    let now = Seconds(self.elapsed());
                    self.fail(&format!("stuck at {now} s, nothing is scheduled"));
                }
            }
        }
    }

    /// Does one thing: polls a future that was woken, or else performs what is due, or else moves the time to
    /// the next wake-up up to `end`. Returns `false` if there is nothing to do.
    ///
    /// Futures come first, so that all of them have reacted to one thing before the next one happens.
    #[track_caller]
    fn step(&self, end: Duration) -> bool {
        if self.0.executor.poll_one() || self.world(World::perform_next) {
            self.count_step();
            return true;
        }
        let moved = self.world(|world| match world.clock.next() {
            Some(next) if next <= end => {
                world.clock.move_to(next);
                true
            }
            _ => false,
        });
        self.0.steps.store(0, Ordering::Relaxed);
        moved
    }

    #[track_caller]
    fn count_step(&self) {
        if self.0.steps.fetch_add(1, Ordering::Relaxed) >= STEPS_PER_INSTANT {
            self.0.steps.store(0, Ordering::Relaxed);
            let now = Seconds(self.elapsed());
            self.fail(&format!("more than {STEPS_PER_INSTANT} steps at {now} s: the time cannot move on"));
        }
    }

    /// Calls `act` with the locked world, and then wakes the futures that wait for the changes.
    pub(super) fn world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.0.world.lock();
        let result = act(&mut world);
        let woken = std::mem::take(&mut world.woken);
        drop(world);
        for waker in woken {
            waker.wake();
        }
        result
    }

    /// Panics with `why` and the trace.
    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        panic!("{why}\n{}", self.trace());
    }
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("elapsed", &self.elapsed())
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}

impl Host for Sim {
    fn now(&self) -> Instant {
        self.0.epoch + self.elapsed()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        let at = at.saturating_duration_since(self.0.epoch);
        Box::pin(Alarm { sim: self.clone(), at, key: None })
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        let (number, pid) = self.world(|world| world.spawn(spec))?;
        Ok(Box::new(FakeProcess { sim: self.clone(), number, pid }))
    }

    /// Returns the program unchanged if it has a script.
    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        self.world(|world| world.locate(spec))
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        let answer = self.world(|world| world.probe(target, owner));
        Box::pin(std::future::ready(answer))
    }

    /// Returns `false`: everything happens on the thread that moves the time.
    fn has_threads(&self) -> bool {
        false
    }
}

/// A sleep. It is in the agenda from its first poll until it is ready or dropped.
struct Alarm {
    sim: Sim,
    at: Duration,
    key: Option<Key>,
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let key = self.key;
        let key = self.sim.world(|world| match key {
            None if at <= world.clock.elapsed() => None,
            None => Some(world.clock.set_timer(at, cx.waker().clone())),
            // Not ready before its turn in the agenda, even if `at` has been reached.
            Some(key) => world.clock.timer(key).map(|waker| {
                waker.clone_from(cx.waker());
                key
            }),
        });
        self.key = key;
        if key.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.sim.world(|world| world.clock.cancel(key));
        }
    }
}

/// The handle of a simulated process.
struct FakeProcess {
    sim: Sim,
    number: u64,
    pid: u32,
}

impl Process for FakeProcess {
    fn id(&self) -> u32 {
        self.pid
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        self.sim.world(|world| world.run(self.number).poll_exit(cx.waker()))
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.sim.world(|world| world.run(self.number).poll_read(stream, cx.waker(), buf))
    }

    fn poll_write_stdin(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sim.world(|world| world.write(self.number, bytes))
    }

    fn poll_close_stdin(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.sim.world(|world| world.log_run(self.number, "close", "stdin"));
        Poll::Ready(())
    }

    fn resize_terminal(&mut self, size: TerminalSize) -> io::Result<()> {
        self.sim.world(|world| world.log_run(self.number, "resize", size));
        Ok(())
    }

    fn signal(&mut self, _: SignalTarget, signal: Signal) -> io::Result<()> {
        self.sim.world(|world| world.signal(self.number, signal));
        Ok(())
    }

    fn remaining(&mut self) -> Vec<u32> {
        self.sim.world(|world| world.run(self.number).members.clone())
    }
}

impl Drop for FakeProcess {
    fn drop(&mut self) {
        self.sim.world(|world| world.release(self.number));
    }
}

impl fmt::Debug for FakeProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sim: _, number, pid } = self;
        f.debug_struct("FakeProcess").field("number", number).field("pid", pid).finish()
    }
}
