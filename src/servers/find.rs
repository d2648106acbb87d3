//! Finds the programs of servers.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// The directories that every server is looked up in, after PATH: those of Debian and Fedora, which are not
/// in the PATH of every user, of Homebrew, and of Nix. The Nix profile of the user comes after them.
const DIRECTORIES: [&str; 9] = [
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/opt/homebrew/bin",
    "/opt/homebrew/sbin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/run/current-system/sw/bin",
    "/nix/var/nix/profiles/default/bin",
];

/// Looks up the first of `names` that is installed: in `first`, in PATH, in `then`, and in the usual
/// directories. A `*` in a directory stands for any version, of which the latest is preferred.
pub(super) fn find_program(names: &[&str], first: &[&str], then: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let (first, then) =
        (first.iter().flat_map(|dir| versions(dir)), then.iter().flat_map(|dir| versions(dir)));
    let directories: Vec<PathBuf> = first.chain(env::split_paths(&path)).chain(then).chain(usual()).collect();
    let mut candidates = names.iter().flat_map(|name| directories.iter().map(move |dir| dir.join(name)));
    candidates.find(|path| path.is_absolute() && is_program(path))
}

/// Returns the directories that were searched besides PATH, for an error.
pub(super) fn searched(first: &[&str], then: &[&str]) -> Vec<PathBuf> {
    first.iter().chain(then).map(PathBuf::from).chain(usual()).collect()
}

/// Returns the directories that every server is looked up in.
fn usual() -> impl Iterator<Item = PathBuf> {
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".nix-profile/bin"));
    DIRECTORIES.iter().map(PathBuf::from).chain(home)
}

fn is_program(path: &Path) -> bool {
    access(path, Access::EXEC_OK).is_ok() && path.is_file()
}

/// Returns the directories that a pattern stands for, the one with the highest version first.
fn versions(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let names = fs::read_dir(parent).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name.strip_prefix(prefix)?.to_owned();
        Some((version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>(), name))
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.into_iter().rev().map(|(_, name)| PathBuf::from(format!("{parent}/{name}{after}"))).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_latest_version_is_found_first_and_files_that_cannot_be_executed_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        for (version, mode) in [("9.6", 0o755), ("15", 0o755), ("16", 0o644)] {
            let dir = root.path().join(format!("v{version}/bin"));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("a-program-of-this-test"), "").unwrap();
            fs::set_permissions(dir.join("a-program-of-this-test"), fs::Permissions::from_mode(mode))
                .unwrap();
        }
        let pattern = format!("{}/v*/bin", root.path().display());
        let found = find_program(&["no-such-program", "a-program-of-this-test"], &[], &[&pattern]);
        assert_eq!(found, Some(root.path().join("v15/bin/a-program-of-this-test")));
        assert_eq!(find_program(&["no-such-program"], &[&pattern], &[]), None);
        assert!(find_program(&["sh"], &[], &[]).is_some());
    }
}
