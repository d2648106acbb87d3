//! The short scenarios of the table that compares supervisors, with childminder.

use std::thread;
use std::time::{Duration, Instant};

use conformance::{Facts, Measurement, Scenario, Tools};

/// All scenarios run at the same time; the longest takes 14 s.
const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn childminder_does_what_the_short_scenarios_expect() {
    let mut scenarios = conformance::scenarios(&conformance::folder()).expect("the scenarios");
    let is_portable = cfg!(any(async_process_force_signal_backend, not(target_os = "linux")));
    scenarios.retain(|scenario| scenario.fast && !(is_portable && scenario.beyond_group));
    assert!(scenarios.len() >= 8, "{}", scenarios.len());
    let tools = Tools::find(env!("CARGO_BIN_EXE_childminder").into());
    #[expect(clippy::disallowed_methods, reason = "a deadline for real processes")]
    let begin = Instant::now();
    let misses: Vec<String> = thread::scope(|scope| {
        let measure = |scenario| {
            let tools = &tools;
            scope.spawn(move || misses(scenario, tools))
        };
        let threads: Vec<_> = scenarios.iter().map(measure).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(misses.is_empty(), "{}", misses.join("\n"));
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

/// Runs a scenario, again if the machine was too busy, and returns what differs from its expectations, with
/// everything that has happened.
fn misses(scenario: &Scenario, tools: &Tools) -> Vec<String> {
    let [childminder, ..] = conformance::supervisors();
    let measure = || match conformance::measure(scenario, childminder, tools).expect("it runs") {
        Measurement::Done(timeline) => timeline,
        Measurement::Skipped(reason) => panic!("{} was skipped: {reason}", scenario.name),
    };
    let mut timeline = measure();
    let mut misses = Facts::of(&timeline).misses(&scenario.childminder);
    if !misses.is_empty() && timeline.is_doubtful() {
        timeline = measure();
        misses = Facts::of(&timeline).misses(&scenario.childminder);
    }
    misses.into_iter().map(|miss| format!("{}: {miss}\n{timeline}", scenario.name)).collect()
}
