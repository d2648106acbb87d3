//! Kill: how late a child that ignores TERM dies. The time runs from before the call of the stop until
//! another thread sees the death, so it includes everything in between.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use childminder::{Policy, ProcessMonitor, Spec, System};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::figures::{median, percentile};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

const KILL_TIME: Duration = Duration::from_millis(100);
/// The number of children that are stopped at once.
const IGNORERS: usize = 8;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let folder = TempDir::new()?;
    let policy = Policy { kill_time: KILL_TIME, ..Policy::default() };
    let monitor = ProcessMonitor::builder().policy(policy).background(System::new())?;
    let mut fifos = Vec::new();
    for number in 0..IGNORERS {
        let fifo = folder.path().join(number.to_string());
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0)?;
        monitor.add_process(&number.to_string(), Spec::new(bench.baseline.program("ignorer")).arg(&fifo))?;
        fifos.push(fifo);
    }
    let mut late = Vec::new();
    for _ in 0..bench.sample(40, 5) {
        late.extend(stop_all(&monitor, &fifos)?);
    }
    let earliest = percentile(&late, 0.0);
    Ok(vec![
        Row::alone("kill deadline, earliest", Unit::Time, earliest, Target::AtLeast(0.0)),
        Row::alone("kill deadline, p50 late", Unit::Time, median(&late), Target::AtMost(0.001)),
        Row::alone("kill deadline, p99 late", Unit::Time, percentile(&late, 0.99), Target::AtMost(0.005)),
    ])
}

/// Starts and stops all children. Returns the time from the kill time to the death of each, in seconds.
fn stop_all(monitor: &ProcessMonitor, fifos: &[PathBuf]) -> Outcome<Vec<f64>> {
    let (ready, all_ready) = mpsc::channel();
    let watches: Vec<_> = fifos
        .iter()
        .map(|fifo| {
            let (fifo, ready) = (fifo.clone(), ready.clone());
            thread::spawn(move || -> io::Result<Instant> {
                // Blocks until the child opens the other end; the child ignores TERM by then.
                let mut held = File::open(fifo)?;
                let _ = ready.send(());
                held.read_to_end(&mut Vec::new())?;
                Ok(clock::now())
            })
        })
        .collect();
    monitor.start_service()?;
    for _ in fifos {
        all_ready.recv()?;
    }
    let begin = clock::now();
    monitor.stop_service().wait()?;
    let mut late = Vec::new();
    for watch in watches {
        let dead = watch.join().map_err(|_| "a watch panicked")??;
        late.push((dead - begin).as_secs_f64() - KILL_TIME.as_secs_f64());
    }
    Ok(late)
}
