//! s6, with `s6-svscan`.

use std::io;
use std::process::Command;

use super::{Request, Setup, Supervisor, Tools, package_version, word};

#[derive(Debug)]
pub(super) struct S6;

impl Supervisor for S6 {
    fn name(&self) -> &'static str {
        "s6"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["s6-svscan", "s6-svc", "s6-svstat"]
    }

    fn settings(&self) -> &'static str {
        "`s6-svscan`; `s6-svc -wD -d`, which waits, and `s6-svc -u`"
    }

    fn version(&self, _: &Tools) -> Command {
        package_version("s6")
    }

    fn prepare(&self, tools: &Tools, setup: &Setup) -> io::Result<Command> {
        let mut command = tools.command("s6-svscan");
        command.arg(setup.service_directories()?);
        Ok(command)
    }

    fn control(&self, tools: &Tools, setup: &Setup, request: Request) -> Option<Command> {
        let (program, arguments): (_, &[&str]) = match request {
            Request::Stop => ("s6-svc", &["-wD", "-d"]),
            Request::Start => ("s6-svc", &["-u"]),
            Request::State => ("s6-svstat", &[]),
        };
        let mut command = tools.command(program);
        command.args(arguments).arg(setup.path("service").join(setup.names.first()?));
        Some(command)
    }

    fn state(&self, printed: &str) -> Option<String> {
        word(printed, 0)
    }

    fn failed_start(&self) -> &'static str {
        "not found"
    }
}
