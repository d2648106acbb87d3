//! `childminder up` and the commands that control it.

mod control;
mod detach;
mod ends;
mod files;
mod log_files;
mod many;
mod metrics;
mod reload;
mod service;
mod socket;
mod terminal;
mod tiers;
mod tmux;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::supervisor::{PROGRAM, Supervisor};

/// A directory with a file.
pub(super) struct Project {
    dir: TempDir,
}

impl Project {
    /// Creates a directory with this `childminder.toml`.
    pub(super) fn new(file: &str) -> Self {
        let project = Self { dir: TempDir::new().expect("a directory") };
        project.write("childminder.toml", file);
        project
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("a file");
    }

    /// Returns the command `childminder` with these words, in the directory.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).current_dir(self.dir.path()).env_remove("CHILDMINDER_LOG").env_remove("PORT");
        command
    }

    /// Starts `childminder up` with these words.
    pub(super) fn up(&self, words: &[&str]) -> Supervisor {
        Supervisor::start(&mut self.command(&[&["up"], words].concat()))
    }

    /// Runs a command to its end, which must have this exit status, and returns its output.
    pub(super) fn ctl(&self, words: &[&str], status: i32) -> String {
        let Output { status: found, stdout, stderr } = self.command(words).output().expect("childminder");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let (stdout, stderr) = (text(stdout), text(stderr));
        assert_eq!(found.code(), Some(status), "{words:?}: {stdout}{stderr}");
        stdout + &stderr
    }

    /// Waits until everything is ready.
    pub(super) fn wait(&self) {
        self.ctl(&["wait", "--timeout", "20"], 0);
    }

    /// Returns the states of all processes.
    pub(super) fn status(&self) -> Vec<Value> {
        serde_json::from_str(&self.ctl(&["status", "--json"], 0)).expect("an array")
    }

    /// Returns the state of a process.
    pub(super) fn status_of(&self, name: &str) -> Value {
        let all = self.status();
        all.into_iter().find(|process| process["name"] == name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// Connects to the control socket.
    pub(super) fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).expect("the control socket")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join(".childminder/childminder.toml.sock")
    }
}

/// Compares a text with a file in `tests/golden`, after replacing what differs from run to run. With
/// `CHILDMINDER_BLESS=1` it is written instead.
pub(super) fn golden(name: &str, project: &Project, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let real = fs::canonicalize(project.path()).expect("the directory");
    let text =
        text.replace(&*real.to_string_lossy(), "DIR").replace(&*project.path().to_string_lossy(), "DIR");
    // The lines of a file are shown as they are.
    let is_file = text.contains("childminder.toml:");
    let line = |line: &str| if is_file { line.to_owned() } else { normalize(line) };
    let text: String = text.lines().map(|text| line(text) + "\n").collect();
    if std::env::var_os("CHILDMINDER_BLESS").is_some() {
        fs::write(&path, &text).expect("the golden file");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{}: if this is right, set CHILDMINDER_BLESS=1", path.display());
}

/// Compares a text with a file in `tests/golden` exactly, but for the directory. `CHILDMINDER_BLESS=1` writes
/// the file instead.
pub(super) fn golden_exact(name: &str, dir: &Path, text: &str) {
    golden_text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name), dir, text);
}

/// Compares a text with this file exactly, but for the directory. `CHILDMINDER_BLESS=1` writes the file
/// instead.
pub(super) fn golden_text(path: &Path, dir: &Path, text: &str) {
    let real = fs::canonicalize(dir).expect("the directory");
    let text = text.replace(&*real.to_string_lossy(), "DIR").replace(&*dir.to_string_lossy(), "DIR");
    if std::env::var_os("CHILDMINDER_BLESS").is_some() {
        fs::write(path, &text).expect("the golden file");
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, expected, "{}: if this is right, set CHILDMINDER_BLESS=1", path.display());
}

/// Replaces numbers that differ from run to run, which are process ids, ports and times, and the widths of
/// columns.
fn normalize(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let is_unit =
        |word: Option<&&str>| word.is_some_and(|word| ["s", "ms"].contains(&word.trim_end_matches(';')));
    let word = |(index, word): (usize, &&str)| {
        let differs = word.len() > 2 || is_unit(words.get(index + 1));
        if is_number(word) && differs { "N".to_owned() } else { (*word).to_owned() }
    };
    words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
}
