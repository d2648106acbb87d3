//! `up --metrics FILE`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::Project;
use crate::eventually::eventually_some;
use crate::supervisor::{Ended, PATIENCE};

/// The series of a file, as `name{label="value"}`, with their values.
type Series = BTreeMap<String, f64>;

/// Parses the text format of Prometheus strictly, as far as `up` uses it.
fn parse(text: &str) -> Series {
    let mut series = Series::new();
    let mut current = String::new();
    let mut seen = Vec::new();
    assert!(text.ends_with('\n'), "{text}");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a text");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !help.is_empty(), "{line}");
            assert!(!seen.contains(&name), "{name} has two groups");
            seen.push(name);
            name.clone_into(&mut current);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a kind");
            assert_eq!(name, current);
            assert_eq!(kind, if name.ends_with("_total") { "counter" } else { "gauge" });
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
            assert_eq!(name, current, "a sample belongs to the group before it");
            let labels = labels.strip_suffix('}').expect("the end of the labels");
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (_, value) = label.split_once("=\"").expect("a label");
                assert!(value.strip_suffix('"').is_some_and(|value| !value.contains(['"', '\\'])), "{line}");
            }
            let value = value.parse().expect("a number");
            assert_eq!(series.insert(key.to_owned(), value), None, "{key} is there twice");
        }
    }
    series
}

/// Waits until the file satisfies `is_there`. Each version that is read must be complete.
fn wait_for(path: &Path, is_there: impl Fn(&Series) -> bool) -> Series {
    eventually_some(|| {
        let series = parse(&fs::read_to_string(path).expect("it is there from the start"));
        if is_there(&series) { Ok(series) } else { Err(format!("{series:#?}")) }
    })
}

#[test]
fn the_metrics_have_the_states_and_counts_of_all_processes() {
    let project = Project::new(
        r#"[process.talker]
command = "sh -c 'printf \"1\\n2\\n3\\n\"; exec sleep 1000'"
[process.crasher]
command = "false"
min-restart-delay = 1000
max-restart-delay = 4000
[process.once]
command = "echo done"
restart = "never"
"#,
    );
    let path = project.path().join("it.prom");
    let begin = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let mut up = project.up(&["--metrics", "it.prom"]);
    let is =
        |name: &str, state: &str| format!("childminder_process_state{{name=\"{name}\",state=\"{state}\"}}");
    let of = |name: &str, metric: &str| format!("childminder_process_{metric}{{name=\"{name}\"}}");
    up.err.wait_for("crasher#");
    let series = wait_for(&path, |series| {
        let states = [("talker", "up"), ("crasher", "waiting"), ("once", "completed")];
        states.iter().all(|(name, state)| series[&is(name, state)] == 1.0)
            && series[&of("talker", "ready")] == 1.0
            && series[&of("talker", "lines_total")] == 3.0
    });
    let states = series.iter().filter(|(key, _)| key.starts_with("childminder_process_state{"));
    assert_eq!(states.clone().count(), 30);
    assert_eq!(states.map(|(_, value)| value).sum::<f64>(), 3.0);
    assert_eq!(series[&of("once", "ready")], 0.0);
    assert_eq!(series[&of("once", "lines_total")], 1.0);
    assert_eq!(series[&of("talker", "dropped_lines_total")], 0.0);
    assert_eq!(series["childminder_output_dropped_lines_total"], 0.0);
    assert_eq!(series[&of("talker", "restarts_total")], 0.0);
    assert_eq!(series[&of("crasher", "restart_delay_seconds")], 2000.0);
    // The times of the clock are near the start of the test.
    let after =
        |time: f64, least: f64| (least - 1.0..least + PATIENCE.as_secs_f64()).contains(&(time - begin));
    assert!(after(series[&of("talker", "start_time_seconds")], 0.0), "{series:#?}");
    assert!(after(series[&of("crasher", "next_start_time_seconds")], 1000.0), "{series:#?}");
    assert!(!series.contains_key(&of("crasher", "start_time_seconds")));
    assert!(!series.contains_key(&of("talker", "next_start_time_seconds")));

    project.ctl(&["kill", "talker"], 0);
    let later = wait_for(&path, |series| series[&of("talker", "lines_total")] == 6.0);
    assert_eq!(later[&of("talker", "restarts_total")], 1.0);
    assert!(later[&of("talker", "start_time_seconds")] > series[&of("talker", "start_time_seconds")]);
    // What has not changed is the same to the millisecond.
    let next_start = of("crasher", "next_start_time_seconds");
    assert_eq!(later[&next_start], series[&next_start]);

    assert_eq!(up.stop().status, 0);
    let series = parse(&fs::read_to_string(&path).unwrap());
    assert_eq!(series[&is("talker", "down")], 1.0, "{series:#?}");
    assert_eq!(series[&of("talker", "lines_total")], 6.0);
    let names = fs::read_dir(project.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().ends_with(".tmp")));
}

#[test]
fn metrics_that_cannot_be_written_are_an_error_before_anything_starts() {
    let project = Project::new("[process.a]\ncommand = \"touch proof\"\n");
    for (path, reason) in [
        ("missing/it.prom", "the directory must exist and be writable"),
        (".", "not a regular file"),
        ("/dev/null", "not a regular file"),
    ] {
        let Ended { status, err, .. } = project.up(&["--metrics", path]).end();
        assert_eq!(status, 2, "{path}: {err}");
        assert!(err.contains("error: cannot write the metrics to ") && err.contains(reason), "{path}: {err}");
        let err = project.ctl(&["up", "-d", "--metrics", path], 2);
        assert!(err.contains(reason), "{path}: {err}");
    }
    assert!(!project.path().join("proof").exists());
}
