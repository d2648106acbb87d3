//! Every example exits by itself and prints what it promises. `cargo test` builds the examples first.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{is_alive, required};

fn run(name: &str) -> String {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples");
    let path: PathBuf = folder.join(name);
    assert!(path.exists(), "{name} is not built; `cargo test` without `--test it` builds it");
    let output = Command::new("timeout").arg("60").arg(&path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{name}: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn keep_alive() {
    let text = run("keep_alive");
    assert!(text.contains("restart 1 of hello in 100ms\nrestart 2 of hello in 200ms\n"), "{text}");
    assert!(text.ends_with("stopped\n"), "{text}");
}

#[test]
fn one_shot() {
    let text = run("one_shot");
    let lines = [
        "server waits for migration (completed)\n",
        "migration#2 exited with code 1",
        "migration#3 has completed and is not started again\n",
        "server#4 started, pid",
    ];
    let places: Vec<Option<usize>> = lines.iter().map(|line| text.find(line)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {text}");
    assert!(text.ends_with("server: up\nmigration: completed\n"), "{text}");
}

#[test]
fn give_up() {
    let text = run("give_up");
    assert!(text.starts_with("delays: 100ms, 200ms, 300ms\n"), "{text}");
    assert!(text.contains("with runs of 10 ms it is given up after 640ms\n"), "{text}");
    assert!(
        text.contains("everything has stopped because of broken\nbroken was given up after 4 failures"),
        "{text}"
    );
    assert!(text.ends_with("; last line: no such table\n"), "{text}");
}

#[test]
fn health() {
    let text = run("health");
    let reason = "is unhealthy: 3 checks in a row failed, at last command test -e working: code 1";
    assert!(text.contains(reason), "{text}");
    assert!(text.ends_with("worker#2 is ready\n"), "{text}");
}

#[test]
fn three_tiers() {
    let text = run("three_tiers");
    let line = |name: &str, end: &str| {
        let found = text.lines().position(|line| line.contains(&format!(" {name}#")) && line.contains(end));
        found.unwrap_or_else(|| panic!("{name} {end}: {text}"))
    };
    let ready = |name| line(name, " is ready");
    assert!(ready("db") < ready("server") && ready("server") < ready("worker"), "{text}");
    assert!(ready("worker") < line("db", " exited with signal KILL"), "{text}");
    assert!(text.contains("the server is ready again; the worker runs on: true"), "{text}");
    assert!(text.ends_with("stopped\n"), "{text}");
}

#[test]
fn rehearse() {
    let text = run("rehearse");
    let lines = [
        "twisted: 7 restarts, back after 66.5 s\n",
        "supervisord: 4 restarts, is given up after 4 failures in a row\n",
    ];
    assert!(lines.iter().all(|line| text.contains(line)), "{text}");
}

#[test]
fn on_tokio() {
    let text = run("on_tokio");
    // Lines come from the output thread, before or after this one.
    assert!(text.contains("held\n"), "{text}");
}

#[test]
fn own_loop() {
    let text = run("own_loop");
    assert!(text.contains("flaky#1 exited with code 1 after"), "{text}");
    assert!(text.contains("flaky#2 started, pid"), "{text}");
}

#[test]
fn virtual_time() {
    let text = run("virtual_time");
    assert!(text.contains("7210.0 reap server#4\ntwo hours took"), "{text}");
}

#[test]
fn embed_sync() {
    let text = run("embed_sync");
    assert!(
        text.contains("there is a process \"helper\" already\nthere is no process \"helpre\"\n"),
        "{text}"
    );
    assert!(text.contains("Down, last line: "), "{text}");
}

#[test]
fn terminal() {
    let text = run("terminal");
    assert_eq!(text, "size: 24 80\nafter a resize: 50 132\nafter Ctrl-C: still here\nthe shell has exited\n");
}

#[test]
fn http_server_fixture() {
    const NAME: &str = "examples::http_server_fixture";
    if required(NAME, "python3").is_none() {
        return;
    }
    let text = run("http_server_fixture");
    assert!(text.contains("/ with status 200: met after "), "{text}");
    assert!(text.contains("\nHTTP/1.0 200 OK\nstopped: signal TERM\n"), "{text}");
    assert!(text.contains("service python3 is not ready: it exited with code 2 after "), "{text}");
    assert!(text.ends_with("error: unrecognized arguments: --directroy=site\n"), "{text}");
}

#[cfg(feature = "servers")]
#[test]
fn postgres() {
    const NAME: &str = "examples::postgres";
    if required(NAME, "postgres").is_none() || required(NAME, "psql").is_none() {
        return;
    }
    let text = run("postgres");
    assert!(text.starts_with("postgresql://postgres@127.0.0.1:"), "{text}");
    assert!(text.ends_with("the balance is 101\nthe balance is 102\nstopped with code 0\n"), "{text}");
}

#[cfg(feature = "servers")]
#[test]
fn stack() {
    const NAME: &str = "examples::stack";
    if ["postgres", "redis-server", "nginx"].iter().any(|program| required(NAME, program).is_none()) {
        return;
    }
    let text = run("stack");
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.contains("\nhttp://127.0.0.1:") && text.ends_with("\nstopped\n"), "{text}");
}

#[cfg(feature = "servers")]
#[test]
fn redis() {
    const NAME: &str = "examples::redis";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    let text = run("redis");
    for line in [": +PONG\ndown: Connection refused", "\nup again: :0\npaused: ", "\ncontinued: +PONG\n"] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[test]
fn shared_service() {
    let text = run("shared_service");
    let users = text.lines().filter_map(|line| line.split_once(" uses process "));
    let pids: Vec<u32> = users.map(|(_, pid)| pid.parse().unwrap()).collect();
    assert!(pids.len() == 4 && pids[0] == pids[1] && pids[0] == pids[2] && pids[0] != pids[3], "{text}");
    assert!(
        text.contains("service server died: it exited with signal KILL\n  its last lines:\n    open\n"),
        "{text}"
    );
    assert!(!is_alive(pids[3]), "the server survives the example");
}

#[test]
fn reconnect() {
    let text = run("reconnect");
    assert_eq!(text.lines().filter(|line| line.starts_with("outage ")).count(), 20, "{text}");
    let counts = text.lines().last().unwrap();
    let numbers: Vec<u32> = counts.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] >= 21 && numbers[1] >= 20 && numbers[2] == 0, "{text}");
}

#[test]
fn log_format() {
    let text = run("log_format");
    for line in [
        "INFO  2026-11-21T12:00:00.250Z http: listening on port 8080\n",
        "WARN  2026-11-21T12:00:01.000Z store.disk: 93 % full\n",
        "INFO  2026-11-21T12:00:01.500Z http: GET / (its level: ACCESS)\n",
        "INFO  no date childminder::output: Segmentation fault\n",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[test]
fn tidy_server() {
    let text = run("tidy_server");
    assert!(text.starts_with("hello, Ada\nhello, Grace\nthe server on port "), "{text}");
    assert!(
        text.contains(" is closed\nand back\nits directory is removed: true\n1 connection to 127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains(", connected at examples/tidy_server.rs:"), "{text}");
    assert!(text.ends_with(": its handler was still running after 50ms\n"), "{text}");
}

#[test]
fn remote_objects() {
    let said = "  echo: hello\n  15 + 30 = 45\n  closed cleanly\n";
    assert_eq!(run("remote_objects"), format!("over TCP:\n{said}over a Unix socket:\n{said}"));
}

#[cfg(feature = "webdriver")]
#[test]
fn browser() {
    let text = run("browser");
    if text.starts_with("skipped: ") {
        let reason = text.trim_start_matches("skipped: ").trim_end();
        return crate::support::skip("examples::browser", reason);
    }
    assert!(
        text.starts_with("the title is \"A shop\"\nthe heading is \"One apple\"\nthe picture is a PNG\n"),
        "{text}"
    );
    assert!(text.contains("POST element failed: no such element"), "{text}");
    assert!(text.ends_with("gone: true\n"), "{text}");
}

#[test]
fn plan_crash_points() {
    let text = run("plan_crash_points");
    let (found, fixed) = text.split_once("\n\n").unwrap();
    assert!(found.starts_with("plan counting fails when counter is killed at "), "{text}");
    let line = found.split_once("CHILDMINDER_CRASH_POINT=counting/counter@").unwrap().1;
    let command = line.lines().next().unwrap().split_once(' ').unwrap().1;
    assert!(command.ends_with("/examples/plan_crash_points"), "{text}");
    assert!(found.contains("the total is lost\n"), "{text}");
    assert_eq!(fixed, "fixed: plan counting passes when counter is killed at each of 4 points\n");
}
