//! The clock of the benches. Instants are `CLOCK_MONOTONIC`, which is also what the children in C read.

use std::thread;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a bench is about real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The same clock as a number of nanoseconds, as a child prints it.
pub(crate) fn nanoseconds() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Lets time pass while the contender is watched.
#[expect(clippy::disallowed_methods, reason = "what is measured is how much happens meanwhile")]
pub(crate) fn wait(duration: Duration) {
    thread::sleep(duration);
}
