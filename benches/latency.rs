//! Latency: the time of one line on an idle system, from before the `write` of the child until the reader of
//! the log has it. The line contains the time at which it was written.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::figures::{median, pairs, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let (rounds, lines) = (bench.sample(9, 3), bench.sample(50, 20));
    let ticker = [bench.baseline.program("ticker"), lines.to_string()];
    let with = |words: &[String]| [words, &ticker].concat();
    let copier = with(&[bench.baseline.program("copier"), "ticker".to_owned()]);
    let cli = ["run", "-qq", "--name", "ticker", "--"].map(str::to_owned);
    let mut cli = with(&[&[bench.baseline.command_line()?][..], &cli].concat());
    // The command line would restart the ticker endlessly, so the ticker ends it.
    cli.push("term".to_owned());
    let turns = take_turns(rounds, || latencies(&cli), || latencies(&copier))?;
    Ok(vec![Row::ratio(
        "one line, p50",
        Unit::Time,
        &pairs(&turns, |latencies| median(latencies)),
        Target::AtMost(1.5),
    )])
}

/// Reads the output of a contender, and returns the age of each line in seconds.
fn latencies(contender: &[String]) -> Outcome<Vec<f64>> {
    let mut process = Command::new(&contender[0])
        .args(&contender[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(process.stdout.take().expect("it has a pipe"));
    let (mut line, mut latencies) = (String::new(), Vec::new());
    while lines.read_line(&mut line)? > 0 {
        let now = clock::nanoseconds();
        let (_, written) = line.trim_end().split_once("] ").ok_or("a line without a name")?;
        latencies.push((now - written.parse::<i64>()?) as f64 / 1e9);
        line.clear();
    }
    process.wait()?;
    Ok(latencies)
}
