//! Plans: the time to start a hundred `true` and to wait for them, all together or one after the other.
//!
//! The figure of childminder includes everything from the call of `run` to its return: directory, journal,
//! guardian, process groups and pipes. The bare loop has none of these.

use std::process::Command;

use childminder::Plan;

use super::figures::{pairs, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

const ERRANDS: usize = 100;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let rounds = bench.sample(25, 5);
    let program = which_true()?;
    let errands = bench.baseline.program("errands");
    let bare = |manner: &str| -> Outcome<f64> {
        let output = Command::new(&errands).args([manner, &ERRANDS.to_string(), &program]).output()?;
        Ok(String::from_utf8(output.stdout)?.trim_end().parse::<f64>()? / 1e9)
    };
    let ours = |plan: &Plan| -> Outcome<f64> {
        let before = clock::nanoseconds();
        plan.run()?;
        Ok((clock::nanoseconds() - before) as f64 / 1e9)
    };
    let (together, in_turn) = (together(&program)?, in_turn(&program)?);
    // The first run starts the threads and the guardian that all runs share.
    ours(&together)?;
    let mut rows = Vec::new();
    for (name, plan, manner) in [
        ("plan of 100 `true`, together", &together, "together"),
        ("plan of 100 `true`, in turn", &in_turn, "in-turn"),
    ] {
        let turns = take_turns(rounds, || ours(plan), || bare(manner))?;
        rows.push(Row::ratio(name, Unit::Time, &pairs(&turns, |time| *time), Target::AtMost(1.2)));
    }
    Ok(rows)
}

fn together(program: &str) -> Outcome<Plan> {
    let mut plan = Plan::new("together")?;
    let errands = plan.spawn_all([program; ERRANDS])?;
    plan.wait_all(errands.map(|errand| (errand, 0)))?;
    Ok(plan)
}

fn in_turn(program: &str) -> Outcome<Plan> {
    let mut plan = Plan::new("in-turn")?;
    for _ in 0..ERRANDS {
        let errand = plan.spawn(program)?;
        plan.wait(errand, 0)?;
    }
    Ok(plan)
}

/// Returns the path of `true`, which both sides use.
fn which_true() -> Outcome<String> {
    ["/bin/true", "/usr/bin/true"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
        .map(str::to_owned)
        .ok_or_else(|| "cannot find the program `true`".into())
}
