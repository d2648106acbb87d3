//! Programs that a test wants, and not every machine has.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::skip;

/// Where to look besides `PATH`: Debian keeps PostgreSQL's programs apart by version, and PATH may be without `sbin`.
const ELSEWHERE: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// The path of `program`. Without it the test is skipped, with a message.
///
/// # Panics
///
/// If it is missing where `CI=true` says that all packages are installed: a test that never happens protects nobody.
pub(crate) fn required(test: &str, program: &str) -> Option<PathBuf> {
    let found = folders().into_iter().map(|folder| folder.join(program)).find(|path| is_program(path));
    if found.is_none() {
        let in_ci = env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!in_ci, "{test}: {program} is missing, which .ci/run should have installed");
        skip(test, &format!("{program} is missing"));
    }
    found
}

fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir(POSTGRESQL).into_iter().flatten();
    let postgresql = versions.map(|version| version.expect("an entry").path().join("bin"));
    env::split_paths(&path).chain(ELSEWHERE.map(PathBuf::from)).chain(postgresql).collect()
}

fn is_program(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
}
