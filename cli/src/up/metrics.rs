//! The metrics of `up --metrics FILE`, in the text format of Prometheus.
//!
//! A thread of its own writes the file, so that a slow disk delays nothing. It sleeps until something has
//! changed, and writes at most once in [`INTERVAL`]. Times are time stamps, which stay the same while nothing
//! happens.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use childminder::output::{Batch, WriterHealth};
use childminder::{Name, Phase, ProcessMonitor, Sink};

use super::log_files::LogFiles;
use crate::control::protocol::state;

/// The shortest time between two versions of the file.
const INTERVAL: Duration = Duration::from_secs(2);

/// The states that a process can have.
const STATES: [&str; 10] =
    ["blocked", "starting", "up", "stopping", "waiting", "held", "completed", "failed", "gave-up", "down"];

/// The numbers of lines, and whether anything has changed since the last version. Clones are the same. As a
/// sink it counts lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: BTreeMap<Name, u64>,
    is_changed: bool,
    has_ended: bool,
}

impl Counters {
    /// Wakes the thread, since something may have changed.
    pub(crate) fn touch(&self) {
        self.0.touch(&mut self.0.lock());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread, unless it was woken already and has not written since.
    fn touch(&self, state: &mut State) {
        if !std::mem::replace(&mut state.is_changed, true) {
            self.wake.notify_one();
        }
    }
}

impl Sink for Counters {
    fn lines(&mut self, batch: &Batch<'_>) {
        // A line that came in pieces is one line.
        let count = batch.lines().filter(|line| !line.continued).count() as u64;
        let mut state = self.0.lock();
        match state.lines.get_mut(batch.name()) {
            Some(lines) => *lines += count,
            None => drop(state.lines.insert(batch.name().clone(), count)),
        }
        self.0.touch(&mut state);
    }

    /// Counting never blocks.
    fn room(&mut self) -> usize {
        usize::MAX
    }
}

/// A file with the metrics of a monitor.
pub(crate) struct Metrics {
    pub(crate) path: PathBuf,
    pub(crate) counters: Counters,
    pub(crate) monitor: ProcessMonitor,
    pub(crate) log_files: LogFiles,
    /// The counters of the standard output, or in the background of the log.
    pub(crate) output: Arc<WriterHealth>,
    pub(crate) version: Version,
}

impl Metrics {
    /// Writes the file, if it differs from what is in it.
    ///
    /// # Errors
    ///
    /// [`MetricsError`] if it cannot be written. The next attempt may succeed.
    pub(crate) fn write(&mut self) -> Result<(), MetricsError> {
        let text = self.render();
        if text == self.version.text {
            return Ok(());
        }
        replace(&self.path, &text).map_err(|source| MetricsError { path: self.path.clone(), source })?;
        self.version.text = text;
        Ok(())
    }

    /// Starts the thread that keeps the file up to date.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create the thread.
    pub(crate) fn start(self) -> io::Result<MetricsThread> {
        let counters = self.counters.clone();
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(move || self.run())?;
        Ok(MetricsThread { thread, counters })
    }

    fn run(mut self) {
        let shared = self.counters.0.clone();
        let mut is_failing = false;
        loop {
            let idle = |state: &mut State| !state.is_changed && !state.has_ended;
            let mut state =
                shared.wake.wait_while(shared.lock(), idle).unwrap_or_else(PoisonError::into_inner);
            state.is_changed = false;
            let has_ended = state.has_ended;
            drop(state);
            let result = self.write();
            match &result {
                Ok(()) if is_failing => log::info!("the metrics are written again"),
                Err(error) if !is_failing => log::warn!("{error}; this is tried again"),
                Ok(()) | Err(_) => {}
            }
            if has_ended {
                return;
            }
            is_failing = result.is_err();
            let state = shared.lock();
            let pause = shared.wake.wait_timeout_while(state, INTERVAL, |state| !state.has_ended);
            let (mut state, _) = pause.unwrap_or_else(PoisonError::into_inner);
            state.is_changed |= is_failing;
        }
    }

    fn render(&mut self) -> String {
        let lost = self.log_files.lost();
        let lines = self.counters.0.lock().lines.clone();
        let (now, clock) = (self.monitor.now(), jiff::Timestamp::now().as_millisecond());
        let mut samples = Vec::new();
        let mut times = BTreeMap::new();
        for status in self.monitor.statuses() {
            let mut time = |event, at: Option<Instant>| {
                let at = at?;
                let key = (status.name.clone(), event);
                let known = self.version.times.get(&key).filter(|(known, _)| *known == at).copied();
                let known = known.unwrap_or_else(|| (at, clock_of(at, now, clock)));
                times.insert(key, known);
                Some(known.1)
            };
            samples.push(Sample {
                start: time("start", status.since),
                next_start: time("next start", status.next_start),
                state: state(status.phase),
                is_ready: status.phase == Phase::Up && status.ready_since.is_some(),
                restarts: status.restarts,
                delay: status.delay,
                lines: lines.get(&status.name).copied().unwrap_or_default(),
                dropped: lost.get(&status.name).copied().unwrap_or_default(),
                name: status.name,
            });
        }
        self.version.times = times;
        render(&samples, self.output.lost())
    }
}

/// The version of the metrics that is in the file.
#[derive(Debug, Default)]
pub(crate) struct Version {
    text: String,
    /// The times of its events by the clock, in milliseconds. They are taken once, because the clock may be
    /// set meanwhile.
    times: BTreeMap<(Name, &'static str), (Instant, i64)>,
}

/// Returns the time of the clock at the instant `at`, if it is `clock` now.
fn clock_of(at: Instant, now: Instant, clock: i64) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let past = clock.saturating_sub(millis(now.saturating_duration_since(at)));
    past.saturating_add(millis(at.saturating_duration_since(now)))
}

/// The running thread.
pub(crate) struct MetricsThread {
    thread: JoinHandle<()>,
    counters: Counters,
}

impl MetricsThread {
    /// Writes the last version, and ends the thread.
    pub(crate) fn end(self) {
        self.counters.0.lock().has_ended = true;
        self.counters.0.wake.notify_one();
        // Its panic was printed.
        let _ = self.thread.join();
    }
}

/// The figures of one process.
struct Sample {
    name: Name,
    state: &'static str,
    is_ready: bool,
    restarts: u64,
    /// Times of the clock in milliseconds.
    start: Option<i64>,
    next_start: Option<i64>,
    delay: Duration,
    lines: u64,
    dropped: u64,
}

fn render(samples: &[Sample], dropped: u64) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, value: &dyn Fn(&Sample) -> Option<String>| {
        // Writing into memory does not fail.
        let _ = writeln!(text, "# HELP childminder_{name} {help}\n# TYPE childminder_{name} {kind}");
        for sample in samples {
            if let Some(value) = value(sample) {
                let _ = writeln!(text, "childminder_{name}{{name=\"{}\"}} {value}", label(&sample.name));
            }
        }
    };
    let time = |millis: i64| format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000));
    metric("process_restarts_total", "counter", "Restarts of the process.", &|process| {
        Some(process.restarts.to_string())
    });
    metric("process_ready", "gauge", "Whether the process is up and ready.", &|process| {
        Some(u8::from(process.is_ready).to_string())
    });
    metric(
        "process_start_time_seconds",
        "gauge",
        "The start of the current run, in Unix time.",
        &|process| process.start.map(time),
    );
    metric("process_next_start_time_seconds", "gauge", "The planned restart, in Unix time.", &|process| {
        process.next_start.map(time)
    });
    metric("process_restart_delay_seconds", "gauge", "The delay after the next instant death.", &|process| {
        Some(process.delay.as_secs_f64().to_string())
    });
    metric("process_lines_total", "counter", "Lines of output of the process.", &|process| {
        Some(process.lines.to_string())
    });
    metric("process_dropped_lines_total", "counter", "Lines missing in the log file.", &|process| {
        Some(process.dropped.to_string())
    });
    text.push_str("# HELP childminder_process_state The state of the process, which has the value 1.\n");
    text.push_str("# TYPE childminder_process_state gauge\n");
    for Sample { name, state, .. } in samples {
        for other in STATES {
            let (name, value) = (label(name), u8::from(*state == other));
            let _ = writeln!(text, "childminder_process_state{{name=\"{name}\",state=\"{other}\"}} {value}");
        }
    }
    text.push_str(
        "# HELP childminder_output_dropped_lines_total Lines missing in the output of all processes.\n",
    );
    text.push_str("# TYPE childminder_output_dropped_lines_total counter\n");
    let _ = writeln!(text, "childminder_output_dropped_lines_total {dropped}");
    text
}

/// Escapes the value of a label.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Replaces a file in one step, so that a reader never sees a part of it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it exists and is not a regular file"));
    }
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_string_lossy();
    // The node exporter reads files whose names end with .prom.
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let create = || {
        // Another user of the directory may read the file, but cannot choose what it is.
        let _ = fs::remove_file(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&temporary, path)
    };
    create().inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// The error for metrics that cannot be written.
#[derive(Debug)]
pub(crate) struct MetricsError {
    path: PathBuf,
    source: io::Error,
}

impl Display for MetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write the metrics to {}: {}", self.path.display(), self.source)?;
        match self.source.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => {
                f.write_str("; the directory must exist and be writable")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for MetricsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use childminder::System;

    use super::*;

    #[test]
    fn a_time_of_the_clock_is_that_of_its_instant() {
        let now = ProcessMonitor::new(System::new()).0.now();
        let second = Duration::from_secs(1);
        assert_eq!(clock_of(now, now, 5000), 5000);
        assert_eq!(clock_of(now + second, now, 5000), 6000);
        assert_eq!(clock_of(now, now + second, 5000), 4000);
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("it.prom");
        replace(&path, "one").unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        std::os::unix::fs::symlink(&path, dir.path().join("link")).unwrap();
        for wrong in ["link", "", "missing/it.prom"] {
            replace(&dir.path().join(wrong), "three").unwrap_err();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
