//! A process of this test binary that a test kills, and a census of the processes that survive it.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_io::{Timer, block_on};
use rustix::process::{Pid, Signal, kill_process};

use super::rerun::restore_signals;
use super::{PATIENCE, Scratch, guardian_of, is_alive};

/// Distinguishes the lines of the body from those of the test harness, which shares its stdout.
const PREFIX: &str = "doomed: ";

/// The time that a descendant may outlive the process where the tests measure it, which is when the variable
/// `CHILDMINDER_STORM` is set. Otherwise other tests compete for the processor, and the limit is one that
/// only a broken guardian reaches.
const GRACE: Duration = Duration::from_secs(2);

/// The pause between two scans of `/proc`, which must not take the processor from the guardian.
const SCAN_INTERVAL: Duration = Duration::from_millis(20);

/// A process that runs the body of a test until it is killed.
pub(crate) struct DoomedProcess {
    mark: String,
    /// The process exits at end-of-file of its stdin, so it cannot outlive this one.
    process: std::process::Child,
    stdout: BufReader<ChildStdout>,
    /// Its temporary directory.
    scratch: Scratch,
}

impl DoomedProcess {
    /// A variable in the environment of the process and of its descendants. The value identifies the process.
    pub(crate) const MARK: &str = "CHILDMINDER_TEST_DOOMED";

    /// Starts a process that runs `body` and then waits to be killed. The argument of `body` sends a line to
    /// [`line`](Self::line). `name` is the path of the calling test below the crate; the new process calls
    /// the same test, and this function does not return there.
    pub(crate) fn start(name: &str, body: impl FnOnce(&dyn Fn(&str))) -> Self {
        Self::prepared(name, |_| {}, body)
    }

    /// Starts a process as [`start`](Self::start) does, after `prepare` has changed its command.
    pub(crate) fn prepared(
        name: &str,
        prepare: impl FnOnce(&mut Command),
        body: impl FnOnce(&dyn Fn(&str)),
    ) -> Self {
        if env::var_os(Self::MARK).is_some() {
            restore_signals();
            body(&|text| println!("{PREFIX}{text}"));
            let _ = io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let scratch = Scratch::new();
        let mut command = Command::new(env::current_exe().expect("the test binary"));
        command
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(Self::MARK, &mark)
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        prepare(&mut command);
        let mut process = command.spawn().expect("the test binary starts");
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        Self { mark, process, stdout, scratch }
    }

    /// Returns the next line that the body sends.
    pub(crate) fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            let count = self.stdout.read_line(&mut line).expect("read");
            assert_ne!(count, 0, "the process exited too early");
            // The harness prints the name of the test without a line feed.
            if let Some((_, text)) = line.split_once(PREFIX) {
                return text.trim_end().to_owned();
            }
        }
    }

    /// Returns a word that finds descendants without this environment, if they have it in their command line.
    pub(crate) fn word(&self) -> String {
        Self::word_of(&self.mark)
    }

    /// Returns that word, in the process itself.
    pub(crate) fn own_word() -> String {
        Self::word_of(&env::var(Self::MARK).expect("a doomed process"))
    }

    fn word_of(mark: &str) -> String {
        format!("doomed-{mark}-word")
    }

    /// Writes an empty line to its stdin, for which the body may wait.
    pub(crate) fn go_on(&self) {
        self.write_line("");
    }

    /// Writes a line to its stdin, for which the body may wait.
    pub(crate) fn write_line(&self, text: &str) {
        let mut stdin = self.process.stdin.as_ref().expect("piped");
        stdin.write_all(format!("{text}\n").as_bytes()).expect("it reads");
    }

    /// Sends `signal`.
    pub(crate) fn kill(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it is there");
    }

    /// Sends `signal`, and waits for the end of its descendants as
    /// [`wait_for_the_end`](Self::wait_for_the_end) does.
    pub(crate) fn kill_and_wait(mut self, signal: Signal) -> Duration {
        self.kill(signal);
        // End-of-file could be faster than the signal.
        let _stdin = self.process.stdin.take();
        let (status, after) = self.wait_for_the_end();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        after
    }

    /// Waits for its exit and for the exit of all its descendants, the guardian included. Returns its exit
    /// status, and the time from its exit to the last exit of a descendant.
    ///
    /// # Panics
    ///
    /// If a descendant outlives the limit (see [`GRACE`]), or a temporary file
    /// is left. The guardian may take longer, since it scans once more when its work is done.
    pub(crate) fn wait_for_the_end(mut self) -> (ExitStatus, Duration) {
        // If its input is still open, this closes it first.
        let status = self.process.wait().expect("wait");
        let ended = Instant::now();
        loop {
            let alive = self.descendants();
            let after = ended.elapsed();
            if alive.is_empty() {
                self.scratch.assert_empty();
                return (status, after);
            }
            let only_guardians = alive.iter().all(|(_, is_guardian)| *is_guardian);
            let is_measured = env::var_os("CHILDMINDER_STORM").is_some();
            let limit = if is_measured && !only_guardians { GRACE } else { PATIENCE };
            assert!(after < limit, "still alive {after:?} after the exit: {alive:#?}");
            block_on(Timer::after(SCAN_INTERVAL));
        }
    }

    /// Waits until `count` descendants are alive besides the guardians, and returns them. A process has no
    /// environment during `exec` and is not seen then.
    pub(crate) fn family(&self, count: usize) -> Vec<String> {
        let begin = Instant::now();
        loop {
            let alive = self.descendants().into_iter().filter(|(_, is_guardian)| !is_guardian);
            let alive: Vec<String> = alive.map(|(process, _)| process).collect();
            if alive.len() >= count {
                return alive;
            }
            assert!(begin.elapsed() < PATIENCE, "fewer than {count} processes: {alive:#?}");
            block_on(Timer::after(SCAN_INTERVAL));
        }
    }

    /// Returns the ids of its living guardians.
    pub(crate) fn guardians(&self) -> Vec<u32> {
        let id = |process: String| process.split(' ').next()?.parse().ok();
        let guardians = self.descendants().into_iter().filter(|(_, is_guardian)| *is_guardian);
        guardians.filter_map(|(process, _)| id(process)).collect()
    }

    /// Returns id and command line of each living descendant, and whether it is a guardian.
    fn descendants(&self) -> Vec<(String, bool)> {
        let variable = format!("{}={}", Self::MARK, self.mark).into_bytes();
        let word = self.word().into_bytes();
        let marker = format!("{}-", self.process.id());
        let mut alive = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc") {
            let name = entry.expect("entry").file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if pid == self.process.id() || !is_alive(pid) {
                continue;
            }
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let (command, environment) = (read("cmdline"), read("environ"));
            let is_guardian = guardian_of(pid).is_some_and(|(_, token)| token.starts_with(&marker));
            let is_named = command.windows(word.len()).any(|part| part == word);
            if is_guardian || is_named || environment.split(|b| *b == 0).any(|word| word == variable) {
                let command = String::from_utf8_lossy(&command).replace('\0', " ");
                alive.push((format!("{pid} {command}"), is_guardian));
            }
        }
        alive
    }
}
