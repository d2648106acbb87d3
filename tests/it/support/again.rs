//! Runs a test again as `cargo test` would, to examine what the harness prints.

use std::env;
use std::process::{Command, Stdio};

const MARK: &str = "CHILDMINDER_TEST_OUTPUT";

/// Returns a command that runs the test with this path below the crate, with its output captured as usual.
/// Returns `None` in the process that the command has started.
pub(crate) fn again(name: &str) -> Option<Command> {
    if env::var_os(MARK).is_some() {
        return None;
    }
    let mut command = Command::new("timeout");
    command.arg("60").arg(env::current_exe().expect("the test binary")).args(["--exact", name]);
    command.env(MARK, "1").env_remove("RUST_TEST_NOCAPTURE").stdin(Stdio::null());
    Some(command)
}
