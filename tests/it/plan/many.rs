//! Many plans at the same time, and runs that are dropped: nothing is mixed up, and nothing is left.

use std::fs;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::thread;

use childminder::plan::RunFuture;
use childminder::{Plan, Signal};
use futures_lite::future::{block_on, or};

use super::harness::{ended, fails, passes, plan, sh, sleeper, unique_name};
use crate::real::every_runtime;
use crate::support::{Census, Scratch, alone, eventually, is_alive, other_children};

/// Half of the plans fail, and each finds its own marker.
#[test]
fn pl_6_a_hundred_plans_with_one_name() {
    const NAME: &str = "plan::many::pl_6_a_hundred_plans_with_one_name";
    alone(NAME, || {
        let plans: Vec<_> = (0..100)
            .map(|number| {
                thread::spawn(move || {
                    let mut plan = plan("same");
                    let echo = plan
                        .spawn(sh(&format!("echo marker {number}; echo error {number} >&2; exit 1")))
                        .unwrap();
                    plan.wait_for_output(echo, format!("marker {number}").as_str()).unwrap();
                    plan.wait(echo, number % 2).unwrap();
                    if number % 2 == 1 {
                        block_on(passes(&plan));
                        return None;
                    }
                    let failed = block_on(fails(&plan));
                    assert_eq!(failed.log("sh.stdout"), format!("marker {number}\n"));
                    assert_eq!(failed.log("sh.stderr"), format!("error {number}\n"));
                    assert_eq!(failed.tails()[0].lines, [format!("marker {number}")]);
                    assert_eq!(failed.tails()[1].lines, [format!("error {number}")]);
                    Some(failed.directory().to_owned())
                })
            })
            .collect();
        let directories: Vec<PathBuf> =
            plans.into_iter().filter_map(|plan| plan.join().expect("the assertions of the thread")).collect();
        assert_eq!(directories.len(), 50);
        assert!(directories.iter().all(|directory| !directory.exists()));
    });
}

/// A run leaves no process, thread, descriptor or file behind.
#[test]
fn a_census_before_and_after() {
    const NAME: &str = "plan::many::a_census_before_and_after";
    fn lot() {
        let mut good = plan("good");
        let cat = good.spawn(["cat"]).unwrap();
        let [first, second] = good.spawn_all([sleeper(), sleeper()]).unwrap();
        good.send_input(cat, "hello\n").unwrap();
        good.wait_for_output(cat, "hello").unwrap();
        good.wait_until(cat, childminder::Condition::output("hello")).unwrap();
        good.call("nothing", || {});
        good.close_input(cat).unwrap();
        good.wait(cat, 0).unwrap();
        good.kill(first, Signal::TERM).unwrap();
        good.kill(second, Signal::TERM).unwrap();
        let mut bad = good.clone();
        bad.call("fail", || Err("it fails"));
        for _ in 0..5 {
            block_on(passes(&good));
            drop(block_on(fails(&bad)));
            given_up();
        }
    }
    alone(NAME, || {
        lot();
        let before = Census::settled();
        lot();
        Census::settled().assert_unchanged_since(&before);
    });
}

/// Starts a plan that would never end, and returns its run when all processes are up.
fn under_way(plan: &mut Plan) -> (RunFuture, PathBuf) {
    let scratch = Scratch::new();
    let up = scratch.path().join("up");
    let script = format!("echo begun; (trap '' TERM; sleep 1000 & touch {}; wait) & wait", up.display());
    let family = plan.spawn_as("family", sh(&script)).unwrap();
    plan.wait_for_output(family, "begun").unwrap();
    plan.wait(family, 0).unwrap();
    let before = directories(plan.name());
    let mut run = plan.run_async();
    let begun = poll_fn(|cx| {
        assert!(Pin::new(&mut run).poll(cx).is_pending());
        let directory = directories(plan.name()).into_iter().find(|directory| !before.contains(directory));
        let directory = directory.expect("a directory");
        if up.exists() && log_in(&directory) == "begun\n" {
            return Poll::Ready(directory);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let directory = block_on(begun);
    (run, directory)
}

fn log_in(directory: &Path) -> String {
    fs::read_to_string(directory.join("family.stdout")).unwrap_or_default()
}

fn directories(name: &str) -> Vec<PathBuf> {
    let prefix = format!("childminder-{name}-");
    let entries = fs::read_dir(std::env::temp_dir()).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_name().to_str().unwrap().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

fn given_up() {
    let (run, directory) = under_way(&mut plan("given-up"));
    drop(run);
    fs::remove_dir_all(&directory).unwrap();
}

/// This process adopts the descendants of its children, and a process that was just killed may need a moment
/// to die.
fn assert_no_process_is_left() {
    eventually("no child is alive", || !other_children().into_iter().any(is_alive));
}

#[test]
fn a_dropped_run_leaves_no_process_and_keeps_its_directory() {
    const NAME: &str = "plan::many::a_dropped_run_leaves_no_process_and_keeps_its_directory";
    alone(NAME, || {
        let mut plan = plan("dropped");
        let (run, directory) = under_way(&mut plan);
        drop(run);
        assert_no_process_is_left();
        assert_eq!(log_in(&directory), "begun\n");
        assert!(directory.join("journal.jsonl").exists() && directory.join("timeline.svg").exists());
        fs::remove_dir_all(directory).unwrap();
    });
}

/// The panic of another task of the same executor unwinds through the run.
#[test]
fn a_run_beside_a_panic_leaves_no_process_and_keeps_its_directory() {
    const NAME: &str = "plan::many::a_run_beside_a_panic_leaves_no_process_and_keeps_its_directory";
    alone(NAME, || {
        let mut plan = plan("beside");
        let (run, directory) = under_way(&mut plan);
        let panics = async { panic!("a test fails") };
        let panicked = catch_unwind(AssertUnwindSafe(|| block_on(or(ended(run), panics))));
        assert!(panicked.is_err());
        assert_no_process_is_left();
        assert_eq!(log_in(&directory), "begun\n");
        fs::remove_dir_all(directory).unwrap();
    });
}

every_runtime!(a_run_that_was_never_polled_does_nothing, two_runs_on_one_thread);

async fn a_run_that_was_never_polled_does_nothing() {
    let name = unique_name("unpolled");
    let mut plan = plan(&name);
    let sleeper = plan.spawn(sleeper()).unwrap();
    plan.wait(sleeper, 0).unwrap();
    drop(plan.run_async());
    assert_eq!(directories(&name), Vec::<PathBuf>::new());
}

async fn two_runs_on_one_thread() {
    let mut plan = plan("twins");
    let cat = plan.spawn(["cat"]).unwrap();
    plan.send_input(cat, "hello").unwrap();
    plan.wait_for_output(cat, "hello").unwrap();
    plan.kill(cat, Signal::TERM).unwrap();
    let (first, second) = futures_lite::future::zip(ended(plan.run_async()), ended(plan.run_async())).await;
    first.unwrap();
    second.unwrap();
    // The first of two runs wins, and the other one is dropped.
    or(async { drop(ended(plan.run_async()).await.unwrap()) }, async {
        futures_lite::future::yield_now().await;
        pending().await
    })
    .await;
}
