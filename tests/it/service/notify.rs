//! The notification socket of a service, with real programs.

use std::os::unix::fs::PermissionsExt;
use std::{env, fs};

use childminder::{Condition, RunningService, Service};

use crate::support::{alone, alone_under, required, skip};

/// Sends `READY=1`, and afterwards more notifications than the queue of a socket holds. A failing one ends
/// it.
const TALKATIVE: &str = "
import os, socket, time
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def send(message):
    manager.sendto(message, os.environ['NOTIFY_SOCKET'])
send(b'READY=1')
time.sleep(0.3)
for number in range(3000):
    send(b'STATUS=%d' % number)
print('all were sent', flush=True)
time.sleep(1000)
";

/// Gives up its privileges before it notifies.
const UNPRIVILEGED: &str = "
import os, socket, time
os.setgid(65534)
os.setuid(65534)
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])
time.sleep(1000)
";

fn python(script: &str) -> Service {
    Service::new("python3").args(["-c", script]).expect(Condition::sd_notify())
}

fn is_notified(service: &RunningService) -> bool {
    service.readiness().iter().any(|status| status.to_string().starts_with("notification READY=1: met"))
}

#[test]
fn f_125_the_notification_socket_exists_and_is_read_as_long_as_the_process() {
    const NAME: &str =
        "service::notify::f_125_the_notification_socket_exists_and_is_read_as_long_as_the_process";
    if required(NAME, "python3").is_none() {
        return;
    }
    let service = python(TALKATIVE).start().unwrap();
    let mut lines = service.log_lines();
    // Ends with the service if a notification fails.
    assert!(lines.any(|line| line.is_ok_and(|line| line.text == "all were sent")));
    assert!(service.is_alive());
}

#[test]
fn f_126_a_daemon_that_has_given_up_its_privileges_can_notify() {
    const NAME: &str = "service::notify::f_126_a_daemon_that_has_given_up_its_privileges_can_notify";
    if required(NAME, "python3").is_none() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return skip(NAME, "only root can change the user");
    }
    alone(NAME, || {
        // Also if the usual directory for temporary files is closed to that user.
        fs::set_permissions(env::temp_dir(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(is_notified(&python(UNPRIVILEGED).start().unwrap()));
    });
}

#[test]
fn f_126_the_notification_socket_can_be_created_with_a_long_tmpdir() {
    const NAME: &str = "service::notify::f_126_the_notification_socket_can_be_created_with_a_long_tmpdir";
    if required(NAME, "python3").is_none() {
        return;
    }
    let dir = tempfile::Builder::new().prefix(&"x".repeat(150)).tempdir().unwrap();
    let variable = format!("TMPDIR={}", dir.path().display());
    let send = "import os, socket, time\nmanager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
        manager.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\ntime.sleep(1000)";
    alone_under(&["env", &variable], NAME, || {
        assert!(is_notified(&python(send).start().unwrap()));
    });
}
