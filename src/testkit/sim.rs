//! The fake world as a test sees it: it writes the scripts, moves the time, and reads the trace.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::clock::{Clock, Key, Seconds};
use super::executor::{Executor, Guest, lock};
use super::process::FakeProcess;
use super::script::Script;
use super::world::World;
use crate::host::{Host, ProbeFuture, ProbeTarget, Process, SleepFuture, Spec};
use crate::machine::{Exit, SpawnError};

/// So much can happen in one instant; who does more goes round in circles.
const STEPS_OF_AN_INSTANT: u32 = 1_000_000;

/// A world for tests: scripted processes and virtual time. See the [module](super) for the idea and an example.
///
/// Clones are handles to the same world. It is `Send` and `Sync`, but to be the same every time a test should move
/// its time, and poll what runs in it, on one thread.
#[derive(Clone)]
pub struct Sim(Arc<Shared>);

struct Shared {
    /// What virtual time counts from.
    epoch: Instant,
    /// Short, and never held while a future is polled or woken.
    world: Mutex<World>,
    executor: Executor,
    /// Steps since the time last moved.
    steps: AtomicU32,
}

/// The world and its scripts.
impl Sim {
    /// An empty world, at 0.0 s. No program exists until it has a [`script`](Self::script).
    pub fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an `Instant` comes from a clock; this one is read only here"
        )]
        let epoch = Instant::now();
        Self(Arc::new(Shared {
            epoch,
            world: Mutex::new(World::new()),
            executor: Executor::default(),
            steps: AtomicU32::new(0),
        }))
    }

    /// Says what the next run of `program` does that has no script yet. The scripts of a program are used one after
    /// the other; the last one is used again and again. `program` is what [`Spec::new`] is given.
    ///
    /// A program without a script fails to start with ENOENT, as one that does not exist, and is not
    /// [located](Host::locate) either.
    pub fn script(&self, program: impl Into<String>, script: Script) {
        let program = program.into();
        self.world(|world| world.add_script(program, script));
    }

    /// Ends the live process of `program` now, as a crash or a stranger's signal would. What it leaves behind lives
    /// on. If several are alive, the oldest ends.
    ///
    /// # Panics
    ///
    /// When no process of `program` is alive; the message has the trace.
    #[track_caller]
    pub fn kill_from_outside(&self, program: &str, exit: Exit) {
        let found = self.world(|world| {
            let number = world.live_run(program);
            number.inspect(|number| world.end(*number, exit))
        });
        if found.is_none() {
            self.fail(&format!("there is no live process of {program}"));
        }
    }

    /// Lets a stranger, who is no process of this world, answer [probes](Host::probe) of `target` from now on, as
    /// [`Script::serves`] says. Whoever else serves there is not reached.
    pub fn serve(&self, target: ProbeTarget) {
        self.world(|world| {
            world.log(format_args!("serve {target}"));
            world.strangers.push(target);
        });
    }

    /// Ends what [`serve`](Self::serve) has begun.
    ///
    /// # Panics
    ///
    /// When no stranger serves `target`; the message has the trace.
    #[track_caller]
    pub fn close(&self, target: &ProbeTarget) {
        let found = self.world(|world| {
            let before = world.strangers.len();
            world.strangers.retain(|served| served != target);
            world.strangers.len() < before
        });
        if !found {
            self.fail(&format!("no stranger serves {target}"));
        }
        self.note(format_args!("close {target}"));
    }

    /// How many processes are not reaped.
    pub fn live(&self) -> usize {
        self.world(|world| world.runs.len())
    }

    /// How many runs of `program` there have been at the same time, at most. A run lasts until its process and its
    /// whole group are dead. Where one name is supervised this should be 1.
    pub fn max_live(&self, program: &str) -> usize {
        self.world(|world| world.max_live(program))
    }
}

/// What happened.
impl Sim {
    /// What the world saw: one line for each thing, which begins with the seconds since the start. Every line ends
    /// with a newline.
    ///
    /// ```text
    /// 0.0 spawn web#1
    /// 2.0 signal web#1 TERM
    /// 2.0 signal web#1 CONT
    /// 7.0 signal web#1 KILL
    /// 7.0 exit web#1 signal KILL
    /// 7.0 reap web#1
    /// 8.5 fail web#2 cannot find the program web: No such file or directory (os error 2)
    /// ```
    ///
    /// The number counts all the starts in this world, from 1, also those that fail: in a world with one monitor it
    /// is the number of its [`RunId`](crate::machine::RunId). Process ids count from 101.
    pub fn trace(&self) -> String {
        self.world(|world| world.trace.clone())
    }

    /// Adds a line to the trace: the time and `text`.
    pub fn note(&self, text: impl fmt::Display) {
        // Formatted before the world is locked, for it is not our code that formats.
        let text = text.to_string();
        self.world(|world| world.log(format_args!("{text}")));
    }

    /// Forgets the trace so far.
    pub fn clear_trace(&self) {
        self.world(|world| world.trace.clear());
    }

    /// How much virtual time has passed.
    pub fn elapsed(&self) -> Duration {
        self.world(|world| world.clock.elapsed())
    }
}

/// Time, and what runs in it.
impl Sim {
    /// Takes a future in, such as the driver of a monitor. It is polled whenever the test moves the time, or lets the
    /// world [come to rest](Self::run_until_idle).
    ///
    /// To start a process as the monitor does, say `Host::spawn(&sim, &spec)`.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.0.executor.spawn(Box::pin(future));
    }

    /// Drops all futures that [`spawn`](Self::spawn) was given and that have not ended, as the end of an executor
    /// does. Futures that own a clone of this world and never end need it, or neither is ever freed.
    pub fn drop_futures(&self) {
        self.0.executor.clear();
    }

    /// Lets all happen that is to happen now, and moves no time.
    ///
    /// # Panics
    ///
    /// When there is no end to it: a million steps in one instant.
    #[track_caller]
    pub fn run_until_idle(&self) {
        let now = self.elapsed();
        while self.step(now) {}
    }

    /// Lets `duration` pass, from one wake-up to the next. What is due at its very end still happens.
    ///
    /// # Panics
    ///
    /// When there is no end to what happens in one instant, and when it leads beyond ten thousand years.
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        let end = self.elapsed().saturating_add(duration);
        assert!(end < Clock::<()>::END, "the world ends after ten thousand years");
        while self.step(end) {}
        self.world(|world| world.clock.move_to(end));
    }

    /// Lets time pass, from one wake-up to the next, until `future` is ready; no longer than that.
    ///
    /// # Panics
    ///
    /// When nothing can ever wake the future, because nothing else is going to happen; the message has the trace.
    /// Also when there is no end to what happens in one instant.
    #[track_caller]
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut guest = Guest::new(future);
        loop {
            match guest.poll() {
                Some(Poll::Ready(value)) => return value,
                // If it wakes itself the others have their turn all the same.
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

    /// Does one thing: polls a future that wants it, or else does what is due, or else moves the time to the next
    /// wake-up that is not after `end`. `false`: there is nothing to do.
    ///
    /// One thing at a time, and the futures first, so that everybody has seen one thing before the next happens.
    #[track_caller]
    fn step(&self, end: Duration) -> bool {
        if self.0.executor.poll_one() || self.world(World::do_next) {
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
        if self.0.steps.fetch_add(1, Ordering::Relaxed) >= STEPS_OF_AN_INSTANT {
            self.0.steps.store(0, Ordering::Relaxed);
            let now = Seconds(self.elapsed());
            self.fail(&format!("time stands still at {now} s: {STEPS_OF_AN_INSTANT} steps in one instant"));
        }
    }

    /// Does something to the world, and when it is unlocked again wakes whoever waits for it.
    pub(super) fn world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = lock(&self.0.world);
        let result = act(&mut world);
        let woken = std::mem::take(&mut world.woken);
        drop(world);
        for waker in woken {
            waker.wake();
        }
        result
    }

    /// Ends the test with the end of the story.
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
        Ok(Box::new(FakeProcess::new(self.clone(), number, pid)))
    }

    /// The program as it was given, if it has a script.
    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        self.world(|world| world.locate(spec))
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        let answer = self.world(|world| world.probe(target, owner));
        Box::pin(std::future::ready(answer))
    }

    /// No: everything happens on the thread that moves the time.
    fn has_threads(&self) -> bool {
        false
    }
}

/// A sleep. It is a wake-up from when it is first polled until it goes off or is dropped.
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
            // Not ready before its turn, even if that is later in this instant.
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
