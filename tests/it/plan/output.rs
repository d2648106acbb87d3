//! The output of processes in the output of a failed test, or in the log.

use std::sync::Mutex;

use childminder::PlanError;
use futures_lite::future::block_on;

use super::harness::{fails, plan, sh};
use crate::support::{PORTABLE, again, alone, other_children};

/// All output arrives, to the last line before the end of the test, even if the sink is slower than the
/// process.
#[test]
fn output_is_part_of_the_output_of_the_test() {
    const NAME: &str = "plan::output::output_is_part_of_the_output_of_the_test";
    let Some(mut test) = again(NAME) else {
        let run = || -> Result<(), PlanError> {
            let mut plan = plan("shown");
            let server = plan.spawn_as("server", sh("seq 100000; echo last words >&2; exit 3"))?;
            plan.wait(server, 0)?;
            plan.run().map(drop)
        };
        let error = run().unwrap_err();
        std::fs::remove_dir_all(error.directory().expect("a run that failed")).unwrap();
        panic!("Error: {error:?}");
    };
    let output = test.output().expect("timeout starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(101), "{out}\n{err}");
    let (_, kept) = out.split_once(&format!("---- {NAME} stdout ----\n")).unwrap_or_else(|| panic!("{out}"));
    assert!(kept.contains("[server] 1\n") && kept.contains("[server] 100000\n"), "{kept}");
    assert!(kept.contains("[server] last words\n"), "{kept}");
    assert!(kept.contains("Error: plan shown failed at step 2"), "{kept}");
    assert!(!err.contains("[server]"), "not beside the harness: {err}");
}

/// With a logger installed, output and events go to the log.
#[test]
fn pl_17_output_and_events_reach_the_log() {
    static RECORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    struct Recorder;
    impl log::Log for Recorder {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            RECORDS.lock().unwrap().push(format!("{} {} {}", record.target(), record.level(), record.args()));
        }
        fn flush(&self) {}
    }
    const NAME: &str = "plan::output::pl_17_output_and_events_reach_the_log";
    alone(NAME, || {
        log::set_logger(&Recorder).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
        let mut plan = plan("logged");
        let script = "setsid sh -c 'echo away; exec sleep 1000' & read _; exit 3";
        let server = plan.spawn_as("server", sh(script)).unwrap();
        plan.wait_for_output(server, "away").unwrap();
        plan.close_input(server).unwrap();
        plan.wait(server, 0).unwrap();
        drop(block_on(fails(&plan)));
        let records = RECORDS.lock().unwrap();
        let has =
            |words: [&str; 2]| records.iter().any(|record| words.iter().all(|word| record.contains(word)));
        assert!(has(["INFO", "away"]), "{records:#?}");
        assert!(has(["childminder::monitor WARN", "code 3"]), "{records:#?}");
        // The worker has left the process group. Where families are found it is killed; otherwise it is
        // reported, because it holds the output open.
        let reported = if PORTABLE { "output" } else { "left processes behind" };
        assert!(has(["childminder::monitor WARN", reported]), "{records:#?}");
        for pid in other_children() {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process id");
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
}
