//! A process of this test binary that is there to be killed, and a look at what it leaves behind.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_io::{Timer, block_on};
use rustix::process::{Pid, Signal, kill_process};

use super::is_alive;

/// What a victim says begins with this: the test harness in it speaks, too.
const PREFIX: &str = "victim: ";

/// How long anybody may outlive a victim.
const MERCY: Duration = Duration::from_secs(1);

pub(crate) struct Victim {
    mark: String,
    process: std::process::Child,
    /// Its end is the end of the victim, should this process come to its own too early.
    _stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Victim {
    /// In the environment of a victim and of all that it starts; the value tells victims apart.
    pub(crate) const MARK: &str = "CHILDMINDER_TEST_VICTIM";

    /// Starts one that runs `body`, which gets a way to speak, and then waits to be killed. `name` is the path of the
    /// calling test below the crate; the test is called again in the victim, where this does not return.
    pub(crate) fn start(name: &str, body: impl FnOnce(&dyn Fn(&str))) -> Self {
        if env::var_os(Self::MARK).is_some() {
            body(&|text| println!("{PREFIX}{text}"));
            let _ = io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut process = Command::new(env::current_exe().expect("the test binary"))
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(Self::MARK, &mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the test binary starts");
        let stdin = process.stdin.take().expect("piped");
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        Self { mark, process, _stdin: stdin, stdout }
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

    /// Kills it, and waits until nobody of all that it started is alive, its guardian included.
    ///
    /// # Panics
    ///
    /// If somebody is, one second later.
    pub(crate) fn kill_and_look(mut self, signal: Signal) -> Duration {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).expect("it is there");
        let killed = Instant::now();
        let status = self.process.wait().expect("wait");
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        loop {
            let left = self.left();
            let after = killed.elapsed();
            if left.is_empty() {
                return after;
            }
            assert!(after < MERCY, "{after:?} after its end there are {left:#?}");
            block_on(Timer::after(Duration::from_millis(2)));
        }
    }

    /// Who of all that it started is alive.
    pub(crate) fn left(&self) -> Vec<String> {
        let variable = format!("{}={}", Self::MARK, self.mark);
        let marker = format!("{}-", self.process.id());
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc") {
            let name = entry.expect("entry").file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if pid == self.process.id() || !is_alive(pid) {
                continue;
            }
            let words = |file: &str| {
                let words = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                words
                    .split(|b| *b == 0)
                    .map(|word| String::from_utf8_lossy(word).into())
                    .collect::<Vec<String>>()
            };
            let command = words("cmdline");
            let is_its_guardian = command.iter().any(|word| word == "childminder-guardian")
                && command.iter().any(|word| word.starts_with(&marker));
            if is_its_guardian || words("environ").contains(&variable) {
                left.push(format!("{pid} {}", command.join(" ")));
            }
        }
        left
    }
}
