//! Signals beyond the usual ones, and what the program finds when it starts.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use nix::libc;
use nix::unistd::{Uid, User};
use tempfile::TempDir;

use super::skip::skip;
use super::supervisor::{Ended, PROGRAM, Supervisor};

/// Sends a signal by its number, because `nix` has no names for real-time signals.
fn send(supervisor: &Supervisor, number: i32) {
    let kill = Command::new("kill").arg(format!("-{number}")).arg(supervisor.pid().to_string()).status();
    assert!(kill.expect("cannot run kill").success());
}

#[test]
fn f_150_every_signal_that_would_end_it_stops_the_program_first() {
    let numbers = [
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGALRM,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGXCPU,
        libc::SIGIO,
        libc::SIGPWR,
        libc::SIGABRT,
        libc::SIGRTMIN(),
        libc::SIGRTMAX(),
    ];
    for number in numbers {
        let mut supervisor = Supervisor::run(&["sh", "-c", "echo ready; exec sleep 1000"]);
        supervisor.out.wait_for("ready");
        send(&supervisor, number);
        let Ended { status, err, .. } = supervisor.end();
        assert_eq!(status, 0, "{number}: {err}");
        assert!(err.contains("sh#1 stopped with signal TERM"), "{number}: {err}");
    }
}

#[test]
fn f_151_a_write_beyond_the_file_size_limit_is_an_error_and_not_the_end() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out");
    let script = format!(
        "ulimit -f 1; exec \"$0\" run sh -c 'seq 1 10000; echo done >&2; exec sleep 1000' >{}",
        out.display()
    );
    let mut supervisor = Supervisor::start(Command::new("sh").args(["-c", &script, PROGRAM]));
    supervisor.err.wait_for("cannot write the output");
    let Ended { status, err, .. } = supervisor.stop();
    assert_eq!(status, 0, "{err}");
}

#[test]
fn f_152_forwarded_signals_reach_the_program_and_do_not_stop_it() {
    let script = "trap 'echo hup' HUP; trap 'echo usr1' USR1; echo ready; while :; do sleep 0.05; done";
    let mut supervisor = Supervisor::run(&["--forward", "HUP,USR1", "sh", "-c", script]);
    supervisor.out.wait_for("ready");
    for (number, line) in [(libc::SIGHUP, "[sh] hup"), (libc::SIGUSR1, "[sh] usr1")] {
        send(&supervisor, number);
        supervisor.out.wait_for(line);
    }
    assert_eq!(supervisor.stop().status, 0);
}

#[test]
fn the_stop_signal_can_be_chosen() {
    let script = "trap 'echo int; exit 0' INT; echo ready; while :; do sleep 0.05; done";
    let mut supervisor = Supervisor::run(&["--stop-signal", "INT", "sh", "-c", script]);
    supervisor.out.wait_for("ready");
    let Ended { status, out, .. } = supervisor.stop();
    assert_eq!((status, &*out), (0, "[sh] int\n"));
}

#[test]
fn the_umask_and_the_standard_input_can_be_chosen() {
    let dir = TempDir::new().unwrap();
    let input = dir.path().join("input");
    fs::write(&input, "from a file\n").unwrap();
    let first_line = |words: &[&str]| {
        let mut supervisor = Supervisor::run(&[words, &["sh", "-c", "umask; cat; exec sleep 1000"]].concat());
        let lines = [supervisor.out.next(), supervisor.out.next()];
        assert_eq!(supervisor.stop().status, 0);
        lines
    };
    let lines = first_line(&["--umask", "027", "--stdin", input.to_str().unwrap()]);
    assert_eq!(lines, ["[sh] 0027", "[sh] from a file"]);
    let mut command = Command::new("sh");
    command.args(["-c", "echo inherited | \"$0\" run --stdin inherit sh -c 'cat; exec sleep 1000'", PROGRAM]);
    let mut supervisor = Supervisor::start(&mut command);
    assert_eq!(supervisor.out.next(), "[sh] inherited");
    // The supervisor under test is a child of the shell here.
    drop(supervisor);
}

#[test]
fn f_153_a_user_has_its_own_home() {
    let account = User::from_name("nobody").unwrap().filter(|_| Uid::effective().is_root());
    let Some(account) = account else {
        return skip("requests::f_153_a_user_has_its_own_home", "only root can switch the user");
    };
    let started = |words: &[&str]| {
        let script = "echo $HOME $USER $LOGNAME $SHELL; exec sleep 1000";
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--user", "nobody"]).args(words).args(["/bin/sh", "-c", script]);
        let mut supervisor = Supervisor::start(command.env("HOME", "/root").env("USER", "root"));
        let line = supervisor.out.next();
        assert_eq!(supervisor.stop().status, 0);
        line
    };
    let (name, home, shell) = (account.name, account.dir.display(), account.shell.display());
    assert_eq!(started(&[]), format!("[sh] {home} {name} {name} {shell}"));
    assert_eq!(started(&["--env", "HOME=/tmp"]), format!("[sh] /tmp {name} {name} {shell}"));
}

#[test]
fn r2_15_another_user_without_root_is_a_usage_error() {
    if !Uid::effective().is_root() {
        return skip(
            "requests::r2_15_another_user_without_root_is_a_usage_error",
            "only root can give up its rights",
        );
    }
    let dir = TempDir::new().unwrap();
    let (copy, proof) = (dir.path().join("childminder"), dir.path().join("proof"));
    fs::copy(PROGRAM, &copy).unwrap();
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["run", "--user", "root"]);
    let Ended { status, err, .. } = Supervisor::start(command.arg("touch").arg(&proof)).end();
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("without being root"), "{err}");
    assert!(!proof.exists());
}

#[test]
fn f_154_the_service_manager_is_notified_and_the_program_is_not_asked_to() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let receive = || {
        let mut message = [0; 100];
        let length = socket.recv(&mut message).expect("no notification");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let mut command = Command::new(PROGRAM);
    command.args(["run", "sh", "-c", "echo socket=$NOTIFY_SOCKET; exec sleep 1000"]);
    let mut supervisor = Supervisor::start(command.env("NOTIFY_SOCKET", &path));
    assert_eq!(receive(), "READY=1");
    assert_eq!(supervisor.out.next(), "[sh] socket=");
    assert_eq!(supervisor.stop().status, 0);
    assert_eq!(receive(), "STOPPING=1");
}

#[test]
fn f_155_as_process_1_it_reaps_orphans() {
    let namespace = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare").args(namespace).arg("true").status().is_ok_and(|status| status.success()) {
        return skip("requests::f_155_as_process_1_it_reaps_orphans", "cannot create a PID namespace");
    }
    // The orphan leaves the process group, and its parent, so that it is left to process 1.
    let script = "(setsid sh -c 'sleep 0.2' >/dev/null 2>&1 &); n=0; while [ $n -lt 100 ]; do \
                  z=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '); echo zombies=$z; sleep 0.1; n=$((n + 1)); done; \
                  exec sleep 1000";
    let mut command = Command::new("unshare");
    command.args(namespace).arg(PROGRAM).args(["run", "sh", "-c", script]);
    let mut supervisor = Supervisor::start(&mut command);
    supervisor.out.wait_for("zombies=1");
    supervisor.out.wait_for("zombies=0");
    drop(supervisor);
}

#[test]
fn f_157_the_program_is_asked_to_stop_before_the_processes_that_it_leaves_behind() {
    // The program waits for its worker, which needs a while for its job and drops it on TERM.
    let script = "sh -c 'trap \"echo job dropped; exit\" TERM; echo ready; sleep 0.3; sleep 0.3; sleep 0.3; echo job done' & \
                  trap 'asked=1' TERM; wait; [ $asked ] && wait; exit 0";
    for (target, line) in [("leader", "[sh] job done"), ("group", "[sh] job dropped")] {
        let mut supervisor = Supervisor::run(&["--stop-to", target, "sh", "-c", script]);
        supervisor.out.wait_for("ready");
        let Ended { status, out, err } = supervisor.stop();
        assert_eq!(status, 0, "{err}");
        assert!(out.contains(line), "{target}: {out}{err}");
    }
    // A shell without a trap exits at once, and leaves its child behind.
    let child = "trap 'echo child asked; exit' TERM; echo ready; while :; do sleep 0.05; done";
    let mut supervisor = Supervisor::run(&["sh", "-c", &format!("sh -c \"{child}\"; :")]);
    supervisor.out.wait_for("ready");
    let Ended { status, out, err } = supervisor.stop();
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("[sh] child asked") && !err.contains("killed"), "{out}{err}");
}

#[test]
fn a_stop_command_is_run_instead_of_the_stop_signal() {
    let command = "sh -c 'echo stopping $MAINPID; kill -USR1 $MAINPID'";
    let script = "trap 'echo usr1; exit 0' USR1; echo ready; while :; do sleep 0.05; done";
    let mut supervisor = Supervisor::run(&["--stop-command", command, "sh", "-c", script]);
    supervisor.out.wait_for("ready");
    let Ended { status, out, err } = supervisor.stop();
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("[sh] usr1") && err.contains("sh#1 stopped with code 0"), "{out}{err}");
}

#[test]
fn f_160_the_limit_on_open_files_is_raised_for_childminder_and_not_for_the_program() {
    let script = "ulimit -S -n 100; exec \"$0\" run sh -c 'ulimit -n; grep \"open files\" /proc/$PPID/limits; exec sleep 1000'";
    let mut supervisor = Supervisor::start(Command::new("sh").args(["-c", script, PROGRAM]));
    assert_eq!(supervisor.out.next(), "[sh] 100");
    let limits = supervisor.out.next();
    let mut words = limits.split_ascii_whitespace().skip(4);
    let (soft, hard) = (words.next(), words.next());
    assert!(soft.is_some() && soft == hard, "{limits}");
    assert_eq!(supervisor.stop().status, 0);
}
