//! Reports tests that do not apply on this machine. The test harness has no such notion and captures what
//! tests print, so the report goes to standard error directly when the test binary exits.

use std::io::Write as _;
use std::sync::{Mutex, Once, PoisonError};

/// The beginning of each line of the report; `.ci/run` counts these lines over all test binaries.
const PREFIX: &str = "SKIPPED ";

/// Set in a process that runs one test for another test process, which reads its standard error.
const INNER: [&str; 2] = ["CHILDMINDER_TEST_ALONE", "CHILDMINDER_TEST_DOOMED"];

static SKIPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[expect(unsafe_code, reason = "std offers no exit hook")]
// SAFETY: the signature is that of the C standard.
unsafe extern "C" {
    safe fn atexit(hook: extern "C" fn()) -> i32;
}

/// Reports at exit that the test `name` did not run, with the reason.
pub(crate) fn skip(name: &str, reason: &str) {
    static HOOK: Once = Once::new();
    let line = format!("{PREFIX}{name}: {reason}\n");
    if INNER.iter().any(|mark| std::env::var_os(mark).is_some()) {
        print(&line);
        return;
    }
    HOOK.call_once(|| assert_eq!(atexit(report), 0, "cannot install the exit hook"));
    SKIPPED.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

/// Reports the tests that an inner process has skipped, from what it wrote to standard error.
pub(crate) fn forward_skips(stderr: &str) {
    for line in stderr.lines() {
        if let Some((name, reason)) = line.strip_prefix(PREFIX).and_then(|line| line.split_once(": ")) {
            skip(name, reason);
        }
    }
}

extern "C" fn report() {
    let mut lines = std::mem::take(&mut *SKIPPED.lock().unwrap_or_else(PoisonError::into_inner));
    lines.sort();
    lines.dedup();
    print(&format!("\n{}tests skipped: {}\n", lines.concat(), lines.len()));
}

/// Writes past the capture of the test harness, which only redirects the print macros.
fn print(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
