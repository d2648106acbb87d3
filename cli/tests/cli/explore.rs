//! `childminder rehearse --explore`.

use std::fs;

use childminder::testkit::explore::FindingKind;
use serde_json::Value;

use super::findings::{copy, files};
use super::up::{Project, golden_text};

/// Enough for the files here, also without optimization.
const SHORT: [&str; 6] = ["--depth", "7", "--states", "3000", "--walks", "30"];

fn explore<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["rehearse", "--explore"][..], &SHORT, words].concat()
}

#[test]
fn f_328_each_finding_of_an_exploration_has_a_file_that_triggers_it() {
    for kind in FindingKind::ALL {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/findings");
        let path = std::path::PathBuf::from(format!("{dir}/explore-{}.toml", kind.name()));
        let (project, name) = copy(&path);
        let found = project.ctl(&explore(&[]), 1);
        golden_text(&path.with_extension("txt"), project.path(), &found);
        let report: Value = serde_json::from_str(&project.ctl(&explore(&["--json"]), 1)).unwrap();
        let findings = report["findings"].as_array().unwrap();
        assert!(findings.iter().all(|finding| finding["kind"] == kind.name()), "{name}: {report:#}");
        let steps = findings[0]["steps"].as_array().unwrap();
        assert!((1..=8).contains(&steps.len()), "{name}: {report:#}");
        // The report is a scenario that finds the same again, and names the same advice.
        project.write("found.txt", &found);
        let again = project.ctl(&["rehearse", "--replay-scenario", "found.txt"], 1);
        let rest =
            |text: &str| text.lines().skip_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
        assert_eq!(rest(&again), rest(&found), "{name}");
    }
}

#[test]
fn f_329_files_that_are_right_have_no_findings() {
    for path in files("sane", "") {
        let (project, name) = copy(&path);
        let found = project.ctl(&explore(&[]), 0);
        assert!(found.contains(": no findings in "), "{name}: {found}");
    }
}

#[test]
fn f_326_a_scenario_that_does_not_fit_the_file_is_an_error_with_its_line() {
    let project = Project::new("[process.web]\ncommand = \"sleep 1000\"\n");
    let replay = |text: &str, status| {
        project.write("s.txt", text);
        project.ctl(&["rehearse", "--replay-scenario", "s.txt"], status)
    };
    let found = replay("start the service\nweb is started\n\ndb exits with code 1\n", 2);
    assert!(found.contains("s.txt: line 4: `db exits with code 1` is not a step"), "{found}");
    let found = replay("web is started\n", 2);
    assert!(
        found.contains("line 1: `web is started` is not possible here; possible: start the service"),
        "{found}"
    );
    let found = replay("start the service\nweb is started\n", 0);
    assert!(found.contains("no findings after these steps"), "{found}");
    // Also the report of an exploration that has found nothing.
    for nothing in ["", "# web.toml: no findings in 12 states\n"] {
        let found = replay(nothing, 2);
        assert!(found.contains("s.txt: there is no step in this scenario; the first one is"), "{found}");
    }
    fs::remove_file(project.path().join("s.txt")).unwrap();
    let found = project.ctl(&["rehearse", "--replay-scenario", "s.txt"], 2);
    assert!(found.contains("s.txt: cannot read this file"), "{found}");
    let found = project.ctl(&["rehearse", "--explore", "none.toml"], 2);
    assert!(found.contains("none.toml: cannot read this file"), "{found}");
}
