//! A `childminder` under test: started, read, signalled, and looked after when a test fails.
//!
//! All processes that it starts, and those that they start, carry a mark in their environment. When a minder has ended
//! nobody with its mark may be alive: every test checks that.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use tempfile::TempDir;

/// Longer than anything takes on a busy machine; only a broken test gets here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_childminder");

/// A running `childminder`.
#[derive(Debug)]
pub(crate) struct Minder {
    pid: Pid,
    mark: String,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
    exit: Receiver<ExitStatus>,
    has_ended: bool,
}

/// Ignored signals are inherited, and whoever runs the tests may ignore HUP, as under `nohup`. Here it counts.
#[expect(unsafe_code, reason = "a disposition of this process, which has no handlers")]
fn hear_hang_ups() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the default disposition runs no code.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }.expect("HUP has a default");
    });
}

/// How it ended, and what it had written that nobody had read before.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status as a shell tells it.
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Minder {
    /// `childminder run` with these words.
    pub(crate) fn run<S: AsRef<OsStr>>(words: &[S]) -> Self {
        Self::start(Command::new(PROGRAM).arg("run").args(words))
    }

    /// A command that is, or becomes, `childminder`. Its outputs are read, unless they are set already.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// The same, with the standard streams that were set.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        hear_hang_ups();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        command.env("CHILDMINDER_TEST_MARK", &mark).env_remove("RUST_LOG");
        let mut child = command.spawn().expect("it starts");
        let pid = Pid::from_raw(child.id().try_into().expect("a process id"));
        let (out, err) = (Lines::of(child.stdout.take()), Lines::of(child.stderr.take()));
        Self { pid, mark, out, err, exit: exit_of(child), has_ended: false }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("it is there");
    }

    /// Sends TERM and waits for the end, which must leave nobody behind.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.end()
    }

    /// Waits for the end, which must leave nobody behind.
    pub(crate) fn end(self) -> Ended {
        self.end_but(&[])
    }

    /// Waits for the end, which must leave nobody behind but these; they are killed.
    pub(crate) fn end_but(mut self, survivors: &[Pid]) -> Ended {
        let Ok(status) = self.exit.recv_timeout(PATIENCE) else {
            panic!("not ended within {PATIENCE:?}; stderr so far: {}", self.err.so_far())
        };
        self.has_ended = true;
        let left = marked(&self.mark);
        kill_all(&left);
        let (out, err) = (self.out.rest(), self.err.rest());
        assert_eq!(left, survivors, "left behind; stderr: {err}");
        Ended { status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)), out, err }
    }
}

/// A test that failed leaves nobody behind either.
impl Drop for Minder {
    fn drop(&mut self) {
        if !self.has_ended {
            let _ = kill(self.pid, Signal::SIGKILL);
            kill_all(&marked(&self.mark));
        }
    }
}

/// Who is alive and has this mark. A zombie has no environment, so it is not among them.
fn marked(mark: &str) -> Vec<Pid> {
    let mark = format!("CHILDMINDER_TEST_MARK={mark}").into_bytes();
    let has_mark = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        // A tracer, which only some tests have, takes its time to see that it is over.
        let is_tracer = || fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name == b"strace\n");
        environment.split(|byte| *byte == 0).any(|variable| variable == mark) && !is_tracer()
    };
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(has_mark).map(Pid::from_raw).collect()
}

fn kill_all(pids: &[Pid]) {
    for pid in pids {
        // It may be gone already.
        let _ = kill(*pid, Signal::SIGKILL);
    }
}

/// Where the exit status arrives.
fn exit_of(mut child: Child) -> Receiver<ExitStatus> {
    let (sender, exit) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait().expect("wait")));
    exit
}

/// What somebody writes, line by line, with patience.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    /// From `source`; from nobody if there is none.
    pub(crate) fn of(source: Option<impl Read + Send + 'static>) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let Some(source) = source else { return };
            for line in BufReader::new(source).split(b'\n') {
                // The other end of a terminal that nobody has open any more says EIO.
                let Ok(line) = line else { return };
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self { lines, seen: Vec::new() }
    }

    pub(crate) fn next(&mut self) -> String {
        let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
            panic!("no further line; so far: {}", self.so_far())
        };
        self.seen.push(line.clone());
        line
    }

    /// The next line with `text` in it; those before it are passed over.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.next();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// All lines that were not read yet, up to the end.
    pub(crate) fn rest(&self) -> String {
        let mut rest = String::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            rest += &line;
            rest.push('\n');
        }
        rest
    }

    fn so_far(&self) -> String {
        self.seen.iter().cloned().chain(self.lines.try_iter()).collect::<Vec<_>>().join("\n")
    }
}

/// A way for programs to be heard when their outputs lead nowhere.
#[derive(Debug)]
pub(crate) struct Fifo {
    dir: TempDir,
    pub(crate) lines: Lines,
}

impl Fifo {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        mkfifo(&dir.path().join("fifo"), Mode::S_IRWXU).expect("a fifo");
        // Open for both, it never waits for a writer and never sees an end.
        let both = File::options().read(true).write(true).open(dir.path().join("fifo")).expect("both ends");
        Self { lines: Lines::of(Some(both)), dir }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("fifo")
    }
}
