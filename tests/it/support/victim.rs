//! A process of this test binary that is there to be killed, and a look at what it leaves behind.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_io::{Timer, block_on};
use rustix::process::{Pid, Signal, kill_process};

use super::alone::heed_signals;
use super::{PATIENCE, Scratch, is_alive};

/// What a victim says begins with this: the test harness in it speaks, too.
const PREFIX: &str = "victim: ";

/// What a guardian calls itself.
const GUARDIAN: &str = "childminder-guardian";

/// How long anybody may outlive a victim; where all takes long, as long as some looks like the guardian's take just then.
const MERCY: Duration = Duration::from_secs(1);
const LOOKS: u32 = 10;

/// Each look reads all of `/proc`, and must not take the time of those who are to do something.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

pub(crate) struct Victim {
    mark: String,
    /// The end of its input is the end of the victim, should this process come to its own too early.
    process: std::process::Child,
    stdout: BufReader<ChildStdout>,
    /// Its temporary files.
    scratch: Scratch,
}

impl Victim {
    /// In the environment of a victim and of all that it starts; the value tells victims apart.
    pub(crate) const MARK: &str = "CHILDMINDER_TEST_VICTIM";

    /// Starts one that runs `body`, which gets a way to speak, and then waits to be killed. `name` is the path of the
    /// calling test below the crate; the test is called again in the victim, where this does not return.
    pub(crate) fn start(name: &str, body: impl FnOnce(&dyn Fn(&str))) -> Self {
        Self::prepared(name, |_| {}, body)
    }

    /// The same, with something to do to the command that starts it: this is done here, and not in the victim.
    pub(crate) fn prepared(
        name: &str,
        prepare: impl FnOnce(&mut Command),
        body: impl FnOnce(&dyn Fn(&str)),
    ) -> Self {
        if env::var_os(Self::MARK).is_some() {
            heed_signals();
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

    /// The next thing that it says.
    pub(crate) fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            let count = self.stdout.read_line(&mut line).expect("read");
            assert_ne!(count, 0, "the victim ended before its time");
            // The harness says the name of the test without a newline.
            if let Some((_, said)) = line.split_once(PREFIX) {
                return said.trim_end().to_owned();
            }
        }
    }

    /// Sends it a line, for which its body may wait.
    pub(crate) fn go_on(&self) {
        let mut stdin = self.process.stdin.as_ref().expect("piped");
        stdin.write_all(b"\n").expect("it reads");
    }

    /// Kills it, and looks at what it leaves as [`wait_and_look`](Self::wait_and_look) does.
    pub(crate) fn kill_and_look(mut self, signal: Signal) -> Duration {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).expect("it is there");
        // The end of its input could be faster than the signal.
        let _stdin = self.process.stdin.take();
        let (status, after) = self.wait_and_look();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        after
    }

    /// Waits for its end, and until nobody of all that it started is alive, its guardian included. Returns how it ended,
    /// and how long after that the last of them was gone.
    ///
    /// # Panics
    ///
    /// If somebody is alive one second later, or a temporary file is there. On a busy machine it may take longer, and the
    /// guardian itself looks around once more when its work is done.
    pub(crate) fn wait_and_look(mut self) -> (ExitStatus, Duration) {
        // If its input is still open, this closes it first.
        let status = self.process.wait().expect("wait");
        let ended = Instant::now();
        loop {
            let left = self.left();
            let after = ended.elapsed();
            if left.is_empty() {
                self.scratch.assert_empty();
                return (status, after);
            }
            let only_the_guardian = left.iter().all(|who| who.contains(GUARDIAN));
            let mercy = match only_the_guardian {
                true => PATIENCE,
                false if after < MERCY => MERCY,
                false => PATIENCE.min(LOOKS * a_look()),
            };
            assert!(after < mercy, "{after:?} after its end there are {left:#?}");
            block_on(Timer::after(BETWEEN_LOOKS));
        }
    }

    /// Waits until as many of all that it started as these are alive, and returns them. Who is just becoming another program
    /// has no environment for a moment, and is not seen.
    pub(crate) fn family(&self, count: usize) -> Vec<String> {
        let begin = Instant::now();
        loop {
            let left = self.left();
            if left.len() >= count {
                return left;
            }
            assert!(begin.elapsed() < PATIENCE, "these are not {count}: {left:#?}");
            block_on(Timer::after(BETWEEN_LOOKS));
        }
    }

    /// Who of all that it started is alive.
    fn left(&self) -> Vec<String> {
        let variable = format!("{}={}", Self::MARK, self.mark).into_bytes();
        let marker = format!("{}-", self.process.id());
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc") {
            let name = entry.expect("entry").file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if pid == self.process.id() || !is_alive(pid) {
                continue;
            }
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let (command, environment) = (read("cmdline"), read("environ"));
            let has_word = |is_it: &dyn Fn(&[u8]) -> bool| command.split(|b| *b == 0).any(is_it);
            let is_its_guardian = has_word(&|word| word == GUARDIAN.as_bytes())
                && has_word(&|word| word.starts_with(marker.as_bytes()));
            if is_its_guardian || environment.split(|b| *b == 0).any(|word| word == variable) {
                left.push(format!("{pid} {}", String::from_utf8_lossy(&command).replace('\0', " ")));
            }
        }
        left
    }
}

/// How long it takes just now to find somebody by their environment.
fn a_look() -> Duration {
    let begin = Instant::now();
    let look = Command::new("/bin/sh").args(["-c", "grep -lsF nobody=1 /proc/[0-9]*/environ"]).output();
    look.expect("a shell");
    begin.elapsed()
}
