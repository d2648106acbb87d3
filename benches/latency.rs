//! Latency: the time of one line on an idle system, from before the `write` of the child until the reader of
//! the log has it: of a pipe, and of a file. The line contains the time at which it was written.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, Read, pipe};
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[cfg(target_os = "linux")]
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::inotify,
    process::{Pid, PidfdFlags, pidfd_open},
};
use tempfile::TempDir;

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
    let folder = TempDir::new()?;
    let log = folder.path().join("log");
    let to_pipe = take_turns(rounds, || through_pipe(&cli), || through_pipe(&copier))?;
    let to_file = take_turns(rounds, || through_file(&cli, &log), || through_file(&copier, &log))?;
    let row = |what, turns: &[_]| {
        let middle = |latencies: &Vec<f64>| median(latencies);
        Row::ratio(what, Unit::Time, &pairs(turns, middle), Target::AtMost(1.2))
    };
    Ok(vec![row("single line to a pipe, p50", &to_pipe), row("single line to a file, p50", &to_file)])
}

fn start(contender: &[String], stdout: impl Into<Stdio>) -> Outcome<Child> {
    Ok(Command::new(&contender[0]).args(&contender[1..]).stdin(Stdio::null()).stdout(stdout).spawn()?)
}

/// Reads the output of a contender from a pipe, and returns the age of each line in seconds.
fn through_pipe(contender: &[String]) -> Outcome<Vec<f64>> {
    let (mut reader, writer): (PipeReader, _) = pipe()?;
    let mut process = start(contender, writer)?;
    let mut ages = Ages::default();
    let mut buf = [0; 4096];
    loop {
        match reader.read(&mut buf) {
            Ok(0) => break,
            Ok(length) => ages.read(&buf[..length])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    process.wait()?;
    Ok(ages.0)
}

/// Reads the output of a contender from a file, and returns the age of each line in seconds.
fn through_file(contender: &[String], path: &Path) -> Outcome<Vec<f64>> {
    let (writer, mut reader) = (File::create(path)?, File::open(path)?);
    let writes = Writes::to(path)?;
    let mut process = start(contender, writer)?;
    let mut ages = Ages::default();
    let mut buf = [0; 4096];
    loop {
        let has_ended = writes.wait(&process)?;
        loop {
            match reader.read(&mut buf)? {
                0 => break,
                length => ages.read(&buf[..length])?,
            }
        }
        if has_ended {
            process.wait()?;
            return Ok(ages.0);
        }
    }
}

/// The writes to a file, for which a reader waits like `tail -f`. A reader that reads without a pause would
/// take one of two cores, and compete for it with what it measures: a line would be read only when the
/// contender sleeps again.
#[cfg(target_os = "linux")]
struct Writes(OwnedFd);

#[cfg(target_os = "linux")]
impl Writes {
    fn to(path: &Path) -> Outcome<Self> {
        let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(&events, path, inotify::WatchFlags::MODIFY)?;
        Ok(Self(events))
    }

    /// Waits for a write, or for the end of `process`. Returns whether that has ended. A write from now on is
    /// reported by the next call.
    fn wait(&self, process: &Child) -> Outcome<bool> {
        let end = pidfd_open(Pid::from_child(process), PidfdFlags::empty())?;
        let mut fds = [PollFd::new(&self.0, PollFlags::IN), PollFd::new(&end, PollFlags::IN)];
        poll(&mut fds, None)?;
        let has_ended = fds[1].revents().contains(PollFlags::IN);
        while rustix::io::read(&self.0, &mut [0; 4096]).is_ok() {}
        Ok(has_ended)
    }
}

#[cfg(not(target_os = "linux"))]
struct Writes;

#[cfg(not(target_os = "linux"))]
impl Writes {
    fn to(_path: &Path) -> Outcome<Self> {
        Ok(Self)
    }

    fn wait(&self, process: &mut Child) -> Outcome<bool> {
        clock::wait(std::time::Duration::from_micros(50));
        Ok(process.try_wait()?.is_some())
    }
}

/// The ages of lines when they were read.
#[derive(Default)]
struct Ages(Vec<f64>);

impl Ages {
    fn read(&mut self, bytes: &[u8]) -> Outcome<()> {
        let now = clock::nanoseconds();
        for line in std::str::from_utf8(bytes)?.lines() {
            let (_, written) = line.split_once("] ").ok_or("a line without a name")?;
            self.0.push((now - written.parse::<i64>()?) as f64 / 1e9);
        }
        Ok(())
    }
}
