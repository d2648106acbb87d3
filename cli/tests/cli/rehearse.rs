//! `childminder rehearse`.

use serde_json::Value;

use super::up::{Project, golden_exact};

const FILE: &str = r#"[process.db]
command = "no-such-program"
ready = { port = 15998 }
ready-timeout = "30s"

[process.migrate]
command = "no-such-program"
restart = "never"
after = { db = "ready" }

[process.web]
command = "no-such-program"
policy = "supervisord"
kill-time = "2s"
after = { migrate = "completed" }

[process.tool]
command = "no-such-program"
hold = true
"#;

const SCENARIO: &str = r#"length = "1h"
seed = 7

[process.db]
start-takes = "2s"
ready-after = "5s"
stop-takes = "3s"

[process.web]
lives = ["1m", "2m", "forever"]
exit = 3
ignores-term = true

[[at]]
time = "10m"
kill = "db"

[[at]]
time = "30m"
break = "web"
for = "1m"
exit = "ABRT"

[[at]]
time = "45m"
start = ["web", "tool"]

[[at]]
time = "50m"
restart = "web"
"#;

/// Replaces the directory, and runs a command whose result is compared with a file.
fn golden(project: &Project, name: &str, words: &[&str], status: i32) -> String {
    let text = project.ctl(words, status);
    golden_exact(name, project.path(), &text);
    text
}

#[test]
fn a_file_is_rehearsed_without_a_scenario_and_what_is_assumed_is_printed() {
    let project = Project::new(FILE);
    // No program exists, and none is needed.
    golden(&project, "rehearse.txt", &["rehearse"], 3);
    let report: Value = serde_json::from_str(&project.ctl(&["rehearse", "--json"], 3)).unwrap();
    assert_eq!((&report["length"], &report["processes"][2]["name"]), (&86_400.0.into(), &"web".into()));
    assert_eq!(report["processes"][2]["given_up"][0]["notice"], "is given up after 4 failures in a row");
    assert!(report["assumptions"].as_array().is_some_and(|lines| lines.len() == 5), "{report}");
    assert!(report["log"].is_null());
    let text = project.ctl(&["rehearse", "childminder.toml", "--for", "3h", "--seed", "9"], 3);
    assert!(text.contains("\n3h in virtual time, seed 9, without a scenario"), "{text}");
}

#[test]
fn a_scenario_says_what_happens_and_the_log_is_what_an_operator_would_have_seen() {
    let project = Project::new(FILE);
    project.write("night.toml", SCENARIO);
    golden(&project, "rehearse-scenario.txt", &["rehearse", "-s", "night.toml", "-v"], 3);
    let report = project.ctl(&["rehearse", "-s", "night.toml", "--log", "--json"], 3);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["seed"], &report["length"]), (&7.into(), &3600.0.into()));
    assert!(report["log"].as_array().is_some_and(|lines| lines.len() > 20), "{report}");
}

#[test]
fn all_problems_of_a_scenario_are_shown_with_their_places() {
    let project = Project::new(FILE);
    project.write(
        "bad.toml",
        r#"length = 0
seeds = 1
[process.dbb]
lives = -1
[process.web]
lives = []
ready-after = "1s"
unhealthy-after = "1m"
fails = "5 of 4"
exit = "TREM"
stop-takes = 1
ignores-term = true
live = 4
[process.db]
lives = { min = 4 }
fails = "3 in 4"
[process.tool]
lives = { min = 4, max = 3 }
fails = "0 of 0"
exit = 256
[[at]]
kill = "db"
[[at]]
time = "2d"
kill = ["web", "wbe"]
[[at]]
time = 1
stop = "db"
start = "web"
[[at]]
time = 1
break = "db"
[[at]]
time = 1
break = "db"
for = 0
[[at]]
time = 1
stop = "db"
for = 4
exit = 4
[[at]]
time = 1
[[at]]
time = 1
stop-service = false
when = 3
tim = 4
"#,
    );
    golden(&project, "rehearse-problems.txt", &["rehearse", "--scenario", "bad.toml"], 2);
    project.write("empty.toml", "# nothing\n");
    let text = project.ctl(&["rehearse", "-s", "empty.toml"], 2);
    assert!(text.contains("empty.toml: there is nothing in this scenario\n  add [process.NAME]"), "{text}");
    let text = project.ctl(&["rehearse", "-s", "none.toml"], 2);
    assert!(text.contains("none.toml: cannot read this file: No such file"), "{text}");
    let text = project.ctl(&["rehearse", "--for", "0"], 2);
    assert!(text.contains("no time is rehearsed: --for is zero"), "{text}");
    let text = project.ctl(&["rehearse", "--for=-1"], 2);
    assert!(text.contains("this duration is negative"), "{text}");
    let text = project.ctl(&["rehearse", "none"], 2);
    assert!(text.contains("none: cannot read this file"), "{text}");
}

#[test]
fn a_loop_without_a_delay_is_ended_early_and_reported() {
    let project = Project::new("[process.spin]\ncommand = \"x\"\nthreshold = 0\n");
    project.write("spin.toml", "[process.spin]\nlives = 0\nstart-takes = 0\n");
    let text = project.ctl(&["rehearse", "-s", "spin.toml"], 0);
    assert!(text.contains("\nended early, at 00:00:00.000, after "), "{text}");
    assert!(text.contains("events: a program dies and is restarted without a delay\n"), "{text}");
}

#[test]
fn the_example_of_the_guide_is_what_is_printed() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/help/before-and-after.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let block = |index| guide.split("```toml\n").nth(index).and_then(|rest| rest.split("```").next());
    let project = Project::new(block(1).expect("a file"));
    project.write("night.toml", block(2).expect("a scenario"));
    let text = project.ctl(&["rehearse"], 3);
    let (_, printed) = text.split_once('\n').expect("lines");
    assert!(guide.contains(printed), "{text}");
    project.ctl(&["rehearse", "-s", "night.toml"], 3);
}

#[test]
fn a_rehearsal_is_drawn_as_a_timeline() {
    let project = Project::new(FILE);
    for (name, begin) in [("day.svg", "<svg"), ("day.html", "<!DOCTYPE html>")] {
        // 3: a program is given up.
        project.ctl(&["rehearse", "-o", name], 3);
        let picture = std::fs::read_to_string(project.path().join(name)).unwrap();
        assert!(picture.starts_with(begin) && picture.contains("migrate"), "{picture:.200}");
    }
    let text = project.ctl(&["rehearse", "-o", "day.png"], 2);
    assert!(text.contains("--output day.png: the name of a picture ends with .html or .svg"), "{text}");
    let text = project.ctl(&["rehearse", "-o", "none/day.svg"], 1);
    assert!(text.contains("cannot write none/day.svg"), "{text}");
}
