//! `up` on a real terminal, that of tmux: what a user sees, and keys.

use std::fs;
use std::process::{Command, Output};

use super::Project;
use crate::eventually::eventually_some;
use crate::skip::skip;
use crate::supervisor::PROGRAM;

/// A terminal of tmux with a shell, in the directory of a project.
struct Terminal {
    project: Project,
    socket: String,
}

impl Terminal {
    /// Creates a terminal, or skips the test.
    fn new(test: &str, file: &str, columns: u16, rows: u16) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "tmux is missing");
            skip(&format!("up::tmux::{test}"), "tmux is missing");
            return None;
        }
        let project = Project::new(file);
        let socket = project.path().join("tmux").to_str().expect("UTF-8").to_owned();
        let terminal = Self { project, socket };
        let size = [columns, rows].map(|number| number.to_string());
        let shell = ["env", "PS1=$ ", "TERM=xterm-256color", "sh"];
        let new = ["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1]];
        let dir = terminal.project.path().to_str().expect("UTF-8").to_owned();
        terminal.tmux(&[&new[..], &["-c", &dir], &shell].concat());
        // What is typed before would be shown twice.
        terminal.wait_for("$");
        Some(terminal)
    }

    fn tmux(&self, words: &[&str]) -> Output {
        let output = Command::new("tmux").arg("-S").arg(&self.socket).args(words).output().expect("tmux");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn run(&self, words: &str) {
        self.keys(&[&format!("{PROGRAM} {words}; echo status $?"), "Enter"]);
    }

    /// Returns what is on the screen; with `escapes` its colours too.
    fn screen(&self, escapes: bool) -> String {
        let words: &[&str] = if escapes { &["capture-pane", "-p", "-e"] } else { &["capture-pane", "-p"] };
        String::from_utf8(self.tmux(words).stdout).expect("UTF-8")
    }

    /// Waits until the screen is as wanted.
    fn wait_until(&self, what: &str, is_wanted: impl Fn(&str) -> bool) -> String {
        eventually_some(|| {
            let screen = self.screen(false);
            if is_wanted(&screen) { Ok(screen) } else { Err(format!("no {what} on the screen:\n{screen}")) }
        })
    }

    fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

/// Counts the lines that contain a text.
fn count(screen: &str, text: &str) -> usize {
    screen.lines().filter(|line| line.contains(text)).count()
}

const SLOW: &str = r#"[process.db]
command = "sh -c 'while [ ! -e go ]; do sleep 0.05; done; echo is up; exec sleep 1000'"
ready = { output = "is up" }
[process.web]
command = ["sh", "-c", "trap 'echo not yet' TERM; while :; do sleep 0.05; done"]
after = "db"
kill-time = 1000
"#;

#[test]
fn f_267_progress_colours_and_two_ctrl_c_are_seen_on_a_terminal() {
    let name = "f_267_progress_colours_and_two_ctrl_c_are_seen_on_a_terminal";
    let Some(terminal) = Terminal::new(name, SLOW, 90, 24) else { return };
    terminal.run("up");
    let screen = terminal.wait_for("db: waits for output \"is up\", started");
    assert!(
        screen.contains("0 of 2 ready after") && screen.contains("web: waits for db (ready)"),
        "{screen}"
    );
    // The time goes on, in the same place.
    let screen = terminal.wait_for("0 of 2 ready after 2.");
    assert_eq!((count(&screen, "of 2 ready"), count(&screen, "web: waits")), (1, 1), "{screen}");
    fs::write(terminal.project.path().join("go"), "").unwrap();
    let screen = terminal.wait_for("all 2 are ready");
    assert_eq!(count(&screen, "of 2 ready"), 0, "{screen}");
    terminal.wait_for("[db]  is up");
    let colours = terminal.screen(true);
    assert!(colours.contains("\x1b[36m[db]"), "{colours}");
    // The first Ctrl-C shows what is waited for, the second one kills.
    terminal.keys(&["C-c"]);
    // A second later: a repetition at once would count as an echo.
    let screen = terminal.wait_for("web: stopping, KILL in 99");
    assert!(screen.contains("got INT, stopping; a second signal kills at once"), "{screen}");
    assert!(!screen.contains("^C"), "{screen}");
    terminal.wait_for("not yet");
    terminal.keys(&["C-c"]);
    let screen = terminal.wait_for("status 0");
    assert!(screen.contains("WARN got INT, killing"), "{screen}");
    assert_eq!(count(&screen, "stopping, KILL in"), 0, "progress is removed: {screen}");
    // The terminal shows control characters again.
    terminal.keys(&["cat", "Enter", "C-c"]);
    terminal.wait_for("^C");
}

#[test]
fn f_267_ctrl_c_during_the_start_leaves_no_progress_behind() {
    let name = "f_267_ctrl_c_during_the_start_leaves_no_progress_behind";
    let Some(terminal) = Terminal::new(name, SLOW, 90, 24) else { return };
    terminal.run("up");
    terminal.wait_for("web: waits for db (ready)");
    terminal.keys(&["C-c"]);
    let screen = terminal.wait_for("status 0");
    assert_eq!((count(&screen, "of 2 ready"), count(&screen, "web: waits")), (0, 0), "{screen}");
}

#[test]
fn f_267_a_resized_terminal_keeps_one_line_for_each_process() {
    let name = "f_267_a_resized_terminal_keeps_one_line_for_each_process";
    let Some(terminal) = Terminal::new(name, SLOW, 100, 24) else { return };
    terminal.run("up");
    terminal.wait_for("web: waits for db (ready)");
    for (columns, rows) in [("40", "24"), ("30", "12"), ("90", "24")] {
        terminal.tmux(&["resize-window", "-x", columns, "-y", rows]);
        // Two updates later.
        let shown = |screen: &str| {
            let line = screen.lines().rev().find(|line| line.contains("of 2 ready after"))?;
            Some(line.to_owned())
        };
        let first = shown(&terminal.wait_for("of 2 ready after"));
        let second = terminal.wait_until("another time", |screen| shown(screen) != first);
        let last: Vec<&str> = second.lines().filter(|line| !line.is_empty()).collect();
        let [.., head, db, web] = &last[..] else { panic!("{second}") };
        assert!(head.contains("of 2 ready") && db.contains(" db: ") && web.contains(" web: "), "{second}");
    }
    fs::write(terminal.project.path().join("go"), "").unwrap();
    let screen = terminal.wait_for("all 2 are ready");
    let last = screen.lines().rev().find(|line| !line.is_empty()).unwrap_or_default();
    assert!(!last.contains("web: waits"), "{screen}");
}

#[test]
fn f_261_status_watch_follows_in_one_place() {
    let Some(terminal) = Terminal::new("f_261_status_watch_follows_in_one_place", SLOW, 90, 24) else {
        return;
    };
    terminal.project.write("go", "");
    terminal.project.ctl(&["up", "-d"], 0);
    terminal.run("status --watch");
    let screen = terminal.wait_for("NAME");
    assert_eq!(count(&screen, "NAME"), 1, "{screen}");
    terminal.project.ctl(&["stop", "db"], 0);
    let screen = terminal.wait_until("held", |screen| {
        screen.lines().any(|line| line.starts_with("db") && line.contains("held"))
    });
    assert_eq!((count(&screen, "NAME"), count(&screen, "db ")), (1, 1), "{screen}");
    let colours = terminal.screen(true);
    assert!(colours.contains("\x1b[90mheld"), "{colours}");
    terminal.keys(&["C-c"]);
    terminal.wait_for("^C");
    terminal.project.ctl(&["kill", "web"], 0);
    terminal.project.ctl(&["down"], 0);
}
