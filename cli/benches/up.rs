//! What `childminder up` adds to the library: `cargo bench -p childminder-cli`.
//!
//! Each row is a figure with its target. `up` and a program that uses the library alone are started in turn,
//! and the ratio of each pair counts, so that the load of the machine matters less. `-- --quick` takes fewer
//! processes and samples.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use childminder::machine::NoticeKind;
use childminder::output::WriterSink;
use childminder::{Policy, ProcessMonitor, Spec, System};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_childminder");

/// The argument with which this program is the one that uses the library alone.
const LIBRARY: &str = "--library";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [library, count] = &*arguments
        && library == LIBRARY
    {
        return supervise(count.parse().expect("a number"));
    }
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    let (count, rounds) = if is_quick { (100, 3) } else { (1000, 9) };
    start(count, rounds);
    status_memory_and_idle(count, rounds);
    follow(if is_quick { 100 } else { 1000 });
}

/// Supervises processes by the library alone, until a signal.
fn supervise(count: usize) {
    // Each process needs more than one descriptor.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the limit of the system");
    let system = System::with_strongest_containment().expect("an event loop");
    let (monitor, driver) =
        ProcessMonitor::builder().sink(WriterSink::new(std::io::stdout())).build(system).expect("a monitor");
    for number in 0..count {
        let spec = Spec::new("sleep").arg(format!("100{number}")).merge_output(true).die_with_parent(true);
        monitor.add_process(&format!("p{number}"), spec.policy(Policy::default())).expect("a process");
    }
    let mut notices = monitor.notices();
    monitor.start_service().expect("a service");
    thread::spawn(move || {
        let mut started = 0;
        while started < count {
            match notices.wait() {
                Some(Ok(notice)) => started += usize::from(matches!(notice.kind, NoticeKind::Started { .. })),
                Some(Err(_)) => {
                    started = monitor.statuses().iter().filter(|status| status.pid.is_some()).count()
                }
                None => return,
            }
        }
        eprintln!("all {count} are ready");
        // Not dropped: the service stays up.
        std::mem::forget(monitor);
    });
    System::block_on(driver);
}

/// A supervisor that runs, with the lines of its outputs.
struct Running {
    child: Child,
    out: Receiver<(Instant, String)>,
    err: Receiver<(Instant, String)>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program");
        let out = lines(child.stdout.take().expect("a pipe"));
        let err = lines(child.stderr.take().expect("a pipe"));
        Self { child, out, err }
    }

    /// Waits for a line, and returns when it came.
    fn wait_for(lines: &Receiver<(Instant, String)>, text: &str) -> Instant {
        loop {
            let (at, line) = lines.recv_timeout(Duration::from_secs(120)).expect(text);
            if line.contains(text) {
                return at;
            }
        }
    }

    /// Waits for an exit that has its reason elsewhere.
    fn end(mut self) {
        self.child.wait().expect("an exit");
    }

    fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // Each process ends by itself, and the guardians end what is left.
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
        self.child.wait().expect("an exit");
    }
}

/// Reads lines, each with its time.
fn lines(source: impl std::io::Read + Send + 'static) -> Receiver<(Instant, String)> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(source).lines() {
            let Ok(line) = line else { return };
            let _ = sender.send((now(), line));
        }
    });
    receiver
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// Returns a directory with a file of processes that sleep.
fn project(count: usize) -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let process = |number| format!("[process.p{number}]\ncommand = \"sleep 100{number}\"\n");
    let file: String = (0..count).map(process).collect();
    fs::write(dir.path().join("childminder.toml"), file).expect("a file");
    dir
}

fn childminder(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words).current_dir(dir).env_remove("CHILDMINDER_LOG");
    command
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn row(name: &str, figure: &str, target: &str, is_met: bool) {
    println!("{name:<58} {figure:>16}   target {target:<10} {}", if is_met { "met" } else { "missed" });
}

/// The time until everything runs, from the start of the program.
fn start(count: usize, rounds: usize) {
    let dir = project(count);
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let up = || {
            let begin = now();
            let up = Running::start(&mut childminder(dir.path(), &["up"]));
            let took = Running::wait_for(&up.err, &format!("all {count} are ready")) - begin;
            up.stop();
            took.as_secs_f64()
        };
        let library = || {
            let begin = now();
            let this = std::env::current_exe().expect("this program");
            let library = Running::start(Command::new(this).args([LIBRARY, &count.to_string()]));
            let took = Running::wait_for(&library.err, &format!("all {count} are ready")) - begin;
            // Without handlers of signals it is killed, and its guardians stop the processes.
            library.stop();
            took.as_secs_f64()
        };
        let (up, library) = if round % 2 == 0 {
            let up = up();
            (up, library())
        } else {
            let library = library();
            (up(), library)
        };
        ratios.push(up / library);
        ours.push(up);
        theirs.push(library);
    }
    let ratio = median(ratios);
    let figure = format!("{ratio:.2}x");
    row(&format!("start of {count} processes, against the library"), &figure, "1.10x", ratio <= 1.1);
    println!("    up {:.0} ms, library {:.0} ms", median(ours) * 1e3, median(theirs) * 1e3);
}

/// Returns the memory of a process in bytes, without that of files.
fn memory(up: &Running) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", up.child.id())).expect("Linux");
    let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).expect("its memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") * 1024.0
}

/// Returns how often the threads of a process have waited for something.
fn wake_ups(up: &Running) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", up.child.id())).expect("its threads");
    let of_task = |task: fs::DirEntry| -> u64 {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    };
    tasks.flatten().map(of_task).sum()
}

fn status_memory_and_idle(count: usize, rounds: usize) {
    let few = count / 10;
    let measured = [few, count].map(|count| {
        let dir = project(count);
        let up = Running::start(&mut childminder(dir.path(), &["up"]));
        Running::wait_for(&up.err, &format!("all {count} are ready"));
        let memory = memory(&up);
        (dir, up, memory)
    });
    let each = (measured[1].2 - measured[0].2) / (count - few) as f64;
    row("memory for each process", &format!("{:.1} KiB", each / 1024.0), "8 KiB", each <= 8.0 * 1024.0);
    let [(_, other, _), (dir, up, _)] = measured;
    other.stop();
    let mut status = Vec::new();
    for _ in 0..2 * rounds {
        let begin = now();
        let output = childminder(dir.path(), &["status", "--json"]).output().expect("the status");
        status.push((now() - begin).as_secs_f64() * 1e3);
        assert!(output.status.success());
    }
    let status = median(status);
    row(&format!("status of {count} processes"), &format!("{status:.1} ms"), "50 ms", status < 50.0);
    wait(Duration::from_secs(2));
    let before = wake_ups(&up);
    wait(Duration::from_secs(10));
    let idle = wake_ups(&up) - before;
    row("wake-ups in 10 s, idle and without clients", &idle.to_string(), "0", idle == 0);
    up.stop();
}

#[expect(clippy::disallowed_methods, reason = "the figure is what happens meanwhile")]
fn wait(duration: Duration) {
    thread::sleep(duration);
}

/// The time between a line at the output of `up` and the same line at that of `logs -f`.
fn follow(samples: usize) {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let file = "[process.a]\ncommand = [\"sh\", \"-c\", \"echo begin; exec cat fifo\"]\n";
    fs::write(dir.path().join("childminder.toml"), file).expect("a file");
    let up = Running::start(&mut childminder(dir.path(), &["up"]));
    Running::wait_for(&up.out, "begin");
    let logs = Running::start(&mut childminder(dir.path(), &["logs", "-f"]));
    Running::wait_for(&logs.out, "begin");
    let mut fifo = fs::OpenOptions::new().write(true).open(&path).expect("a reader");
    let mut added = Vec::new();
    for sample in 0..samples {
        let text = format!("line {sample};");
        let begin = now();
        writeln!(fifo, "{text}").expect("a reader");
        let direct = Running::wait_for(&up.out, &text) - begin;
        let followed = Running::wait_for(&logs.out, &text) - begin;
        added.push((followed.as_secs_f64() - direct.as_secs_f64()) * 1e3);
    }
    let added = median(added);
    row("a line in `logs -f`, after the same line of `up`", &format!("{added:+.2} ms"), "1 ms", added <= 1.0);
    up.stop();
    logs.end();
}
