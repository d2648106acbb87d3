//! `up` under a service manager, and as process 1.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Project;
use crate::skip::skip;
use crate::supervisor::{PROGRAM, Supervisor};

#[test]
fn the_service_manager_learns_when_everything_is_ready_and_that_up_is_alive() {
    let project = Project::new(
        r#"[process.slow]
command = "sh -c 'echo socket=$NOTIFY_SOCKET; sleep 0.3; echo is up; exec sleep 1000'"
ready = { output = "is up" }
[process.fast]
command = "sleep 1000"
"#,
    );
    let path = project.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut messages = Vec::new();
    let mut wait_for = |wanted: &str| {
        let mut message = [0; 100];
        loop {
            let length = socket.recv(&mut message).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
            let message = String::from_utf8_lossy(&message[..length]).into_owned();
            messages.push(message.clone());
            if message == wanted {
                return messages.clone();
            }
        }
    };
    let mut command = project.command(&["up"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut up = Supervisor::start(&mut command);
    let before = wait_for("READY=1");
    assert!(before.iter().any(|message| message == "STATUS=1 of 2 processes are ready"), "{before:?}");
    wait_for("STATUS=2 processes are ready");
    wait_for("WATCHDOG=1");
    wait_for("WATCHDOG=1");
    // The program is not asked to notify it.
    up.out.wait_for("socket=");
    assert_eq!(up.stop().status, 0);
    wait_for("STOPPING=1");
}

#[test]
fn as_process_1_it_reaps_the_orphans_of_others() {
    let namespace = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare").args(namespace).arg("true").status().is_ok_and(|status| status.success()) {
        return skip(
            "up::service::as_process_1_it_reaps_the_orphans_of_others",
            "cannot create a PID namespace",
        );
    }
    let script = "(CHILDMINDER_RUN= setsid sh -c 'sleep 0.2' >/dev/null 2>&1 &); n=0; while [ $n -lt 100 ]; do \
                  z=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '); echo zombies=$z; sleep 0.1; n=$((n + 1)); done";
    let project = Project::new(&format!("[process.a]\ncommand = ['sh', '-c', '''{script}''']\n"));
    let mut command = Command::new("unshare");
    command.args(namespace).arg(PROGRAM).arg("up").current_dir(project.path());
    let mut up = Supervisor::start(&mut command);
    // Once there is a zombie, and later there is none.
    let mut seen = false;
    loop {
        let line = up.out.next();
        seen |= line.contains("zombies=1");
        if seen && line.contains("zombies=0") {
            break;
        }
    }
    project.ctl(&["down"], 0);
    assert_eq!(up.end().status, 0);
}

#[test]
fn under_nohup_it_outlives_its_terminal_and_without_it_stops_in_order() {
    let project = Project::new("[process.a]\ncommand = \"sleep 1000\"\n");
    let mut command = Command::new("nohup");
    command.arg(PROGRAM).arg("up").current_dir(project.path());
    let mut up = Supervisor::start(&mut command);
    up.err.wait_for("ready");
    let before = project.status_of("a")["pid"].clone();
    up.signal(Signal::SIGHUP);
    // A signal that had an effect would have been handled before this reload.
    assert_eq!(project.ctl(&["reload"], 0), "1 unchanged\n");
    assert_eq!(project.status_of("a")["pid"], before);
    assert_eq!(up.stop().status, 0);

    let mut up = project.up(&[]);
    up.err.wait_for("ready");
    up.signal(Signal::SIGHUP);
    up.err.wait_for("got HUP, stopping");
    assert_eq!(up.end().status, 0);
}

#[test]
fn as_process_1_it_stops_everything_when_the_container_is_stopped() {
    let namespace = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare").args(namespace).arg("true").status().is_ok_and(|status| status.success()) {
        return skip(
            "up::service::as_process_1_it_stops_everything_when_the_container_is_stopped",
            "cannot create a PID namespace",
        );
    }
    let script = "trap 'echo stops; exit' TERM; echo runs; while :; do sleep 0.05; done";
    let project = Project::new(&format!("[process.a]\ncommand = ['sh', '-c', '''{script}''']\n"));
    let mut command = Command::new("unshare");
    command.args(namespace).arg(PROGRAM).arg("up").current_dir(project.path());
    let mut up = Supervisor::start(&mut command);
    up.out.wait_for("runs");
    // As `docker stop` does: to process 1 alone, from outside.
    let children = format!("/proc/{0}/task/{0}/children", up.pid());
    let child: i32 = fs::read_to_string(children).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(child), Signal::SIGTERM).unwrap();
    up.out.wait_for("stops");
    assert_eq!(up.end().status, 0);
}
