//! Fairness: fifty children write as fast as they can. The figure is the number of lines of the slowest
//! child, relative to the fastest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use childminder::output::Batch;
use childminder::{ProcessMonitor, Sink, Spec, System};

use super::figures::median;
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

const CHILDREN: usize = 50;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let counts: Arc<[AtomicU64]> = (0..CHILDREN).map(|_| AtomicU64::new(0)).collect();
    let monitor = ProcessMonitor::builder().sink(Counter(counts.clone())).background(System::new())?;
    for number in 0..CHILDREN {
        monitor.add_process(&number.to_string(), Spec::new(bench.baseline.program("writer")).arg("0"))?;
    }
    monitor.start_service()?;
    let read = || counts.iter().map(|count| count.load(Ordering::Relaxed) as f64).collect::<Vec<_>>();
    let moment = Duration::from_millis(100);
    while read().contains(&0.0) {
        clock::wait(moment);
    }
    let mut shares = Vec::new();
    for _ in 0..bench.sample(5, 1) {
        let before = read();
        clock::wait(moment * bench.sample(20, 10) as u32);
        let lines: Vec<f64> = read().iter().zip(before).map(|(after, before)| after - before).collect();
        let (least, most) = lines
            .iter()
            .fold((f64::MAX, 0.0), |(least, most), &lines| (f64::min(least, lines), f64::max(most, lines)));
        shares.push(least / most);
    }
    monitor.stop_service().wait()?;
    Ok(vec![Row::alone("50 writers, slowest of fastest", Unit::Share, median(&shares), Target::AtLeast(0.7))])
}

/// Counts the lines of each child. The name of a child is its number.
struct Counter(Arc<[AtomicU64]>);

impl Sink for Counter {
    fn lines(&mut self, batch: &Batch<'_>) {
        let number: usize = batch.name().parse().expect("the names are numbers");
        self.0[number].fetch_add(batch.lines().count() as u64, Ordering::Relaxed);
    }
}
