//! runit, with `runsvdir`.

use std::io;
use std::process::Command;

use rustix::process::Signal;

use super::{Request, Setup, Supervisor, Tools, package_version, word};

#[derive(Debug)]
pub(super) struct Runit;

impl Supervisor for Runit {
    fn name(&self) -> &'static str {
        "runit"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["runsvdir", "runsv", "sv"]
    }

    fn settings(&self) -> &'static str {
        "`runsvdir`, which ends with HUP; `sv stop` and `sv start`"
    }

    fn version(&self, _: &Tools) -> Command {
        package_version("runit")
    }

    fn prepare(&self, tools: &Tools, setup: &Setup) -> io::Result<Command> {
        let mut command = tools.command("runsvdir");
        command.arg(setup.service_directories()?);
        Ok(command)
    }

    fn control(&self, tools: &Tools, setup: &Setup, request: Request) -> Option<Command> {
        let mut command = tools.command("sv");
        command.arg(match request {
            Request::Stop => "stop",
            Request::Start => "start",
            Request::State => "status",
        });
        command.arg(setup.path("service").join(setup.names.first()?));
        Some(command)
    }

    fn state(&self, printed: &str) -> Option<String> {
        word(printed, 0)
    }

    fn failed_start(&self) -> &'static str {
        "not found"
    }

    /// With TERM `runsvdir` exits and leaves everything running.
    fn shutdown_signal(&self) -> Signal {
        Signal::HUP
    }
}
