//! Every order of polls, commands, looks and seconds, up to a length; and the rules one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::{Liveness, NotDriven, PollGuard, Watch};
use crate::host::Host;
use crate::sys::System;
use crate::testkit::Sim;

/// The time after which a missing poll is an error.
const LIMIT: Duration = Duration::from_secs(5);

/// A task that was woken or not.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Flag {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The things that can happen. Each act of the code under test holds the one lock, so threads can produce the
/// orders of these steps and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    BeginPoll,
    EndPoll,
    /// The end of a poll after which the machine has a deadline.
    EndPollUntil,
    Command,
    /// A look of the watch, whether it was woken or not.
    Look,
    /// Two seconds pass.
    Wait,
}

const STEPS: [Step; 6] =
    [Step::BeginPoll, Step::EndPoll, Step::EndPollUntil, Step::Command, Step::Look, Step::Wait];

/// A driver, a task that waits for it, and the time.
struct World {
    sim: Sim,
    liveness: Arc<Liveness>,
    driver: Arc<Flag>,
    waiter: Arc<Flag>,
    guard: Option<PollGuard>,
    watch: Option<Watch>,
    /// When the driver has to be polled, as an observer from outside knows it.
    owed: Option<Instant>,
    has_begun: bool,
    looked: Instant,
}

impl World {
    fn new() -> Self {
        let sim = Sim::new();
        let liveness = Arc::new(Liveness::new(Arc::new(sim.clone())));
        let watch = Some(liveness.watch());
        let (driver, waiter) = <(Arc<Flag>, Arc<Flag>)>::default();
        let looked = sim.now();
        Self { sim, liveness, driver, waiter, guard: None, watch, owed: None, has_begun: false, looked }
    }

    fn begin_poll(&mut self) {
        self.driver.take();
        self.owed = None;
        self.guard = Some(self.liveness.begin_poll(&Waker::from(self.driver.clone())));
    }

    fn end_poll(&mut self, deadline: Option<Duration>) {
        let mut guard = self.guard.take().expect("a poll is under way");
        let deadline = deadline.map(|after| self.sim.now() + after);
        guard.set_deadline(deadline);
        drop(guard);
        self.owed = if self.driver.is_set() { Some(self.sim.now()) } else { deadline };
    }

    fn command(&mut self) {
        self.liveness.wake_driver(self.sim.now());
        if self.guard.is_none() {
            self.owe_now();
        }
    }

    fn owe_now(&mut self) {
        let now = self.sim.now();
        self.owed = Some(self.owed.map_or(now, |owed| owed.min(now)));
    }

    /// Polls the watch. An error must be true.
    fn look(&mut self) -> Option<NotDriven> {
        self.waiter.take();
        if !self.has_begun && self.guard.is_none() {
            self.owe_now();
        }
        (self.has_begun, self.looked) = (true, self.sim.now());
        let waker = Waker::from(self.waiter.clone());
        let watch = self.watch.as_mut().expect("it waits");
        match watch.poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(error) => {
                assert!(
                    self.owed.is_some_and(|owed| self.sim.now() >= owed + LIMIT),
                    "it was polled in time"
                );
                self.watch = None;
                Some(error)
            }
        }
    }

    /// Applies a step. Returns `false` if it is impossible here.
    fn apply(&mut self, step: Step) -> bool {
        match step {
            Step::BeginPoll if self.guard.is_some() => return false,
            Step::EndPoll | Step::EndPollUntil if self.guard.is_none() => return false,
            Step::Look if self.watch.is_none() => return false,
            Step::BeginPoll => self.begin_poll(),
            Step::EndPoll => self.end_poll(None),
            Step::EndPollUntil => self.end_poll(Some(Duration::from_secs(3))),
            Step::Command => self.command(),
            Step::Wait => self.sim.advance(Duration::from_secs(2)),
            Step::Look => drop(self.look()),
        }
        true
    }

    /// Goes on for a minute with an executor that polls what was woken, the driver only if `polls_driver`.
    /// Returns the error of the wait.
    fn run(&mut self, polls_driver: bool) -> Option<NotDriven> {
        for _ in 0..60 {
            loop {
                if polls_driver && self.driver.is_set() {
                    self.begin_poll();
                    self.end_poll(None);
                } else if self.waiter.is_set() || !self.has_begun {
                    if let Some(error) = self.look() {
                        return Some(error);
                    }
                } else {
                    break;
                }
            }
            self.sim.advance(Duration::from_secs(1));
        }
        None
    }
}

/// Calls `check` with the world after every possible order of `length` steps.
fn every_order(length: u32, check: impl Fn(&mut World)) {
    let mut orders = 0;
    for number in 0..STEPS.len().pow(length) {
        let digit = |place| STEPS[number / STEPS.len().pow(place) % STEPS.len()];
        let order: Vec<Step> = (0..length).map(digit).collect();
        let mut world = World::new();
        if !order.iter().all(|step| world.apply(*step)) || world.watch.is_none() {
            continue;
        }
        orders += 1;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mut world)));
        assert!(result.is_ok(), "after {order:?}");
    }
    assert!(orders > 1000, "only {orders} orders are possible");
}

#[test]
fn f_86_in_every_order_of_events_a_driver_that_is_polled_is_no_error_and_the_watch_comes_to_rest() {
    every_order(6, |world| {
        if world.guard.is_some() {
            world.end_poll(None);
        }
        // An executor polls a new task.
        world.driver.wake_by_ref();
        assert_eq!(world.run(true), None);
        assert!(world.sim.now() >= world.looked + Duration::from_secs(45), "it wakes up again and again");
        world.watch = None;
        assert_eq!(world.liveness.state.lock().parked.len(), 0);
    });
}

#[test]
fn f_86_in_every_order_of_events_a_command_without_a_poll_is_an_error_after_5_s() {
    every_order(6, |world| {
        if world.guard.is_some() {
            world.end_poll(None);
        }
        let command = world.sim.elapsed();
        world.command();
        assert!(world.run(false).is_some(), "it is not noticed");
        assert!(world.sim.elapsed() <= command + LIMIT, "it is noticed late");
    });
}

#[test]
fn f_86_a_deadline_without_a_poll_is_an_error_after_5_s() {
    let mut world = World::new();
    world.begin_poll();
    world.end_poll(Some(Duration::from_secs(60)));
    assert!(world.look().is_none());
    // The executor still runs when the wait begins.
    world.sim.advance(Duration::from_secs(4));
    assert!(world.look().is_none());
    assert!(world.driver.is_set());
    world.begin_poll();
    world.end_poll(Some(Duration::from_secs(56)));
    assert!(world.look().is_none());
    assert!(world.run(false).is_none(), "the deadline is in a minute");
    assert!(world.run(false).is_some());
    assert_eq!(world.sim.elapsed(), Duration::from_secs(65));
}

#[test]
fn f_86_a_blocked_thread_is_woken_by_a_command_and_fails_if_the_driver_is_not_polled_then() {
    let sim = Sim::new();
    let liveness = Arc::new(Liveness::new(Arc::new(sim.clone())));
    let looks = Arc::new(AtomicU32::new(0));
    let thread = thread::spawn({
        let (liveness, looks) = (liveness.clone(), looks.clone());
        let mut watch = liveness.watch();
        move || {
            watch.block_on(|cx| {
                match looks.fetch_add(1, Ordering::Relaxed) {
                    0 => cx.waker().wake_by_ref(),
                    1 => drop(liveness.begin_poll(Waker::noop())),
                    _ => {}
                }
                Poll::<Result<(), NotDriven>>::Pending
            })
        }
    });
    let clock = System::new();
    let begin = clock.now();
    let wait_until = |condition: &dyn Fn() -> bool| {
        while !condition() {
            assert!(clock.now() < begin + Duration::from_secs(60), "the thread was not woken");
            thread::yield_now();
        }
    };
    wait_until(&|| liveness.state.lock().parked.len() == 1);
    liveness.wake_driver(sim.now());
    wait_until(&|| looks.load(Ordering::Relaxed) == 3);
    wait_until(&|| {
        sim.advance(Duration::from_secs(1));
        thread.thread().unpark();
        thread.is_finished()
    });
    let error = thread.join().expect("no panic").unwrap_err();
    assert_eq!(error, NotDriven::not_polled(LIMIT));
}
