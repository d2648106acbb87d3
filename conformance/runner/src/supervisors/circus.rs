//! circus.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::process::Command;

use super::{Request, Setup, Supervisor, Tools, word};

/// A stop may take 30 s, and `circusctl` waits 5 s for an answer by default.
const ANSWER: &str = "60";

#[derive(Debug)]
pub(super) struct Circus;

impl Supervisor for Circus {
    fn name(&self) -> &'static str {
        "circus"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["circusd", "circusctl"]
    }

    fn settings(&self) -> &'static str {
        "`circusd`; `circusctl stop --waiting` and `start`"
    }

    fn prepare(&self, tools: &Tools, setup: &Setup) -> io::Result<Command> {
        let dir = setup.dir.display();
        let mut text =
            format!("[circus]\nendpoint = ipc://{dir}/control\npubsub_endpoint = ipc://{dir}/published\n");
        for name in &setup.names {
            let (program, arguments) = (&setup.argv[0], setup.argv[1..].join(" "));
            // Writing into memory does not fail.
            let _ = write!(text, "[watcher:{name}]\ncmd = {program}\nargs = {arguments}\n");
        }
        let file = setup.path("circus.ini");
        fs::write(&file, text)?;
        let mut command = tools.command("circusd");
        command.arg(file).current_dir(&setup.dir);
        Ok(command)
    }

    fn control(&self, tools: &Tools, setup: &Setup, request: Request) -> Option<Command> {
        let mut command = tools.command("circusctl");
        command.args(["--timeout", ANSWER, "--endpoint"]);
        command.arg(format!("ipc://{}/control", setup.dir.display()));
        command.arg(match request {
            Request::Stop => "stop",
            Request::Start => "start",
            Request::State => "status",
        });
        command.arg(setup.names.first()?);
        if request == Request::Stop {
            command.arg("--waiting");
        }
        Some(command)
    }

    fn state(&self, printed: &str) -> Option<String> {
        word(printed, 0)
    }

    fn failed_start(&self) -> &'static str {
        "error in 'child'"
    }
}
