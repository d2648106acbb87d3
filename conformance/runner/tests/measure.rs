//! The runner finds the faults of a supervisor that has some.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use conformance::{Facts, Measurement, Request, Scenario, Setup, Supervisor, Tools, measure};

/// A shell loop that starts its program again soon, and whose stop signals the program alone.
#[derive(Debug, Default)]
struct Careless {
    dir: Mutex<PathBuf>,
}

impl Supervisor for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["sh"]
    }

    fn settings(&self) -> &'static str {
        ""
    }

    fn prepare(&self, _: &Tools, setup: &Setup) -> io::Result<Command> {
        self.dir.lock().expect("no panic").clone_from(&setup.dir);
        let mut command = Command::new("sh");
        command
            .args(["-c", "until [ -e down ]; do \"$@\" || sleep 0.2; done; exec sleep 300", "sh"])
            .args(&setup.argv);
        command.current_dir(&setup.dir);
        Ok(command)
    }

    fn control(&self, _: &Tools, setup: &Setup, request: Request) -> Option<Command> {
        let script = match request {
            Request::Stop => "touch down; kill $(tail -n 1 events | cut -d ' ' -f 3)",
            Request::Start => "exit 1",
            Request::State => "echo cheerful",
        };
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(&setup.dir);
        Some(command)
    }

    fn state(&self, printed: &str) -> Option<String> {
        Some(printed.trim().to_owned())
    }

    fn failed_start(&self) -> &'static str {
        "not found"
    }
}

/// Measures a scenario of this checkout, and returns its facts as a cell and what is wrong with them.
fn measured(name: &str) -> (String, String) {
    let path = conformance::folder().join(name).with_extension("toml");
    let scenario = Scenario::read(&path).expect("a scenario");
    let careless = Careless::default();
    let Ok(Measurement::Done(timeline)) = measure(&scenario, &careless, &Tools::default()) else {
        panic!("{name} cannot be measured");
    };
    let dir = careless.dir.lock().expect("no panic").clone();
    assert!(!dir.exists(), "{} is left behind", dir.display());
    assert_eq!(marked(&dir.file_name().expect("a name").to_string_lossy()), Vec::<PathBuf>::new());
    let facts = Facts::of(&timeline);
    (facts.cell(&scenario.report), facts.misses(&scenario.childminder).join("\n"))
}

/// Returns the processes whose environment has this mark, found in another way than by the code under test.
fn marked(mark: &str) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").expect("/proc").map(|entry| entry.expect("an entry").path());
    let has_mark = |path: &PathBuf| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|bytes| bytes == mark.as_bytes())
    };
    processes.filter(has_mark).collect()
}

#[test]
fn a_daemon_that_survives_a_stop_is_found_and_killed() {
    let (cell, misses) = measured("daemon");
    assert!(cell.starts_with("the stop returns after ") && cell.ends_with(" s; 1 process left"), "{cell}");
    assert_eq!(misses, "left: Some(1) when the stop returned and 1 later instead of 0");
}

#[test]
fn a_child_that_outlives_its_run_is_found() {
    let (cell, misses) = measured("pipe-holder");
    assert!(cell.ends_with("s; 2 processes of earlier runs left"), "{cell}\n{misses}");
    assert!(misses.ends_with("strays: 2 instead of 0"), "{misses}");
}

#[test]
fn a_killed_supervisor_leaves_everything() {
    let (cell, misses) = measured("supervisor-killed");
    assert_eq!(cell, "3 processes left");
    assert!(misses.contains("left: None when the stop returned and 3 later instead of 0"), "{misses}");
}

#[test]
fn attempts_are_counted_in_the_log() {
    let (cell, misses) = measured("no-such-program");
    assert!(cell.contains(" attempts") && cell.ends_with("; reported as `cheerful`"), "{cell}");
    assert!(misses.contains("exit status of the supervisor: None instead of Some(2)"), "{misses}");
}
