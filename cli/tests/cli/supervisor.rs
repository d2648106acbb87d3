//! A `childminder` under test.
//!
//! All its descendants have a mark in their environment. After its exit no process with the mark may be
//! alive: every test checks that.

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

use crate::eventually::eventually_some;

/// The deadline of every wait, which only a failing test reaches.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The variable that marks a childminder and everything that it starts.
const MARK: &str = "CHILDMINDER_TEST_MARK";

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_childminder");

/// A running `childminder`.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pid: Pid,
    mark: String,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
    exit: Receiver<ExitStatus>,
    has_ended: bool,
}

/// Restores the default of HUP, which may be ignored in the process that runs the tests, as under `nohup`.
#[expect(unsafe_code, reason = "a disposition of this process, which has no handlers")]
fn unignore_hup() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the default disposition runs no code.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }.expect("cannot restore the default of HUP");
    });
}

/// The exit status, and the output that the test has not read.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status as in a shell: 128 plus the signal number for a signal.
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Supervisor {
    /// Starts `childminder run` with these words.
    pub(crate) fn run<S: AsRef<OsStr>>(words: &[S]) -> Self {
        Self::start(Command::new(PROGRAM).arg("run").args(words))
    }

    /// Starts a command that is, or executes, `childminder`. Its output is read.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Starts a command with the standard streams that it has.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        unignore_hup();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        command.env(MARK, &mark).env_remove("CHILDMINDER_LOG");
        let mut child = command.spawn().expect("cannot start childminder");
        let pid = Pid::from_raw(child.id().try_into().expect("a process id"));
        let (out, err) = (Lines::of(child.stdout.take()), Lines::of(child.stderr.take()));
        Self { pid, mark, out, err, exit: exit_of(child), has_ended: false }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("childminder has exited");
    }

    /// Sends TERM and waits for the exit. No marked process may be left.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.end()
    }

    /// Returns its living descendants.
    pub(crate) fn family(&self) -> Vec<Pid> {
        marked(&self.mark)
    }

    /// Kills childminder, and waits until no marked process is left.
    pub(crate) fn kill_and_wait(self) {
        self.signal(Signal::SIGKILL);
        eventually_some(|| match self.family() {
            left if left.is_empty() => Ok(()),
            left => Err(format!("left behind: {left:?}")),
        });
        let ended = self.end();
        assert_eq!(ended.status, 128 + Signal::SIGKILL as i32);
    }

    /// Waits for the exit. No marked process may be left.
    pub(crate) fn end(self) -> Ended {
        self.end_but(&[])
    }

    /// Waits for the exit. Exactly these marked processes must be left; they are killed.
    pub(crate) fn end_but(mut self, survivors: &[Pid]) -> Ended {
        let Ok(status) = self.exit.recv_timeout(PATIENCE) else {
            panic!("no exit within {PATIENCE:?}; stderr so far: {}", self.err.so_far())
        };
        self.has_ended = true;
        let left = marked(&self.mark);
        kill_all(&left);
        let (out, err) = (self.out.rest(), self.err.rest());
        assert_eq!(left, survivors, "left behind; stderr: {err}");
        Ended { status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)), out, err }
    }
}

/// Kills everything that a failed test has started.
impl Drop for Supervisor {
    fn drop(&mut self) {
        if !self.has_ended {
            let _ = kill(self.pid, Signal::SIGKILL);
            kill_all(&marked(&self.mark));
        }
    }
}

/// Returns the live processes with this mark.
fn marked(mark: &str) -> Vec<Pid> {
    // A tracer exits a little later than its process.
    let is_tracer = |pid: &u32| fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name == b"strace\n");
    let pids = conformance::marked(MARK, mark).into_iter().filter(|pid| !is_tracer(pid));
    pids.map(|pid| Pid::from_raw(pid.cast_signed())).collect()
}

fn kill_all(pids: &[Pid]) {
    for pid in pids {
        // It may have exited.
        let _ = kill(*pid, Signal::SIGKILL);
    }
}

/// Returns a channel that receives the exit status.
fn exit_of(mut child: Child) -> Receiver<ExitStatus> {
    let (sender, exit) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait().expect("wait")));
    exit
}

/// Lines from a reader, each with a deadline.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    /// Reads from `source`; without one there are no lines.
    pub(crate) fn of(source: Option<impl Read + Send + 'static>) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let Some(source) = source else { return };
            for line in BufReader::new(source).split(b'\n') {
                // A terminal without open slaves returns EIO.
                let Ok(line) = line else { return };
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self { lines, seen: Vec::new() }
    }

    pub(crate) fn next(&mut self) -> String {
        let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
            panic!("no further line; so far:\n{}", self.so_far())
        };
        self.seen.push(line.clone());
        line
    }

    /// Returns the next line that contains `text`, skipping others.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.next();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Returns all lines that were not read, up to the end of the stream.
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

/// A channel for programs whose output is not readable.
#[derive(Debug)]
pub(crate) struct Fifo {
    dir: TempDir,
    pub(crate) lines: Lines,
}

impl Fifo {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        mkfifo(&dir.path().join("fifo"), Mode::S_IRWXU).expect("a fifo");
        // Open for both directions, it never blocks and never ends.
        let both = File::options().read(true).write(true).open(dir.path().join("fifo")).expect("both ends");
        Self { lines: Lines::of(Some(both)), dir }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("fifo")
    }
}
