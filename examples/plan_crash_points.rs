//! A planted bug, found at the line where it bites.
//!
//! A counter keeps its total in a file, so that it can go on where it was when somebody starts it again. It counts right, and
//! the plan that tests it passes. But it writes the total into the file as it stands there: first the file is empty, then
//! there is the new total. Whoever kills the counter between the two takes its memory away.
//!
//! `Plan::crash_points` kills it when each step begins and after each line that it prints, run after run, and starts it again at
//! once. The first point that the plan does not survive is shown, with a line for the shell that runs this point alone. The mended
//! counter writes another file and renames it, and survives them all.
//!
//! ```text
//! cargo run --example plan_crash_points
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;

use childminder::plan::{CrashError, CrashPoints};
use childminder::{Exit, Plan, Spec};

/// There is no total while the disk, which is slow, has not got the new one.
const IN_TWO: &str = r#"
    save() { : > total; echo "saving $1"; sleep 0.1; echo $1 > total; }"#;

/// There is always a total, the old one or the new one.
const AT_ONCE: &str = r#"
    save() { echo "saving $1"; echo $1 > new; sleep 0.1; mv new total; }"#;

/// Counts to three, from wherever it was.
const COUNTER: &str = r#"
    total=$(cat total)
    [ -n "$total" ] || { echo "the total is lost" >&2; exit 3; }
    while [ $total -lt 3 ]; do
        total=$((total + 1))
        save $total
    done"#;

fn main() -> Result<(), Box<dyn Error>> {
    // With `RUST_LOG=info`: which point is tried, and what the counter prints.
    env_logger::init();
    let directory = tempfile::tempdir()?;

    match counting(directory.path(), IN_TWO)?.run() {
        Err(CrashError::Failed(story)) => {
            println!("{story}\n");
            // Whoever looks for the cause looks there; an example tidies up.
            fs::remove_dir_all(story.error.directory().ok_or("the logs are kept")?)?;
        }
        other => return Err(format!("the bug was not found: {other:?}").into()),
    }

    let survived = counting(directory.path(), AT_ONCE)?.run()?;
    println!("mended: {survived}");
    Ok(())
}

/// The crash points of the counter in a plan that sees it count, and looks at its total.
fn counting(directory: &Path, save: &str) -> Result<CrashPoints, Box<dyn Error>> {
    fs::write(directory.join("counter"), format!("{save}{COUNTER}"))?;
    let total = directory.join("total");
    let mut plan = Plan::new("counting")?;

    // What one run has left must not be there in the next one.
    let file = total.clone();
    plan.call("begin at 0", move || fs::write(&file, "0\n"));

    let counter = plan.spawn_as("counter", Spec::new("sh").arg("counter").cwd(directory))?;
    plan.wait(counter, Exit::success())?;

    plan.call("look at the total", move || match fs::read_to_string(&total) {
        Ok(text) if text == "3\n" => Ok(()),
        other => Err(format!("the total is {other:?}, and not 3")),
    });
    Ok(plan.crash_points(counter))
}
