//! The clock of the benchmarks. Instants are `CLOCK_MONOTONIC`, which the children in C read as well.

use std::thread;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Returns the time in nanoseconds, in the form in which a child prints it.
pub(crate) fn nanoseconds() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Sleeps while a contender runs.
#[expect(clippy::disallowed_methods, reason = "the figure is what happens meanwhile")]
pub(crate) fn wait(duration: Duration) {
    thread::sleep(duration);
}
