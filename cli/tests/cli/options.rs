//! What the options do to a real process.

use std::fs;
use std::process::Command;

use nix::unistd::{Uid, User};
use tempfile::TempDir;

use super::minder::{Minder, PROGRAM};

#[test]
fn pmt_2_f_1_a_program_that_ends_is_started_again_and_later_each_time() {
    let mut minder = Minder::run(&["-m", "0.05", "-t", "1", "-M", "100ms", "sh", "-c", "echo hi; exit 1"]);
    for _ in 0..4 {
        assert_eq!(minder.out.next(), "[sh] hi");
    }
    for delay in ["50 ms", "100 ms", "100 ms"] {
        let line = minder.err.wait_for("starts again in");
        assert!(line.ends_with(delay), "{line}");
    }
    assert_eq!(minder.stop().status, 0);
}

#[test]
fn threshold_pmt_2_a_run_that_is_long_enough_is_followed_at_once() {
    let mut minder = Minder::run(&["--threshold", "0", "-m", "1000", "sh", "-c", "echo hi"]);
    minder.err.wait_for("starts again at once");
    assert_eq!(minder.out.next(), "[sh] hi");
    assert_eq!(minder.out.next(), "[sh] hi");
    assert_eq!(minder.stop().status, 0);
}

#[test]
fn kill_time_pmt_2_is_what_a_program_has_to_end() {
    let mut minder = Minder::run(&["-k", "1m 5s", "sh", "-c", "echo ready; exec sleep 1000"]);
    minder.out.wait_for("ready");
    let ended = minder.stop();
    assert!(ended.err.contains("sh#1 sent TERM, KILL in 65.0 s"), "{}", ended.err);
}

#[test]
fn pmt_4_it_is_called_after_its_program_unless_it_is_named() {
    let script = ["-c", "echo hi; exec sleep 1000"];
    for (words, tag) in [(&["/bin/sh"][..], "[sh] hi"), (&["--name", "web-1", "sh"], "[web-1] hi")] {
        let mut minder = Minder::run(&[words, &script].concat());
        assert_eq!(minder.out.next(), tag);
        assert_eq!(minder.stop().status, 0);
    }
}

#[test]
fn make_service_pmt_5_the_words_of_the_command_are_its_own() {
    for dashes in [&[][..], &["--"]] {
        let command = ["sh", "-c", "echo \"$0 $*\"; exec sleep 1000", "-t", "-k", "--", "--help"];
        let mut minder = Minder::run(&[&["-t", "2"], dashes, &command].concat());
        assert_eq!(minder.out.next(), "[sh] -t -k -- --help");
        assert_eq!(minder.stop().status, 0);
    }
}

#[test]
fn lp_4_7_f_63_both_streams_are_lines_with_the_name_in_front() {
    let script = r"printf 'e\033[2Jrr' >&2; echo out; exec sleep 1000";
    let mut minder = Minder::run(&["sh", "-c", script]);
    assert_eq!(minder.out.next(), "[sh] out");
    // It has no end of line, so it is a line at the end of the run only.
    assert_eq!(minder.stop().out, "[sh] e\\x1b[2Jrr\n");
}

#[test]
fn pmt_7_environment_and_directory_can_be_set_and_are_inherited_otherwise() {
    let dir = TempDir::new().unwrap();
    let real = fs::canonicalize(dir.path()).unwrap();
    let script = "echo \"$GIVEN|$OWN|$PWD\"; exec sleep 1000";
    let started = |words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("run").args(words).args(["/bin/sh", "-c", script]).env("OWN", "mine").current_dir("/");
        let mut minder = Minder::start(&mut command);
        let line = minder.out.next();
        assert_eq!(minder.stop().status, 0);
        line
    };
    assert_eq!(started(&[]), "[sh] |mine|/");
    assert_eq!(started(&["--env", "GIVEN=a=b", "--env", "OWN="]), "[sh] a=b||/");
    assert_eq!(started(&["--env-clear", "--env", "GIVEN=x", "--env", "PATH=/bin:/usr/bin"]), "[sh] x||/");
    assert_eq!(started(&["--cwd", real.to_str().unwrap()]), format!("[sh] |mine|{}", real.display()));
}

#[test]
fn pmt_7_a_user_brings_its_groups() {
    let nobody = User::from_name("nobody").unwrap().filter(|_| Uid::effective().is_root());
    let Some(nobody) = nobody else {
        return eprintln!("SKIPPED: only root can become nobody");
    };
    let started = |words: &[&str]| {
        let ids = "echo $(id -u):$(id -g) $(grep ^Groups: /proc/self/status); exec sleep 1000";
        let mut minder = Minder::run(&[words, &["sh", "-c", ids]].concat());
        let line = minder.out.next();
        assert_eq!(minder.stop().status, 0);
        line
    };
    let (uid, gid) = (nobody.uid, nobody.gid);
    let expected = format!("[sh] {uid}:{gid} Groups: {gid}");
    assert_eq!(started(&["--user", "nobody"]), expected);
    assert_eq!(started(&["--user", &uid.to_string()]), expected);
    assert_eq!(started(&["--user", "nobody", "--group", "7"]), format!("[sh] {uid}:7 Groups: 7"));
    assert_eq!(started(&["--group", "7"]), "[sh] 0:7 Groups:");
}

#[test]
fn pmt_8_it_stays_in_the_foreground_and_writes_no_files() {
    let dir = TempDir::new().unwrap();
    let mut command = Command::new(PROGRAM);
    command.current_dir(dir.path()).args(["run", "sh", "-c", "echo $PPID; exec sleep 1000"]);
    let mut minder = Minder::start(&mut command);
    assert_eq!(minder.out.next(), format!("[sh] {}", minder.pid()));
    assert_eq!(minder.stop().status, 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn pm_31_what_happens_is_told_as_loudly_as_asked_for() {
    let told = |option: &[&str], filter: Option<&str>| {
        // By way of a shell, for a minder under test gets no filter otherwise.
        let export = filter.map(|filter| format!("export RUST_LOG={filter}; ")).unwrap_or_default();
        let script = format!("{export}exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, PROGRAM, "run"]).args(option);
        command.args(["-m", "1ms", "sh", "-c", "echo hi; exit 7"]);
        let mut minder = Minder::start(&mut command);
        minder.out.next();
        minder.out.next();
        minder.stop().err
    };
    let has = |text: &str| (text.contains("sh#1 started"), text.contains("WARN sh#1 exited with code 7"));
    assert_eq!(has(&told(&[], None)), (true, true));
    assert_eq!(has(&told(&["-v"], None)), (true, true));
    assert_eq!(has(&told(&["-q"], None)), (false, true));
    assert_eq!(has(&told(&["-qq"], None)), (false, false));
    assert_eq!(has(&told(&[], Some("error"))), (false, false));
    assert_eq!(has(&told(&["-qq"], Some("info"))), (true, true));
}
