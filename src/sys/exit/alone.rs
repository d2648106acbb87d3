//! Unit tests in a process of their own: the test binary is started again for one test.

use std::env;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const MARK: &str = "CHILDMINDER_UNIT_TEST_ALONE";

/// Longer than any of these tests takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs `body` in a process of its own and returns how that ended; `None` inside of it. `name` is the path of the calling
/// test.
pub(crate) fn alone(name: &str, body: impl FnOnce()) -> Option<Output> {
    if env::var_os(MARK).is_some() {
        body();
        return None;
    }
    let child = Command::new(env::current_exe().expect("the test binary"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test binary starts");
    let pid = Pid::from_child(&child);
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    let output = ended.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        let _ = kill_process(pid, Signal::KILL);
        panic!("{name} alone is not done within {DEADLINE:?}")
    });
    Some(output.expect("wait"))
}

/// Runs `body` in a process of its own, which must pass.
pub(crate) fn passes_alone(name: &str, body: impl FnOnce()) {
    if let Some(output) = alone(name, body) {
        let text = text(&output);
        assert!(output.status.success() && text.contains("1 passed"), "{}: {text}", output.status);
    }
}

/// Returns the output of both streams.
pub(crate) fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("\n")
}

/// Restores the default disposition of INT and TERM in this process. A shell that runs a test suite in the background
/// starts it with INT ignored, and an ignored signal stays ignored.
pub(crate) fn restore_default_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the default effect runs nothing of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
