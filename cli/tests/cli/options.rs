//! The effects of options on a real process.

use std::fs;
use std::process::Command;

use nix::unistd::{Uid, User};
use tempfile::TempDir;

use super::skip::skip;
use super::supervisor::{PROGRAM, Supervisor};

#[test]
fn pmt_2_f_1_a_program_that_exits_is_restarted_with_growing_delays() {
    let mut supervisor =
        Supervisor::run(&["-m", "0.05", "-t", "1", "-M", "100ms", "sh", "-c", "echo hi; exit 1"]);
    for _ in 0..4 {
        assert_eq!(supervisor.out.next(), "[sh] hi");
    }
    for delay in ["50 ms", "100 ms", "100 ms"] {
        let line = supervisor.err.wait_for("starts again in");
        assert!(line.ends_with(delay), "{line}");
    }
    assert_eq!(supervisor.stop().status, 0);
}

#[test]
fn threshold_pmt_2_after_a_long_run_it_is_restarted_at_once() {
    let mut supervisor = Supervisor::run(&["--threshold", "0", "-m", "1000", "sh", "-c", "echo hi"]);
    supervisor.err.wait_for("starts again at once");
    assert_eq!(supervisor.out.next(), "[sh] hi");
    assert_eq!(supervisor.out.next(), "[sh] hi");
    assert_eq!(supervisor.stop().status, 0);
}

#[test]
fn kill_time_pmt_2_is_the_time_to_exit() {
    let mut supervisor = Supervisor::run(&["-k", "1m 5s", "sh", "-c", "echo ready; exec sleep 1000"]);
    supervisor.out.wait_for("ready");
    let ended = supervisor.stop();
    assert!(ended.err.contains("sh#1 sent TERM, KILL in 65.0 s"), "{}", ended.err);
}

#[test]
fn pmt_4_the_default_name_is_that_of_the_program() {
    let script = ["-c", "echo hi; exec sleep 1000"];
    for (words, tag) in [(&["/bin/sh"][..], "[sh] hi"), (&["--name", "web-1", "sh"], "[web-1] hi")] {
        let mut supervisor = Supervisor::run(&[words, &script].concat());
        assert_eq!(supervisor.out.next(), tag);
        assert_eq!(supervisor.stop().status, 0);
    }
}

#[test]
fn make_service_pmt_5_the_options_of_the_command_are_its_own() {
    for dashes in [&[][..], &["--"]] {
        let command = ["sh", "-c", "echo \"$0 $*\"; exec sleep 1000", "-t", "-k", "--", "--help"];
        let mut supervisor = Supervisor::run(&[&["-t", "2"], dashes, &command].concat());
        assert_eq!(supervisor.out.next(), "[sh] -t -k -- --help");
        assert_eq!(supervisor.stop().status, 0);
    }
}

#[test]
fn lp_4_7_f_63_lines_of_both_streams_are_prefixed_with_the_name() {
    let script = r"printf 'e\033[2Jrr' >&2; echo out; exec sleep 1000";
    let mut supervisor = Supervisor::run(&["--merge-output=false", "sh", "-c", script]);
    assert_eq!(supervisor.out.next(), "[sh] out");
    // This line is not finished, so it is shown after a pause and marked.
    assert_eq!(supervisor.out.next(), "[sh~] e\\x1b[2Jrr");
    assert_eq!(supervisor.stop().out, "");
}

#[test]
fn pmt_7_environment_and_directory_are_inherited_or_set() {
    let dir = TempDir::new().unwrap();
    let real = fs::canonicalize(dir.path()).unwrap();
    let script = "echo \"$GIVEN|$OWN|$PWD\"; exec sleep 1000";
    let started = |words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("run").args(words).args(["/bin/sh", "-c", script]).env("OWN", "mine").current_dir("/");
        let mut supervisor = Supervisor::start(&mut command);
        let line = supervisor.out.next();
        assert_eq!(supervisor.stop().status, 0);
        line
    };
    assert_eq!(started(&[]), "[sh] |mine|/");
    assert_eq!(started(&["--env", "GIVEN=a=b", "--env", "OWN="]), "[sh] a=b||/");
    assert_eq!(started(&["--env-clear", "--env", "GIVEN=x", "--env", "PATH=/bin:/usr/bin"]), "[sh] x||/");
    assert_eq!(started(&["--cwd", real.to_str().unwrap()]), format!("[sh] |mine|{}", real.display()));
}

#[test]
fn pmt_7_a_user_has_its_groups() {
    let account = User::from_name("nobody").unwrap().filter(|_| Uid::effective().is_root());
    let Some(account) = account else {
        return skip("options::pmt_7_a_user_has_its_groups", "only root can switch the user");
    };
    let started = |words: &[&str]| {
        let ids = "echo $(id -u):$(id -g) $(grep ^Groups: /proc/self/status); exec sleep 1000";
        let mut supervisor = Supervisor::run(&[words, &["sh", "-c", ids]].concat());
        let line = supervisor.out.next();
        assert_eq!(supervisor.stop().status, 0);
        line
    };
    let (uid, gid) = (account.uid, account.gid);
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
    let mut supervisor = Supervisor::start(&mut command);
    assert_eq!(supervisor.out.next(), format!("[sh] {}", supervisor.pid()));
    assert_eq!(supervisor.stop().status, 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn pm_31_the_verbosity_selects_messages() {
    let messages = |option: &[&str], filter: Option<&str>| {
        // Through a shell, because the variable is removed from the environment of a supervisor under test.
        let export = filter.map(|filter| format!("export CHILDMINDER_LOG={filter}; ")).unwrap_or_default();
        let script = format!("{export}exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, PROGRAM, "run"]).args(option);
        command.args(["-m", "1ms", "sh", "-c", "echo hi; exit 7"]);
        let mut supervisor = Supervisor::start(&mut command);
        supervisor.out.next();
        supervisor.out.next();
        supervisor.stop().err
    };
    let has = |text: &str| (text.contains("sh#1 started"), text.contains("WARN sh#1 exited with code 7"));
    assert_eq!(has(&messages(&[], None)), (true, true));
    assert_eq!(has(&messages(&["-v"], None)), (true, true));
    assert_eq!(has(&messages(&["-q"], None)), (false, true));
    assert_eq!(has(&messages(&["-qq"], None)), (false, false));
    assert_eq!(has(&messages(&[], Some("error"))), (false, false));
    assert_eq!(has(&messages(&["-qq"], Some("info"))), (true, true));
}

#[test]
fn limits_and_priorities_are_those_of_the_program() {
    let script = "ulimit -n; ulimit -Hn; ulimit -c; nice; cat /proc/self/oom_score_adj; exec sleep 1000";
    let own: i32 =
        fs::read_to_string("/proc/self/oom_score_adj").expect("Linux").trim().parse().expect("a number");
    let score = (own.max(0) + 9).to_string();
    let words = ["--limit", "nofile=100:200", "--limit", "core=0", "--nice", "7", "--io-priority", "idle"];
    let options = [&words[..], &["--oom-score-adj", &score], &["sh", "-c", script]].concat();
    let mut supervisor = Supervisor::run(&options);
    for expected in ["100", "200", "0", "7", &score] {
        assert_eq!(supervisor.out.next(), format!("[sh] {expected}"));
    }
    assert_eq!(supervisor.stop().status, 0);
}

#[test]
fn f_219_the_output_goes_to_a_log_file_that_is_rotated() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("out.log");
    let path = path.to_str().expect("text");
    let script = "seq 300; echo done >&2";
    let words =
        ["--log-file", path, "--log-max-size", "1K", "--log-keep", "1", "-m", "1000", "sh", "-c", script];
    let mut supervisor = Supervisor::run(&words);
    // Notices follow the output of their run.
    supervisor.err.wait_for("starts again in");
    let ended = supervisor.stop();
    assert_eq!((ended.status, &*ended.out), (0, ""));
    let (new, old) =
        (fs::read_to_string(path).expect("new"), fs::read_to_string(format!("{path}.1")).expect("old"));
    assert!(new.len() <= 1024 && old.len() <= 1024);
    let both = old + &new;
    let lines: Vec<&str> = both.lines().collect();
    let first: u32 = lines[0].strip_prefix("[sh] ").expect("whole lines").parse().expect("a number");
    let expected = (first..=300).map(|number| format!("[sh] {number}")).chain(["[sh] done".to_owned()]);
    assert_eq!(lines, expected.collect::<Vec<_>>());
    assert!(!fs::exists(format!("{path}.2")).expect("a directory"));
}
