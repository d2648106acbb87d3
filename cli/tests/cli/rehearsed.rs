//! Journals as the source of a rehearsal, and as its result.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::unistd::Uid;

use super::timeline::{FILE as RECORDED, record};
use super::up::{Project, golden_exact};

const FILE: &str = r#"[process.db]
command = "no-such-program"
ready = { port = 15997 }

[process.web]
command = "no-such-program"
min-restart-delay = "1s"
after = { db = "ready" }

[process.old]
command = "no-such-program"
"#;

/// The runs of `web` are not like each other, and the last one is stopped.
const SCENARIO: &str = r#"length = "1h"

[process.db]
start-takes = "2s"
ready-after = "5s"
stop-takes = "3s"

[process.web]
lives = ["1m", 0, "2m", "forever"]
exit = 3
ignores-term = true

[process.old]
lives = "25m"
"#;

/// Returns the line of a program in the table.
fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let line = text.lines().rfind(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).split_whitespace().collect()
}

#[test]
fn a_rehearsal_is_kept_as_a_journal_and_is_the_source_of_another_one() {
    let project = Project::new(FILE);
    project.write("night.toml", SCENARIO);
    let first = project.ctl(&["rehearse", "-s", "night.toml", "--journal", "night.journal"], 0);
    let mode = fs::metadata(project.path().join("night.journal")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let found = project.ctl(&["replay", "night.journal"], 0);
    assert!(found.starts_with("identical: ") && !found.contains("the end is open"), "{found}");
    assert!(found.contains("recorded by childminder") && found.contains(", 1h 8s\n"), "{found}");
    let found = project.ctl(&["why", "--journal", "night.journal", "--at", "3s", "web"], 0);
    assert!(found.contains("db"), "{found}");
    project.ctl(&["timeline", "night.journal", "--from", "10m", "--to", "20m", "-o", "night.svg"], 0);
    let found = project.ctl(&["replay", "night.journal", "--set", "web.kill-time=9s"], 0);
    assert_eq!(&row(&found, "web")[1..3], ["3", "3"], "{found}");

    // The same again, with the runs of the journal instead of the scenario.
    let words = ["rehearse", "--from-journal", "night.journal", "--journal", "again.journal", "--for", "1h"];
    let again = project.ctl(&words, 0);
    for name in ["db", "web", "old"] {
        assert_eq!(row(&again, name), row(&first, name), "{name}");
    }
    let found = project.ctl(&["diff", "night.journal", "again.journal", "--within", "0"], 0);
    assert!(found.starts_with("equal: 3 processes with 8 runs\n"), "{found}");
    // A rehearsal replaces another one, and nothing else.
    project.ctl(&words, 0);
}

#[test]
fn what_is_not_in_the_journal_is_assumed_and_what_is_not_in_the_file_is_named() {
    let project = Project::new(FILE);
    project.write("night.toml", SCENARIO);
    project.ctl(&["rehearse", "-s", "night.toml", "--journal", "night.journal"], 0);
    let other =
        FILE.replace("process.old", "process.new") + "\n[process.tool]\ncommand = \"x\"\nhold = true\n";
    project.write("other.toml", &other);
    let text = project.ctl(&["rehearse", "other.toml", "--from-journal", "night.journal"], 0);
    golden_exact("rehearse-journal.txt", project.path(), &text);
    let report = project.ctl(&["rehearse", "other.toml", "--from-journal", "night.journal", "--json"], 0);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (&report["from_journal"], &report["not_in_file"][0]),
        (&"night.journal".into(), &"old".into())
    );

    // A scenario overrides the recorded runs key by key.
    let with = |scenario: &str| {
        project.write("with.toml", scenario);
        project.ctl(&["rehearse", "--from-journal", "night.journal", "-s", "with.toml", "--for", "1h"], 0)
    };
    let text = with("[process.web]\nlives = \"20m\"\n");
    assert!(text.contains("  web does as in its 4 recorded runs, but for lives\n"), "{text}");
    assert!(text.contains("scenario with.toml, runs of night.journal; it is assumed that\n"), "{text}");
    assert!(!text.contains("every start"), "{text}");
    // Its exits and stops are still the recorded ones.
    let web = row(&text, "web");
    assert_eq!((web[2], *web.last().expect("a stop")), ("2", "5s"), "{text}");
    // The last recorded run was stopped, so its exit is the usual one.
    project.write("with.toml", "[process.web]\nlives = \"10m\"\n");
    let text = project.ctl(&["rehearse", "--from-journal", "night.journal", "-s", "with.toml", "-v"], 0);
    let exits: Vec<_> =
        text.lines().filter(|line| line.contains(" web#") && line.contains(" after 600.0 s")).collect();
    let is_code = |line: &str, code| line.contains(&format!("exited with code {code}"));
    assert!(exits.len() > 4 && is_code(exits[2], 3) && is_code(exits[3], 1), "{exits:?}");
    let text = with("[process.web]\nlives = [\"1m\", \"1m\", \"1m\", \"1m\", \"1m\", \"forever\"]\n");
    assert_eq!(row(&text, "web")[2], "5", "{text}");
    let text = with("[process.web]\nstop-takes = \"1s\"\n");
    assert_eq!((row(&text, "web")[2], row(&text, "web").last()), ("3", Some(&"1s")), "{text}");
    let text = with("[[at]]\ntime = \"30m\"\nkill = \"db\"\n");
    assert_eq!((row(&text, "db")[2], row(&text, "web")[2]), ("1", "3"), "{text}");
}

#[test]
fn a_recorded_night_and_its_rehearsal_are_compared() {
    let project = Project::new(RECORDED);
    record(&project, "night.journal");
    let rehearse = ["rehearse", "--from-journal", "night.journal", "--for", "1m", "--journal", "day.journal"];
    project.ctl(&rehearse, 0);
    let found = project.ctl(&["diff", "night.journal", "day.journal"], 0);
    assert!(found.starts_with("equal: 2 processes with 2 runs\n"), "{found}");
    project.ctl(&["diff", "night.journal", "day.journal", "-o", "both.html"], 0);
}

#[test]
fn a_journal_that_cannot_be_used_or_written_is_named() {
    let project = Project::new(RECORDED);
    record(&project, "night.journal");
    let before = fs::read(project.path().join("night.journal")).unwrap();
    for name in ["night.journal", "childminder.toml"] {
        let found = project.ctl(&["rehearse", "--journal", name], 2);
        let expected =
            format!("error: --journal {name}: this file is there, and is no rehearsal, so it is not");
        assert!(found.starts_with(&expected) && found.contains("--from-journal"), "{found}");
    }
    assert_eq!(fs::read(project.path().join("night.journal")).unwrap(), before);
    let found = project.ctl(&["rehearse", "--journal", "no/such"], 1);
    assert!(found.contains("cannot write the journal no/such: No such file"), "{found}");
    // A link, so that a failure of this test does not remove the device.
    symlink("/dev/full", project.path().join("full")).unwrap();
    let found = project.ctl(&["rehearse", "--journal", "full"], 1);
    assert!(found.contains("cannot write the journal full: No space left on device"), "{found}");
    assert!(project.path().join("full").is_symlink(), "the link to a device was removed");
    let found = project.ctl(&["rehearse", "--journal", "."], 1);
    assert!(found.contains("cannot write the journal .: Is a directory"), "{found}");
    if !Uid::effective().is_root() {
        let closed = project.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        let found = project.ctl(&["rehearse", "--journal", "closed/day.journal"], 1);
        assert!(found.contains("Permission denied"), "{found}");
    }

    let from = |name: &str| project.ctl(&["rehearse", "--from-journal", name], 2);
    let found = from("none.journal");
    assert!(found.contains("cannot read the journal \"none.journal\": No such file"), "{found}");
    let found = from("childminder.toml");
    assert!(found.contains("line 1, column 1: the first line is not that of a journal"), "{found}");
    project.ctl(&["incident", "--last", "1us", "--journal", "night.journal", "-o", "last.tar.gz"], 0);
    // It begins with a checkpoint.
    let found = project.ctl(&["rehearse", "--from-journal", "last.tar.gz"], 0);
    assert!(found.contains("runs of last.tar.gz; it is assumed that"), "{found}");
    let words = ["rehearse", "--explore", "--from-journal", "night.journal"];
    let found = project.ctl(&words, 2);
    assert!(found.contains("cannot be used with"), "{found}");

    fs::remove_file(project.path().join("childminder.toml")).unwrap();
    let found = from("night.journal");
    let expected = "`; to rehearse the programs of the journal itself, use `childminder replay night.journal";
    assert!(found.contains(expected), "{found}");
}
