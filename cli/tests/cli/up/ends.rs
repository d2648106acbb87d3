//! How an `up` ends, and with which exit status.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Project;
use crate::supervisor::Ended;

#[test]
fn f_265_processes_start_and_stop_in_the_order_of_their_dependencies() {
    let project = Project::new(
        r#"[process.web]
command = "sh -c 'trap \"echo web stops; exit\" TERM; echo web runs; while :; do sleep 0.05; done'"
after = { db = "ready", migrate = "completed" }
ready = { output = "web runs" }

[process.migrate]
command = "sh -c 'echo migrate runs'"
after = { db = "ready" }
restart = "never"

[process.db]
command = "sh -c 'trap \"echo db stops; exit\" TERM; echo db runs; sleep 0.2; echo db is up; while :; do sleep 0.05; done'"
ready = { output = "is up" }
"#,
    );
    let mut up = project.up(&[]);
    up.err.wait_for("all 3 are ready");
    let Ended { status, out, err } = up.stop();
    assert_eq!(status, 0, "{err}");
    let lines: Vec<&str> = out.lines().map(|line| line.split_once("] ").unwrap().1.trim()).collect();
    assert_eq!(lines, ["db runs", "db is up", "migrate runs", "web runs", "web stops", "db stops"]);
}

#[test]
fn f_266_the_exit_status_says_how_it_ended() {
    let give_up = "min-restart-delay = 0.01\ngive-up = { failures = 2 }\n";
    for (file, words, expected, message) in [
        (format!("command = \"false\"\n{give_up}"), &[][..], 3, "nothing is left to run"),
        (
            format!("command = \"false\"\n{give_up}on-give-up = \"stop-all\"\n[process.b]\ncommand = \"sleep 1000\"\n"),
            &[],
            3,
            "stopping, because a was given up",
        ),
        ("command = \"true\"\nrestart = \"never\"\n".to_owned(), &[], 0, "nothing is left to run"),
        ("command = \"sh -c 'exit 7'\"\n".to_owned(), &["--exit-with", "a"], 7, "exit status 7"),
        ("command = \"sh -c 'kill -HUP $$'\"\n".to_owned(), &["--exit-with", "a"], 129, "exit status 129"),
        ("command = \"true\"\n[process.b]\ncommand = \"sleep 1000\"\n".to_owned(), &["--exit-with", "a"], 0, "stopping the others"),
        (
            "command = \"true\"\nafter = { b = \"completed\" }\n[process.b]\ncommand = \"false\"\nrestart = \"never\"\n"
                .to_owned(),
            &["--exit-with", "a"],
            1,
            "a is blocked on b (completed)",
        ),
        (
            "command = \"./later\"\nafter = { b = \"completed\" }\n[process.b]\ncommand = \"true\"\nrestart = \"never\"\n"
                .to_owned(),
            &["--exit-with", "a"],
            127,
            "exit status 127",
        ),
    ] {
        let project = Project::new(&format!("[process.a]\n{file}"));
        let Ended { status, err, .. } = project.up(words).end();
        assert_eq!(status, expected, "{file}{words:?}: {err}");
        assert!(err.contains(message), "{file}{words:?}: {err}");
    }
}

#[test]
fn f_266_a_signal_during_exit_with_is_not_a_success() {
    let project = Project::new("[process.tests]\ncommand = \"sleep 1000\"\n");
    let mut up = project.up(&["--exit-with", "tests"]);
    up.err.wait_for("ready");
    assert_eq!(up.stop().status, 128 + Signal::SIGTERM as i32);
}

#[test]
fn the_exit_of_a_process_that_has_completed_is_not_a_warning() {
    for (command, restart, warning) in [
        ("true", "never", false),
        ("true", "on-failure", false),
        ("false", "never", true),
        ("true", "always", true),
    ] {
        let project = Project::new(&format!(
            "[process.a]\ncommand = \"{command}\"\nrestart = \"{restart}\"\nmin-restart-delay = 1000\n"
        ));
        let mut up = project.up(&[]);
        let line = up.err.wait_for(" exited with code ");
        assert_eq!(line.contains("WARN"), warning, "{command}, {restart}: {line}");
        if restart == "always" {
            up.stop();
        } else {
            up.end();
        }
    }
}

#[test]
fn f_267_a_stop_shows_what_it_waits_for_and_a_second_signal_kills() {
    let project = Project::new(
        "[process.stubborn]\ncommand = \"sh -c 'trap : TERM; echo ready; while :; do sleep 0.05; done'\"\nkill-time = 1000\n",
    );
    let mut up = project.up(&[]);
    up.out.wait_for("ready");
    up.signal(Signal::SIGINT);
    up.err.wait_for("got INT, stopping");
    up.err.wait_for("still waiting for stubborn: stopping, KILL in");
    up.signal(Signal::SIGTERM);
    up.err.wait_for("got TERM, killing");
    assert_eq!(up.end().status, 0);
}

#[test]
fn f_81_268_nothing_survives_a_killed_up_which_works_again() {
    // The portable back end finds only the members of the process group.
    let daemon = if cfg!(any(async_process_force_signal_backend, not(target_os = "linux"))) {
        "sleep 1000"
    } else {
        "setsid sleep 1000"
    };
    let project = Project::new(&format!(
        r#"[process.a]
command = "sh -c '({daemon} &); exec sleep 1000'"
[process.b]
command = "sleep 1000"
"#,
    ));
    for _ in 0..2 {
        let mut up = project.up(&[]);
        up.err.wait_for("all 2 are ready");
        assert!(project.socket().exists());
        let pid = up.pid().to_string();
        // A second one is refused, and changes nothing.
        let refused = project.ctl(&["up"], 1);
        assert!(refused.contains(&format!("as process {pid}")), "{refused}");
        assert_eq!(project.status().len(), 2);
        up.kill_and_wait();
        // The socket is left behind, and nothing answers.
        assert!(project.socket().exists());
        let err = project.ctl(&["status"], 1);
        assert!(err.contains("is not up"), "{err}");
    }
    let mut up = project.up(&[]);
    up.err.wait_for("all 2 are ready");
    project.ctl(&["down"], 0);
    assert_eq!(up.end().status, 0);
    assert!(!project.socket().exists());
    assert!(fs::read_dir(project.path().join(".childminder")).unwrap().count() <= 2);
}

#[test]
fn f_269_named_processes_start_with_their_dependencies_and_others_are_held() {
    let project = Project::new(
        r#"[process.db]
command = "sleep 1000"
[process.web]
command = "sleep 1000"
after = "db"
[process.other]
command = "sleep 1000"
"#,
    );
    let up = project.up(&["web"]);
    project.ctl(&["wait", "--timeout", "20", "web"], 0);
    let state = |name| project.status_of(name)["state"].clone();
    assert_eq!([state("db"), state("web"), state("other")], ["up", "up", "held"]);
    project.ctl(&["start", "other"], 0);
    project.ctl(&["wait", "--timeout", "20", "other"], 0);
    assert_eq!(state("other"), "up");
    assert_eq!(up.stop().status, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn an_idle_up_does_not_wake_up() {
    let project =
        Project::new("[process.a]\ncommand = \"sleep 1000\"\n[process.b]\ncommand = \"sleep 1000\"\n");
    let mut up = project.up(&["--metrics", "it.prom"]);
    up.err.wait_for("all 2 are ready");
    let switches = || -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", up.pid())).unwrap();
        let of_task = |task: std::io::Result<fs::DirEntry>| -> u64 {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
            line.split_whitespace().last().unwrap().parse().unwrap()
        };
        tasks.map(of_task).sum()
    };
    #[expect(clippy::disallowed_methods, reason = "it is the absence of events that is observed")]
    let switches_in = |time| {
        let before = switches();
        std::thread::sleep(time);
        switches() - before
    };
    // The start itself may still be on its way, and the last change in the metrics is written within 2 s.
    let pause = Duration::from_millis(2500);
    assert!((0..8).any(|_| switches_in(pause) == 0), "it wakes up again and again");
    // What waits for the driver used to look at it after 4 s, 8 s, 16 s.
    assert_eq!(switches_in(Duration::from_secs(6)), 0);
    assert_eq!(up.stop().status, 0);
}
