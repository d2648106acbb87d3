//! The scenarios, the document that is made from them, and what is wrong with other files.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use conformance::{Availability, Document, Error, Scenario, Step, select, supervisors};

const GOOD: &str = r#"
title = "A title"
section = "stops"
question = "A question?"
script = "exit 1"
steps = [{ starts = 1 }, "stop", { watch = 2 }]
report = ["left"]

[childminder]
left = 0
"#;

fn all() -> Vec<Scenario> {
    conformance::scenarios(&conformance::folder()).expect("the scenarios of this checkout")
}

/// Returns the error of a file with this text.
fn error(text: &str) -> Option<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("bad.toml");
    fs::write(&path, text).expect("a file");
    Scenario::read(&path).err().map(|error| error.to_string())
}

#[test]
fn every_scenario_is_valid_and_different() {
    let all = all();
    assert!(all.len() >= 12, "{}", all.len());
    let unique = |text: fn(&Scenario) -> &String| all.iter().map(text).collect::<BTreeSet<_>>().len();
    assert_eq!((unique(|it| &it.title), unique(|it| &it.question)), (all.len(), all.len()));
    // It is what makes childminder's own column a test.
    let nothing = conformance::Expectation::default();
    let unchecked: Vec<_> = all.iter().filter(|it| it.childminder == nothing).map(|it| &it.name).collect();
    assert_eq!(unchecked, Vec::<&String>::new(), "without an expectation");
}

#[test]
fn the_document_has_every_scenario_and_is_as_it_was_written() {
    let text = fs::read_to_string(conformance::document()).expect("the document");
    let mut document = Document::parse(&text).expect("a document");
    let scenarios = all();
    for scenario in &scenarios {
        for supervisor in supervisors() {
            let name = supervisor.name();
            let cell = document.cells.get(&(scenario.name.clone(), name.to_owned()));
            assert!(cell.is_some_and(|cell| !cell.is_empty()), "{}, {name} is not measured", scenario.name);
        }
        let own = &document.cells[&(scenario.name.clone(), "childminder".to_owned())];
        assert!(!own.starts_with("skipped"), "{} was not measured with childminder", scenario.name);
    }
    assert_eq!(
        document.cells.len(),
        scenarios.len() * supervisors().len(),
        "a scenario does not exist any more"
    );
    let missing = |it: &&conformance::Peer| matches!(it.availability, Availability::Missing(_));
    for peer in document.peers.iter().filter(missing) {
        let cells = document.cells.iter().filter(|((_, name), _)| *name == peer.name);
        assert!(cells.into_iter().all(|(_, cell)| cell == "skipped"), "{} has measurements", peer.name);
    }
    document.describe();
    let hint = "run `cargo run -p conformance -- --render`";
    assert!(document.render(&scenarios) == text, "docs/compared.md is not as it would be written; {hint}");
}

#[test]
fn a_document_that_was_changed_is_an_error_with_its_line() {
    let text = fs::read_to_string(conformance::document()).expect("the document");
    let without_link = text.replace("](../conformance/crash-loop.toml)", "]");
    let row = text.lines().position(|line| line.contains("crash-loop.toml)")).expect("a row") + 1;
    let error = Document::parse(&without_link).expect_err("no link").to_string();
    assert_eq!(error, format!("line {row} of the document: the row has no link to a scenario"));
    assert!(Document::parse("").is_err());
}

#[test]
fn a_scenario_is_read_in_full() {
    assert_eq!(error(GOOD), None);
    let scenario: Scenario = toml::from_str(GOOD).expect("a scenario");
    assert_eq!(scenario.steps, [Step::Starts(1), Step::Stop, Step::Watch(2.0)]);
}

#[test]
fn a_broken_file_is_an_error_with_its_path_and_key() {
    for (from, to, key) in [
        ("script", "scirpt", "unknown field `scirpt`"),
        ("left = 0", "lfet = 0", "unknown field `lfet`"),
        ("\"stop\"", "\"stpo\"", "unknown variant `stpo`"),
        ("report = [\"left\"]", "report = [\"felt\"]", "unknown variant `felt`"),
        ("report = [\"left\"]", "report = []", "`report` names no fact"),
        ("steps = [{ starts = 1 }, \"stop\", { watch = 2 }]", "steps = []", "`steps` has no step"),
        ("watch = 2", "watch = -2", "`steps` has a `watch` of -2 s"),
        ("watch = 2", "watch = nan", "`steps` has a `watch` of NaN s"),
        ("script = \"exit 1\"", "processes = 2", "`script` or `program` is required"),
        ("script", "processes = 0\nscript", "`processes` is 0"),
        ("A title", "A | title", "`title` and `question`"),
        ("title = \"A title\"", "title = \"A title", "line 2"),
        ("title = \"A title\"\n", "", "missing field `title`"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        let error = error(&text).unwrap_or_default();
        assert!(error.contains("bad.toml`") && error.contains(key), "{from} -> {to}: {error}");
    }
    let missing = Scenario::read(&PathBuf::from("/nonexistent/scenario.toml"));
    assert!(matches!(missing, Err(Error::File { .. })), "{missing:?}");
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let error = select(all(), &["crash-lop".to_owned()]).expect_err("there is none").to_string();
    assert!(error.starts_with("unknown scenario `crash-lop`; there are "), "{error}");
    assert!(error.contains("crash-loop, "), "{error}");
    for (arguments, message) in [
        (&["crash-lop"][..], "error: unknown scenario `crash-lop`"),
        (&["--only", "monit"], "error: unknown supervisor `monit`; there are childminder, "),
        (&["--folder", "/nonexistent"], "error: cannot access `/nonexistent`: "),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_conformance")).args(arguments).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.starts_with(message) && output.status.code() == Some(2), "{arguments:?}: {text}");
    }
}
