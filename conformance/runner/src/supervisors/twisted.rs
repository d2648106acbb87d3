//! Twisted's `ProcessMonitor`, in `twistd`.

use std::fs;
use std::io;
use std::process::Command;

use super::{Request, Setup, Supervisor, Tools};

/// The application. `ProcessMonitor` is a library: it is controlled by calls, which signals make here.
const APPLICATION: &str = r#"
import signal

from twisted.application import service
from twisted.internet import reactor
from twisted.runner.procmon import ProcessMonitor

monitor = ProcessMonitor()
for name in NAMES:
    monitor.addProcess(name, ARGV)


def listen():
    signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(monitor.removeProcess, NAMES[0]))
    signal.signal(signal.SIGUSR2, lambda *_: reactor.callFromThread(monitor.addProcess, NAMES[0], ARGV))


reactor.callWhenRunning(listen)
application = service.Application("conformance")
monitor.setServiceParent(application)
"#;

#[derive(Debug)]
pub(super) struct Twisted;

impl Supervisor for Twisted {
    fn name(&self) -> &'static str {
        "Twisted"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["twistd"]
    }

    fn settings(&self) -> &'static str {
        "`twistd` with a `ProcessMonitor`; `removeProcess` and `addProcess`, which do not wait"
    }

    fn prepare(&self, tools: &Tools, setup: &Setup) -> io::Result<Command> {
        // JSON arrays of strings are lists of Python too.
        let [names, argv] = [&setup.names, &setup.argv].map(serde_json::to_string);
        let file = setup.path("application.py");
        fs::write(&file, format!("NAMES = {}\nARGV = {}\n{APPLICATION}", names?, argv?))?;
        let mut command = tools.command("twistd");
        command.args(["--nodaemon", "--pidfile=", "--python"]).arg(file).current_dir(&setup.dir);
        Ok(command)
    }

    fn control(&self, _: &Tools, setup: &Setup, request: Request) -> Option<Command> {
        let signal = match request {
            Request::Stop => "-USR1",
            Request::Start => "-USR2",
            Request::State => return None,
        };
        let mut command = Command::new("kill");
        command.args([signal, &setup.pid?.to_string()]);
        Some(command)
    }

    fn state(&self, _: &str) -> Option<String> {
        None
    }

    fn can_wait(&self) -> bool {
        false
    }

    fn failed_start(&self) -> &'static str {
        "\tbuiltins.FileNotFoundError"
    }
}
