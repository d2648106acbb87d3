//! Programs that a test requires and that may be missing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::skip;

/// Folders to search besides `PATH`, which often lacks `sbin`. Debian keeps PostgreSQL's programs in a folder
/// per version.
const ELSEWHERE: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Returns the path of `program`; if it is missing, marks the test as skipped and returns `None`.
///
/// # Panics
///
/// If the program is missing although `CI=true` promises that all packages are installed.
pub(crate) fn required(test: &str, program: &str) -> Option<PathBuf> {
    let found = folders().into_iter().map(|folder| folder.join(program)).find(|path| is_program(path));
    if found.is_none() {
        let in_ci = env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!in_ci, "{test}: {program} is missing; .ci/run should have installed it");
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
