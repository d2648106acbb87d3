//! A test run again as `cargo test` would, to see what its output is there.

use std::env;
use std::process::{Command, Stdio};

const MARK: &str = "CHILDMINDER_TEST_OUTPUT";

/// The test with this path below the crate, to be run again by itself, as `cargo test` would; `None` if that is what
/// happens already.
pub(crate) fn again(name: &str) -> Option<Command> {
    if env::var_os(MARK).is_some() {
        return None;
    }
    let mut command = Command::new("timeout");
    command.arg("60").arg(env::current_exe().expect("the test binary")).args(["--exact", name]);
    command.env(MARK, "1").env_remove("RUST_TEST_NOCAPTURE").stdin(Stdio::null());
    Some(command)
}
