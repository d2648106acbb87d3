//! Pictures of journals, and the first difference between two.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::unistd::Uid;

use super::eventually::eventually;
use super::foresight::contains;
use super::supervisor::PROGRAM;
use super::up::Project;

pub(super) const FILE: &str = r#"[process.db]
command = "sleep 1000"

[process.web]
command = "sh -c 'echo \"<b>\"; sleep 0.05; exit 3'"
restart = "never"
after = { db = "started" }
"#;

/// Records what a file does until its `web` has failed, and a stop.
pub(super) fn record(project: &Project, journal: &str) {
    let up = project.up(&["--journal", journal]);
    let path = project.path().join(journal);
    eventually("the failure of web", || contains(&path, "has failed and is not started again", 1));
    assert_eq!(up.stop().status, 0);
}

#[test]
fn f_360_a_journal_is_drawn_as_a_page_or_an_image() {
    let project = Project::new(FILE);
    record(&project, "night.journal");
    let read = |name: &str| fs::read_to_string(project.path().join(name)).unwrap();
    project.ctl(&["timeline", "night.journal", "-o", "night.svg"], 0);
    let svg = read("night.svg");
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    for text in [">night.journal</text>", ">web</text>", "exited with code 3", "2 processes"] {
        assert!(svg.contains(text), "{text} is not in the picture");
    }
    project.ctl(&["timeline", "night.journal", "-o", "night.html"], 0);
    let html = read("night.html");
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("\"\\u003cb>\""), "the last line of web");

    // A part of it.
    project.ctl(&["timeline", "night.journal", "--from", "1us", "--to", "-1us", "-o", "part.svg"], 0);
    assert!(read("part.svg").contains(">web</text>"));
    let found = project.ctl(&["timeline", "night.journal", "--from", "1h", "-o", "none.svg"], 2);
    assert!(found.contains("nothing is between --from and --to, which are 1h and"), "{found}");
    assert!(found.contains("the journal is from 20"), "{found}");
    let found =
        project.ctl(&["timeline", "night.journal", "--from", "-1us", "--to", "1us", "-o", "none.svg"], 2);
    assert!(found.contains("nothing is between"), "{found}");
    assert!(!project.path().join("none.svg").exists());
}

#[test]
fn f_360_what_cannot_be_drawn_is_an_error() {
    let project = Project::new(FILE);
    let ctl = |words: &[&str], status: i32| project.ctl(&[&["timeline"], words].concat(), status);
    let found = ctl(&["night.journal", "-o", "night.pdf"], 2);
    assert!(found.contains("--output night.pdf: the name of a picture ends with .html or .svg"), "{found}");
    let found = ctl(&["night.journal", "-o", "night.svg"], 2);
    assert!(found.contains("cannot read the journal \"night.journal\""), "{found}");
    project.write("night.journal", "no journal\n");
    let found = ctl(&["night.journal", "-o", "night.svg"], 2);
    assert!(found.contains("line 1, column 1"), "{found}");
    let found = ctl(&["night.journal", "--from", "noon", "-o", "night.svg"], 2);
    assert!(found.contains("expected a time of day, such as 03:00"), "{found}");

    record(&project, "good.journal");
    let found = ctl(&["good.journal", "-o", "no/such/night.svg"], 1);
    assert!(found.contains("cannot write no/such/night.svg: No such file"), "{found}");
    if !Uid::effective().is_root() {
        let closed = project.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        let found = ctl(&["good.journal", "-o", "closed/night.svg"], 1);
        assert!(found.contains("Permission denied"), "{found}");
    }
}

#[test]
fn f_361_two_journals_are_compared_and_the_first_difference_is_named() {
    let project = Project::new(FILE);
    record(&project, "a.journal");
    record(&project, "b.journal");
    let found = project.ctl(&["diff", "a.journal", "b.journal"], 0);
    assert!(found.starts_with("equal: 2 processes with 2 runs\n"), "{found}");
    let found = project.ctl(&["diff", "a.journal", "a.journal", "--within", "0"], 0);
    assert!(found.contains("equal: "), "{found}");

    project.write("childminder.toml", &FILE.replace("exit 3", "exit 4"));
    record(&project, "c.journal");
    let found = project.ctl(&["diff", "a.journal", "c.journal", "-o", "both.svg"], 1);
    assert!(found.starts_with("different: web, run 1, "), "{found}");
    assert!(
        found.contains("\n  A  exits with code 3, ") && found.contains("\n  B  exits with code 4, "),
        "{found}"
    );
    assert!(found.contains("starts") && found.contains("not running"), "{found}");
    let svg = fs::read_to_string(project.path().join("both.svg")).unwrap();
    assert!(svg.contains(">web (A)</text>") && svg.contains(">web (B)</text>"));

    // A result that cannot be written is neither of both.
    let script = "\"$0\" diff a.journal a.journal > /dev/full";
    let mut diff = std::process::Command::new("sh");
    diff.args(["-c", script, PROGRAM]).current_dir(project.path());
    let found = diff.output().unwrap();
    let error = String::from_utf8_lossy(&found.stderr);
    assert!(found.status.code() == Some(2) && error.contains("cannot write the result"), "{found:?}");
    let found = project.ctl(&["diff", "a.journal", "none.journal"], 2);
    assert!(found.contains("cannot read the journal \"none.journal\""), "{found}");
    let found = project.ctl(&["diff", "a.journal", "c.journal", "-o", "no/such/both.svg"], 2);
    assert!(found.contains("cannot write no/such/both.svg"), "{found}");
}
