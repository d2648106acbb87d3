//! `childminder export`.

use std::fs;
use std::process::Command;

use super::keys::{BASE, LINES, process, without};
use super::skip::skip;
use super::up::{Project, golden_exact};

/// Keys that systemd has since version 254, and that an older one ignores.
const NEWER: &[&str] = &["'RestartSteps'", "'RestartMaxDelaySec'"];

const FILE: &str = r#"[defaults]
env = { LANG = "C.UTF-8" }

[process.db]
command = ["/bin/sleep", "1000", "a b", "$HOME", "100%", "${x}", "%{y}", "it's \"quoted\""]
cwd = "/tmp"
port = 5433
ready = { port = "{port}", uptime = "1s" }
stop-signal = "INT"
kill-time = "1m 30s"
limits = { nofile = 65536, core = { soft = 0, hard = "unlimited" } }
nice = 5
oom-score-adj = -100
io-priority = { class = "idle" }
umask = "027"
uid = 33
gid = 33

[process.migrate]
command = "/bin/sleep 1"
after = { db = "ready" }
restart = "never"

[process.Web_1]
command = "/bin/sleep {port}"
port = "auto"
after = { db = "ready", migrate = "completed" }
alive = { http = "http://127.0.0.1:{port}/health", every = "10s", failures = 4 }
ready = { notify = "systemd" }
env = { TOKEN = "a$b", PYTHONHOME = false }
env-file = "vars.env"
give-up = { failures = 5, within = "1m" }
on-give-up = "stop-all"
log = { file = "/tmp/web.log", max-size = "10MB", keep = 5 }
stop-command = "sh -c 'kill $MAINPID'"

[process.retried]
command = "/bin/sleep 5"
restart = "on-failure"
policy = "supervisord"
hold = true
stop-to = "group"
"#;

fn project() -> Project {
    let project = Project::new(FILE);
    project.write("vars.env", "A=1\n");
    project
}

#[test]
fn f_275_every_engine_has_its_files_and_a_report_of_what_is_lost() {
    let project = project();
    for engine in ["systemd", "kubernetes", "nomad", "compose"] {
        let output = project.command(&["export", engine]).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{err}");
        golden_exact(&format!("export-{engine}.out"), project.path(), &out);
        golden_exact(&format!("export-{engine}.txt"), project.path(), &err);
        // Both schedules of each program.
        for who in ["childminder", engine] {
            let count = err.lines().filter(|line| line.trim_start().starts_with(&format!("{who} "))).count();
            assert_eq!(count, 4, "{who}: {err}");
        }
        assert!(!out.contains("{port"), "{out}");
    }
}

/// Removes what is the same in every report.
fn losses(report: &str) -> Vec<String> {
    report.lines().filter(|line| !line.starts_with("note:")).map(str::to_owned).collect()
}

#[test]
fn f_275_no_key_is_lost_in_silence() {
    let project = Project::new("");
    project.write("vars.env", "B=2\n");
    let export = |file: &str, engine: &str| {
        project.write("childminder.toml", file);
        let output = project.command(&["export", engine]).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert!(output.status.success(), "{engine} {file}: {}", text(output.stderr));
        (text(output.stdout), losses(&text(output.stderr)))
    };
    let file = |process: &str| format!("[process.base]\n{BASE}[process.p]\n{process}");
    let mut silent = Vec::new();
    for engine in ["systemd", "kubernetes", "nomad", "compose"] {
        for (key, _) in LINES {
            // A program cannot be without its command. The others have a condition that an engine can check.
            let before = if *key == "command" { BASE.to_owned() } else { without(key) };
            let checkable = |text: String| file(&text.replace("{ uptime = \"1ms\" }", "{ exec = \"true\" }"));
            if export(&checkable(before), engine) == export(&checkable(process(key)), engine) {
                silent.push(format!("{engine}: {key}"));
            }
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn f_275_systemd_accepts_the_units() {
    let project = project();
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip("f_275_systemd_accepts_the_units", "there is no systemd-analyze");
    }
    project.ctl(&["export", "systemd", "-o", "units"], 0);
    let units: Vec<_> =
        fs::read_dir(project.path().join("units")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(units.len(), 4);
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    let about_ours: Vec<&str> = err
        .lines()
        .filter(|line| line.contains("units/") && !NEWER.iter().any(|key| line.contains(key)))
        .collect();
    assert!(about_ours.is_empty(), "{err}");
}

#[test]
fn f_275_a_directory_that_cannot_be_written_is_an_error() {
    let project = project();
    project.write("plain", "");
    let err = project.ctl(&["export", "compose", "-o", "plain"], 1);
    assert!(err.contains("cannot write plain"), "{err}");
    project.ctl(&["export", "compose", "-o", "new/folder"], 0);
    assert!(project.path().join("new/folder/compose.yaml").is_file());
    let err = project.ctl(&["export", "compose", "-f", "missing.toml"], 2);
    assert!(err.contains("missing.toml: cannot read this file"), "{err}");
    project.ctl(&["export", "swarm"], 2);
}
