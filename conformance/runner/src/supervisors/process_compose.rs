//! process-compose, written from its documentation.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::process::Command;

use super::{Request, Setup, Supervisor, Tools};

#[derive(Debug)]
pub(super) struct ProcessCompose;

impl Supervisor for ProcessCompose {
    fn name(&self) -> &'static str {
        "process-compose"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["process-compose"]
    }

    fn settings(&self) -> &'static str {
        "`process-compose up --tui=false --keep-project` with `restart: always`, since it restarts nothing by default; `process-compose process stop` and `start`"
    }

    fn version(&self, tools: &Tools) -> Command {
        let mut command = tools.command("process-compose");
        command.args(["version", "--short"]);
        command
    }

    fn prepare(&self, tools: &Tools, setup: &Setup) -> io::Result<Command> {
        let mut text = "version: \"0.5\"\nprocesses:\n".to_owned();
        for name in &setup.names {
            let line = setup.line();
            // Writing into memory does not fail.
            let _ = write!(
                text,
                "  {name}:\n    command: \"exec {line}\"\n    availability:\n      restart: always\n"
            );
        }
        let file = setup.path("process-compose.yaml");
        fs::write(&file, text)?;
        let mut command = tools.command("process-compose");
        command.args(["up", "--tui=false", "--keep-project", "--config"]).arg(file);
        command.arg("--log-file").arg(setup.path("process-compose.log"));
        command.arg("--unix-socket").arg(setup.path("control")).current_dir(&setup.dir);
        Ok(command)
    }

    fn control(&self, tools: &Tools, setup: &Setup, request: Request) -> Option<Command> {
        let mut command = tools.command("process-compose");
        command.arg("process");
        command.arg(match request {
            Request::Stop => "stop",
            Request::Start => "start",
            Request::State => "get",
        });
        command.arg(setup.names.first()?).arg("--unix-socket").arg(setup.path("control"));
        if request == Request::State {
            command.args(["--output", "json"]);
        }
        Some(command)
    }

    fn state(&self, printed: &str) -> Option<String> {
        let processes: serde_json::Value = serde_json::from_str(printed).ok()?;
        Some(processes.get(0)?.get("status")?.as_str()?.to_owned())
    }

    fn failed_start(&self) -> &'static str {
        "not found"
    }
}
