//! Starts the running test binary again, for one test in a process of its own. The unit tests of `sys` use
//! this file too.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

const MARK: &str = "CHILDMINDER_TEST_ALONE";

/// The time limit of the inner process and of the processes that it starts.
const DEADLINE: Duration = Duration::from_secs(60);

/// Whether this is the inner process.
pub(crate) fn is_inner() -> bool {
    env::var_os(MARK).is_some()
}

/// Runs the test with this path below the crate in a new process, and returns how that ended. The process is
/// started through `wrapper`, such as `env VARIABLE=value`; `prepare` may change its command.
pub(crate) fn rerun(wrapper: &[&str], name: &str, prepare: impl FnOnce(&mut Command)) -> Output {
    let binary = env::current_exe().expect("the test binary");
    let mut command = match wrapper {
        [] => Command::new(&binary),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(&binary);
            command
        }
    };
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    prepare(&mut command);
    let child = command.spawn().expect("the test binary starts");
    let pid = Pid::from_child(&child);
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    let output = ended.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        let _ = kill_process_group(pid, Signal::KILL);
        panic!("{name} did not finish within {DEADLINE:?} in a process of its own")
    });
    output.expect("wait")
}

/// Restores the default disposition of INT and TERM in the process of a test. A shell that runs a test suite
/// in the background has INT ignored in all of it.
#[expect(unsafe_code, reason = "no safe function changes a signal disposition")]
pub(crate) fn restore_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the default disposition calls no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
