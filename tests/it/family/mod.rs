//! A stop ends everything that a program has started, wherever it has gone.
//!
//! Each case runs in three processes. The test itself waits for the second one, which adopts all orphans
//! below it and so can count every process that exists; the third one has the monitor. The count comes from
//! `/proc` and not from the library.

mod daemons;
mod scripts;
mod servers;
mod tiers;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use childminder::machine::{Containment, NoticeKind};
use childminder::{Policy, ProcessMonitor, Spec, System};

use crate::support::{PATIENCE, alone, eventually_within, skip};

/// In the environment of the third process: the tier to use.
const TIER: &str = "CHILDMINDER_TEST_TIER";

/// The prefix of the lines that the third process writes.
const PREFIX: &str = "family: ";

/// The time for which a process may exist after a stop has returned `Ok`.
const GRACE: Duration = Duration::from_secs(1);

/// The tiers that find every descendant which does not remove both of its marks.
const STRONG: [Containment; 3] = [Containment::Family, Containment::Subreaper, Containment::Cgroup];

/// When a program is to be stopped.
enum Until {
    /// When this function says so.
    Ready(fn(&Path) -> bool),
    /// When it has ended by itself, as a program does that puts itself into the background.
    Exited,
}

struct Case {
    /// The path of the test below the crate.
    name: &'static str,
    spec: fn(&Path) -> Spec,
    until: Until,
    tiers: &'static [Containment],
    /// The number of times that the program is started and stopped in the same directory.
    rounds: u32,
    /// The time in which it must become ready.
    patience: Duration,
}

impl Case {
    fn new(name: &'static str, spec: fn(&Path) -> Spec, until: Until) -> Self {
        Self { name, spec, until, tiers: &STRONG, rounds: 1, patience: PATIENCE }
    }

    fn run(&self) {
        self.run_under(&[]);
    }

    /// Runs the case with the monitor started through `wrapper`.
    fn run_under(&self, wrapper: &[&str]) {
        if let Ok(tier) = env::var(TIER) {
            return self.monitor(&tier);
        }
        alone(self.name, || {
            for tier in self.tiers {
                self.count(*tier, wrapper);
            }
        });
    }

    /// In the second process: starts the third one, and counts what is left after each stop.
    fn count(&self, tier: Containment, wrapper: &[&str]) {
        let dir = tempfile::tempdir().expect("a directory");
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .expect("it is ours");
        let binary = env::current_exe().expect("the test binary");
        let mut words = wrapper.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        words.push(binary.display().to_string());
        let process = Command::new(&words[0])
            .args(&words[1..])
            .args(["--exact", self.name, "--nocapture", "--test-threads=1"])
            .env(TIER, tier.to_string())
            .env("CHILDMINDER_TEST_DIR", dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test binary starts");
        let mut monitor = Monitor::of(process);
        for round in 0..self.rounds {
            match monitor.line() {
                Some(line) if line == "stopped" => {}
                Some(line) if line.starts_with("unavailable") => return skip(self.name, &line),
                other => panic!("{tier}, round {round}: {other:?}"),
            }
            let stopped = Instant::now();
            loop {
                let left = descendants(std::process::id(), monitor.process.id());
                if left.is_empty() {
                    break;
                }
                assert!(stopped.elapsed() < GRACE, "{tier}, round {round}: these are alive: {left:#?}");
                thread::yield_now();
            }
            monitor.go_on();
        }
        assert_eq!(monitor.line().as_deref(), Some("done"), "{tier}");
        monitor.process.wait().expect("wait");
        let _ = dir.close();
    }

    /// In the third process: starts and stops the program.
    fn monitor(&self, tier: &str) {
        let dir = env::var("CHILDMINDER_TEST_DIR").expect("a directory");
        let dir = Path::new(&dir);
        let tier = [Containment::Group, Containment::Family, Containment::Subreaper, Containment::Cgroup]
            .into_iter()
            .find(|one| one.to_string() == tier)
            .expect("a tier");
        let system = match System::builder().exactly(tier).build() {
            Ok(system) => system,
            Err(error) => return println!("{PREFIX}unavailable: {error}"),
        };
        let policy = Policy {
            kill_time: Duration::from_millis(500),
            min_restart_delay: Duration::from_secs(60),
            max_restart_delay: Duration::from_secs(60),
            ..Policy::default()
        };
        let monitor = ProcessMonitor::background(system).expect("a monitor");
        for _ in 0..self.rounds {
            let mut notices = monitor.notices();
            monitor.add_process("it", (self.spec)(dir).policy(policy)).expect("it is added");
            monitor.start_service().unwrap();
            match self.until {
                Until::Ready(is_ready) => eventually_within(self.patience, "it is ready", || is_ready(dir)),
                Until::Exited => {
                    let exited = notices.iter().flatten().find(|notice| {
                        assert!(!matches!(notice.kind, NoticeKind::SpawnFailed { .. }), "{notice}");
                        matches!(notice.kind, NoticeKind::Exited { .. })
                    });
                    assert!(exited.is_some());
                }
            }
            let status = monitor.status("it").expect("it is known");
            assert!(status.containment.is_none_or(|one| one == tier), "{status:?}");
            monitor.stop_service().wait().expect("everything is gone");
            monitor.remove_process("it").expect("it is known").wait().expect("it is gone");
            println!("{PREFIX}stopped");
            io::stdin().read_exact(&mut [0]).expect("the second process is there");
        }
        println!("{PREFIX}done");
    }
}

/// The third process, seen from the second one.
struct Monitor {
    process: Child,
    stdout: BufReader<ChildStdout>,
}

impl Monitor {
    fn of(mut process: Child) -> Self {
        let stdout = BufReader::new(process.stdout.take().expect("piped"));
        Self { process, stdout }
    }

    /// Returns the next line, without its prefix; `None` at the end.
    fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).expect("read") == 0 {
                return None;
            }
            if let Some((_, text)) = line.split_once(PREFIX) {
                return Some(text.trim_end().to_owned());
            }
        }
    }

    fn go_on(&mut self) {
        io::Write::write_all(self.process.stdin.as_mut().expect("piped"), b"\n").expect("it reads");
    }
}

/// Returns the live processes below `root` that are neither `except` nor marked as a client of the test, each
/// with its command line.
fn descendants(root: u32, except: u32) -> Vec<String> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let Some((_, fields)) = stat.rsplit_once(')') else { continue };
        let mut fields = fields.split_ascii_whitespace();
        let (state, parent) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        if !matches!(state, "Z" | "X") {
            parents.insert(pid, parent.parse::<u32>().expect("a process id"));
        }
    }
    let is_below = |mut pid: u32| {
        while let Some(parent) = parents.get(&pid) {
            if *parent == root {
                return true;
            }
            pid = *parent;
        }
        false
    };
    let found = parents.keys().filter(|pid| **pid != except && is_below(**pid) && !is_client(**pid));
    found
        .map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!("{pid} {}", String::from_utf8_lossy(&command).replace('\0', " "))
        })
        .collect()
}

/// In the environment of a client that a test starts by itself.
const CLIENT: &str = "CHILDMINDER_TEST_CLIENT";

fn is_client(pid: u32) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(CLIENT.as_bytes()))
}

fn sh(dir: &Path, script: &str) -> Spec {
    Spec::new("sh").args(["-c", script]).cwd(dir)
}

fn python(dir: &Path, script: &str) -> Spec {
    Spec::new("python3").args(["-c", script]).cwd(dir)
}

/// Whether the program has written the file `ready`.
fn wrote_ready(dir: &Path) -> bool {
    dir.join("ready").exists()
}
