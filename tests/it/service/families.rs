//! Processes that leave the process group of a service.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use childminder::service::NotReadyReason;
use childminder::{Condition, Exit, Port, Service};

use crate::support::{PATIENCE, PORTABLE, eventually, is_alive, required, skip};

/// Puts itself into the background as daemons do, and writes the id of the daemon to a file.
const DAEMONIZES: &str = "
import os, sys, time
if os.fork():
    time.sleep(0.3)
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
null = os.open('/dev/null', os.O_RDWR)
for descriptor in (0, 1, 2):
    os.dup2(null, descriptor)
with open(sys.argv[1] + '.new', 'w') as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + '.new', sys.argv[1])
time.sleep(1000)
";

/// Has a worker in a session of its own, which serves the port.
const WORKER_IN_A_SESSION: &str = "
import os, socket, sys, time
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
if os.fork() == 0:
    os.setsid()
    with open(sys.argv[2], 'w') as file:
        file.write(str(os.getpid()))
    while True:
        client, _ = server.accept()
        client.close()
time.sleep(1000)
";

fn python(script: &str) -> Service {
    Service::new("python3").args(["-c", script])
}

fn pid_in(file: &Path) -> u32 {
    let mut pid = None;
    eventually(&format!("a process id is in {}", file.display()), || {
        pid = fs::read_to_string(file).ok().and_then(|text| text.parse().ok());
        pid.is_some()
    });
    pid.unwrap()
}

/// Returns whether the worker accepts and closes a connection within this time.
fn is_served(port: &Port, timeout: Duration) -> bool {
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).unwrap();
    client.set_read_timeout(Some(timeout)).unwrap();
    client.read(&mut [0]).is_ok_and(|length| length == 0)
}

#[test]
#[cfg(target_os = "linux")]
fn f_120_a_program_that_daemonizes_is_ended_when_its_start_fails_and_the_error_says_so() {
    const NAME: &str = "service::families::f_120_a_program_that_daemonizes_is_ended_when_its_start_fails_and_the_error_says_so";
    if PORTABLE {
        return skip(NAME, "the portable back end reaches the process group only");
    }
    if required(NAME, "python3").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let service = python(DAEMONIZES).arg(&file).min_uptime(Duration::from_secs(5));
    let error = service.start().unwrap_err();
    assert!(matches!(error.reason(), NotReadyReason::Exited { exit: Exit::Code(0), .. }), "{error}");
    assert!(error.hints().iter().any(|hint| hint.contains("background")), "{error}");
    assert!(!is_alive(pid_in(&file)), "the daemon is still alive");
}

#[test]
#[cfg(target_os = "linux")]
fn a_pause_and_a_stop_reach_a_worker_in_a_session_of_its_own() {
    const NAME: &str = "service::families::a_pause_and_a_stop_reach_a_worker_in_a_session_of_its_own";
    if PORTABLE {
        return skip(NAME, "the portable back end reaches the process group only");
    }
    if required(NAME, "python3").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let port = Port::reserve().unwrap();
    let service = python(WORKER_IN_A_SESSION).arg(port.to_string()).arg(&file);
    let service = service.expect(Condition::port(port.number())).start().unwrap();
    let worker = pid_in(&file);
    assert!(is_served(&port, PATIENCE));
    service.paused(|| {
        // It takes effect a moment after it was requested.
        eventually("the worker is paused", || !is_served(&port, Duration::from_millis(100)));
    });
    assert!(is_served(&port, PATIENCE), "the worker does not continue");
    service.stop().unwrap();
    assert!(!is_alive(worker), "the worker is still alive");
    TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).expect_err("no server listens");
}
