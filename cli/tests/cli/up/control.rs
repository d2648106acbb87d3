//! The commands of another terminal.

use super::{Project, golden};

const THREE: &str = r#"[process.db]
command = "sh -c 'echo db runs; exec sleep 1000'"
ready = { output = "runs" }

[process.migrate]
command = "true"
after = "db"
restart = "never"

[process.web]
command = "sh -c 'echo web runs; exec sleep 1000'"
after = { db = "ready", migrate = "completed" }
"#;

#[test]
fn f_261_every_command_of_another_terminal_has_its_effect() {
    let project = Project::new(THREE);
    let mut up = project.up(&[]);
    project.wait();
    golden("status.txt", &project, &project.ctl(&["status"], 0));
    up.out.wait_for("web runs");
    golden("logs.txt", &project, &project.ctl(&["logs", "-n", "2"], 0));
    golden("why.txt", &project, &project.ctl(&["why", "web"], 0));
    let states = |state: &str, ready: bool| {
        let web = project.status_of("web");
        (&web["state"], &web["ready"]) == (&state.into(), &ready.into())
    };
    assert!(states("up", true));
    let pid = project.status_of("web")["pid"].as_u64().unwrap();

    project.ctl(&["stop", "web"], 0);
    assert!(states("held", false));
    assert_eq!(project.status_of("web")["exit_signal"], "TERM");
    golden("why-held.txt", &project, &project.ctl(&["why", "web"], 0));
    project.ctl(&["wait", "--down", "web"], 0);
    let timeout = project.ctl(&["wait", "--down", "--timeout", "0.1"], 1);
    assert!(timeout.contains("timeout; db: ready"), "{timeout}");

    project.ctl(&["start", "web"], 0);
    project.wait();
    let started = project.status_of("web")["pid"].as_u64().unwrap();
    assert_ne!(started, pid);

    project.ctl(&["restart", "web"], 0);
    project.wait();
    let restarted = project.status_of("web")["pid"].as_u64().unwrap();
    assert_ne!(restarted, started);

    project.ctl(&["kill", "web"], 0);
    up.err.wait_for("exited with signal KILL");
    project.wait();
    project.ctl(&["signal", "HUP", "web"], 0);
    up.err.wait_for("exited with signal HUP");

    let unknown = project.ctl(&["stop", "webb"], 1);
    assert!(unknown.contains("no process `webb`") && unknown.contains("did you mean `web`?"), "{unknown}");
    let down = project.ctl(&["signal", "USR1", "migrate"], 1);
    assert!(down.contains("not running: migrate"), "{down}");

    golden("down.txt", &project, &project.ctl(&["down"], 0));
    assert_eq!(up.end().status, 0);
    golden("not-up.txt", &project, &project.ctl(&["status"], 1));
}

#[test]
fn f_261_states_have_the_names_of_the_documentation() {
    let project = Project::new(
        r#"[process.blocked]
command = "true"
after = "starting"
[process.starting]
command = "sleep 1000"
ready = { output = "never" }
[process.waiting]
command = "false"
min-restart-delay = 1000
[process.completed]
command = "true"
restart = "never"
[process.failed]
command = "false"
restart = "never"
[process.gave-up]
command = "false"
give-up = { failures = 1 }
[process.held]
command = "true"
hold = true
"#,
    );
    let mut up = project.up(&[]);
    up.err.wait_for("is given up");
    let state = |name: &str| project.status_of(name)["state"].as_str().unwrap().to_owned();
    let names = ["blocked", "completed", "failed", "gave-up", "held", "waiting"];
    let deadline = std::time::Duration::from_secs(20);
    let begin = now();
    while names.iter().any(|name| state(name) != *name) {
        assert!(begin.elapsed() < deadline, "{:?}", project.status());
    }
    let starting = project.status_of("starting");
    assert_eq!((&starting["state"], &starting["ready"]), (&"up".into(), &false.into()));
    assert!(project.status_of("waiting")["next_start_ms"].as_u64().unwrap() > 900_000);
    let hopeless = project.ctl(&["wait", "failed"], 1);
    assert!(hopeless.contains("failed: failed, exited with code 1"), "{hopeless}");
    // A process that was given up can be started again.
    project.ctl(&["start", "gave-up", "waiting", "completed"], 0);
    up.err.wait_for("is given up");
    assert_eq!(up.stop().status, 3);
}

#[expect(clippy::disallowed_methods, reason = "the deadline of a test")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn f_259_logs_can_be_followed() {
    let project = Project::new(
        "[process.a]\ncommand = \"sh -c 'echo one; while read line; do echo got $line; done <fifo; exec sleep 1000'\"\n\
         [process.b]\ncommand = \"sh -c 'echo other; exec sleep 1000'\"\n",
    );
    let fifo = project.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut up = project.up(&[]);
    up.out.wait_for("one");
    let mut logs = crate::supervisor::Supervisor::start(&mut project.command(&["logs", "-f", "a"]));
    assert_eq!(logs.out.next(), "[a] one");
    let json =
        crate::supervisor::Supervisor::start(&mut project.command(&["logs", "--json", "-f", "-n", "0", "a"]));
    // Both are there when the first line of a third one arrives.
    project.ctl(&["status"], 0);
    let mut writer = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    std::io::Write::write_all(&mut writer, b"this\n").unwrap();
    assert_eq!(logs.out.next(), "[a] got this");
    drop(writer);
    assert_eq!(up.stop().status, 0);
    // The end of `up` is the end of its logs.
    assert_eq!(logs.end().status, 0);
    let line = json.out.rest();
    assert!(line.is_empty() || line.contains(r#""text":"got this""#), "{line}");
    json.end();
}
