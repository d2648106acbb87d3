//! Restart: the time from the last instruction of a child to the first one of its successor, without a delay
//! of the policy. The child itself records both.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use childminder::{Policy, ProcessMonitor, Spec, System};
use tempfile::TempDir;

use super::figures::{median, pairs, percentile, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome};

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let (rounds, restarts) = (bench.sample(15, 3), bench.sample(1000, 200));
    let folder = TempDir::new()?;
    let file = folder.path().join("lives");
    let mayfly = bench.baseline.program("mayfly");
    let words = [mayfly, file.display().to_string(), (restarts + 1).to_string()];
    let gaps = |program: &[String]| {
        // The last child ends the contender.
        Command::new(&program[0]).args(&program[1..]).args(&words).status()?;
        gaps_in(&file)
    };
    let (contender, respawn) = (bench.baseline.contender("restart")?, [bench.baseline.program("respawn")]);
    let turns = take_turns(rounds, || gaps(&contender), || gaps(&respawn))?;
    Ok(vec![
        Row::ratio("restart, p50", Unit::Time, &pairs(&turns, |gaps| median(gaps)), Target::AtMost(1.1)),
        Row::ratio(
            "restart, p99",
            Unit::Time,
            &pairs(&turns, |gaps| percentile(gaps, 0.99)),
            Target::AtMost(2.0),
        ),
    ])
}

/// Keeps the child in `command` alive. Never returns: the last child ends this process.
pub(crate) fn contend(command: &[String]) -> Outcome<()> {
    let policy = Policy { threshold: Duration::ZERO, ..Policy::default() };
    let monitor = ProcessMonitor::builder().policy(policy).background(System::new())?;
    monitor.add_process("mayfly", Spec::new(&command[0]).args(&command[1..]))?;
    monitor.start_service()?;
    loop {
        thread::park();
    }
}

/// Returns the times between the lives recorded in `file`, in seconds.
fn gaps_in(file: &Path) -> Outcome<Vec<f64>> {
    let lives = fs::read(file)?;
    fs::remove_file(file)?;
    let (times, _) = lives.as_chunks::<8>();
    let times: Vec<i64> = times.iter().map(|time| i64::from_ne_bytes(*time)).collect();
    // Birth, death, birth, death, …
    let gaps = times[1..].chunks_exact(2).map(|gap| (gap[1] - gap[0]) as f64 / 1e9);
    Ok(gaps.collect())
}
