//! The harness of plans with real processes: every run has a deadline, and no process may be left after it.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use childminder::plan::{Journal, JournalEvent};
use childminder::plan::{Report, RunFuture};
use childminder::{Plan, PlanError, Policy, Signal, Spec};
use futures_lite::future::or;

use crate::support::{PATIENCE, Scratch, status_field};

pub(super) fn plan(name: &str) -> Plan {
    Plan::new(name).unwrap()
}

/// Returns a name that no other plan has.
pub(super) fn unique_name(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn sh(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script])
}

/// Returns a process that runs until it is killed.
pub(super) fn sleeper() -> Spec {
    Spec::new("sleep").arg("1000")
}

/// Returns a policy with a short kill time.
pub(super) fn short_kill_time() -> Policy {
    Policy { kill_time: Duration::from_millis(200), ..Policy::default() }
}

/// Waits for the end of a run, with a deadline.
pub(super) async fn ended(run: RunFuture) -> Result<Report, PlanError> {
    let late = async {
        async_io::Timer::after(PATIENCE).await;
        panic!("the plan did not end within {PATIENCE:?}")
    };
    or(run, late).await
}

/// Runs a plan that passes.
pub(super) async fn passes(plan: &Plan) -> Report {
    let report = ended(plan.run_async()).await.unwrap();
    assert_no_process_is_left(report.journal());
    report
}

/// Runs a plan that fails.
pub(super) async fn fails(plan: &Plan) -> Failed {
    Failed::new(ended(plan.run_async()).await.expect_err("the plan fails"))
}

/// A failed plan. Its directory is removed when this is dropped.
pub(super) struct Failed(PlanError);

impl Failed {
    pub(super) fn new(error: PlanError) -> Self {
        assert_no_process_is_left(error.journal());
        Self(error)
    }

    /// Returns the reason in one line.
    pub(super) fn reason(&self) -> String {
        self.kind().to_string()
    }

    pub(super) fn directory(&self) -> &Path {
        self.0.directory().expect("a run that failed")
    }

    /// Returns the content of a log file.
    pub(super) fn log(&self, name: &str) -> String {
        let path = self.directory().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}\n{}", path.display(), self.0))
    }

    /// Returns the signals that were sent, without CONT, which accompanies every stop.
    pub(super) fn signals(&self) -> Vec<Signal> {
        let signals = self.journal().entries().iter().filter_map(|entry| match entry.event {
            JournalEvent::Signalled { signal, .. } => Some(signal),
            _ => None,
        });
        signals.filter(|signal| *signal != Signal::CONT).collect()
    }

    /// Returns the numbers of the steps that began.
    pub(super) fn begun(&self) -> Vec<usize> {
        let steps = self.journal().entries().iter().filter_map(|entry| match entry.event {
            JournalEvent::StepBegan { step } => Some(step),
            _ => None,
        });
        steps.collect()
    }
}

impl Deref for Failed {
    type Target = PlanError;

    fn deref(&self) -> &PlanError {
        &self.0
    }
}

impl Drop for Failed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.directory());
    }
}

/// Returns the ids of the processes that were started.
pub(super) fn pids(journal: &Journal) -> Vec<u32> {
    let pids = journal.entries().iter().filter_map(|entry| match entry.event {
        JournalEvent::Started { pid, .. } => Some(pid),
        _ => None,
    });
    pids.collect()
}

/// Asserts that no process of the groups that were started is alive.
pub(super) fn assert_no_process_is_left(journal: &Journal) {
    let leaders = pids(journal);
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, fields)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // A process that is being reaped has no group.
        let (state, group) = (fields[0], fields[2].parse().unwrap_or(0));
        assert!(
            state == "Z" || state == "X" || !leaders.contains(&group),
            "{pid} of group {group} is alive: {:?}",
            status_field(pid, "Name")
        );
    }
}

/// A process, and another one that waits until it has ended and was reaped, so that the plan sees its exit
/// first.
pub(super) struct Awaited(Scratch);

impl Awaited {
    pub(super) fn new() -> Self {
        Self(Scratch::new())
    }

    /// Returns a process that writes its id to a file, and ends with this code.
    pub(super) fn ends_with(&self, code: i32) -> Spec {
        let path = self.0.path().display();
        sh(&format!("echo $$ > {path}/new && mv {path}/new {path}/pid; exit {code}"))
    }

    /// Returns a process that waits for that end, and then runs `script`.
    pub(super) fn then(&self, script: &str) -> Spec {
        let pid = format!("{}/pid", self.0.path().display());
        sh(&format!(
            "until [ -e {pid} ]; do sleep 0.01; done
             while kill -0 $(cat {pid}) 2>/dev/null; do sleep 0.01; done
             {script}"
        ))
    }
}
