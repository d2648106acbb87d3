//! The directory of a run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use childminder::Plan;
use childminder::plan::PlanErrorKind;
use futures_lite::future::block_on;

use super::harness::{Failed, fails, passes, plan, sh, sleeper, unique_name};
use crate::real::every_runtime;
use crate::support::{Scratch, alone_under, skip};

every_runtime!(
    pl_5_6_a_failed_plan_keeps_its_logs,
    pl_6_a_plan_that_passes_leaves_nothing,
    pl_7_nothing_is_written_beside_the_program,
);

async fn pl_5_6_a_failed_plan_keeps_its_logs() {
    let mut plan = plan("kept");
    let first = plan.spawn(["echo", "one"]).unwrap();
    let second = plan.spawn(["echo", "two"]).unwrap();
    let other = plan.spawn_as("my.other", sh("printf three >&2; exit 1")).unwrap();
    plan.wait_all([(first, 0), (second, 0), (other, 1)]).unwrap();
    plan.spawn(sleeper()).unwrap();
    let failed = fails(&plan).await;
    let name = failed.directory().file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("childminder-kept-"), "{name}");
    assert_eq!(
        files_in(failed.directory()),
        [
            "echo-1.stderr",
            "echo-1.stdout",
            "echo.stderr",
            "echo.stdout",
            "journal.jsonl",
            "my.other.stderr",
            "my.other.stdout",
            "sleep.stderr",
            "sleep.stdout",
            "timeline.svg",
        ]
    );
    let logs =
        ["echo.stdout", "echo.stderr", "echo-1.stdout", "my.other.stdout", "my.other.stderr", "sleep.stdout"];
    assert_eq!(logs.map(|log| failed.log(log)), ["one\n", "", "two\n", "", "three", ""]);
    assert!(failed.to_string().contains(failed.directory().to_str().unwrap()), "{}", *failed);
    let mode = fs::metadata(failed.directory()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "what a program prints may be a secret");
}

async fn pl_6_a_plan_that_passes_leaves_nothing() {
    let name = unique_name("goes-well");
    let mut plan = plan(&name);
    let echo = plan.spawn(["echo", "one"]).unwrap();
    plan.wait(echo, 0).unwrap();
    let report = passes(&plan).await;
    assert!(report.directory().is_none());
    let left = files_in(&std::env::temp_dir());
    assert!(!left.iter().any(|file| file.starts_with(&format!("childminder-{name}"))), "{left:?}");
}

async fn pl_7_nothing_is_written_beside_the_program() {
    let scratch = Scratch::new();
    let program = scratch.path().join("tool");
    fs::copy("/bin/echo", &program).unwrap();
    let mut plan = plan("absolute");
    let tool = plan.spawn([program.to_str().unwrap(), "hello"]).unwrap();
    plan.wait(tool, 1).unwrap();
    assert_eq!(fails(&plan).await.log("tool.stdout"), "hello\n");
    assert_eq!(files_in(scratch.path()), ["tool"]);
}

/// Returns a plan whose `echo` succeeds.
fn echo(name: &str) -> Plan {
    let mut plan = plan(name);
    let echo = plan.spawn(["echo", "hello"]).unwrap();
    plan.wait(echo, 0).unwrap();
    plan
}

#[test]
fn pl_6_a_directory_can_be_kept_after_success() {
    const NAME: &str = "plan::files::pl_6_a_directory_can_be_kept_after_success";
    alone_under(&["env", "CHILDMINDER_KEEP=1"], NAME, || {
        let report = echo("precious").run().unwrap();
        let directory = report.directory().expect("a kept directory");
        assert_eq!(files_in(directory), ["echo.stderr", "echo.stdout", "journal.jsonl", "timeline.svg"]);
        assert_eq!(fs::read_to_string(directory.join("echo.stdout")).unwrap(), "hello\n");
        fs::remove_dir_all(directory).unwrap();
    });
}

#[test]
fn pl_6_nothing_is_kept_for_an_empty_value_or_0() {
    const NAME: &str = "plan::files::pl_6_nothing_is_kept_for_an_empty_value_or_0";
    for keep in ["CHILDMINDER_KEEP=", "CHILDMINDER_KEEP=0"] {
        alone_under(&["env", keep], NAME, || {
            assert!(echo("worthless").run().unwrap().directory().is_none());
        });
    }
}

#[test]
fn pl_6_directories_are_created_in_the_given_parent() {
    const NAME: &str = "plan::files::pl_6_directories_are_created_in_the_given_parent";
    let scratch = Scratch::new();
    let place = scratch.path().to_owned();
    alone_under(&["env", &format!("CHILDMINDER_PLAN_DIR={}", place.display())], NAME, || {
        let place = PathBuf::from(std::env::var_os("CHILDMINDER_PLAN_DIR").unwrap());
        echo("goes").run().unwrap();
        assert_eq!(files_in(&place), [""; 0]);
        let failed = fail("fails");
        assert_eq!(failed.directory().parent(), Some(&*place));
    });
    scratch.assert_empty();
}

fn fail(name: &str) -> Failed {
    let mut plan = plan(name);
    let no = plan.spawn(["false"]).unwrap();
    plan.wait(no, 0).unwrap();
    block_on(fails(&plan))
}

/// The error has an absolute path, even if the process changes its directory later.
#[test]
fn pl_6_a_relative_parent_is_reported_as_an_absolute_path() {
    const NAME: &str = "plan::files::pl_6_a_relative_parent_is_reported_as_an_absolute_path";
    alone_under(&["env", "CHILDMINDER_PLAN_DIR=."], NAME, || {
        let temp = std::env::temp_dir();
        std::env::set_current_dir(&temp).unwrap();
        let failed = fail("fails");
        std::env::set_current_dir("/").unwrap();
        assert!(failed.directory().is_absolute());
        assert_eq!(failed.log("false.stdout"), "");
    });
}

#[test]
fn pl_6_a_missing_parent_is_named() {
    const NAME: &str = "plan::files::pl_6_a_missing_parent_is_named";
    alone_under(&["env", "CHILDMINDER_PLAN_DIR=/missing/place"], NAME, || {
        let error = echo("homeless").run().unwrap_err();
        let expected = "plan homeless cannot run: cannot create the log directory in `/missing/place`, which \
                        CHILDMINDER_PLAN_DIR names: No such file or directory (os error 2) at path \"/missing/place/childminder-homeless-";
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(error.directory(), None);
    });
}

/// On a file system of 64 KiB the log fails, and everything is cleaned up.
#[test]
fn a_log_that_cannot_be_written_fails_the_plan() {
    const NAME: &str = "plan::files::a_log_that_cannot_be_written_fails_the_plan";
    let may_mount =
        Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !may_mount {
        return skip(NAME, "nothing can be mounted");
    }
    let scratch = Scratch::new();
    let place = scratch.path().display();
    alone_under(&["unshare", "-m", "env", &format!("CHILDMINDER_PLAN_DIR={place}")], NAME, || {
        let place = std::env::var_os("CHILDMINDER_PLAN_DIR").unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(&place).status();
        assert!(mount.unwrap().success());
        let mut plan = plan("full");
        plan.spawn_as("bystander", sleeper()).unwrap();
        let chatter = plan.spawn_as("chatter", sh("head -c 1000000 /dev/zero; exec sleep 1000")).unwrap();
        plan.wait(chatter, 0).unwrap();
        let failed = block_on(fails(&plan));
        let log = failed.directory().join("chatter.stdout");
        assert_eq!(
            failed.reason(),
            format!("cannot write to `{}`: No space left on device (os error 28)", log.display())
        );
        assert!(
            matches!(failed.kind(), PlanErrorKind::System { error, .. } if error.raw_os_error() == Some(libc::ENOSPC))
        );
        assert_eq!(failed.step(), Some(3));
    });
}

fn files_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}
