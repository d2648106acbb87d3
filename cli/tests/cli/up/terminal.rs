//! `up` on a terminal: colours, progress, Ctrl-C.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use nix::pty::{Winsize, openpty};

use super::Project;
use crate::skip::skip;
use crate::supervisor::{Lines, PROGRAM, Supervisor};

#[test]
fn f_267_a_terminal_shows_progress_colours_and_an_ordered_stop() {
    let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    let Ok(terminal) = openpty(&size, None) else {
        return skip(
            "up::terminal::f_267_a_terminal_shows_progress_colours_and_an_ordered_stop",
            "cannot open a pseudo-terminal",
        );
    };
    let project = Project::new(
        r#"[process.db]
command = "sh -c 'trap \"sleep 1.5; exit\" TERM; sleep 1.5; echo is up; while :; do sleep 0.05; done'"
ready = { output = "is up" }
[process.web]
command = "sleep 1000"
after = "db"
"#,
    );
    let mut command = Command::new("setsid");
    command
        .args(["--ctty", PROGRAM, "up"])
        .current_dir(project.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR");
    let slave = || terminal.slave.try_clone().unwrap();
    command.stdin(slave()).stdout(slave()).stderr(slave());
    let up = Supervisor::spawn(&mut command);
    drop((command, terminal.slave));
    let mut keyboard = File::from(terminal.master.try_clone().unwrap());
    let mut screen = Lines::of(Some(File::from(terminal.master)));
    screen.wait_for("web: waits for db (ready)");
    let line = screen.wait_for("[db]");
    assert!(line.contains("\x1b[36m[db]\x1b[0m  is up"), "{line:?}");
    screen.wait_for("all 2 are ready");
    keyboard.write_all(b"\x03").unwrap();
    screen.wait_for("got INT, stopping");
    screen.wait_for("db: stopping, KILL in");
    assert_eq!(up.end().status, 0);
}
