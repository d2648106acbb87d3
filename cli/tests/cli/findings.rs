//! Files with one mistake each, and files that are right.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::up::{Project, golden_text};

#[test]
fn f_328_each_finding_of_a_check_has_a_file_that_triggers_it() {
    // If it is taken, that is right too.
    let _occupied = TcpListener::bind("127.0.0.1:15998");
    for path in files("findings", "check-") {
        let (project, name) = copy(&path);
        let wanted = name.strip_prefix("check-").expect("the prefix");
        let report = project.command(&["check", "--json"]).output().expect("childminder").stdout;
        let report: Value = serde_json::from_slice(&report).expect("JSON");
        let kinds: BTreeSet<&str> = report["processes"]
            .as_array()
            .expect("processes")
            .iter()
            .flat_map(|process| process["findings"].as_array().expect("findings"))
            .filter_map(|finding| finding["kind"].as_str())
            .collect();
        assert!(kinds.contains(wanted), "{name}: {kinds:?}");
        let found = project.command(&["check"]).output().expect("childminder").stdout;
        let found = String::from_utf8(found).expect("UTF-8");
        golden_text(&path.with_extension("txt"), project.path(), &found);
    }
}

#[test]
fn f_329_files_that_are_right_have_no_warning_and_no_error() {
    let files = files("sane", "");
    assert!(files.len() >= 20, "{}", files.len());
    for path in files {
        let (project, name) = copy(&path);
        let found = project.ctl(&["check"], 0);
        assert!(found.contains(": 0 errors, 0 warnings"), "{name}: {found}");
    }
}

/// Returns the files of a directory whose names begin like this, in order.
pub(super) fn files(dir: &str, prefix: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(dir);
    let entries = fs::read_dir(dir).expect("the directory").map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let is_wanted = |path: &PathBuf| name(path).starts_with(prefix) && name(path).ends_with(".toml");
    let mut files: Vec<PathBuf> = entries.filter(is_wanted).collect();
    files.sort();
    files
}

/// Returns a directory with a copy of a file, and the name of the file.
pub(super) fn copy(path: &Path) -> (Project, String) {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    (Project::new(&fs::read_to_string(path).expect("the file")), name)
}
