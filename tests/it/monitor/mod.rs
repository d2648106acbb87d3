//! A monitor with its driver, in the simulated world.

mod commands;
mod contained;
mod handles;
mod health;
mod input;
mod notices;
mod real_health;
mod starts;
mod stop_command;
mod story;
mod waits;

use std::time::Duration;

use childminder::testkit::Sim;
use childminder::{MonitorBuilder, ProcessMonitor};

/// Creates a monitor whose driver runs in a new simulated world.
fn monitor() -> (Sim, ProcessMonitor) {
    monitor_of(ProcessMonitor::builder())
}

fn monitor_of(builder: MonitorBuilder) -> (Sim, ProcessMonitor) {
    let sim = Sim::new();
    let (monitor, driver) = builder.build(sim.clone()).unwrap();
    sim.spawn(driver);
    (sim, monitor)
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Compares the trace of the world since the last call.
#[track_caller]
fn expect(sim: &Sim, story: &str) {
    let trace = sim.trace();
    sim.clear_trace();
    let expected: Vec<&str> = story.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(trace.lines().collect::<Vec<_>>(), expected, "the actual trace is on the left");
}
