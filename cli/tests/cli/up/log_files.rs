//! Log files that another program rotates.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use super::Project;
use crate::eventually::eventually;
use crate::skip::skip;
use crate::supervisor::Supervisor;

/// A process that writes a line when there is a file with its text, besides the one at its start.
const FILE: &str = r#"[process.a]
command = ["sh", "-c", "echo line 0; while :; do if mv next now 2>/dev/null; then cat now; fi; sleep 0.05; done"]
log = { file = "log/a.log", max-size = "unlimited" }
"#;

fn start() -> (Project, Supervisor) {
    let project = Project::new(FILE);
    fs::create_dir(project.path().join("log")).unwrap();
    let mut up = project.up(&[]);
    up.out.wait_for("line 0");
    wait_for(&project, "line 0");
    (project, up)
}

/// Waits until the log file ends with a line, which may be after the standard output has it.
fn wait_for(project: &Project, line: &str) {
    let log = project.path().join("log/a.log");
    let is_there = || fs::read_to_string(&log).unwrap_or_default().ends_with(&format!("{line}\n"));
    eventually(&format!("{line:?} in the log file"), is_there);
}

/// Lets the process write its next line, and waits until it was written.
fn write(project: &Project, up: &mut Supervisor, line: &str) {
    project.write("new", &format!("{line}\n"));
    fs::rename(project.path().join("new"), project.path().join("next")).unwrap();
    up.out.wait_for(line);
    wait_for(project, line);
}

#[test]
fn f_290_a_log_file_that_was_moved_or_deleted_is_opened_again_without_a_signal() {
    let (project, mut up) = start();
    let log = project.path().join("log/a.log");
    let moved = project.path().join("log/a.log.1");
    fs::rename(&log, &moved).unwrap();
    write(&project, &mut up, "line 1");
    // The signal with which other programs are asked to open their files again is no reason to stop.
    up.signal(Signal::SIGUSR1);
    fs::remove_file(&log).unwrap();
    write(&project, &mut up, "line 2");
    assert_eq!(up.stop().status, 0);
    assert_eq!(fs::read_to_string(&moved).unwrap(), "line 0\n");
    assert_eq!(fs::read_to_string(&log).unwrap(), "line 2\n");
}

/// Returns the configuration of logrotate in the guide, for another directory.
fn configuration(project: &Project) -> String {
    let guide = include_str!("../../../help/from-a-file.md");
    let (_, after) = guide.split_once("```text\n/srv/app/log/*.log {").expect("the example");
    let (body, _) = after.split_once("```").expect("its end");
    format!("{}/log/*.log {{{body}", fs::canonicalize(project.path()).unwrap().display())
}

#[test]
fn f_290_the_configuration_of_logrotate_in_the_guide_loses_no_line() {
    const NAME: &str = "up::log_files::f_290_the_configuration_of_logrotate_in_the_guide_loses_no_line";
    let programs = ["logrotate", "/usr/sbin/logrotate"];
    let found = programs.iter().find(|program| Command::new(program).arg("--version").output().is_ok());
    let Some(logrotate) = found else { return skip(NAME, "logrotate is missing") };
    let (project, mut up) = start();
    project.write("logrotate.conf", &configuration(&project));
    for line in ["line 1", "line 2"] {
        let mut rotate = Command::new(logrotate);
        rotate.args(["--force", "--state", "logrotate.state", "logrotate.conf"]).current_dir(project.path());
        let output = rotate.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        write(&project, &mut up, line);
    }
    assert_eq!(up.stop().status, 0);
    let dir = project.path().join("log");
    let read =
        |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!((read("a.log.1"), read("a.log")), ("line 1\n".to_owned(), "line 2\n".to_owned()));
    let unpacked = Command::new("gzip").args(["-dc", "a.log.2.gz"]).current_dir(&dir).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&unpacked.stdout), "line 0\n");
}
