//! Readiness: the time from `start` until a server is known to be ready, and the time of a stop.
//!
//! The bare loop spawns the server and connects every 0.1 ms until a connection succeeds.

use std::process::Command;
use std::time::Duration;

use childminder::{Port, Service};

use super::figures::{median, pairs, percentile, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

/// The time before the slow server listens.
const SLOW: Duration = Duration::from_millis(20);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let (rounds, starts) = (bench.sample(9, 3), bench.sample(40, 10));
    let port = Port::reserve()?;
    let listener = bench.baseline.program("listener");
    let words = |delay: Duration| [listener.clone(), port.to_string(), delay.as_micros().to_string()];
    let knock = |delay| {
        let knock = bench.baseline.program("knock");
        let output =
            Command::new(knock).args([starts.to_string(), port.to_string()]).args(words(delay)).output()?;
        let nanoseconds = String::from_utf8(output.stdout)?;
        nanoseconds.lines().map(|line| Ok(line.parse::<f64>()? / 1e9)).collect::<Outcome<Vec<f64>>>()
    };
    let mut stops = Vec::new();
    let mut start = |delay| -> Outcome<Vec<f64>> {
        let [program, args @ ..] = words(delay);
        let service = Service::new(program).args(args).min_uptime(Duration::ZERO).port(&port);
        let mut starts_taken = Vec::new();
        for _ in 0..starts {
            let before = clock::nanoseconds();
            let running = service.start()?;
            let ready = clock::nanoseconds();
            running.stop()?;
            starts_taken.push((ready - before) as f64 / 1e9);
            stops.push((clock::nanoseconds() - ready) as f64 / 1e9);
        }
        Ok(starts_taken)
    };
    // The first start creates the threads and the guardian that all starts share.
    start(Duration::ZERO)?;
    let at_once = take_turns(rounds, || start(Duration::ZERO), || knock(Duration::ZERO))?;
    let slow = take_turns(rounds, || start(SLOW), || knock(SLOW))?;
    let added: Vec<f64> =
        pairs(&slow, |times| median(times)).iter().map(|pair| pair.ours - pair.bare).collect();
    Ok(vec![
        Row::ratio(
            "ready, at once",
            Unit::Time,
            &pairs(&at_once, |times| median(times)),
            Target::AtMost(1.2),
        ),
        Row::alone("ready after 20 ms, added", Unit::Time, median(&added), Target::AtMost(0.002)),
        Row::alone("stop, p99", Unit::Time, percentile(&stops, 0.99), Target::AtMost(0.020)),
    ])
}
