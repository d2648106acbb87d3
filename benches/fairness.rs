//! Fairness: fifty children write as fast as they can, and their lines go to a file. The figures are the
//! lines of all of them, and those of the slowest child relative to the fastest.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use childminder::output::{Batch, WriterSink};
use childminder::{ProcessMonitor, Spec, System};
use tempfile::TempDir;

use super::figures::{median, pairs, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

const CHILDREN: usize = 50;

/// The length of a line of `writer.c`.
const LINE: usize = 100;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    // The file grows by some hundred bytes a microsecond.
    let millis = bench.sample(300, 200).to_string();
    let folder = TempDir::new()?;
    let file = folder.path().join("lines");
    let words = [&[millis, CHILDREN.to_string()][..], &[bench.baseline.program("writer"), "0".to_owned()]];
    let words = words.concat();
    let ours = [bench.baseline.contender("fairness")?, words.clone()].concat();
    let bare = [vec![bench.baseline.program("funnel")], words].concat();
    let turns = take_turns(bench.sample(9, 2), || lines_of(&ours, &file), || lines_of(&bare, &file))?;
    let rate = |lines: &Vec<f64>| lines.iter().sum::<f64>();
    let share = |lines: &Vec<f64>| {
        let (least, most) = lines
            .iter()
            .fold((f64::MAX, 0.0), |(least, most), &lines| (f64::min(least, lines), f64::max(most, lines)));
        least / most
    };
    let shares: Vec<f64> = turns.iter().map(|(ours, _)| share(ours)).collect();
    Ok(vec![
        Row::ratio("50 writers, lines", Unit::Rate, &pairs(&turns, rate), Target::AtLeast(1.2)),
        Row::alone("50 writers, slowest of fastest", Unit::Share, median(&shares), Target::AtLeast(0.98)),
    ])
}

/// Runs a contender, and returns the lines per second of each child.
fn lines_of(contender: &[String], file: &Path) -> Outcome<Vec<f64>> {
    let output = Command::new(&contender[0])
        .args(&contender[1..])
        .stdin(Stdio::null())
        .stdout(File::create(file)?)
        .stderr(Stdio::piped())
        .output()?;
    fs::remove_file(file)?;
    // On a busy system it is longer than it was asked to be.
    let text = String::from_utf8(output.stderr)?;
    let mut words = text.lines();
    let seconds = words.next().ok_or("nothing was counted")?.parse::<f64>()? / 1e9;
    let lines: Vec<f64> = words.map(|line| Ok(line.parse::<f64>()? / seconds)).collect::<Outcome<_>>()?;
    if lines.len() != CHILDREN {
        return Err(format!("{} has counted {} children", contender[0], lines.len()).into());
    }
    Ok(lines)
}

/// Counts the lines of children for some time, like `funnel.c`.
pub(crate) fn contend(words: &[String]) -> Outcome<()> {
    let [millis, count, program, args @ ..] = words else { return Err("no program".into()) };
    let counts: Arc<[AtomicU64]> = (0..count.parse()?).map(|_| AtomicU64::new(0)).collect();
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let monitor = ProcessMonitor::builder()
        .sink(WriterSink::open_file(stdout).format({
            let counts = counts.clone();
            move |batch, out| render_and_count(batch, out, &counts)
        }))
        .background(System::new())?;
    for number in 0..counts.len() {
        monitor.add_process(&number.to_string(), Spec::new(program).args(args))?;
    }
    monitor.start_service()?;
    let read = || counts.iter().map(|count| count.load(Ordering::Relaxed)).collect::<Vec<_>>();
    while read().contains(&0) {
        clock::wait(Duration::from_millis(10));
    }
    let (begin, before) = (clock::now(), read());
    clock::wait(Duration::from_millis(millis.parse()?));
    let (after, elapsed) = (read(), begin.elapsed());
    monitor.kill_service().wait()?;
    eprintln!("{}", elapsed.as_nanos());
    for (after, before) in after.iter().zip(before) {
        eprintln!("{}", after - before);
    }
    Ok(())
}

/// Shows the lines like [`Batch::render`], and counts them by their length, so that they are not looked at
/// once more: `funnel.c` counts them while it finds them. The name of a child is its number.
fn render_and_count(batch: &Batch<'_>, out: &mut Vec<u8>, counts: &[AtomicU64]) {
    let before = out.len();
    batch.render(out);
    let lines = (out.len() - before) / (LINE + batch.name().len() + 3);
    let number: usize = batch.name().parse().expect("the names are numbers");
    counts[number].fetch_add(lines as u64, Ordering::Relaxed);
}
