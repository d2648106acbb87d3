//! Output: the cost of a line on its way from a child to a file, and the throughput. A child writes lines of
//! 100 bytes as fast as it can. The cost is the CPU time of the contender, without that of the child.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use childminder::machine::NoticeKind;
use childminder::{LogSink, Notice, ProcessMonitor, Spec, System};
use log::{LevelFilter, Log, Metadata, Record};
use tempfile::TempDir;

use super::figures::{pairs, take_turns};
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome};

const NAME: &str = "writer";

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let (rounds, lines) = (bench.sample(9, 3), bench.sample(4_000_000, 1_000_000));
    let folder = TempDir::new()?;
    let program = |name| bench.baseline.program(name);
    let race = Race { stopwatch: program("stopwatch"), folder: folder.path(), lines };

    let writer = [program("writer"), lines.to_string()];
    let with = |words: Vec<String>, extra: &[&str]| -> Vec<String> {
        words.into_iter().chain(writer.iter().cloned()).chain(extra.iter().map(ToString::to_string)).collect()
    };
    let copier = with(vec![program("copier"), NAME.to_owned()], &[]);
    // The command line would restart the writer endlessly, so the writer ends it.
    let cli = ["run", "-qq", "--name", NAME, "--"].map(str::to_owned);
    let cli = with([vec![bench.baseline.command_line()?], cli.to_vec()].concat(), &["term"]);
    let logging = with(bench.baseline.contender("output")?, &[]);

    let through_cli = take_turns(rounds, || race.run(&cli), || race.run(&copier))?;
    let through_log = take_turns(rounds, || race.run(&logging), || race.run(&copier))?;
    let cpu = |cost: &Cost| cost.cpu;
    let rate = |cost: &Cost| 1.0 / cost.wall;
    Ok(vec![
        Row::ratio("output, CPU per line", Unit::Time, &pairs(&through_cli, cpu), Target::AtMost(0.75)),
        Row::ratio("output, lines", Unit::Rate, &pairs(&through_cli, rate), Target::AtLeast(1.56)),
        Row::ratio(
            "output to `log`, CPU per line",
            Unit::Time,
            &pairs(&through_log, cpu),
            Target::AtMost(1.2),
        ),
    ])
}

/// The cost of one line, in seconds.
#[derive(Debug)]
struct Cost {
    wall: f64,
    cpu: f64,
}

/// The conditions that are equal for all contenders.
#[derive(Debug)]
struct Race<'a> {
    stopwatch: String,
    folder: &'a Path,
    lines: usize,
}

impl Race<'_> {
    fn run(&self, contender: &[String]) -> Outcome<Cost> {
        let (output, result) = (self.folder.join("output"), self.folder.join("result"));
        let status = Command::new(&self.stopwatch)
            .arg(&result)
            .args(contender)
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .status()?;
        let (written, times) = (fs::metadata(&output)?.len(), fs::read_to_string(&result)?);
        fs::remove_file(&output)?;
        fs::remove_file(&result)?;
        let expected = self.lines * (100 + NAME.len() + 3);
        if !status.success() || written != expected as u64 {
            return Err(format!("{} wrote {written} bytes, not {expected}", contender[0]).into());
        }
        let per_line = |word: &str| word.parse::<f64>().map(|ns| ns / 1e9 / self.lines as f64);
        let (wall, cpu) = times.trim_end().split_once(' ').ok_or("the stopwatch printed nothing")?;
        Ok(Cost { wall: per_line(wall)?, cpu: per_line(cpu)? })
    }
}

/// Runs the child in `command` once, and logs its lines.
pub(crate) fn contend(command: &[String]) -> Outcome<()> {
    log::set_logger(&LOGGER)?;
    log::set_max_level(LevelFilter::Info);
    let monitor = ProcessMonitor::background(System::new())?;
    let mut notices = monitor.notices();
    monitor.add_process(NAME, Spec::new(&command[0]).args(&command[1..]))?;
    monitor.start_process(NAME)?;
    loop {
        match notices.wait() {
            // The exit is published after the last line.
            Some(Ok(Notice { kind: NoticeKind::Exited { .. }, .. })) => break,
            Some(Ok(_) | Err(_)) => {}
            None => return Err("the monitor has ended".into()),
        }
    }
    LOGGER.flush();
    Ok(())
}

/// A logger that collects records before it writes them to stdout.
struct Batching(Mutex<String>);

static LOGGER: Batching = Batching(Mutex::new(String::new()));

impl Batching {
    const CAPACITY: usize = 64 * 1024;

    fn lock(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_out(waiting: &mut String) {
        let written = std::io::stdout().write_all(waiting.as_bytes());
        written.expect("stdout is a file");
        waiting.clear();
    }
}

impl Log for Batching {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == LogSink::TARGET
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut waiting = self.lock();
        writeln!(waiting, "{}", record.args()).expect("a string accepts every write");
        if waiting.len() >= Self::CAPACITY {
            Self::write_out(&mut waiting);
        }
    }

    fn flush(&self) {
        Self::write_out(&mut self.lock());
    }
}
