//! A reload touches only what has changed.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use serde_json::Value;

use super::{Project, golden};
use crate::keys::{BASE, LINES, OF_ROOT, process};

/// A file with ten processes.
fn ten(special: &str) -> String {
    let mut file = String::new();
    for number in 0..9 {
        let _ = writeln!(file, "[process.p{number}]\ncommand = \"sleep 100{number}\"");
    }
    file + special
}

fn pids(project: &Project) -> Vec<(String, Value)> {
    let status = project.status();
    status
        .iter()
        .map(|process| (process["name"].as_str().unwrap().to_owned(), process["pid"].clone()))
        .collect()
}

#[test]
fn f_42_261_a_reload_touches_only_what_has_changed() {
    let project = Project::new(&ten("[process.special]\ncommand = \"sleep 1000\"\n"));
    let up = project.up(&[]);
    project.wait();
    let before = pids(&project);
    assert_eq!(before.len(), 10);

    // Comments, order and form are no changes.
    let reordered = "# comment\n[process.special]\ncommand = [\"sleep\", \"1000\"]\n".to_owned() + &ten("");
    project.write("childminder.toml", &reordered);
    assert_eq!(project.ctl(&["reload"], 0), "10 unchanged\n");

    // One program: nine stay.
    project.write("childminder.toml", &ten("[process.special]\ncommand = \"sleep 2000\"\n"));
    golden("reload.txt", &project, &project.ctl(&["reload", "--dry-run"], 0));
    let sorted = |mut list: Vec<(String, Value)>| {
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list
    };
    assert_eq!(sorted(pids(&project)), sorted(before.clone()));
    project.ctl(&["reload"], 0);
    project.wait();
    let after = pids(&project);
    let changed: Vec<_> = before.iter().filter(|process| !after.contains(process)).collect();
    assert_eq!(changed.len(), 1, "{before:?} {after:?}");
    assert_eq!(changed[0].0, "special");

    // A policy changes without a restart.
    project
        .write("childminder.toml", &ten("[process.special]\ncommand = \"sleep 2000\"\nkill-time = \"7s\"\n"));
    assert_eq!(project.ctl(&["reload"], 0), "~ special: kill-time\n9 unchanged\n");
    assert_eq!(pids(&project), after);

    // One is gone, and one that waits for it has another dependency before that.
    project.write("childminder.toml", &ten("[process.new]\ncommand = \"sleep 3000\"\nafter = \"p0\"\n"));
    golden("reload-names.txt", &project, &project.ctl(&["reload"], 0));
    project.wait();
    let last = pids(&project);
    assert_eq!(last.len(), 10);
    assert_eq!(last[..9], after[..9]);

    // A mistake changes nothing.
    project.write("childminder.toml", &ten("[process.new]\ncomand = \"sleep 3000\"\n"));
    let err = project.ctl(&["reload"], 1);
    assert!(err.contains("unknown key `comand`") && err.contains("did you mean `command`?"), "{err}");
    assert_eq!(pids(&project), last);
    assert_eq!(up.stop().status, 0);
}

/// Sends a reload over the socket, and returns its changes.
fn changes(project: &Project, dry_run: bool) -> Value {
    let mut client = project.connect();
    writeln!(client, "{{\"version\":1,\"command\":\"reload\",\"dry_run\":{dry_run}}}").unwrap();
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Changes one key of each process at once, and compares what is announced with what happens.
#[test]
fn f_289_a_dry_run_announces_what_a_reload_does_for_each_key() {
    // The variables of a port are those of all processes.
    let is_possible = |key: &&str| *key != "port" && (geteuid().is_root() || !OF_ROOT.contains(key));
    let keys: Vec<&str> = LINES.iter().map(|(key, _)| *key).filter(is_possible).collect();
    let file = |lines: &dyn Fn(&str) -> String| {
        let all = keys.iter().map(|key| format!("[process.{key}]\n{}", lines(key)));
        format!("[process.base]\n{BASE}") + &all.collect::<String>()
    };
    let (before, after) = (file(&|_| BASE.to_owned()), file(&process));
    let project = Project::new(&before);
    project.write("vars.env", "B=2\n");
    let up = project.up(&[]);
    project.wait();
    let mut runs = pids(&project);
    // The effects of the change, and of its return.
    for (text, hold) in [(&after, "stop"), (&before, "start")] {
        project.write("childminder.toml", text);
        let announced = changes(&project, true);
        assert_eq!(pids(&project), runs, "a dry run has effects");
        assert_eq!(changes(&project, false), announced);
        let seen: Vec<(&str, &str)> = announced["changed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| {
                let name = change["name"].as_str().unwrap();
                assert_eq!(change["keys"], Value::from(vec![name]));
                (name, change["effect"].as_str().unwrap())
            })
            .collect();
        assert_eq!(seen.iter().map(|(name, _)| *name).collect::<Vec<_>>(), keys);
        project.wait();
        let now = pids(&project);
        let expected: Vec<(&str, &str)> = keys
            .iter()
            .map(|key| {
                let pid =
                    |list: &[(String, Value)]| list.iter().find(|(name, _)| name == key).unwrap().1.clone();
                let effect = match (pid(&runs), pid(&now)) {
                    (old, new) if old == new => "none",
                    (Value::Null, _) => "start",
                    (_, Value::Null) => "stop",
                    _ => "restart",
                };
                (*key, effect)
            })
            .collect();
        assert_eq!(seen, expected);
        for (key, effect) in [
            ("command", "restart"),
            ("stop-signal", "none"),
            ("after", "none"),
            ("kill-time", "none"),
            ("give-up", "none"),
            ("log", "none"),
            ("hold", hold),
        ] {
            assert!(seen.contains(&(key, effect)), "{key} is not {effect}: {seen:?}");
        }
        runs = now;
    }
    // A port changes the variables of all processes. The others get it when they are restarted.
    project.write("childminder.toml", &before.replace("[process.cwd]\n", "[process.cwd]\nport = 20321\n"));
    let announced = changes(&project, false);
    assert_eq!(
        (&announced["changed"][0]["effect"], &announced["changed"][1]),
        (&"restart".into(), &Value::Null)
    );
    assert_eq!(up.stop().status, 0);
}

#[test]
fn f_289_a_reload_starts_what_is_down_unless_it_is_held() {
    let file = |command: &str| {
        format!(
            "[process.done]\ncommand = \"{command}\"\nrestart = \"never\"\n\
             [process.held]\ncommand = \"{command}\"\nhold = true\n[process.other]\ncommand = \"sleep 1000\"\n"
        )
    };
    let project = Project::new(&file("true"));
    let mut up = project.up(&[]);
    up.err.wait_for("done#1 has completed");
    project.write("childminder.toml", &file("sh -c 'echo again'"));
    let shown = project.ctl(&["reload", "--dry-run"], 0);
    assert_eq!(shown, "~ done: command (starts)\n~ held: command\n1 unchanged\n");
    assert_eq!(project.ctl(&["reload"], 0), shown);
    up.out.wait_for("[done]  again");
    assert_eq!(project.status_of("held")["state"], "held");
    assert_eq!(up.stop().status, 0);
}

#[test]
fn f_42_a_reload_during_a_stop_does_not_cancel_it() {
    let stubborn = "[process.stubborn]\n\
                    command = \"sh -c 'trap \\\"echo stops\\\" TERM; echo ready; while :; do sleep 0.05; done'\"\n\
                    kill-time = 1000\n";
    let new = "sh -c 'echo new runs; exec sleep 1000'";
    let project = Project::new(stubborn);
    let mut up = project.up(&[]);
    up.out.wait_for("ready");
    up.signal(Signal::SIGTERM);
    up.out.wait_for("stops");
    project.write("childminder.toml", &format!("{stubborn}[process.new]\ncommand = \"{new}\"\n"));
    assert_eq!(project.ctl(&["reload"], 0), "+ new\n1 unchanged\n");
    assert_eq!(project.status_of("new")["pid"], Value::Null);
    // Another program is no reason to start it either.
    project.write("childminder.toml", &format!("[process.stubborn]\ncommand = \"{new}\"\n"));
    project.ctl(&["reload"], 0);
    up.signal(Signal::SIGINT);
    up.err.wait_for("killing");
    let ended = up.end();
    assert_eq!((ended.status, ended.out.contains("new runs")), (0, false), "{}{}", ended.out, ended.err);
}

#[test]
fn f_42_the_exit_of_a_process_is_awaited_after_a_reload_too() {
    let file = |command: &str| {
        format!("[process.tests]\ncommand = \"{command}\"\nthreshold = 0\nmin-restart-delay = 1000\n")
    };
    let project = Project::new(&file("sleep 1000"));
    let mut up = project.up(&["--exit-with", "tests"]);
    up.err.wait_for("ready");
    project.write("childminder.toml", &file("sh -c 'exit 7'"));
    project.ctl(&["reload"], 0);
    let ended = up.end();
    assert_eq!(ended.status, 7, "{}", ended.err);
}

#[test]
fn f_261_dependencies_may_turn_around_in_a_reload() {
    let file = |a: &str, b: &str| {
        format!("[process.a]\ncommand = \"sleep 1\"\n{a}[process.b]\ncommand = \"sleep 1\"\n{b}")
    };
    let project = Project::new(&file("after = \"b\"\n", ""));
    let up = project.up(&[]);
    project.wait();
    project.write("childminder.toml", &file("", "after = \"a\"\n"));
    let changes = project.ctl(&["reload"], 0);
    assert!(changes.starts_with("~ a: after") && changes.contains("~ b: after"), "{changes}");
    assert_eq!(up.stop().status, 0);
}
