//! A planted bug, found at the line of output after which it strikes.
//!
//! A counter keeps its total in a file, so that it can continue where it was when it is started again. It
//! counts correctly, and the plan that tests it passes. But it overwrites the file in place: first the file
//! is empty, then it contains the new total. If the counter is killed in between, the total is lost.
//!
//! `Plan::crash_points` kills the counter at the beginning of each step and after each line that it prints,
//! in one run after the other, and starts it again at once. The first point at which the plan fails is shown,
//! with a shell command that runs this point alone. The fixed counter writes another file and renames it, and
//! passes at all points.
//!
//! ```text
//! cargo run --example plan_crash_points
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;

use childminder::plan::{CrashError, CrashPoints};
use childminder::{Exit, Plan, Spec};

/// Overwrites the file: until the slow disk has the new total, there is none.
const IN_TWO: &str = r#"
    save() { : > total; echo "saving $1"; sleep 0.1; echo $1 > total; }"#;

/// Replaces the file: there is always a total, the old one or the new one.
const AT_ONCE: &str = r#"
    save() { echo "saving $1"; echo $1 > new; sleep 0.1; mv new total; }"#;

/// Counts to three, starting from the total in the file.
const COUNTER: &str = r#"
    total=$(cat total)
    [ -n "$total" ] || { echo "the total is lost" >&2; exit 3; }
    while [ $total -lt 3 ]; do
        total=$((total + 1))
        save $total
    done"#;

fn main() -> Result<(), Box<dyn Error>> {
    // `RUST_LOG=info` shows the points and the output of the counter.
    env_logger::init();
    let directory = tempfile::tempdir()?;

    match counting(directory.path(), IN_TWO)?.run() {
        Err(CrashError::Failed(failure)) => {
            println!("{failure}\n");
            // The logs are for the search for the cause; an example removes them.
            fs::remove_dir_all(failure.error.directory().ok_or("the logs are kept")?)?;
        }
        other => return Err(format!("the bug was not found: {other:?}").into()),
    }

    let report = counting(directory.path(), AT_ONCE)?.run()?;
    println!("fixed: {report}");
    Ok(())
}

/// Returns the crash points of the counter, in a plan that waits for it and checks its total.
fn counting(directory: &Path, save: &str) -> Result<CrashPoints, Box<dyn Error>> {
    fs::write(directory.join("counter"), format!("{save}{COUNTER}"))?;
    let total = directory.join("total");
    let mut plan = Plan::new("counting")?;

    // The first step resets what an earlier run has left.
    let file = total.clone();
    plan.call("begin at 0", move || fs::write(&file, "0\n"));

    let counter = plan.spawn_as("counter", Spec::new("sh").arg("counter").cwd(directory))?;
    plan.wait(counter, Exit::success())?;

    plan.call("check the total", move || match fs::read_to_string(&total) {
        Ok(text) if text == "3\n" => Ok(()),
        other => Err(format!("the total is {other:?} instead of 3")),
    });
    Ok(plan.crash_points(counter))
}
